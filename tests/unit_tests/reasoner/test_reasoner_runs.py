"""What is seen of a reasoner while it runs: streams, events, traces."""

import asyncio

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import BaseTracer

from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from tests.fakes import StatusError, joined
from tests.unit_tests.reasoner.reasoners import reasoner


class Heard(BaseCallbackHandler):
    """What a callback handler gets to see."""

    def __init__(self):
        self.events, self.event_marks, self.model_runs, self.chains = [], [], [], []

    def on_custom_event(self, name, data, *, tags=None, metadata=None, **kwargs):
        self.events.append((name, data))
        self.event_marks.append((tags, metadata))

    def on_chat_model_start(self, serialized, messages, *, tags=None, metadata=None, **kwargs):
        self.model_runs.append((tags, metadata))

    def on_chain_start(self, serialized, inputs, *, name=None, **kwargs):
        self.chains.append(name)


@pytest.fixture(params=["sync", "async"])
def stream(request):
    async def chunks(made, *args):
        return [chunk async for chunk in made.astream(*args)]

    if request.param == "sync":
        return lambda made, *args: list(made.stream(*args))
    return lambda made, *args: asyncio.run(chunks(made, *args))


def test_a_single_pass_streams_its_tokens_and_is_billed_once(stream):
    made = reasoner("so the Answer: 14", policy=FixedPolicy("single_pass", expected_cost=2), budget=10.0)
    chunks = stream(made, "5 + 9?")
    assert [chunk.text for chunk in chunks] == ["so ", "the ", "Answer: ", "14", ""]
    whole = joined(chunks)
    assert whole.usage_metadata["output_tokens"] == 4
    assert whole.response_metadata["adaptive_reasoner"]["cost"] == 4.0
    snapshot = made.ledger.snapshot()
    assert (snapshot.spent, snapshot.questions, snapshot.in_flight) == (4.0, 1, 0)


def test_a_vote_streams_its_winner_whole(stream):
    made = reasoner("Answer: 14", "Answer: 15", "Answer: 14", budget=10.0)
    (chunk,) = stream(made, "5 + 9?")
    assert (chunk.text, chunk.usage_metadata["output_tokens"]) == ("Answer: 14", 6)
    assert isinstance(chunk, AIMessageChunk)
    assert made.ledger.snapshot().spent == 6.0


def test_a_stream_that_is_left_is_a_lost_reply():
    made = reasoner("so the Answer: 14", policy=FixedPolicy("single_pass", expected_cost=2), budget=10.0)
    chunks = made.stream_answer("5 + 9?")
    assert next(chunks).text == "so "
    chunks.close()
    assert (made.ledger.snapshot().spent, made.ledger.snapshot().in_flight) == (50.0, 0)


async def test_an_asynchronous_stream_that_is_left_is_a_lost_reply_too():
    made = reasoner("so the Answer: 14", policy=FixedPolicy("single_pass", expected_cost=2), budget=10.0)
    chunks = made.astream_answer("5 + 9?")
    assert (await anext(chunks)).text == "so "
    await chunks.aclose()
    assert (made.ledger.snapshot().spent, made.ledger.snapshot().in_flight) == (50.0, 0)


def test_a_stream_refused_at_its_start_is_no_question(stream):
    made = reasoner(
        failures={0: StatusError(429)}, policy=FixedPolicy("single_pass", expected_cost=2), budget=10.0
    )
    with pytest.raises(StatusError):
        stream(made, "5 + 9?")
    assert (made.ledger.snapshot().questions, made.ledger.snapshot().in_flight) == (0, 0)


