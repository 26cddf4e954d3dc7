import numpy as np
import pytest

from adaptive_reasoner.kit.off_policy.shifts import outdated, shift_of

N = 2_000
ALWAYS = np.ones(N)


def right(rng, chance):
    return (rng.random(len(chance)) < chance).astype(float)


def test_nothing_is_forgotten_where_the_old_outcomes_predict_best():
    rng = np.random.default_rng(0)
    expected = rng.uniform(0.3, 0.95, N)
    shift = shift_of(expected, right(rng, expected), ALWAYS)
    assert shift.factor == pytest.approx(1.0, abs=0.03)
    assert shift.forgotten == 0


def test_an_accuracy_that_falls_half_way_is_told_by_the_half_after_it():
    rng = np.random.default_rng(1)
    expected = rng.uniform(0.3, 0.95, N)
    now = np.where(np.arange(N) < N // 2, expected, 0.7 * expected)
    shift = shift_of(expected, right(rng, now), ALWAYS)
    assert shift.factor == pytest.approx(0.7, abs=0.06)
    assert shift.low < 0.7 < shift.high
    assert shift.forgotten >= N // 2
    assert shift.error < shift.error_old


def test_a_cost_that_doubles_in_the_last_quarter_forgets_the_rest():
    rng = np.random.default_rng(2)
    expected = rng.uniform(20, 40, N)
    cost = expected * rng.lognormal(0, 0.5, N) / np.exp(0.125)
    cost[3 * N // 4 :] *= 2
    shift = shift_of(expected, cost, ALWAYS)
    assert shift.factor == pytest.approx(2.0, rel=0.1)
    assert shift.forgotten >= 3 * N // 4
    assert shift.old_weight < 0.05


def test_drift_from_the_beginning_of_the_log_uses_all_of_it():
    rng = np.random.default_rng(3)
    expected = np.full(N, 10.0)
    shift = shift_of(expected, rng.exponential(15.0, N), ALWAYS)
    assert shift.factor == pytest.approx(1.5, rel=0.1)
    assert shift.decisions >= N // 4
    assert "1.5" in shift.why("the cost of 'cot'")


def test_few_decisions_move_an_action_less_than_they_show():
    values = np.append(np.zeros(12), np.ones(12))
    shift = shift_of(np.full(24, 0.7), np.random.default_rng(4).permutation(values), np.full(24, 0.01))
    assert 0.5 / 0.7 < shift.factor <= 1
    assert 0 < shift.old_weight <= 1


def test_too_few_decisions_tell_nothing_and_say_so():
    shift = shift_of(np.full(19, 0.7), np.zeros(19), np.ones(19))
    assert (shift.factor, shift.shows) == (1.0, False)
    assert shift.why("the accuracy of 'cot'") == (
        "the accuracy of 'cot' stays: 19 decisions are too few to tell, 20 are needed"
    )


def test_an_action_without_cost_has_no_ratio():
    assert shift_of(np.zeros(100), np.zeros(100), np.ones(100)).factor == 1


def test_explored_decisions_stand_for_the_questions_where_another_action_is_the_rule():
    """Where the action is the rule it is as right as expected, elsewhere half so: the ratio lies between."""
    rng = np.random.default_rng(5)
    rare = rng.random(N) < 0.05
    expected = np.full(N, 0.8)
    values = right(rng, np.where(rare, 0.4, 0.8))
    weighted = shift_of(expected, values, np.where(rare, 0.05, 0.95))
    plain = shift_of(expected, values, np.ones(N))
    assert weighted.factor < plain.factor


def test_questions_asked_again_and_again_are_no_more_evidence_than_different_ones():
    """Twenty questions, each as right as it always was, which is not what was expected of it."""
    rng = np.random.default_rng(8)
    text = rng.integers(20, size=N)
    own = np.where(np.arange(20) < 8, 0.3, 0.8)[text]
    expected = np.full(N, 0.7)
    values = right(rng, own)
    alike = shift_of(expected, values, ALWAYS, text)
    assert shift_of(expected, values, ALWAYS).factor < 0.9
    assert (alike.factor, alike.forgotten) == (1.0, 0)
    assert alike.low < 1 < alike.high


def test_a_cost_that_doubles_shows_on_few_questions_that_are_asked_again():
    rng = np.random.default_rng(9)
    text = rng.integers(10, size=N)
    cost = 10.0 * rng.lognormal(0, 0.2, N) * np.where(np.arange(N) < N // 2, 1, 2)
    shift = shift_of(np.full(N, 10.2), cost, ALWAYS, text)
    assert shift.factor == pytest.approx(2.0, rel=0.1)
    assert shift.forgotten >= N // 2


def test_decisions_on_too_few_questions_tell_nothing_and_say_so():
    shift = shift_of(np.full(N, 10.0), np.full(N, 20.0), ALWAYS, np.arange(N) % 4)
    assert (shift.factor, shift.shows) == (1.0, False)
    assert shift.why("the cost of 'cot'") == (
        "the cost of 'cot' stays: its 2000 decisions are on fewer than 5 questions, "
        "or nothing was expected of them"
    )


def test_a_question_asked_again_and_again_does_not_decide_for_those_that_were_explored():
    """One question is most of what an action was taken on, and is as hard as it always was."""
    factors = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        own = np.clip(rng.normal(0.6, 0.3, 11), 0, 1)
        text = rng.permutation(np.append(np.zeros(24, dtype=int), np.arange(1, 11)))
        propensity = np.where(text == 0, 0.98, 0.003)
        factors.append(shift_of(np.full(34, 0.6), right(rng, own[text]), propensity, text).factor)
    assert np.mean(np.array(factors) == 1) > 0.95


def test_actions_that_are_seldom_explored_do_not_move_by_chance():
    """Of two hundred actions as right as expected, each explored thirty times, hardly one seems to change."""
    rng = np.random.default_rng(10)
    factors = [
        shift_of(np.full(30, 0.7), right(rng, np.full(30, 0.7)), np.full(30, 0.003)).factor
        for _ in range(200)
    ]
    assert np.mean(np.array(factors) == 1) > 0.95


def test_what_came_before_an_earlier_update_is_outdated_up_to_where_the_log_turns():
    now, before = np.full(N, 20.0), np.full(N, 10.0)
    cost = np.random.default_rng(0).normal(1.0, 0.3, N) * np.append(before[:700], now[700:])
    assert outdated(now, cost, 2.0) == pytest.approx(700, abs=5)
    assert outdated(now, cost, 1.0) == 0


@pytest.mark.parametrize("level", [10.0, 20.0])
def test_a_log_of_one_level_has_nothing_that_is_outdated(level):
    cost = np.random.default_rng(0).normal(level, 0.3 * level, N)
    assert outdated(np.full(N, 20.0), cost, 2.0) == 0
    assert outdated(np.full(N, 20.0), cost, 1.01) == 0


def repeated(rng, asked, n=300):
    """Which question each of n decisions is on: all differ, three are most of them, or there are eight."""
    if asked == "three dominate":
        return np.where(rng.random(n) < 0.75, rng.integers(3, size=n), 3 + rng.integers(40, size=n))
    return rng.integers(8, size=n) if asked == "eight" else np.arange(n)


def heavy(rng, text, deviation, change=1.0):
    """Costs, of which the mean of 500 old ones is expected; each question has its own, and a long tail."""
    old = rng.lognormal(0, deviation, 500) * rng.lognormal(0, 0.4, 500)
    expected = np.full(len(text), old.mean())
    cost = rng.lognormal(0, deviation, text.max() + 1)[text] * rng.lognormal(0, 0.4, len(text))
    later = np.arange(len(text)) >= len(text) // 2
    spread = ((old - old.mean()) ** 2).mean()
    old_error = (spread / len(old)) ** 0.5 / old.mean()
    options = {"spread": np.full(len(text), spread), "old_error": float(old_error)}
    return shift_of(expected, cost * np.where(later, change, 1.0), np.ones(len(text)), text, **options)


@pytest.mark.parametrize("asked", ["all differ", "three dominate", "eight"])
@pytest.mark.parametrize("deviation", [0.5, 1.5])
def test_costs_that_do_not_change_seem_to_in_at_most_one_of_twenty_logs(asked, deviation):
    """Costs with a long tail, of which a log may show nothing, and questions that come again and again."""
    factors = [
        heavy(rng, repeated(rng, asked), deviation).factor for rng in map(np.random.default_rng, range(100))
    ]
    assert np.mean(np.array(factors) != 1) <= 0.05


def test_a_long_log_does_not_show_as_a_change_what_few_old_outcomes_did_not_tell():
    rng, factors = np.random.default_rng(0), []
    for _ in range(100):
        old, cost = (rng.lognormal(0, 0.5, n) for n in (100, N))
        spread = np.full(N, old.var())
        old_error = float((old.var() / 100) ** 0.5 / old.mean())
        expected = np.full(N, old.mean())
        factors.append(shift_of(expected, cost, ALWAYS, spread=spread, old_error=old_error).factor)
    assert np.mean(np.array(factors) != 1) <= 0.05


@pytest.mark.parametrize("asked", ["all differ", "three dominate", "eight"])
def test_accuracy_that_does_not_change_seems_to_in_at_most_one_of_twenty_logs(asked):
    changed = []
    for rng in map(np.random.default_rng, range(100)):
        text = repeated(rng, asked)
        mean = rng.uniform(0.4, 0.98, text.max() + 1)
        own = rng.beta(1.5 * mean, 1.5 * (1 - mean))
        expected = mean[text]
        shift = shift_of(
            expected, right(rng, own[text]), np.ones(300), text, spread=expected * (1 - expected)
        )
        changed.append(shift.factor != 1)
    assert np.mean(changed) <= 0.05


def test_a_cost_that_doubles_half_way_shows_on_eight_questions_with_a_long_tail():
    """How expensive the eight are tells little, and that each has become twice as expensive tells much."""
    factors = [
        heavy(rng, repeated(rng, "eight", n=1_000), 1.5, change=2.0).factor
        for rng in map(np.random.default_rng, range(30))
    ]
    assert np.median(factors) == pytest.approx(1.7, abs=0.3)


def test_right_answers_alone_do_not_show_that_an_action_has_become_better():
    shift = shift_of(np.full(30, 0.95), np.ones(30), np.ones(30), spread=np.full(30, 0.95 * 0.05))
    assert shift.factor == 1


def test_questions_of_which_nothing_came_before_are_compared_with_what_was_expected_of_them():
    """Of forty questions half were always wrong; these alone come since, and are right half of the time."""
    text = np.append(np.tile(np.arange(40), 20), np.tile(np.arange(20, 40), 20))
    values = np.append(np.tile(np.repeat([1.0, 0.0], 20), 20), np.tile([1.0, 0.0], 200))
    shift = shift_of(np.full(1_200, 0.5), values, np.ones(1_200), text)
    assert shift.factor == pytest.approx(1.0, abs=0.2)
    assert shift.low < 1 < shift.high
