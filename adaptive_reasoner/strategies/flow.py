"""Flows: ways to answer, each written once for threads and for tasks.

A flow is a generator: it yields the calls it wants, a wave at a time, and is sent their replies. It
knows nothing of threads, tasks or money, so one body serves both drivers, `run` and `arun`, and flows
compose.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from adaptive_reasoner.answers.base import Comparison, ComparisonSteps, TextComparison
from adaptive_reasoner.answers.grouping import Key, auto, comparison
from adaptive_reasoner.errors import AdaptiveReasonerError, BudgetExceededError
from adaptive_reasoner.models.api_errors import retry_after
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.finish_reasons import was_cut
from adaptive_reasoner.models.replies import EmptyReplyError, MalformedToolCallError, Reply, refused
from adaptive_reasoner.models.source import Messages, Request, is_count, question_of
from adaptive_reasoner.strategies.stop_rules import SamplePrice

if TYPE_CHECKING:
    from adaptive_reasoner.strategies.look_plans import LookPlan
    from adaptive_reasoner.strategies.optimal_stopping import VoteModel


@dataclass(frozen=True)
class Task:
    """What a flow has to answer, and what it is worth.

    Attributes:
        messages: The conversation; its last human turn is the question.
        price: Accuracy that a unit of cost must be worth, for flows that can stop early.
        second_price: Accuracy that a second of waiting must be worth.
        deadline: When the answer must be there, on the clock of `time.monotonic`.
        prospects: What collected samples say of votes on such questions; see `priced_stops.Priced`.
        key: When two replies say the same, for strategies that were given no `key` of their own.
        plan: What a vote that may be left does in each of its states; see `look`.
    """

    messages: Messages
    price: float = 0.0
    second_price: float = 0.0
    deadline: float = inf
    prospects: "VoteModel | None" = None
    key: Comparison = auto
    plan: "LookPlan | None" = None

    @property
    def question(self) -> str:
        """The text of the question; empty where the conversation asks nothing."""
        try:
            return question_of(self.messages)
        except ValueError:
            return ""

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Answer:
    """What a flow returns.

    Attributes:
        message: The winning reply, whole.
        value: Its canonical answer; None where it has none.
        agreement: Share of the samples that gave this answer.
        votes: How many samples gave each answer, where there was a vote.
        score: What a scorer gave the message, where there was one.
    """

    message: AIMessage
    value: str | None
    agreement: float = 1.0
    votes: Mapping[str, int] = field(default_factory=dict)
    score: float | None = None


Steps = Generator[Sequence[Request], Sequence[Reply], Answer]
Flow = Callable[[Task], Steps]


@dataclass(frozen=True)
class ComparingFlow:
    """A flow that does little with its replies but compare them: it blocks only where comparing does.

    Attributes:
        flow: What it does.
        key: When two replies say the same; by default that of the task.
    """

    flow: Flow
    key: Comparison | None = None

    def __call__(self, task: Task) -> Steps:
        """The steps of a task."""
        return self.flow(task)


_SOON = 1.0  # seconds for which an endpoint may ask to wait, and is asked at once all the same
_MOST_FAILED = 9  # requests in a row of which nothing came


class NothingArrivedError(AdaptiveReasonerError):
    """No call gave a usable reply; see `FlowRunner` for what comes of it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(str(error))


class FlowRunner:
    """A flow on its way: the calls it waits for, or its answer.

    Attributes:
        answer: What the flow returned; None while it is on its way. Where no call gave a usable reply but one
            came, as an empty one, it is that reply, as the bare model gives it: an answer without a value.

    Raises:
        Exception: Where no call gave a reply, the first error, as the model raised it.
    """

    def __init__(self, flow: Flow, task: Task) -> None:
        self._flow, self._steps, self._task = flow, flow(task), task
        self._wanted: Sequence[Request] = ()
        self.answer: Answer | None = None
        self._faulty: list[Reply] = []
        self._advance(lambda: next(self._steps))

    @property
    def requests(self) -> Sequence[Request]:
        """What to call next, in time for the task's deadline."""
        return _in_time(self._wanted, self._task)

    @property
    def visible(self) -> bool:
        """Whether the next reply is for the user to see, and so may be streamed."""
        return len(self._wanted) == 1 and not self._wanted[0].hidden_sample

    def never_blocks_on(self, replies: Sequence[Reply]) -> bool:
        """Whether the flow takes replies without loading anything, without waiting and without user code."""
        if not isinstance(self._flow, ComparingFlow):
            return False
        # Another comparison than of texts may compare earlier replies anew.
        key = self._flow.key or self._task.key
        return isinstance(key, TextComparison) and never_blocks_on(key, replies, self._task.question)

    def send(self, replies: Sequence[Reply]) -> None:
        """Give the flow its replies."""
        self._faulty += [reply for reply in replies if reply.faulty is not None]
        self._advance(lambda: self._steps.send(replies))

    def _advance(self, step: Callable[[], Sequence[Request]]) -> None:
        nothing: NothingArrivedError | None = None
        try:
            self._wanted = step()
        except StopIteration as end:
            self._wanted, self.answer = (), end.value
        except NothingArrivedError as error:
            nothing = error
        if nothing is None:
            return
        best = min(self._faulty, key=_last_resort, default=None)
        if best is None or best.faulty is None:
            raise nothing.error  # out here, where nothing is being handled, it keeps its own causes
        self._wanted, self.answer = (), Answer(best.faulty, None, agreement=0.0)


