from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import beta

from adaptive_reasoner.strategies.optimal_stopping import beta_vote_model, plan, retries_worth
from adaptive_reasoner.strategies.priced_stops import Priced, PricedRetries
from adaptive_reasoner.strategies.stop_rules import Beta, Lossless, SamplePrice, Window
from adaptive_reasoner.strategies.vote_state import Votes, VoteState, beta_confidence

ANSWERS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=12, max_size=12)
ANSWERED = ANSWERS.map(lambda answers: ["a", *answers[1:]])
NO_PRICE = SamplePrice()


def drawn_by(rule, answers, terms=NO_PRICE, *, serial=False):
    """How many of `answers` a rule draws."""
    votes = Votes(len(answers))
    while wave := rule.wave(votes.state, terms):
        votes.add(answers[votes.drawn : votes.drawn + (1 if serial else wave)])
    return votes.drawn


@given(ANSWERED, st.sampled_from([Lossless(), Beta(0.8), Beta(0.95), Priced()]), st.floats(0.0001, 0.2))
def test_waves_draw_what_one_by_one_would(answers, rule, price):
    terms = SamplePrice(price=price, cost=1.0)
    assert drawn_by(rule, answers, terms) == drawn_by(rule, answers, terms, serial=True)


@given(ANSWERS, st.floats(0.0, 0.3), st.floats(0.0, 0.3))
def test_a_higher_price_never_draws_more(answers, one, other):
    cheap, dear = sorted((one, other))
    drawn = [drawn_by(Priced(), answers, SamplePrice(price=price, cost=1.0)) for price in (cheap, dear)]
    assert drawn[0] >= drawn[1]


@given(ANSWERS, st.sampled_from([Beta(0.9), Window(3), Priced()]))
def test_no_rule_draws_more_than_a_lossless_vote_at_any_price(answers, rule):
    most = drawn_by(Lossless(), answers, serial=True)
    assert 1 <= drawn_by(rule, answers, SamplePrice(price=0.001, cost=1.0), serial=True) <= most


def test_esc_looks_at_whole_windows_only():
    votes = Votes(limit=9)
    votes.add(["b", "a", "a", "a"])
    assert votes.state.run == 3
    assert Window(3).wave(votes.state, SamplePrice()) == 2
    votes.add(["a", "a"])
    assert Window(3).wave(votes.state, SamplePrice()) == 0


def test_silence_breaks_a_run():
    votes = Votes(limit=9)
    votes.add(["a", "a", None])
    assert votes.state == VoteState(top=2, second=0, drawn=3, limit=9, run=0, waves=1)


@pytest.mark.parametrize("rule", [Lossless(), Beta(0.9), Window(4), Priced()])
def test_out_of_time_every_rule_stops_but_every_question_gets_a_sample(rule):
    late = SamplePrice(price=0.001, cost=1.0, seconds=2.0, seconds_left=1.0)
    assert rule.wave(VoteState(1, 1, 2, 9), late) == 0
    assert rule.wave(VoteState(0, 0, 0, 9), late) >= 1


def test_the_last_round_before_the_deadline_is_used_well():
    state = VoteState(top=2, second=2, drawn=4, limit=20)
    relaxed = Priced().wave(state, SamplePrice(price=0.005, cost=1.0, seconds=1.0, seconds_left=60.0))
    last = Priced().wave(state, SamplePrice(price=0.005, cost=1.0, seconds=1.0, seconds_left=1.5))
    assert last > relaxed


