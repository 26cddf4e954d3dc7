"""What comparisons say: of both arms' quality and cost, and of what was saved, with intervals that hold."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.ledger.comparisons import FEWEST, ComparedAnswer, Estimate, estimate, savings_of

ROW = ComparedAnswer("k", "q", "judged", "vote_3", "strong", 0.1, 2.0, 5.0, 0.5)


def rows(preferred, **fields):
    fixed = replace(ROW, **fields)
    return [
        replace(fixed, key=f"k{number}", question=f"q{number}", preferred=chance)
        for number, chance in enumerate(preferred)
    ]


def test_tells_quality_and_cost_of_both_arms_and_what_was_saved():
    found = savings_of(rows([1.0] * 10 + [0.5] * 20 + [0.0] * 10), "usd")
    assert (found.judged, found.against, found.questions) == (40, "strong", 400)
    assert (found.quality.mean, found.against_quality.mean, found.difference.mean) == (0.5, 0.5, 0.0)
    assert (found.cost.mean, found.against_cost.mean, found.saved.mean) == (2.0, 5.0, 3.0)
    assert found.saved_total == Estimate(1200.0, 1200.0, 1200.0)
    assert found.difference.low == -found.difference.high
    assert found.quality.high - found.quality.low == pytest.approx(found.difference.high)


def test_the_quality_of_the_arms_adds_up_to_one_with_mirrored_intervals():
    found = savings_of(rows([1.0] * 30 + [0.0] * 12), "usd")
    assert found.quality.mean + found.against_quality.mean == pytest.approx(1.0)
    assert found.quality.low == pytest.approx(1.0 - found.against_quality.high)
    assert found.quality.low < found.quality.mean < found.quality.high


def test_what_is_not_judged_is_counted_apart_and_its_cost_where_there_is_one():
    lost = [
        replace(ROW, key=f"x{at}", question=f"x{at}", outcome=outcome, preferred=None, against_cost=cost)
        for at, (outcome, cost) in enumerate(
            [("open", None), ("failed", None), ("dropped", None), ("refused", None), ("unjudged", 11.0)]
        )
    ]
    found = savings_of([*rows([0.5] * 5), *lost], "usd")
    assert (found.judged, found.open, found.failed, found.dropped) == (5, 1, 1, 1)
    assert (found.refused, found.unjudged, found.questions) == (1, 1, 100)
    assert found.against_cost.mean == 6.0


def test_questions_are_the_unit_of_several_comparisons():
    several = [replace(row, question="one run") for row in rows([1.0, 1.0, 0.0, 0.0])]
    found = savings_of(several, "usd")
    assert (found.judged, found.questions, found.difference.mean) == (1, 10, 0.0)
    assert (found.cost.mean, found.saved.mean) == (8.0, 12.0)


def test_too_few_questions_have_no_interval_and_none_have_no_mean():
    assert savings_of([], "usd").quality is None
    few = savings_of(rows([1.0] * (FEWEST - 1)), "usd").difference
    assert (few.mean, few.low, few.high) == (1.0, None, None)


def test_what_never_differed_is_not_taken_for_certain():
    found = savings_of(rows([0.5] * 20), "usd").difference
    assert found.low < -0.1 < 0.1 < found.high
    assert savings_of(rows([0.5] * 2_000), "usd").difference.high < 0.02


def test_an_estimate_of_less_than_a_range_is_cut_to_it():
    assert Estimate(0.9, 0.7, 1.1).within(-1.0, 1.0) == Estimate(0.9, 0.7, 1.0)
    assert savings_of(rows([1.0] * 20, judge_accuracy=0.75), "usd").difference.mean == 1.0


QUESTIONS, DRAWS = 150, 1_000
BETTER = np.array([0.35, 0.4, 0.25])  # the answer, neither, the second one
TRUTH = BETTER[0] - BETTER[2]


@pytest.mark.parametrize(("accuracy", "liking"), [(0.7, 0.0), (0.85, 0.3)])
def test_the_interval_covers_the_truth_behind_a_judge_of_known_error(accuracy, liking):
    """Of 1,000 draws; at the end, and at all numbers of questions from 20 on at once."""
    rng, at_end, always = np.random.default_rng(0), 0, 0
    for _ in range(DRAWS):
        better = rng.choice([1, 0, -1], size=QUESTIONS, p=BETTER)
        verdicts = [_verdict(rng, better, accuracy), -_verdict(rng, -better, accuracy)]  # both orders
        biased = rng.random(QUESTIONS) < liking  # prefers the first place in either order
        shown = np.where(biased, 0.0, (verdicts[0] + verdicts[1]) / 2)
        kept = (1.0 - liking) * (2 * accuracy - 1)  # of the difference, as an accuracy of one verdict
        values = shown / kept
        bounds = [estimate(values[:number], unseen=1.0 / kept) for number in (20, 40, 80, QUESTIONS)]
        inside = [each.low <= TRUTH <= each.high for each in bounds]
        at_end, always = at_end + inside[-1], always + all(inside)
    assert at_end >= 0.93 * DRAWS
    assert always >= 0.93 * DRAWS


def _verdict(rng, better, accuracy):
    """Of one order: 1 for the answer, -1 for the second one; the better one with a probability."""
    right = rng.random(len(better)) < accuracy
    even = rng.choice([1, -1], size=len(better))
    return np.where(better == 0, even, np.where(right, better, -better))


def test_the_difference_is_that_of_the_rows_with_their_judges_accuracy_undone():
    found = savings_of(rows([1.0] * 60 + [0.0] * 40, judge_accuracy=0.8), "usd")
    assert found.difference.mean == pytest.approx(0.2 / 0.6)
    wide = found.difference.high - found.difference.low
    plain = savings_of(rows([1.0] * 60 + [0.0] * 40), "usd").difference
    assert wide == pytest.approx((plain.high - plain.low) / 0.6)


def test_the_interval_of_what_is_saved_covers_the_truth_where_costs_are_skewed():
    rng, inside = np.random.default_rng(1), 0
    truth = 9.0 * np.exp(0.5) - 2.0
    for _ in range(DRAWS):
        saved = 9.0 * rng.lognormal(0.0, 1.0, QUESTIONS) - rng.exponential(2.0, QUESTIONS)
        found = estimate(saved)
        inside += found.low <= truth <= found.high
    assert inside >= 0.93 * DRAWS
