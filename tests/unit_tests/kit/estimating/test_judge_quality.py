"""A judge of known faults is measured: how often it is right, what it favours, what it cost."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.estimating.judge_quality import JudgeQuality, measure_judge
from tests.unit_tests.kit.estimating.judged import compared
from tests.unit_tests.kit.unlabelled import generated

ALL = range(2_000)


def verdicts(samples, *, error=0.0, lenient=0.0, long=0.0, favours=None, seed=0):
    """Verdicts of a judge with these faults; half of the replies are long."""
    rng = np.random.default_rng(seed)

    def seen(source, reply):
        tokens = int(rng.choice([20, 200]))
        right = float(str(reply.answer).startswith("right") != (rng.random() < error))
        if rng.random() < lenient + long * (tokens > 100) + 0.5 * (source == favours):
            right = 1.0
        return replace(
            reply, verdict=right, completion_tokens=tokens, judged_by="judge j 1", grading_cost=0.5
        )

    replies = {
        pair: tuple(seen(pair[1], reply) for reply in several) for pair, several in samples.replies.items()
    }
    return replace(samples, replies=replies)


def test_no_judge_has_nothing_to_measure():
    assert measure_judge(generated(5)) is None


def test_preferences_are_checked_where_grades_differ():
    judge = measure_judge(compared(2_000, accuracy=0.8, labelled=ALL))
    assert (judge.gives, judge.given, judge.judges) == ("preferences", 4_000, ["judge referee 12ab"])
    assert judge.accuracy == pytest.approx(0.8, abs=0.03)
    assert (judge.cost, judge.cost_unit, judge.lenience) == (8_000.0, "tokens", None)
    for bias in (judge.by_position, judge.by_length):
        assert abs(bias) < 0.03
    assert 0 < judge.checked == 2 * judge.questions < judge.given


@pytest.mark.parametrize(
    ("fault", "bias", "expected"), [({"first": 0.4}, "by_position", 0.2), ({"long": 0.4}, "by_length", 0.2)]
)
def test_a_liking_for_the_first_place_or_for_length_is_measured(fault, bias, expected):
    judge = measure_judge(compared(2_000, accuracy=1.0, labelled=ALL, **fault))
    assert getattr(judge, bias) == pytest.approx(expected, abs=0.03)
    other = "by_length" if bias == "by_position" else "by_position"
    assert abs(getattr(judge, other)) < 0.03


def test_how_often_both_orders_agree_needs_no_right_answer():
    sure, doubtful, first = (
        measure_judge(compared(1_000, **judge)).consistent
        for judge in ({"accuracy": 1.0}, {"accuracy": 0.7}, {"accuracy": 1.0, "first": 1.0})
    )
    assert (sure, first) == (1.0, 0.0)
    assert 0.55 < doubtful < 0.85
    assert "both orders agree on 0% of the pairs" in str(measure_judge(compared(9, first=1.0)))
    assert measure_judge(compared(9, both=False)).consistent is None
    assert measure_judge(verdicts(generated(9))).consistent is None


def test_what_is_known_of_a_judge_stands_in_the_outcomes():
    samples = compared(60, labelled=range(30))
    quality = measure_judge(samples)
    kept = estimate(samples, votes=(1,)).judge_quality
    assert JudgeQuality.from_dict(kept) == quality
    assert JudgeQuality.from_dict({**kept, "of a later version": 1}) == quality
    graded = verdicts(generated(20))
    assert estimate(graded, votes=(1,)).judge_quality["checked"] == 120
    assert estimate(generated(20), votes=(1,)).judge_quality is None


def test_the_first_place_needs_no_right_answer():
    judge = measure_judge(compared(1_000, first=0.4))
    assert judge.by_position == pytest.approx(0.2, abs=0.04)
    assert (judge.accuracy, judge.consensus, judge.by_length, judge.checked) == (None, None, None, 0)
    assert "none checked against right answers" in str(judge)


def test_verdicts_are_checked_and_their_lenience_is_found_by_source_and_length():
    fair = measure_judge(verdicts(generated(400), error=0.1))
    assert (fair.gives, fair.given, fair.checked, fair.questions) == ("verdicts", 2_400, 2_400, 400)
    assert fair.accuracy == pytest.approx(0.9, abs=0.02)
    assert fair.consensus > 0.8
    assert (fair.by_position, fair.cost) == (None, 1_200.0)
    lenient = measure_judge(verdicts(generated(400), lenient=0.5))
    assert lenient.lenience == pytest.approx(0.5 * 0.21, abs=0.03)  # of the fifth that is wrong, half
    long = measure_judge(verdicts(generated(400), long=0.5))
    assert long.by_length == pytest.approx(0.5 * 0.21, abs=0.03)
    partial = measure_judge(verdicts(generated(400), favours="cheap"))
    assert partial.by_source["cheap"] == pytest.approx(0.5 * 0.35, abs=0.04)
    assert partial.by_source["strong"] == 0.0


def test_only_labelled_replies_check_a_judge():
    judge = measure_judge(verdicts(generated(100, labelled=range(30)), error=0.2))
    assert (judge.given, judge.checked, judge.questions) == (600, 180, 30)
    assert f"180 checked on 30 questions: {judge.accuracy:.0%} right" in str(judge)
    assert judge.as_dict()["by_source"].keys() == {"cheap", "strong"}