def brute_force(prospects, cost, round_cost=0.0, request_cost=0.0, together=1, *, at=(0, 0, 0)):
    """The value of the best course, by trying all waves."""
    (drawn, top, second), limit, stop = at, prospects.limit, prospects.right[at]
    if drawn == limit or top > second + limit - drawn:
        return stop

    def after(more, at, t, s):
        if not more:
            return brute_force(prospects, cost, round_cost, request_cost, together, at=(at, t, s))
        joins, lifts = prospects.top[at, t, s], prospects.second[at, t, s]
        lifted = (t + 1, t) if s == t else (t, s + 1)
        return (
            joins * after(more - 1, at + 1, t + 1, s)
            + (lifts * after(more - 1, at + 1, *lifted) if lifts else 0)
            + ((1 - joins - lifts) * after(more - 1, at + 1, t, s) if 1 - joins - lifts > 1e-12 else 0)
        )

    paid = [cost * w + request_cost * -(-w // together) + round_cost for w in range(1, limit - drawn + 1)]
    values = [after(w, drawn, top, second) - each for w, each in enumerate(paid, start=1)]
    return max(values) if drawn == 0 else max(stop, *values)


@pytest.mark.parametrize(("cost", "round_cost"), list(product((0.002, 0.02, 0.1), (0.0, 0.03))))
def test_the_plan_is_the_best_of_all_courses(cost, round_cost):
    prospects = beta_vote_model(4)
    exact = [brute_force(prospects, cost * scale, round_cost * scale) for scale in (0.98, 1.02)]
    # Prices are rounded by up to a hundredth, and the value falls with the price.
    assert exact[1] <= plan(prospects, cost, round_cost=round_cost).worth[0, 0, 0] <= exact[0]


CUT = VoteState(0, 0, drawn=3, limit=9, waves=3)


def never_after(silent):
    """Votes in which no sample answers any more after so many that did not."""
    blind = beta_vote_model(9)
    top = blind.top.copy()
    top[silent:, 0, 0] = 0.0
    return replace(blind, top=top)


def test_after_replies_without_an_answer_collected_samples_say_whether_to_go_on():
    def wave(state, *, prospects, price=0.01):
        return Priced().wave(state, SamplePrice(price=price, cost=1.0, prospects=prospects))

    assert wave(CUT, prospects=beta_vote_model(9)) > 0
    assert wave(CUT, prospects=never_after(4)) == 1
    assert wave(CUT, prospects=never_after(3)) == 0
    assert wave(CUT, prospects=None) == 0
    assert wave(CUT, prospects=beta_vote_model(9), price=0.5) == 0  # not at any price
    assert wave(replace(CUT, nothing=1), prospects=beta_vote_model(9)) == 0
    assert wave(replace(CUT, drawn=9), prospects=beta_vote_model(9)) == 0


def test_where_no_answer_comes_after_two_replies_without_one_a_first_is_followed_by_one_more():
    hurried = SamplePrice(price=0.0001, cost=1.0, second_price=0.01, seconds=1.0)
    one = VoteState(0, 0, drawn=1, limit=9, waves=1)
    later, never = (replace(hurried, prospects=known) for known in (never_after(3), never_after(2)))
    assert Priced().wave(one, later) > 1 == Priced().wave(one, never)  # folders of version 0.1.0 say never


def test_no_first_wave_is_larger_than_the_replies_after_which_no_answer_is_expected():
    free = SamplePrice(price=0.001, cost=1.0, prospects=beta_vote_model(9))
    told = replace(never_after(2), top=np.where(np.indices((10,) * 3).sum(0) == 0, 0.5, never_after(2).top))
    start = VoteState(0, 0, 0, 9)
    assert Priced().wave(start, replace(free, prospects=told)) == 2 < Priced().wave(start, free)


def test_what_is_expected_of_a_question_shifts_the_log_odds_of_every_state():
    blind = beta_vote_model(3)
    assert blind.of_question(0.3) is blind
    told = replace(blind, tilt=(2.0, 1.0, -1.0))
    assert told.of_question(0.02) is told
    harder = told.of_question(-0.3)
    assert logit(harder.right[2, 2, 0]) == pytest.approx(logit(blind.right[2, 2, 0]) - 0.6)
    assert logit(harder.top[2, 2, 0]) < logit(blind.top[2, 2, 0])
    assert (harder.right[:, 0, 0] == 0).all()
    assert (harder.top + harder.second <= 1 + 1e-12).all()
    assert told.of_question(-0.29) is harder  # near enough for one plan
    assert harder.within(2).right[2, 2, 0] == harder.right[2, 2, 0]


@pytest.mark.parametrize("cost", [0.002, 0.02])
@pytest.mark.parametrize(("request_cost", "together"), list(product((0.004, 0.05), (2, 3, 9))))
def test_the_plan_is_the_best_of_all_courses_where_requests_share_a_prompt(cost, request_cost, together):
    prospects = beta_vote_model(5)
    paid = ((cost * scale, 0.0, request_cost * scale, together) for scale in (0.98, 1.02))
    dear, cheap = (brute_force(prospects, *each) for each in paid)
    course = plan(prospects, cost, request_cost=request_cost, samples_per_request=together)
    assert cheap <= course.worth[0, 0, 0] <= dear


def test_a_prompt_that_nobody_shares_is_a_part_of_the_sample():
    prospects = beta_vote_model(6)
    alone = plan(prospects, 0.01, request_cost=0.02)
    assert (alone.wave == plan(prospects, 0.03).wave).all()


def test_dear_prompts_fill_the_requests():
    state = VoteState(0, 0, 0, 8)
    waves = [
        Priced().wave(state, SamplePrice(price=1.0, cost=0.01, prompt_cost=prompt, samples_per_request=4))
        for prompt in (0.0, 0.02, 0.1)
    ]
    assert waves == sorted(waves)
    assert waves[0] < waves[1] == 4


def test_what_collected_samples_paid_for_prompts_plans_the_first_wave():
    known = replace(beta_vote_model(8), cost=0.021, prompt_cost=0.02, samples_per_request=4)
    same = SamplePrice(price=1.0, cost=0.001, prompt_cost=0.02, samples_per_request=4)
    state = VoteState(0, 0, 0, 8)
    assert Priced().wave(state, SamplePrice(price=1.0, prospects=known)) == Priced().wave(state, same)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_confidence_is_the_beta_tail(one, other):
    top, second = max(one, other), min(one, other)
    assert beta_confidence(top, second) == pytest.approx(beta.sf(0.5, top + 1, second + 1))


def test_under_the_posterior_looking_on_never_loses_accuracy():
    prospects = beta_vote_model(8)
    free = plan(prospects, 0.0).worth
    assert free[0, 0, 0] > prospects.right[1, 1, 0]
    assert free[1, 1, 0] >= prospects.right[1, 1, 0]
    assert free[2, 1, 1] > prospects.right[2, 1, 1]


def test_retries_are_worth_what_is_still_to_be_won():
    assert retries_worth([1.0], cost=0.25).tolist() == [0.75]
    assert retries_worth([0.5, 0.5], cost=0.1).tolist() == pytest.approx([0.6, 0.4])
    assert PricedRetries().wave(3, 3, SamplePrice()) == 0


def test_what_makes_no_sense_is_refused_at_once():
    with pytest.raises(ValueError, match="not 1"):
        Beta(1)
    with pytest.raises(ValueError, match="not 0"):
        Window(0)
    with pytest.raises(ValueError, match="at least 0"):
        plan(beta_vote_model(3), -1.0)
