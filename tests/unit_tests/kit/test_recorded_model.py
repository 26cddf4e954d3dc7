import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.strategies.flow import Task, run
from adaptive_reasoner.strategies.voting import self_consistency, single_pass


def recorded(answers=("14", "14", None, "15", "14")):
    rows = [
        {
            "question_id": "q",
            "question": "5 + 9?",
            "source": "cot",
            "sample": number,
            "answer": answer,
            "gold": "14",
            "correct": float(answer == "14"),
            "cost": 10.0 + number,
            "cost_unit": "tokens",
            "completion_tokens": 10 + number,
        }
        for number, answer in enumerate(answers)
    ]
    return Samples.from_rows(rows)


def test_deals_every_recorded_reply_once_before_it_deals_one_again():
    source = recorded_sources(recorded(), seed=3)["cot"]
    caller = CallExecutor(source, TokenMeter())
    task = Task([HumanMessage("5 + 9?")])
    answers = [run(single_pass(), task, caller).value for _ in range(10)]
    assert sorted(map(str, answers[:5])) == sorted(map(str, answers[5:])) == ["14", "14", "14", "15", "None"]
    assert caller.cost == 2 * (10 + 11 + 12 + 13 + 14)


def test_a_vote_over_the_record_is_the_vote_over_its_samples():
    caller = CallExecutor(recorded_sources(recorded())["cot"], TokenMeter())
    answer = run(self_consistency(5), Task([HumanMessage("5 + 9?")]), caller)
    assert answer.value == "14"


def test_equal_seeds_replay_equally_and_other_seeds_otherwise():
    def order(seed):
        caller = CallExecutor(
            recorded_sources(recorded(tuple(map(str, range(9)))), seed=seed)["cot"], TokenMeter()
        )
        task = Task([HumanMessage("5 + 9?")])
        return [run(single_pass(), task, caller).value for _ in range(9)]

    assert order(1) == order(1) != order(2)


def test_a_question_that_was_not_recorded_is_named():
    caller = CallExecutor(recorded_sources(recorded())["cot"], TokenMeter())
    with pytest.raises(LookupError, match="6 \\+ 6"):
        run(single_pass(), Task([HumanMessage("6 + 6?")]), caller)
