import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.samples import Samples

ROW = {
    "question_id": "q",
    "question": "6 * 7?",
    "source": "cot",
    "gold": "42",
    "cost": 9.0,
    "cost_unit": "tokens",
    "action": "cot_vote_3",
    "propensity": 0.99,
    "policy_id": "p",
}


def replies(*said, **fields):
    """Replies to one question: the answer of each, or None for a call that failed."""
    return [
        ROW
        | {"sample": at, "answer": answer, "correct": None if answer is None else float(answer == "42")}
        | ({"error": "TimeoutError"} if answer is None else {})
        | fields
        for at, answer in enumerate(said)
    ]


def of(rows):
    return Decisions.of(Samples.from_rows(rows))


@pytest.mark.parametrize(
    ("said", "score"),
    [
        (("42", "42", "13"), 1.0),
        (("13", "42", "13"), 0.0),
        (("42", "13"), 0.5),
        (("42", None, "42"), 1.0),
        ((None, None), 0.0),
    ],
)
def test_the_replies_of_a_vote_are_one_decision_scored_by_its_answer(said, score):
    log = of(replies(*said))
    assert (log.score.tolist(), log.cost.tolist()) == ([score], [9.0 * len(said)])
    assert log.actions == ("cot_vote_3",)


def test_a_choice_among_scored_replies_is_as_right_as_the_best_scored_one():
    rows = replies("13", "42", "13", action="cot_best_of_3")
    for row, score in zip(rows, (0.2, 0.9, 0.4), strict=True):
        row["score"] = score
    assert of(rows).score.tolist() == [1.0]


def test_a_decision_of_which_a_reply_is_not_graded_tells_its_cost_alone():
    log = of(replies("42", "13", gold=None, correct=None) + replies("42", question_id="r"))
    assert log.graded.tolist() == [False, True]
    assert np.isnan(log.score[0])
    assert log.cost.tolist() == [18.0, 9.0]


def test_questions_chosen_for_a_label_because_their_replies_differ_do_not_tell_accuracy():
    log = of(replies("42", label_drawn="chosen") + replies("42", question_id="r", label_drawn="random"))
    assert log.graded.tolist() == [False, True]


def test_rows_of_older_logs_and_actions_without_an_alternative_explore_nothing():
    old = replies("42", action=None, propensity=None, policy_id=None)
    alone = replies("42", question_id="alone", propensity=1)
    explored = replies("42", question_id="explored", action="cot", propensity=0.01)
    log = of(old + alone + explored)
    assert log.explored.tolist() == [False, False, True]
    assert log.taken.tolist() == [-1, 0, 1]
    assert log.policies == {"p": 2}


def test_rows_of_one_question_that_name_two_actions_are_no_decision():
    rows = replies("42", "42")
    rows[1] |= {"action": "cot", "propensity": 0.01}
    assert of(rows).taken.tolist() == [-1]


@pytest.mark.parametrize("propensity", [0, -0.1, 1.5])
def test_a_propensity_that_no_action_can_have_is_refused(propensity):
    with pytest.raises(OutcomesError, match=r"row 1: propensity is .* lies in \(0, 1\]"):
        of(replies("42", propensity=propensity))


def test_what_a_log_says_of_decisions_is_written_again(tmp_path):
    table = Samples.from_rows(replies("42", "13"))
    table.write(tmp_path / "log.parquet")
    again = Decisions.read(tmp_path / "log.parquet")
    assert (again.actions, again.propensity.tolist(), again.policies) == (("cot_vote_3",), [0.99], {"p": 1})