def _last_resort(reply: Reply) -> int:
    """The order of what is no answer: a tool call, then silence, then what the model has not written."""
    kinds = (MalformedToolCallError, EmptyReplyError)
    return next((at for at, kind in enumerate(kinds) if isinstance(reply.error, kind)), len(kinds))


def run(flow: Flow, task: Task, caller: CallExecutor) -> Answer:
    """Drive a flow to its answer; its waves run in threads, which a deadline ends only between waves."""
    running = FlowRunner(flow, task)
    while running.answer is None:
        running.send(caller.run_round(running.requests))
    return running.answer


async def arun(flow: Flow, task: Task, caller: CallExecutor) -> Answer:
    """Drive a flow to its answer; its waves run as tasks, which the deadline ends.

    What a flow does between its waves, as a checker that runs a program, is done in a thread, so that it does
    not hold up the loop.
    """
    running = FlowRunner(flow, task)
    while running.answer is None:
        await asyncio.to_thread(running.send, await caller.arun_round(running.requests))
    return running.answer


def check_flow(flow: Any, named: str) -> None:
    """Refuse what cannot be run as a strategy, before anything is asked or reserved.

    Raises:
        TypeError: It is something else, or a function that makes strategies and was not called.

    >>> def once() -> Flow: ...
    >>> check_flow(once, "action 'v'")
    Traceback (most recent call last):
    TypeError: action 'v' is the function once, which makes a strategy: call it, once(...)
    """
    if isinstance(flow, Runnable | type) or not callable(flow):
        what = flow.__name__ if isinstance(flow, type) else type(flow).__name__
        raise TypeError(
            f"{named} is a {what}, not a strategy such as single_pass(); "
            "on(Source(model)) goes to another model"
        )
    try:
        signature = inspect.signature(flow)
    except (TypeError, ValueError):  # written in C
        return
    name = getattr(flow, "__name__", type(flow).__name__)
    if signature.return_annotation in (Flow, "Flow"):
        raise TypeError(f"{named} is the function {name}, which makes a strategy: call it, {name}(...)")
    try:
        signature.bind(None)
    except TypeError:
        raise TypeError(
            f"{named} is {name}{signature}, and a strategy takes one argument, the task"
        ) from None


def each_request(flow: Flow, change: Callable[[Request], Request]) -> Flow:
    """`flow`, with every request changed on its way out."""
    check_flow(flow, "the strategy inside")

    def changed(task: Task) -> Steps:
        steps = flow(task)
        try:
            requests = next(steps)
            while True:
                requests = steps.send((yield _mapped(requests, change)))
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    return replace(flow, flow=changed) if isinstance(flow, ComparingFlow) else changed


def usable_messages(replies: Sequence[Reply]) -> list[AIMessage]:
    """The usable messages.

    Raises:
        NothingArrivedError: There is none.
    """
    messages = [reply.message for reply in replies if reply.message is not None]
    if not messages:
        late = TimeoutError("the deadline passed before a call could start")
        raise NothingArrivedError(next((reply.error for reply in replies if reply.error is not None), late))
    return messages


