"""Models that price themselves, and an agent of everything that spends: what a bill has to add up to."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, SummarizationMiddleware
from langchain_core.decisions import BaseDecisionModel, ClassifierResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from pydantic import PrivateAttr

from adaptive_reasoner.models.metering import PriceMeter, PriceTable
from tests.fakes import StatusError

PRICES = {
    "main": (1.0, 4.0),
    "researcher": (0.5, 2.0),
    "writer": (0.4, 3.0),
    "summariser": (0.1, 0.7),
    "router": (0.05, 0.3),
}
"""Dollars per million tokens of prompt and reply."""

SEARCH = 0.005
METER = PriceTable({name: PriceMeter(*prices) for name, prices in PRICES.items()})


class Spent:
    """What was called, and what it cost by the stub's own price."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []

    @property
    def dollars(self) -> float:
        return sum(cost for _, cost in self.calls)

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)

    def add(self, name: str, cost: float) -> None:
        self.calls.append((name, cost))


class PricedModel(BaseChatModel):
    """Answers as its script says, and adds its own price to what was spent.

    Args:
        model: Its name, which has a price.
        script: The reply to a conversation.
        spent: Where its price is added.
        failures: The numbers of calls that fail, from 0, with `error`.
        answers_as: The name in its replies, where it is another.
        before: Called with its name before it answers.
        seconds: How long an asynchronous call takes.
    """

    model: str
    script: Callable[[list[Any]], AIMessage]
    spent: Any
    failures: tuple[int, ...] = ()
    error: Any = StatusError(500)
    answers_as: str | None = None
    max_tokens: int | None = 200
    before: Any = None
    seconds: float = 0.0
    _number: list[int] = PrivateAttr(default_factory=lambda: [0])

    @property
    def _llm_type(self) -> str:
        return "priced"

    def bind_tools(self, tools, *, tool_choice=None, **kwargs):
        return self.bind(**kwargs)

    def _reply(self, messages) -> AIMessage:
        if self.before is not None:
            self.before(self.model)
        number, self._number[0] = self._number[0], self._number[0] + 1
        if number in self.failures:
            raise self.error
        reply = self.script(messages)
        given = 7 + sum(len(message.text.split()) for message in messages)
        answered = 3 + len(reply.text.split()) + 5 * len(reply.tool_calls)
        prompt, completion = PRICES[self.model]
        self.spent.add(self.model, (given * prompt + answered * completion) / 1e6)
        usage = UsageMetadata(input_tokens=given, output_tokens=answered, total_tokens=given + answered)
        metadata = {"model_name": self.answers_as or self.model, "finish_reason": "stop"}
        return reply.model_copy(update={"usage_metadata": usage, "response_metadata": metadata, "id": None})

    def _generate(self, messages, stop=None, run_manager=None, **kwargs) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages))])

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs) -> ChatResult:
        await asyncio.sleep(self.seconds)
        return self._generate(messages)

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        reply = self._reply(messages)
        calls = [
            {**call, "args": json.dumps(call["args"]), "index": number, "type": "tool_call_chunk"}
            for number, call in enumerate(reply.tool_calls)
        ]
        first = AIMessageChunk(reply.text, tool_call_chunks=calls)
        chunk = ChatGenerationChunk(message=first)
        if run_manager:
            run_manager.on_llm_new_token(reply.text, chunk=chunk)
        yield chunk
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                "",
                usage_metadata=reply.usage_metadata,
                response_metadata=reply.response_metadata,
                chunk_position="last",
            )
        )


class PricedRouter(BaseDecisionModel):
    """Chooses the first option, and sees one risk everywhere, at its own price."""

    model: str = "router"
    spent: Any = None
    risk: float = 0.0

    @property
    def _provider(self) -> str:
        return "priced"

    def _classify(self, state, questions):
        prompt, completion = PRICES["router"]
        self.spent.add("router", (40 * prompt + 2 * completion) / 1e6)
        answers = {name: self._answer(question) for name, question in questions.items()}
        usage = {"input_tokens": 40, "output_tokens": 2}
        return ClassifierResponse.model_validate({"model": "router", "answers": answers, "usage": usage})

    def _answer(self, question):
        if question.type == "noul":
            return {"type": "noul", "noul": self.risk}
        first, *others = question.criteria
        probabilities = {first: 1.0, **dict.fromkeys(others, 0.0)}
        return {"type": "choice", "choice": first, "probabilities": probabilities, "confidence": 1.0}


