import math
from dataclasses import replace

import numpy as np
import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.kit.votes.fitting import (
    COSTS,
    chances_of_success,
    fit_stop,
    fit_stops,
    priced_schedules,
    replayed,
    stopping_graph,
)
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes, at_once, draws_allowed, sample_groups
from adaptive_reasoner.kit.votes.state_counts import StateCounts
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.policy.vote_tables import STOP_MODEL, read_vote_models
from adaptive_reasoner.strategies.flow import Task, run
from adaptive_reasoner.strategies.optimal_stopping import beta_vote_model
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.stop_rules import SamplePrice
from adaptive_reasoner.strategies.vote_state import VoteState
from adaptive_reasoner.strategies.voting import adaptive_consistency
from tests.unit_tests.kit.votes.ballots import ballots_of


def samples_of(ballots, *, source="cot"):
    cells = {"gold": "right", "cost": 2.0, "cost_unit": "tokens"}
    return ballots_of(ballots, right="right", source=source, each=lambda question, number: cells)


def hard_questions(count, samples, seed=0):
    """Low chances, many wrong answers, and some questions that have no right answer at all."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        right = rng.choice([0.0, 0.3, 0.5], p=[0.4, 0.3, 0.3])
        yield [
            "right" if rng.random() < right else f"wrong {rng.integers(3 if right == 0.5 else 30)}"
            for _ in range(samples)
        ]


def replay_of(samples, source="cot"):
    groups = sample_groups(samples, source, samples.question_ids)
    return ReplayedVotes.of(groups, draws_allowed(groups))


@pytest.fixture(scope="module")
def hard():
    return samples_of(hard_questions(150, 16))


def at_equal_draws(rule, draws):
    accuracy, _, _, drawn = rule.mean(axis=1)[:, ::-1]
    return float(np.interp(draws, np.maximum.accumulate(drawn), accuracy))


def test_votes_are_selected_in_the_order_asked_for():
    votes = replay_of(samples_of([["right"] * 4, ["wrong"] * 4, ["right", "wrong", "right", "right"]]))
    whole = votes.played(at_once(2))
    np.testing.assert_allclose(votes.select(np.array([2, 0])).played(at_once(2)), whole[:, [2, 0]])


def test_on_hard_questions_it_beats_the_beta_posterior_on_questions_it_has_not_seen(hard):
    fitted = fit_stop(replay_of(hard))
    assert fitted.learned
    fresh = replay_of(samples_of(hard_questions(300, 16, seed=1)))
    learned, plain = (replayed(fresh, known) for known in (fitted.model, beta_vote_model(fresh.limit)))
    gains = [at_equal_draws(learned, n) - at_equal_draws(plain, n) for n in (2, 3, 4, 5, 6)]
    assert np.mean(gains) > 0.004
    assert min(gains) > -0.003


def test_what_it_promises_out_of_fold_it_keeps(hard):
    fitted = fit_stop(replay_of(hard))
    fresh = replayed(replay_of(samples_of(hard_questions(600, 16, seed=2))), fitted.model)
    assert fitted.accuracy.mean(axis=0) == pytest.approx(fresh[0].mean(axis=0), abs=0.08)
    assert fitted.draws.mean(axis=0) == pytest.approx(fresh[3].mean(axis=0), rel=0.15)


def test_where_votes_always_agree_there_is_nothing_to_learn():
    rng = np.random.default_rng(0)
    ballots = [["right" if rng.random() < 0.5 else "wrong"] * 8 for _ in range(12)]
    fitted = fit_stop(replay_of(samples_of(ballots)))
    assert fitted.gain == pytest.approx(0.0, abs=1e-9)
    assert fitted.accuracy.shape == (12, len(COSTS))


def questions_that_tell(count, samples, seed=0):
    """Half of the questions are hopeless; what is expected of each says, not always rightly, which."""
    rng = np.random.default_rng(seed)
    hopeless = rng.random(count) < 0.5
    ballots = [
        [
            "right" if rng.random() < (0.03 if lost else 0.45) else f"wrong {rng.integers(12)}"
            for _ in range(samples)
        ]
        for lost in hopeless
    ]
    misread = rng.random(count) < 0.15
    return replay_of(samples_of(ballots)), np.where(hopeless ^ misread, -0.2, 0.2)


def test_what_is_expected_of_a_question_helps_on_questions_it_has_not_seen():
    votes, beyond = questions_that_tell(200, 12)
    blind, asked = fit_stop(votes), fit_stop(votes, beyond=beyond)
    assert blind.model.tilt is None
    assert asked.model.tilt is not None
    assert asked.model.tilt[0] > 0
    fresh, others = questions_that_tell(400, 12, seed=1)
    without, knowing = replayed(fresh, blind.model), replayed(fresh, asked.model, beyond=others)
    gains = [at_equal_draws(knowing, n) - at_equal_draws(without, n) for n in (2, 3, 4)]
    assert np.mean(gains) > 0.01
    assert asked.question_gain == pytest.approx(np.mean(gains), abs=0.03)


def test_what_is_expected_for_no_reason_is_not_listened_to():
    votes, beyond = questions_that_tell(200, 12)
    kept = [
        fit_stop(votes, beyond=np.random.default_rng(seed).permutation(beyond)).model.tilt
        for seed in range(3)
    ]
    assert kept.count(None) >= 2


def test_shares_of_states_are_those_of_all_orders():
    counts = StateCounts.of(replay_of(samples_of([["right", "right", "wrong"]])))
    table = {int(state): row for row, state in enumerate(counts.state)}
    size = counts.limit + 1

    def at(drawn, top, second):
        row = table[(drawn * size + top) * size + second]
        return tuple(round(float(column[row]), 4) for column in (counts.weight, counts.right, counts.top))

    assert at(0, 0, 0) == (1.0, 0.0, 1.0)
    assert at(1, 1, 0) == (1.0, 0.6667, 0.3333)  # two of six orders go on with the same answer
    assert at(2, 2, 0) == (0.3333, 0.3333, 0.0)
    assert at(2, 1, 1)[0] == 0.6667


def test_chances_are_probabilities_in_every_state_that_can_be(hard):
    known = StateCounts.of(replay_of(hard)).vote_model()
    for table in (known.right, known.top, known.second, known.top + known.second):
        assert ((table >= 0) & (table <= 1 + 1e-9)).all()
    assert (known.right[:, 0, 0] == 0).all()


def cut_questions(count, samples, seed=0):
    """A third of the questions gives no answer; half of the samples of the others give one."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        answers, right = 0.5 * (rng.random() < 2 / 3), rng.choice([0.3, 0.9])
        yield [
            ("right" if rng.random() < right else "wrong") if rng.random() < answers else None
            for _ in range(samples)
        ]


