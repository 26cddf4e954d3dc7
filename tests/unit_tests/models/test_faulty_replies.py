"""A reply that the bare model would give, though it says nothing, passes; in a vote any other beats it."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import PrivateAttr

from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.models.replies import EmptyReplyError, MalformedToolCallError
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.flow import each_request
from adaptive_reasoner.strategies.verification import Judge, best_of_n, cascade
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, joined
from tests.unit_tests.kit.collecting.sums import questions, rows_of

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
DONE = {"finish_reason": "stop"}
CALL = {"name": "add", "args": '{"x": 1', "id": "1", "error": None, "type": "invalid_tool_call"}


class InTurn(FakeMessagesListChatModel):
    """Answers in turn, copies of it included, and lets tools be bound to it."""

    _numbers: Iterator[int] = PrivateAttr(default_factory=itertools.count)

    def _generate(self, *args, **kwargs):
        message = self.responses[next(self._numbers) % len(self.responses)]
        return ChatResult(generations=[ChatGeneration(message=message.model_copy())])

    def bind_tools(self, tools, **kwargs):
        return self


def empty():
    return AIMessage("", usage_metadata=USAGE, response_metadata=DONE)


def malformed(text=""):
    return AIMessage(text, invalid_tool_calls=[CALL], usage_metadata=USAGE, response_metadata=DONE)


def said(text):
    return AIMessage(text, usage_metadata=USAGE, response_metadata=DONE)


def model_of(*replies):
    return InTurn(responses=list(replies))


def terms(flow):
    return {"policy": FixedPolicy("a", expected_cost=15.0), "actions": {"a": flow}}


def through_agent(model, flow):
    made = AdaptiveComputeMiddleware(**terms(flow))
    state = create_agent(model, [], middleware=[made]).invoke({"messages": [HumanMessage("1 + 2?")]}, ONE)
    return state["messages"][-1], made.ledger


def through_async_agent(model, flow):
    made = AdaptiveComputeMiddleware(**terms(flow))
    agent = create_agent(model, [], middleware=[made])
    state = asyncio.run(agent.ainvoke({"messages": [HumanMessage("1 + 2?")]}, ONE))
    return state["messages"][-1], made.ledger


def through_chat_model(model, flow):
    made = AdaptiveChatModel(model, **terms(flow))
    return made.invoke("1 + 2?", ONE), made.ledger


def through_stream(model, flow):
    made = AdaptiveChatModel(model, **terms(flow))
    return joined(list(made.stream("1 + 2?", ONE))), made.ledger


def through_node(model, flow):
    node = AdaptiveComputeNode(model, **terms(flow))
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
    return graph.invoke({"messages": [HumanMessage("1 + 2?")]}, ONE)["messages"][-1], node.reasoner.ledger


def through_reasoner(model, flow):
    made = AdaptiveReasoner(model, **terms(flow))
    return made.invoke("1 + 2?", ONE), made.ledger


ONE = {"max_concurrency": 1}
ways = pytest.mark.parametrize(
    "through",
    [through_agent, through_async_agent, through_chat_model, through_stream, through_node, through_reasoner],
)
faulty = pytest.mark.parametrize("made", [empty, malformed, lambda: malformed("The answer is 5")])


@ways
@faulty
@pytest.mark.parametrize(("flow", "calls"), [(single_pass(), 1), (self_consistency(3), 3)])
def test_it_is_the_answer_where_nothing_else_came_and_is_billed(through, made, flow, calls):
    reply, ledger = through(model_of(*[made() for _ in range(calls)]), flow)
    bare = made()
    # Where chunks are joined LangChain mends what it can of a call; of a bare model's stream too.
    calls_of = reply.invalid_tool_calls or getattr(reply, "tool_call_chunks", [])
    assert reply.text == bare.text
    assert [call["args"] for call in calls_of] == [call["args"] for call in bare.invalid_tool_calls]
    record = reply.response_metadata["adaptive_reasoner"]
    assert (record["answer"], record["votes"], record["cost"]) == (None, {}, calls * 5.0)
    assert (len(record["failed"]), record["estimated"]) == (calls, False)
    assert reply.usage_metadata["output_tokens"] == calls * 5
    assert ledger.snapshot().spent == calls * 5.0


@ways
@faulty
@pytest.mark.parametrize("flow", [self_consistency(3), best_of_n(3, lambda _, message: -len(message.text))])
def test_any_other_reply_beats_it(through, made, flow):
    reply, ledger = through(model_of(made(), said("Answer: 5"), made()), flow)
    assert reply.text == "Answer: 5"
    assert ledger.snapshot().spent == 15.0


def test_a_tool_call_that_cannot_be_read_beats_an_empty_reply():
    reply, _ = through_reasoner(model_of(empty(), malformed(), empty()), self_consistency(3))
    assert reply.invalid_tool_calls


def test_a_vote_counts_no_answer_beside_a_tool_call_that_cannot_be_read():
    bad = malformed("The answer is 5")
    replies = model_of(bad, bad.model_copy(), said("Answer: 7"))
    reply, _ = through_reasoner(replies, self_consistency(3))
    assert reply.response_metadata["adaptive_reasoner"]["votes"] == {"7": 1}


def test_a_cascade_goes_on_after_an_empty_reply_and_keeps_the_other_s_answer():
    flow = cascade(single_pass(), single_pass(), accept=lambda answer: answer.message.text == "sure")
    assert through_reasoner(model_of(empty(), said("7")), flow)[0].text == "7"
    assert through_reasoner(model_of(said("7"), empty()), flow)[0].text == "7"
    assert through_reasoner(model_of(empty(), empty()), flow)[0].text == ""


def test_an_empty_reply_of_a_judge_is_no_answer():
    judge = Judge(model_of(empty(), empty(), empty()))
    reply, _ = through_reasoner(model_of(said("7"), said("8"), said("9")), best_of_n(3, judge))
    assert reply.text == "7"


def test_where_calls_also_failed_the_empty_reply_is_still_the_answer():
    model = ScriptedModel(answers=("",), failures={0: TimeoutError("slow"), 2: TimeoutError("slow")})
    reply, _ = through_reasoner(Source(model, max_tokens=50), self_consistency(3))
    record = reply.response_metadata["adaptive_reasoner"]
    assert (reply.text, record["cost"], record["estimated"]) == ("", 100.0, True)
    assert [failed.split(":")[0] for failed in record["failed"]] == [
        "TimeoutError",
        "EmptyReplyError",
        "TimeoutError",
    ]


def test_a_flow_of_one_s_own_sees_a_failure_with_what_came():
    seen = []

    def flow(task):
        replies = yield from each_request(single_pass(), lambda request: request)(task)
        seen.append(replies)
        return replies

    assert through_reasoner(model_of(empty()), flow)[0].text == ""
    assert seen == []  # the flow ended for want of a reply, as with any failure


def test_an_agent_that_ends_on_an_empty_message_ends_as_without_a_budget():
    @tool
    def look_up(what: str) -> str:
        """Look something up."""
        return what

    def scripted():
        calls = [
            {"name": "look_up", "args": {"what": str(n)}, "id": str(n), "type": "tool_call"} for n in range(3)
        ]
        asked = [said("").model_copy(update={"tool_calls": [call]}) for call in calls]
        return model_of(*asked, empty())

    asked = {"messages": [HumanMessage("Look it up.")]}
    bare = create_agent(scripted(), [look_up]).invoke(asked)["messages"]
    once = AdaptiveComputeMiddleware(**terms(single_pass()))
    ours = create_agent(scripted(), [look_up], middleware=[once]).invoke(asked)["messages"]
    assert [message.text for message in ours] == [message.text for message in bare]
    assert once.ledger.snapshot().spent == 4 * 5.0


def test_an_empty_reply_that_was_cut_off_or_without_usage_is_still_a_failure():
    cut = empty().model_copy(update={"response_metadata": {"finish_reason": None}})
    unpriced = empty().model_copy(update={"usage_metadata": None})
    for reply in (cut, unpriced):
        with pytest.raises(EmptyReplyError):
            through_reasoner(model_of(reply), single_pass())


def test_collection_files_a_tool_call_that_cannot_be_read_with_a_named_error(tmp_path):
    out = tmp_path / "samples.jsonl"
    menu = Menu({"cot": Source(model_of(malformed("The answer is 1"), empty()), max_tokens=50)})
    done = collect(questions(2), menu, out, concurrency=1)
    rows = sorted(rows_of(out), key=lambda row: "error" not in row)
    read, blank = rows[0], rows[-1]
    assert (read["answer"], read["correct"], read["cost"]) == (None, 0.0, 5.0)
    assert read["error"].startswith(
        f"{MalformedToolCallError.__name__}: the call of tool 'add' cannot be read"
    )
    assert read["completion_tokens"] == 5
    assert (blank["answer"], blank.get("error"), blank["completion_tokens"]) == (None, None, 5)
    assert done.failed >= 1