def calls(*names_and_args):
    """A reply that calls tools."""
    return AIMessage(
        "I will look.",
        tool_calls=[
            {"name": name, "args": args, "id": f"{name}-{number}"}
            for number, (name, args) in enumerate(names_and_args)
        ],
    )


def steps(*replies):
    """A script: after the results of a reply's tools comes the next reply, whatever else was summarised."""

    def script(messages):
        last = messages[-1]
        if not isinstance(last, ToolMessage):
            return replies[0]
        called = [any(call["name"] == last.name for call in reply.tool_calls) for reply in replies]
        return replies[called.index(True) + 1]

    return script


def tools_of(spent, *, before=None, subagent_middleware=()):
    """Three tools, one of them paid, and two subagents."""

    @tool
    def search(query: str) -> str:
        """Search, for half a cent."""
        if before is not None:
            before("search")
        spent.add("search", SEARCH)
        return f"found {query}"

    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @tool
    def note(text: str) -> str:
        """Note."""
        return "noted"

    def subagent(name, own_tools, script, failures=()):
        model = PricedModel(model=name, script=script, spent=spent, failures=failures, before=before)
        retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
        return create_agent(model, own_tools, middleware=[*subagent_middleware, retry])

    researcher = subagent(
        "researcher", [search, add], steps(calls(("search", {"query": "x"})), AIMessage("It is so.")), (0,)
    )
    writer = subagent("writer", [note], steps(calls(("note", {"text": "a"})), AIMessage("A line of text.")))

    @tool
    def research(question: str) -> str:
        """Ask the researcher."""
        return researcher.invoke({"messages": [("user", question)]})["messages"][-1].text

    @tool
    async def write(topic: str) -> str:
        """Ask the writer."""
        state = await writer.ainvoke({"messages": [("user", topic)]})
        return state["messages"][-1].text

    def write_now(topic: str) -> str:
        return writer.invoke({"messages": [("user", topic)]})["messages"][-1].text

    write.func = write_now
    return [search, add, note, research, write]


MAIN = (
    calls(("search", {"query": "y"}), ("add", {"a": 1, "b": 2})),
    calls(("research", {"question": "why"}), ("write", {"topic": "it"})),
    AIMessage("Here is all of it."),
)


def summariser(spent, **options):
    model = PricedModel(model="summariser", script=lambda _: AIMessage("A summary."), spent=spent, **options)
    return SummarizationMiddleware(model, trigger=("messages", 4), keep=("messages", 3))


class Searches:
    """Searches on and on while it has tools, and answers where it is told that it has none."""

    def __init__(self, most=99):
        self.seen, self.most = [], most

    def __call__(self, messages):
        self.seen.append(list(messages))
        done = sum(isinstance(message, ToolMessage) for message in messages)
        if "no tool can be called" in messages[-1].text or done >= self.most:
            return AIMessage("So far: it.")
        return calls(("look", {"query": f"{done}"})).model_copy(update={"content": "so " * 100})


@tool
def look(query: str) -> str:
    """Look it up."""
    return f"found {query}"


async def run(agent, how, given, config=None):
    match how:
        case "invoke":
            return agent.invoke(given, config)
        case "ainvoke":
            return await agent.ainvoke(given, config)
        case "stream":
            return list(agent.stream(given, config, stream_mode=["messages", "values"]))[-1][1]
        case "astream":
            seen = [part async for part in agent.astream(given, config, stream_mode=["messages", "values"])]
            return seen[-1][1]


HOW = ("invoke", "ainvoke", "stream", "astream")


def settled(ledger, spent):
    """The ledger's total is the stub's price, to a billionth of a dollar, and nothing is left open."""
    snapshot = ledger.snapshot()
    assert abs(snapshot.spent - spent.dollars) <= 1e-9 * len(spent.calls)
    assert abs(snapshot.spent - sum(round(cost, 9) for _, cost in spent.calls)) < 1e-12
    assert snapshot.in_flight == 0
    return snapshot
