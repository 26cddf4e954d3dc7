"""Ways to answer, written as flows.

A flow is a generator: it yields the calls it wants, a wave at a time, and is sent their replies. It
knows nothing of threads, tasks or money, so one body serves both drivers, `run` and `arun`, and flows
compose: a vote of thinking calls on another model is
`on(strong, extended_thinking("high", self_consistency(5)))`.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import AnswerKey, final_answer
from adaptive_reasoner.calls import Caller, Messages, Reply, Request, Source
from adaptive_reasoner.stopping import Votes


@dataclass(frozen=True)
class Task:
    """What a flow has to answer.

    Attributes:
        messages: The conversation; its last human turn is the question.
        price: Accuracy that a unit of cost must be worth, for flows that can stop early.
    """

    messages: Messages
    price: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What a flow returns.

    Attributes:
        message: The winning reply, whole.
        value: Its canonical answer; None where it has none.
        agreement: Share of the samples that gave this answer.
    """

    message: AIMessage
    value: str | None
    agreement: float = 1.0


Steps = Generator[Sequence[Request], Sequence[Reply], Answer]
Flow = Callable[[Task], Steps]


def single_pass(*, key: AnswerKey = final_answer) -> Flow:
    """Answer with one call."""

    def flow(task: Task) -> Steps:
        (reply,) = yield [Request(task.messages)]
        (message,) = _arrived([reply])
        return Answer(message, key(message))

    return flow


def self_consistency(samples: int, *, key: AnswerKey = final_answer) -> Flow:
    """Sample until the leading answer cannot be overtaken, at most `samples` times.

    The answer is that of all `samples`, at 20 to 40 percent fewer calls. A sample that fails or gives
    no answer does not vote; if none votes, the first that arrived is returned.

    Source:
        Wang et al., arXiv:2203.11171; the early end is lossless.
    """
    if samples < 1:
        raise ValueError(f"a vote needs at least 1 sample, not {samples}")

    def flow(task: Task) -> Steps:
        votes, replies = Votes(samples), list[Reply]()
        while votes.needed:
            wave = yield [Request(task.messages, competes=samples > 1)] * votes.needed
            votes.add(key(reply.message) if reply.message else None for reply in wave)
            replies += wave
        messages = _arrived(replies)
        winner = next((message for message in messages if key(message) == votes.winner), messages[0])
        return Answer(winner, votes.winner, votes.agreement)

    return flow


def extended_thinking(effort: str, flow: Flow | None = None, *, max_tokens: int | None = None) -> Flow:
    """Let every call of `flow` think with `effort`, in up to `max_tokens`.

    Args:
        effort: What the model takes as `reasoning_effort`: "low", "medium", "high", ...
        flow: What to do with the thinking calls; one pass where not given.
        max_tokens: Room for the thoughts and the answer; the source's where not given.
    """
    settings: dict[str, Any] = {"reasoning_effort": effort}
    if max_tokens is not None:
        settings["max_tokens"] = max_tokens
    return _each_request(
        flow or single_pass(), lambda request: replace(request, settings={**settings, **request.settings})
    )


def on(source: Source, flow: Flow | None = None) -> Flow:
    """Let the calls of `flow` go to `source`: another model, another prompt, other settings.

    Calls that a flow inside has already directed to a source of their own stay there.
    """
    return _each_request(
        flow or single_pass(), lambda request: request if request.source else replace(request, source=source)
    )


class Running:
    """A flow on its way: the calls it waits for, or its answer.

    Attributes:
        requests: What to call next.
        answer: What the flow returned; None while it is on its way.
    """

    def __init__(self, flow: Flow, task: Task) -> None:
        self._steps = flow(task)
        self.requests: Sequence[Request] = ()
        self.answer: Answer | None = None
        self._advance(lambda: next(self._steps))

    @property
    def visible(self) -> bool:
        """Whether the next reply is for the user to see, and so may be streamed."""
        return len(self.requests) == 1 and not self.requests[0].competes

    def send(self, replies: Sequence[Reply]) -> None:
        """Give the flow its replies."""
        self._advance(lambda: self._steps.send(replies))

    def _advance(self, step: Callable[[], Sequence[Request]]) -> None:
        try:
            self.requests = step()
        except StopIteration as end:
            self.requests, self.answer = (), end.value


def run(flow: Flow, task: Task, caller: Caller) -> Answer:
    """Drive a flow to its answer; its waves run in threads."""
    running = Running(flow, task)
    while running.answer is None:
        running.send(caller.wave(running.requests))
    return running.answer


async def arun(flow: Flow, task: Task, caller: Caller) -> Answer:
    """Drive a flow to its answer; its waves run as tasks."""
    running = Running(flow, task)
    while running.answer is None:
        running.send(await caller.awave(running.requests))
    return running.answer


def _each_request(flow: Flow, change: Callable[[Request], Request]) -> Flow:
    """`flow`, with every request changed on its way out."""

    def changed(task: Task) -> Steps:
        steps = flow(task)
        try:
            requests = next(steps)
            while True:
                requests = steps.send((yield [change(request) for request in requests]))
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    return changed


def _arrived(replies: Sequence[Reply]) -> list[AIMessage]:
    """The usable messages; where there is none, the first error is raised as it came."""
    messages = [reply.message for reply in replies if reply.message is not None]
    if not messages:
        raise next(reply.error for reply in replies if reply.error is not None)
    return messages