@pytest.mark.parametrize("is_async", [False, True])
async def test_callback_handlers_see_decision_price_and_cost(is_async):
    made, heard = reasoner(budget=10.0), Heard()
    config = {"callbacks": [heard]}
    await made.ainvoke("5 + 9?", config) if is_async else made.invoke("5 + 9?", config)
    assert [(name, data["event"]) for name, data in heard.events] == [
        ("adaptive_reasoner", "decision"),
        ("adaptive_reasoner", "settled"),
    ]
    decided, settled = (data for _, data in heard.events)
    assert (decided["action"], decided["expected_cost"], decided["price"]) == ("vote_3", 6.0, 0.01)
    assert (settled["cost"], settled["average"], settled["target"]) == (4.0, 4.0, 10.0)
    assert heard.event_marks[1][1]["adaptive_cost"] == 4.0
    for tags, metadata in [*heard.model_runs, *heard.event_marks]:
        assert "action:vote_3" in tags
        assert (metadata["adaptive_action"], metadata["adaptive_price"]) == ("vote_3", 0.01)
        assert metadata["adaptive_expected_cost"] == 6.0
    assert len(heard.model_runs) == 2


@pytest.mark.parametrize("is_async", [False, True])
async def test_says_when_the_accuracy_is_steered_blindly_and_when_that_changes(is_async):
    policy = FixedPolicy("vote_3", expected_cost=6)
    policy.price = 0.002
    ledger = open_ledger("memory://", target_accuracy=0.8, policy=policy)
    made, heard = reasoner(policy=policy, ledger=ledger), Heard()

    async def told():
        heard.events.clear()
        config = {"callbacks": [heard]}
        reply = await made.ainvoke("5 + 9?", config) if is_async else made.invoke("5 + 9?", config)
        ledger.feedback(reply.response_metadata["adaptive_reasoner"]["run_id"], 1.0)
        return [data for _, data in heard.events if data["event"] == "quality"]

    (first,) = await told()
    assert (first["target_accuracy"], first["feedbacks"], first["blind"], first["limit"]) == (
        0.8,
        0,
        True,
        None,
    )
    assert first["run_id"]
    assert await told() == []
    for number in range(60):
        ledger.feedback(f"q{number}", 0.9)
    (later,) = await told()
    assert (later["feedbacks"], later["blind"]) == (62, False)
    assert later["low"] < later["accuracy"] < later["high"]
    assert await told() == []


def test_says_when_the_budget_keeps_the_accuracy_from_being_held():
    policy = FixedPolicy("vote_3", expected_cost=6)
    policy.price = 0.002
    made, heard = reasoner(policy=policy, budget=1.0, target_accuracy=0.99), Heard()
    for _ in range(20):
        made.invoke("5 + 9?", {"callbacks": [heard]})
    told = [data["limit"] for _, data in heard.events if data["event"] == "quality"]
    assert told[-1] == "budget"
    assert made.ledger.snapshot().quality.limit == "budget"


class Traced(BaseTracer):
    """What a tracer such as LangSmith's keeps of each run."""

    def __init__(self):
        super().__init__()
        self.runs = {}

    def _persist_run(self, run):
        self._keep(run)

    def _keep(self, run):
        self.runs[run.name] = (run.tags, run.extra.get("metadata", {}))
        for child in run.child_runs:
            self._keep(child)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_traced_run_itself_carries_decision_and_real_cost(is_async):
    traced, chain = Traced(), RunnableLambda(str.strip, name="around") | reasoner(budget=10.0)
    config = {"callbacks": [traced], "metadata": {"own": 1}}
    await chain.ainvoke("5 + 9?", config) if is_async else chain.invoke("5 + 9?", config)
    tags, metadata = traced.runs["adaptive_reasoner"]
    assert "action:vote_3" in tags
    assert (metadata["adaptive_action"], metadata["adaptive_price"]) == ("vote_3", 0.01)
    assert (metadata["adaptive_expected_cost"], metadata["adaptive_cost"], metadata["own"]) == (6.0, 4.0, 1)
    others = [metadata for name, (_, metadata) in traced.runs.items() if name != "adaptive_reasoner"]
    assert len(others) == 3
    assert not any("adaptive_cost" in metadata for metadata in others)


def test_a_failure_is_an_event_with_its_cost():
    made, heard = reasoner(failures={n: TimeoutError() for n in range(9)}, budget=10.0), Heard()
    with pytest.raises(TimeoutError):
        made.invoke("5 + 9?", {"callbacks": [heard]})
    assert [(data["event"], data.get("cost")) for _, data in heard.events] == [
        ("decision", None),
        ("failed", 150.0),
    ]