def test_answers_after_none_are_counted_and_lean_on_one_question():
    votes = replay_of(samples_of([[None] * 3, [None, None, "right"], ["right"] * 3]))
    after = StateCounts.of(votes).vote_model().top[:3, 0, 0]
    cases = [  # by samples without an answer: share of orders of each question, and how many answer next
        ([1, 1, 1], [0, 1 / 3, 1]),
        ([1, 2 / 3, 0], [0, 1 / 2, 0]),
        ([1, 1 / 3, 0], [0, 1, 0]),
    ]
    for without, (weight, answers) in enumerate(cases):
        evidence = np.sum(weight) ** 2 / np.square(weight).sum()
        share = np.dot(weight, answers) / np.sum(weight)
        assert after[without] == pytest.approx((evidence * share + 1 / (without + 1)) / (evidence + 1))


def test_a_vote_goes_on_after_cut_replies_as_long_as_that_pays():
    fresh = replay_of(samples_of(cut_questions(200, 16, seed=1)))
    fitted = fit_stop(replay_of(samples_of(cut_questions(120, 16))))
    ends = replace(fitted.model, top=fitted.model.top.copy())
    ends.top[2:, 0, 0] = 0.0
    going_on, ending = (replayed(fresh, known) for known in (fitted.model, ends))
    gains = [at_equal_draws(going_on, n) - at_equal_draws(ending, n) for n in (2.5, 3, 3.5)]
    assert min(gains) > 0.02
    dear, cheap = (
        Priced().wave(VoteState(0, 0, 5, 8, waves=5), terms) for terms in at_prices(fitted, 0.2, 0.001)
    )
    assert (dear, cheap > 0) == (0, True)


