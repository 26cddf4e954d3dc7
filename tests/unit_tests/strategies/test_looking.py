"""A vote that may be left: it stops, samples again or hands the question over, as its plan says."""

import numpy as np
import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner import SampleMeter, Source, single_pass
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.strategies.flow import Task, run
from adaptive_reasoner.strategies.look_plans import AGAIN, STOP, LookPlan, VoteStates
from adaptive_reasoner.strategies.looking import look
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.vote_state import VoteState
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import IN_TURN, ScriptedModel


def plan_of(limit, decided, *, actions=("dear",)):
    """A plan by (drawn, top, second); it samples again where nothing is said."""
    states = VoteStates.of(limit)
    course = [
        decided.get(state, AGAIN if state[0] < limit else STOP)
        for state in zip(states.drawn.tolist(), states.top.tolist(), states.second.tolist(), strict=True)
    ]
    return LookPlan(limit, np.array(course), "cheap", actions)


AGREE_OR_ASK = {(2, 2, 0): STOP, (2, 1, 1): 0, (2, 1, 0): 0, (2, 0, 0): 0}


def ask(cheap, dear, plan, *, sample=None):
    flows = {"cheap": on(Source(cheap), sample or single_pass()), "dear": on(Source(dear), single_pass())}
    caller = CallExecutor(Source(cheap), SampleMeter(), IN_TURN)
    answer = run(look(flows), Task([HumanMessage("How many?")], plan=plan), caller)
    return answer, caller


def test_two_samples_that_agree_are_the_answer():
    cheap, dear = ScriptedModel(answers=("Answer: 7",)), ScriptedModel(answers=("Answer: 9",))
    answer, caller = ask(cheap, dear, plan_of(2, AGREE_OR_ASK))
    assert (answer.value, answer.votes, len(dear.requests)) == ("7", {"7": 2}, 0)
    assert (caller.cost, caller.rounds) == (2.0, 1)  # both are drawn whatever they say, so at once


def test_two_samples_that_differ_hand_the_question_over():
    cheap, dear = ScriptedModel(answers=("Answer: 7", "Answer: 8")), ScriptedModel(answers=("Answer: 9",))
    answer, caller = ask(cheap, dear, plan_of(2, AGREE_OR_ASK))
    assert (answer.value, len(cheap.requests), len(dear.requests), caller.cost) == ("9", 2, 1, 3.0)


def test_it_samples_again_as_long_as_the_plan_says_so():
    cheap = ScriptedModel(answers=("Answer: 7", "Answer: 8", "Answer: 8"))
    plan = plan_of(3, {(2, 2, 0): STOP})
    answer, caller = ask(cheap, ScriptedModel(), plan)
    assert (answer.value, caller.cost, caller.rounds) == ("8", 3.0, 2)


def test_where_the_successor_fails_the_leading_answer_stands():
    cheap = ScriptedModel(answers=("Answer: 7", "Answer: 8"))
    broken = ScriptedModel(failures={0: ConnectionError("down")})
    answer, caller = ask(cheap, broken, plan_of(2, AGREE_OR_ASK))
    assert answer.value == "7"
    assert any(reply.error is not None for reply in caller.bill)


def test_a_failed_sample_is_drawn_and_does_not_vote():
    cheap = ScriptedModel(answers=("Answer: 7",), failures={1: ConnectionError("down")})
    dear = ScriptedModel(answers=("Answer: 9",))
    answer, _ = ask(cheap, dear, plan_of(2, AGREE_OR_ASK))
    assert answer.value == "9"  # one vote of two samples


def test_without_a_plan_it_refuses():
    with pytest.raises(ValueError, match="there is none"):
        ask(ScriptedModel(), ScriptedModel(), None)


def test_what_samples_by_several_calls_at_once_is_refused():
    with pytest.raises(ValueError, match="'cheap' once, and its strategy asks for 2 calls"):
        ask(ScriptedModel(), ScriptedModel(), plan_of(2, AGREE_OR_ASK), sample=self_consistency(3))


def test_states_are_counted_once_and_lead_to_each_other():
    states = VoteStates.of(4)
    seen = list(zip(states.drawn.tolist(), states.top.tolist(), states.second.tolist(), strict=True))
    assert len(set(seen)) == len(seen)
    for state, after in zip(seen, states.after.tolist(), strict=True):
        drawn, top, second = state
        if drawn == 4:
            assert {seen[position] for position in after} == {state}
            continue
        joined, lifted, neither = (seen[position] for position in after)
        assert joined == (drawn + 1, top + 1, second)
        assert lifted == ((drawn + 1, top + 1, second) if second == top else (drawn + 1, top, second + 1))
        assert neither == (drawn + 1, top, second)


def test_a_wave_ends_before_the_first_state_that_may_end_the_vote():
    plan = plan_of(4, {(3, 3, 0): STOP})
    states = [VoteState(0, 0, 0, 4), VoteState(2, 0, 2, 4), VoteState(1, 1, 2, 4), VoteState(3, 0, 3, 4)]
    assert [plan.wave(state) for state in states] == [3, 1, 2, 0]
