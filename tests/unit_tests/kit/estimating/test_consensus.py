"""How likely answers are right, by the replies alone or with a judge."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.consensus import evidence_for, right_answers, with_estimated_grades
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.kit.unlabelled import generated


def judged(samples, error, *, seed=0):
    """The samples with verdicts of a judge that is wrong this often."""
    rng = np.random.default_rng(seed)

    def seen(reply):
        right = str(reply.answer).startswith("right")
        return replace(reply, verdict=float(right != (rng.random() < error)))

    replies = {pair: tuple(seen(reply) for reply in several) for pair, several in samples.replies.items()}
    return replace(samples, replies=replies)


def test_a_consensus_ranks_actions_as_right_answers_do():
    truth = estimate(generated(), votes=(1, 3)).accuracy
    guess = estimate(generated(labelled=()), votes=(1, 3))
    assert guess.labelled.sum() == 0
    np.testing.assert_allclose(guess.accuracy.mean(axis=0), truth.mean(axis=0), atol=0.06)
    gain, guessed = truth[:, 2] - truth[:, 0], guess.accuracy[:, 2] - guess.accuracy[:, 0]
    assert np.corrcoef(gain, guessed)[0, 1] > 0.9


def test_one_expensive_source_outweighs_several_cheap_ones_that_agree():
    answers = {"a": "5", "b": "5", "c": "5", "strong": "7"}
    rows = [
        {
            "question_id": f"q{q}",
            "question": f"q{q}",
            "source": source,
            "sample": 0,
            "answer": answer,
            "gold": None,
        }
        | {"correct": None, "cost": 50.0 if source == "strong" else 1.0, "cost_unit": "tokens"}
        for q in range(4)
        for source, answer in (answers if q == 0 else dict.fromkeys(answers, "1")).items()
    ]
    (first, *_) = right_answers(Samples.from_rows(rows))
    assert first["7"] > first["5"]


def test_a_source_without_cost_weighs_less_than_one_that_is_paid():
    row = {"gold": None, "correct": None, "sample": 0, "cost_unit": "usd"}
    rows = [
        row | {"question_id": f"q{q}", "question": f"q{q}", "source": source, "answer": answer, "cost": cost}
        for q in range(4)
        for source, answer, cost in (("local", str(q % 2), 0.0), ("paid", "1", 0.002))
    ]
    first, second, *_ = right_answers(Samples.from_rows(rows))
    assert first["1"] > 0.9
    assert second == {"1": 1.0}
    free = [row | {"cost": 0.0} for row in rows]
    assert right_answers(Samples.from_rows(free))[0] == pytest.approx({"0": 0.5, "1": 0.5}, abs=0.2)


def test_single_replies_agree_with_nothing_and_need_right_answers():
    def alone(labelled):
        samples = generated(60, samples=1, labelled=labelled)
        replies = {pair: several for pair, several in samples.replies.items() if pair[1] == "strong"}
        return replace(samples, sources=("strong",), replies=replies)

    with pytest.raises(OutcomesError, match=r"no question has two replies .*label 20 questions"):
        estimate(alone(range(19)), votes=(1,))
    known = estimate(alone(range(40)), votes=(1,)).accuracy
    assert known[40:].mean() == pytest.approx(known[:40].mean(), abs=0.05)


def test_chances_of_a_question_sum_to_one_and_no_answer_has_none():
    samples = generated(20, labelled=())
    assert [sum(each.values()) for each in right_answers(samples)] == pytest.approx([1.0] * 20)
    silent = replace(
        samples,
        replies={
            pair: tuple(replace(r, answer=None) for r in several) for pair, several in samples.replies.items()
        },
    )
    assert right_answers(silent) == [{}] * 20
    assert with_estimated_grades(silent).ungraded == 0


def test_known_right_answers_stay_as_they_are():
    labelled = range(0, 200, 4)
    truth, mixed = (estimate(generated(labelled=known), votes=(1,)) for known in (None, labelled))
    assert mixed.labelled.sum() == len(labelled)
    assert (mixed.accuracy[mixed.labelled] == truth.accuracy[mixed.labelled]).all()
    assert (mixed.cost == truth.cost).all()


def test_questions_of_which_one_source_is_not_graded_verify_nothing():
    mixed = generated(labelled=range(60))
    replies = {
        pair: tuple(replace(r, correct=np.nan, gold=None) for r in several) if pair[1] == "cheap" else several
        for pair, several in mixed.replies.items()
    }
    half = estimate(replace(mixed, replies=replies), votes=(1,)).estimated
    assert (half.labelled.sum(), half.at_random.sum()) == (60, 0)
    assert estimate(mixed, votes=(1,)).estimated.at_random.sum() == 60


def test_a_good_judge_is_believed_and_one_that_knows_nothing_is_not():
    labelled = range(60)
    good = judged(generated(labelled=labelled), 0.02)
    assert evidence_for(good, "auto") == "both"
    plain = generated(labelled=labelled)
    errors = [
        np.abs(estimate(each, votes=(1,)).accuracy - estimate(generated(), votes=(1,)).accuracy).mean()
        for each in (good, plain)
    ]
    assert errors[0] < errors[1]
    with pytest.warns(UserWarning, match="the judge is not used: with it the mean squared error"):
        assert evidence_for(judged(generated(labelled=labelled), 0.5), "auto") == "consensus"


def test_what_cannot_be_done_without_right_answers_is_refused():
    samples = generated(10, labelled=())
    with pytest.raises(OutcomesError, match="60 replies are not graded"):
        estimate(samples, labels="gold")
    with pytest.raises(OutcomesError, match="labels='judge' needs verdicts, and no reply has one"):
        estimate(samples, labels="judge")
    with pytest.raises(ValueError, match="labels is one of gold, consensus, judge, auto, not 'none'"):
        estimate(samples, labels="none")


def test_a_verdict_outside_its_range_names_its_row():
    row = next(generated(1).rows())
    with pytest.raises(OutcomesError, match=r"row 1.*verdict is 1.5, outside \[0, 1\]"):
        Samples.from_rows([{**row, "verdict": 1.5}])


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_estimates_survive_a_file(tmp_path, ending):
    table = estimate(generated(40, labelled=range(25)), votes=(1, 3))
    table.write(tmp_path / f"outcomes.{ending}")
    again = Outcomes.read(tmp_path / f"outcomes.{ending}")
    for name in ("labels", "at_random", "accuracy", "error"):
        np.testing.assert_allclose(getattr(again.estimated, name), getattr(table.estimated, name))
    part = again.select(np.arange(3)).only([1])
    assert part.estimated.accuracy.shape == (3, 1)
    assert part.estimated.labels.shape == (3,)


def test_half_of_the_columns_of_estimates_is_refused():
    rows = [{**row, "accuracy_se": None} for row in estimate(generated(5, labelled=()), votes=(1,)).rows()]
    with pytest.raises(
        OutcomesError, match="labels, labels_at_random, accuracy_estimate, accuracy_se stand together"
    ):
        Outcomes.from_rows(rows)