def at_prices(fitted, *costs):
    return (SamplePrice(price=cost, cost=1.0, prospects=fitted.model) for cost in costs)


def test_whatever_was_learned_of_answers_missing_ones_are_counted():
    rng = np.random.default_rng(0)  # whether samples agree says nothing of their being right
    ballots = [[str(rng.random() < 0.5) if rng.random() < 0.6 else None for _ in range(8)] for _ in range(40)]
    samples = [replay_of(samples_of(ballots)), replay_of(samples_of([["right"] * 8] * 12))]
    cut, whole = (fit_stop(votes).as_card()["unanswered"] for votes in samples)
    assert (cut, whole) == (pytest.approx(0.4, abs=0.06), 0.0)


def test_chances_of_success_are_counted_exactly():
    groups = sample_groups(samples_of([["right", "a", "b", "c"], ["a", "b", "c", "d"]]), "cot", ["q0", "q1"])
    found = chances_of_success(groups, 3)
    lost = [(math.comb(3, m) / math.comb(4, m) + 1) / 2 for m in range(4)]
    assert found == pytest.approx([(lost[m] - lost[m + 1]) / lost[m] for m in range(3)])


def test_what_is_shipped_is_what_was_learned(hard, tmp_path):
    rows = [*hard.rows(), *samples_of(hard_questions(20, 6, seed=3), source="direct").rows()]
    stops = fit_stops(Samples.from_rows(rows))
    stops["cot"] = replace(stops["cot"], model=replace(stops["cot"].model, tilt=(2.0, 1.0, -0.5)))
    (tmp_path / STOP_MODEL).write_bytes(stopping_graph(stops).SerializeToString())
    read = read_vote_models(tmp_path, {source: stop.as_card() for source, stop in stops.items()})
    assert list(read) == ["cot", "direct"]
    for source, stop in stops.items():
        assert read[source].limit == stop.model.limit
        for name in ("right", "top", "second", "accepted"):
            np.testing.assert_allclose(
                getattr(read[source], name), getattr(stop.model, name), atol=1e-6, err_msg=name
            )
        assert read[source].cost == 2.0
        assert read[source].tilt == stop.model.tilt


def test_a_folder_that_says_nothing_of_questions_and_requests_is_read_as_before(hard, tmp_path):
    stops = fit_stops(hard)
    (tmp_path / STOP_MODEL).write_bytes(stopping_graph(stops).SerializeToString())
    card = stops["cot"].as_card()
    for later in ("tilt", "question_gain", "prompt_cost", "samples_per_request"):
        del card[later]
    known = read_vote_models(tmp_path, {"cot": card})["cot"]
    assert (known.tilt, known.prompt_cost, known.samples_per_request) == (None, 0.0, 1)
    assert known.of_question(0.5) is known


def test_in_a_folder_of_the_first_version_votes_end_after_two_replies_without_an_answer(tmp_path):
    stops = fit_stops(samples_of(cut_questions(40, 16)))
    (tmp_path / STOP_MODEL).write_bytes(stopping_graph(stops).SerializeToString())
    card = stops["cot"].as_card()
    now = read_vote_models(tmp_path, {"cot": card})["cot"]
    del card["unanswered"]
    before = read_vote_models(tmp_path, {"cot": card})["cot"]
    state, (new,), (old,) = (
        VoteState(0, 0, 2, 8, waves=2),
        *(at_prices(replace(stops["cot"], model=known), 0.001) for known in (now, before)),
    )
    assert Priced().wave(state, new) > 0 == Priced().wave(state, old)
    assert Priced().wave(VoteState(0, 0, 1, 8, waves=1), old) == 1


