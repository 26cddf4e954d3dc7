import asyncio
import itertools
import threading

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, arun
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.priced_stops import PricedRetries
from adaptive_reasoner.strategies.verification import Checker, Judge, best_of_n, cascade
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import IN_TURN, ScriptedModel, StatusError

TASK = Task([HumanMessage("What is 5 + 9?")])
ANSWERS = ("Answer: 12", "Answer: 14", "Answer: 13")


def caller(*answers, **fields):
    return CallExecutor(
        Source(ScriptedModel(answers=answers or ANSWERS, **fields), max_tokens=50), TokenMeter(), IN_TURN
    )


def near_14(question, message):
    assert question == "What is 5 + 9?"
    return -abs(14 - int(message.text.split()[-1]))


def right(question, message):
    return message.text.endswith("14")


def test_the_best_by_a_function_of_question_and_reply_is_the_answer(drive):
    made = caller()
    answer = drive(best_of_n(3, near_14), made)
    assert (answer.value, answer.score, len(made.bill), made.rounds) == ("14", 0.0, 3, 1)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("Score: 8", 8.0),
        ("Score: 8/10", 8.0),
        ("**Score:** 8 (out of 10)", 8.0),
        ("2 of 3 steps hold. Score: 6.5", 6.5),
        ("A score of 7/10.", 7.0),
        ("Score (0-10): 7", 7.0),
        ("Score: 2. No, wait. Score: 9", 9.0),
        ("4", 4.0),
        ("cannot tell", None),
    ],
)
def test_a_judges_score_is_read_as_it_was_meant(said, score):
    assert Judge(ScriptedModel()).read(AIMessage(said)) == score


def test_a_judge_is_shown_the_calls_of_a_reply_that_has_no_text(drive):
    judge = ScriptedModel(answers=("Score: 5",))
    tools = AIMessage("", tool_calls=[{"name": "add", "args": {"x": 5}, "id": "a"}])
    drive(best_of_n(1, Judge(judge)), caller(replies={0: tools}))
    assert '[["add", {"x": 5}]]' in judge.requests[0]["prompt"]


def test_a_judge_scores_each_reply_and_is_billed(drive):
    judge = ScriptedModel(answers=("Looks wrong. Score: 2", "Right. Score: 9", "I cannot say."))
    made = caller()
    answer = drive(best_of_n(3, Judge(Source(judge, max_tokens=50))), made)
    assert (answer.value, answer.score) == ("14", 9.0)
    assert len(made.bill) == 6
    assert made.cost == 3 * 2 + 4 + 3 + 3
    assert "Proposed answer:\nAnswer: 12" in judge.requests[0]["prompt"]


def test_where_the_judge_fails_the_first_reply_stands(drive):
    judge = ScriptedModel(failures={number: StatusError(503) for number in range(3)})
    answer = drive(best_of_n(3, Judge(Source(judge, max_tokens=50))), caller())
    assert (answer.value, answer.score) == ("12", None)


def test_a_checker_ends_the_search_at_the_first_reply_it_accepts(drive):
    made = caller()
    answer = drive(best_of_n(9, Checker(right)), made)
    assert (answer.value, answer.score, len(made.bill)) == ("14", 1.0, 2)


def test_where_nothing_is_accepted_the_first_reply_is_returned_and_says_so(drive):
    made = caller("Answer: 1")
    answer = drive(best_of_n(4, Checker(right)), made)
    assert (answer.value, answer.score, answer.agreement, len(made.bill)) == ("1", 0.0, 0.0, 4)


@pytest.mark.parametrize(("price", "calls"), [(0.0, 20), (0.05, 8), (1.0, 1)])
def test_under_a_price_a_hopeless_search_is_given_up(drive, price, calls):
    made = caller("Answer: 1")
    drive(best_of_n(20, Checker(right, PricedRetries())), made, Task(TASK.messages, price=price))
    assert len(made.bill) == calls


def test_a_cascade_asks_the_strong_source_only_where_the_cheap_votes_disagree(drive):
    strong = ScriptedModel(answers=("Answer: 14",))
    flow = cascade(self_consistency(3), on(Source(strong, max_tokens=50)), accept=0.6)
    assert drive(flow, caller("Answer: 12")).value == "12"
    assert strong.requests == []
    assert drive(flow, caller("Answer: 11", "Answer: 12", "Answer: 13")).value == "14"
    assert len(strong.requests) == 1


@pytest.mark.parametrize(
    ("accept", "scorer"),
    [(lambda answer: answer.value == "14", None), (-0.5, near_14)],
    ids=["function", "score"],
)
def test_a_cascade_accepts_by_function_or_by_score(drive, accept, scorer):
    strong = ScriptedModel(answers=("Answer: 0",))
    flow = cascade(single_pass(), on(Source(strong, max_tokens=50)), accept, scorer=scorer)
    assert drive(flow, caller("Answer: 14")).value == "14"
    assert drive(flow, caller("Answer: 12")).value == "0"


def test_a_cascade_answers_with_the_flow_that_did_not_fail(drive):
    broken = Source(ScriptedModel(failures={number: StatusError(503) for number in range(9)}), max_tokens=50)
    assert drive(cascade(on(broken), single_pass(), accept=0.5), caller("Answer: 1")).value == "1"
    assert (
        drive(cascade(single_pass(), on(broken), accept=lambda answer: False), caller("Answer: 2")).value
        == "2"
    )
    with pytest.raises(StatusError):
        drive(cascade(on(broken), on(broken), accept=0.5), caller())


def test_what_makes_no_sense_is_refused_at_once():
    with pytest.raises(ValueError, match="best of 0"):
        best_of_n(0, near_14)
    with pytest.raises(ValueError, match=r"a whole number of at least 1 sample, not 2\.5"):
        best_of_n(2.5, near_14)
    for scorer in (None, "judge", Checker("right")):
        with pytest.raises(TypeError, match="a scorer is a function of question and reply"):
            best_of_n(2, scorer)
    with pytest.raises(TypeError, match="not 'judge'"):
        cascade(single_pass(), single_pass(), accept=0.5, scorer="judge")
    with pytest.raises(ValueError, match="not 7"):
        cascade(single_pass(), single_pass(), accept=7)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_score_that_is_no_number_is_never_the_best(drive, first):
    scores = itertools.cycle([float("nan") if at == first else float(at) for at in range(3)])
    answer = drive(best_of_n(3, lambda question, message: next(scores)), caller("Answer: 1"))
    assert answer.score == (1.0 if first == 2 else 2.0)


async def test_a_check_that_takes_its_time_does_not_hold_up_the_loop():
    held = threading.Event()

    def slow(question, message):
        return held.wait(30)  # until the loop has got to set it

    async def meanwhile():
        held.set()

    answer, _ = await asyncio.gather(arun(best_of_n(1, Checker(slow)), TASK, caller()), meanwhile())
    assert answer.score == 1.0
