"""Outcomes of free text, from a judge's comparisons, and of rewards on any scale."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.consensus import evidence_for
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.estimating.preferences import position_bias, win_rates
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.kit.estimating.judged import compared


def with_cells(samples, change):
    replies = {
        pair: tuple(change(pair, reply) for reply in several) for pair, several in samples.replies.items()
    }
    return replace(samples, replies=replies)


def gain(outcomes, hard):
    at = np.arange(len(outcomes)) % 2 == hard
    return float((outcomes.accuracy[at, 1] - outcomes.accuracy[at, 0]).mean())


def test_win_rates_are_the_accuracies_of_replies_that_cannot_be_compared_otherwise():
    outcomes = estimate(compared(400, accuracy=1.0), votes=(1,))
    assert outcomes.actions == ("cheap", "strong")
    assert outcomes.accuracy.sum(axis=1) == pytest.approx(np.ones(400))
    assert gain(outcomes, 0) == pytest.approx(0.05, abs=0.07)
    assert gain(outcomes, 1) == pytest.approx(0.7, abs=0.07)
    assert outcomes.labelled.sum() == 0


@pytest.mark.parametrize("both", [True, False])
def test_a_liking_for_the_first_place_cancels_and_is_measured(both):
    fair, leaning = (estimate(compared(600, first=first), votes=(1,)) for first in (0.0, 0.6))
    assert position_bias(compared(600, first=0.6)) == pytest.approx(0.3, abs=0.03)
    assert gain(leaning, 1) == pytest.approx(0.4 * gain(fair, 1), abs=0.06)  # 4 in 10 verdicts tell
    assert abs(gain(leaning, 0)) < 0.1
    one_order = compared(600, first=0.6, both=both)
    assert np.mean([rate for (_, source, _), rate in win_rates(one_order).items() if source == "cheap"]) < 0.5


def test_a_preference_that_turns_with_the_order_is_a_tie():
    always_first = compared(50, first=1.0)
    assert set(win_rates(always_first).values()) == {0.5}
    assert (estimate(always_first, votes=(1,)).accuracy == 0.5).all()


def test_each_other_source_counts_alike_and_only_replies_of_others():
    row = {"question": "q", "gold": None, "correct": None, "cost": 1.0, "cost_unit": "usd", "answer": "x"}
    said = {
        ("a", 0): '[["b", 0, 1.0], ["b", 1, 1.0], ["c", 0, 0.0], ["a", 1, 0.0], ["gone", 0, 0.0]]',
        **dict.fromkeys([("a", 1), ("b", 0), ("b", 1), ("c", 0)]),
    }
    samples = Samples.from_rows(
        {**row, "question_id": "q", "source": source, "sample": sample, "preferred_over": cell}
        for (source, sample), cell in said.items()
    )
    assert win_rates(samples) == {
        ("q", "a", 0): 0.5,
        ("q", "b", 0): 0.0,
        ("q", "b", 1): 0.0,
        ("q", "c", 0): 1.0,
    }


def test_labels_correct_what_preferences_say_action_by_action():
    plain, labelled = compared(400), compared(400, labelled=range(200))
    truth = estimate(compared(400, labelled=range(400)), votes=(1,)).accuracy.mean(axis=0)
    far, near = (
        np.abs(estimate(each, votes=(1,)).accuracy.mean(axis=0) - truth).max() for each in (plain, labelled)
    )
    assert near < 0.05 < far  # how good a reply is, not only which is better, is known from labels alone


def test_preferences_of_a_judge_that_guesses_are_not_used_and_that_is_said():
    assert evidence_for(compared(), "auto") == "preferences"
    assert evidence_for(compared(labelled=range(150), accuracy=0.95), "auto") == "preferences"
    guessing = compared(labelled=range(150), accuracy=0.5)
    with pytest.warns(UserWarning, match="the judge is not used: with it the mean squared error"):
        assert evidence_for(guessing, "auto") == "consensus"
    assert evidence_for(guessing, "judge") == "preferences"


def test_verdicts_on_free_text_are_its_grades():
    def judged(pair, reply):
        return replace(reply, preferred_over=None, answer=None, verdict=0.9 if pair[1] == "strong" else 0.4)

    samples = with_cells(compared(30), judged)
    for labels in ("judge", "auto"):
        outcomes = estimate(samples, votes=(1,), labels=labels)
        assert outcomes.accuracy.tolist() == [[0.4, 0.9]] * 30


def test_a_judge_alone_may_find_every_answer_wrong_or_several_right():
    def judged(pair, reply):
        return replace(reply, preferred_over=None, answer="x", verdict=0.1 if pair[1] == "cheap" else 0.2)

    both = estimate(with_cells(compared(30), judged), votes=(1,), labels="judge")
    assert both.accuracy == pytest.approx(np.full((30, 2), 0.15))  # one answer has one grade

    def several(pair, reply):
        seen = None if pair == ("q003", "cheap") else 0.8
        return replace(reply, preferred_over=None, answer=str(pair), verdict=seen)

    right = estimate(with_cells(compared(30), several), votes=(1,), labels="judge")
    assert right.accuracy == pytest.approx(np.full((30, 2), 0.8))  # the unseen one gets its source's mean


def test_a_consensus_of_replies_that_never_agree_is_refused_with_the_way_out():
    texts = with_cells(compared(30), lambda _, reply: replace(reply, preferred_over=None))
    with pytest.raises(
        OutcomesError, match=r"no two replies to any of 30 questions .* kind = \"preference\""
    ):
        estimate(texts, votes=(1,))
    silent = with_cells(texts, lambda _, reply: replace(reply, answer=None))
    with pytest.raises(OutcomesError, match=r"no answer that could be compared.*collect them again.*reward="):
        estimate(silent, votes=(1,))
    scored = with_cells(silent, lambda _, reply: replace(reply, score=1.0))
    with pytest.raises(OutcomesError, match=r"tells nothing: take their scores, with reward='score'"):
        estimate(scored, votes=(1,))
    alone = Samples.from_rows(row for row in silent.rows() if row["source"] == "strong")
    with pytest.raises(OutcomesError, match="all are of source 'strong'; add those of another"):
        estimate(alone)


def test_of_replies_that_a_judge_compares_there_are_single_calls_only():
    rows = [
        {**row, "sample": at, "answer": f"{row['answer']}, {at}"}
        for row in compared(30).rows()
        for at in range(3)
    ]
    with pytest.warns(UserWarning, match="single calls only: 90 of 90 samples"):
        assert estimate(Samples.from_rows(rows)).actions == ("cheap", "strong")


def stars(samples):
    rng = np.random.default_rng(0)
    return with_cells(
        samples, lambda _, reply: replace(reply, score=float(rng.integers(-40, 60)), answer=None)
    )


def test_scores_of_any_range_are_rewards_in_their_own_unit(tmp_path):
    samples = stars(compared(40))
    outcomes = estimate(samples, votes=(1,), reward="stars")
    expected = [[samples.of(q, s)[0].score for s in samples.sources] for q in samples.question_ids]
    np.testing.assert_allclose(outcomes.accuracy, expected, atol=1e-9)
    assert (outcomes.accuracy_unit, outcomes.estimated) == ("stars", None)
    outcomes.write(tmp_path / "outcomes.parquet")
    again = type(outcomes).read(tmp_path / "outcomes.parquet")
    assert (again.accuracy_unit, again.accuracy.min() < 0) == ("stars", True)


def test_the_best_of_several_is_rewarded_by_its_score():
    rows = [
        {**row, "sample": at, "score": score, "preferred_over": None}
        for row in compared(2).rows()
        for at, score in enumerate((-3.0, 1.0, 8.0))
    ]
    table = estimate(Samples.from_rows(rows), votes=(1,), best_of=(3,), reward="points")
    assert dict(zip(table.actions, table.accuracy[0].tolist(), strict=True)) == pytest.approx(
        {"cheap": 2.0, "cheap_best_of_3": 8.0, "strong": 2.0, "strong_best_of_3": 8.0}
    )


def test_a_reply_without_a_score_has_no_reward():
    some = with_cells(
        stars(compared(3)), lambda pair, reply: reply if pair[0] == "q000" else replace(reply, score=None)
    )
    with pytest.raises(OutcomesError, match="question 'q001', source 'cheap', sample 0 has none"):
        estimate(some, votes=(1,), reward="stars")