def test_sources_with_single_samples_have_no_votes_to_stop():
    assert fit_stops(samples_of([["right"], ["wrong"]])) == {}


def test_a_vote_online_ends_where_the_replay_says_it_does(hard):
    fitted = fit_stop(replay_of(hard))
    accuracy, _, _, draws = (
        table.mean() for table in replayed(replay_of(hard), fitted.model, costs=[0.01])[..., 0]
    )
    (source,) = recorded_sources(hard, seed=5).values()
    flow, found = adaptive_consistency(16, Priced(), key="exact"), []
    for question in hard.questions * 2:
        caller = CallExecutor(source, TokenMeter())
        task = Task([HumanMessage(question)], price=0.01 / 2.0, prospects=fitted.model)
        answer = run(flow, task, caller)
        found.append((answer.value == "right", len(caller.bill)))
    right, drawn = np.mean(found, axis=0)
    assert drawn == pytest.approx(draws, rel=0.08)
    assert right == pytest.approx(accuracy, abs=0.05)


def test_a_vote_online_goes_on_after_cut_replies_where_the_replay_does():
    samples = samples_of(cut_questions(120, 16))
    fitted = fit_stop(replay_of(samples))
    draws = replayed(replay_of(samples), fitted.model, costs=[0.01])[3].mean()
    (source,) = recorded_sources(samples, seed=5).values()
    flow, drawn = adaptive_consistency(16, Priced(), key="exact"), []
    for question in samples.questions:
        caller = CallExecutor(source, TokenMeter())
        run(flow, Task([HumanMessage(question)], price=0.01 / 2.0, prospects=fitted.model), caller)
        drawn.append(len(caller.bill))
    assert np.mean(drawn) == pytest.approx(draws, rel=0.08)


def test_where_requests_share_a_prompt_replay_and_vote_plan_alike(hard):
    rows = [{**row, "prompt_cost": 1.6, "samples_per_request": 4} for row in hard.rows()]
    votes = replay_of(Samples.from_rows(rows))
    known = fit_stop(votes).model
    assert (known.cost, known.prompt_cost, known.samples_per_request) == (2.0, pytest.approx(1.6), 4)
    (schedule,) = priced_schedules(known, [0.02])
    waves = [wave.max() for _, wave in votes.waves(schedule)]
    start = VoteState(0, 0, 0, known.limit)
    assert waves[0] == Priced().wave(start, SamplePrice(price=0.01, prospects=known))
    blind = replace(known, prompt_cost=0.0)
    worth, less = (
        (accuracy - 0.01 * cost).mean()
        for accuracy, cost, _, _ in (replayed(votes, each, [0.02])[..., 0] for each in (known, blind))
    )
    assert worth > less + 0.003


@pytest.mark.slow
@pytest.mark.parametrize("name", ["letters_gpt35", "addsub_codex002"])
def test_on_real_samples_it_is_no_worse_than_the_posterior_it_contains(name, shared_data):
    samples = Samples.read(shared_data / f"{name}.samples.parquet")
    votes = replay_of(samples, samples.sources[0])
    gains = []
    for split in range(4):
        fit, held_out = split_by_text(samples.questions, seed=split)
        fitted, fresh = fit_stop(votes.select(fit)), votes.select(held_out)
        learned, plain = (replayed(fresh, known) for known in (fitted.model, beta_vote_model(fresh.limit)))
        gains.append([at_equal_draws(learned, n) - at_equal_draws(plain, n) for n in range(2, 13)])
    assert np.mean(gains, axis=0).min() > -0.003