def gives_up(replies: Sequence[Reply], drawn: Sequence[Reply]) -> bool:
    """Whether another sample would only be refused as well, or there is no time for one.

    So it is where nothing came, and a request was refused for what it asks; where nothing came of the latest
    calls, and the endpoint asks to wait, or no budget had room for them; and where nothing came of the latest
    nine requests, of which a client that retries by itself sends several for each call.

    Args:
        replies: All of the question.
        drawn: Those of the latest wave.
    """
    if any(reply.received is not None for reply in drawn):
        return False
    failed = list(takewhile(lambda reply: reply.received is None, reversed(replies)))
    pauses = (retry_after(reply.error) for reply in drawn if reply.error is not None)
    asked_to_wait = any(pause is not None and pause > _SOON for pause in pauses)
    without_room = any(isinstance(reply.error, BudgetExceededError) for reply in drawn)
    refused = len(failed) == len(replies) and any(reply.final for reply in replies)
    requests = round(sum(reply.requests / reply.samples for reply in failed))
    return not drawn or refused or asked_to_wait or without_room or requests >= _MOST_FAILED


def check_samples(samples: int, what: str = "a vote") -> None:
    """Refuse a number of samples that is none.

    Raises:
        ValueError: It is below 1, or no whole number.
    """
    if not is_count(samples):
        raise ValueError(f"{what} needs a whole number of at least 1 sample, not {samples!r}")


def checked_key(key: Key | None) -> Comparison | None:
    """The comparison that a strategy was given; None where it takes that of the task.

    Raises:
        ValueError: There is no comparison of this name.
        TypeError: It is neither a name, a comparison nor a function.
    """
    return None if key is None else comparison(key)


def may_vote(message: AIMessage | None) -> bool:
    """Whether a reply came whole: it is no failure, was not cut, and was not filtered or refused."""
    return message is not None and not refused(message) and not was_cut(message)


def vote_of(message: AIMessage | None, key: Key, question: str = "") -> str | None:
    """The answer a reply votes for; None for a failure, a refusal, a cut reply and one without an answer."""
    if message is None or not may_vote(message):
        return None
    return comparison(key).keys([message], question=question)[0]


def never_blocks_on(key: Comparison, replies: Sequence[Reply], question: str) -> bool:
    """Whether replies are compared without loading anything, without waiting and without user code."""
    messages = [reply.message for reply in replies if reply.message is not None]
    return not messages or (
        isinstance(key, TextComparison)
        and all(key.never_blocks_on(message, question=question) for message in messages)
    )


def votes_of(
    messages: Sequence[AIMessage | None],
    key: Comparison | None,
    task: Task,
    known: Sequence[str | None] = (),
) -> ComparisonSteps:
    """The answers that replies vote for, compared with each other; see `vote_of`.

    Yields the requests of a comparison that calls a model.

    Args:
        messages: The replies; None for one that cannot be used.
        key: When two say the same; by default that of the task.
        task: What they reply to.
        known: What the first of them voted for before the others came. It stands where the comparison looks
            at each reply alone.
    """
    key = key or task.key
    old = list(known) if isinstance(key, TextComparison) else []
    new = messages[len(old) :]
    voters = [message for message in new if message is not None and may_vote(message)]
    found = (yield from key.steps(voters, question=task.question)) if voters else []
    answers = iter(found)
    return old + [next(answers) if may_vote(message) else None for message in new]


def sample_price(task: Task, replies: Sequence[Reply]) -> SamplePrice:
    """What a further sample costs, as far as can be known from the replies so far."""
    own = [reply.cost - reply.prompt_cost / reply.samples for reply in replies]
    prompts = [reply.prompt_cost for reply in replies if reply.prompt_cost]
    return SamplePrice(
        price=task.price,
        cost=sum(own) / len(own) if own else None,
        prompt_cost=sum(prompts) / len(prompts) if prompts else 0.0,
        samples_per_request=max((reply.samples_per_request for reply in replies), default=1),
        second_price=task.second_price,
        seconds=max((reply.seconds for reply in replies if reply.message is not None), default=0.0),
        seconds_left=task.seconds_left,
        prospects=task.prospects,
    )


def _in_time(requests: Sequence[Request], task: Task) -> Sequence[Request]:
    if task.deadline == inf:
        return requests
    left = max(task.seconds_left, 0.0)
    return _mapped(requests, lambda request: replace(request, timeout=min(left, request.timeout)))


def _mapped(requests: Sequence[Request], change: Callable[[Request], Request]) -> list[Request]:
    """Each changed once: requests that were one object stay one, and may be drawn by one call."""
    changed = {id(request): change(request) for request in requests}
    return [changed[id(request)] for request in requests]
