"""Draws one sample: calls until one succeeds, each within the cap and the rate, each billed."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

from langchain_core.messages import BaseMessage

from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.collecting.cost_cap import Cap
from adaptive_reasoner.kit.collecting.rate_limit import RateLimit
from adaptive_reasoner.kit.collecting.sample_file import SampleKey
from adaptive_reasoner.kit.collecting.worklist import Attempts
from adaptive_reasoner.kit.menu.retries import Retries, refuses_all, worth_another
from adaptive_reasoner.models.api_errors import is_unreachable, reported, retry_after
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import Meter, prompt_cost
from adaptive_reasoner.models.prompt_bound import bounded, most_prompt_tokens
from adaptive_reasoner.models.replies import LostReplyError, Reply
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.models.usage import readable_usage

_MOST_REJECTED = (
    20  # calls at fault by themselves, before the first reply of a source: it is its menu that is
)


class CallNotes(Protocol):
    """Notes on disk what calls cost, so that none is forgotten when the process is killed."""

    def start(self, key: SampleKey, attempt: int, worst: float, /) -> None:
        """Note that a call is about to be made, which costs at most `worst`."""

    def correct(self, key: SampleKey, attempt: int, cost: float, /) -> None:
        """Note the real cost of a call without a reply; another attempt follows."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample, with its attempts and their cost.

    Attributes:
        reply: The last reply.
        spent: The calls made and their cost.
        prompt_cost: The part of the last reply's cost that its prompt made, where a vote's requests ask for
            several samples and pay that once.
        samples_per_request: For how many samples they do.
    """

    reply: Reply
    spent: Attempts
    prompt_cost: float = 0.0
    samples_per_request: int = 1


class WorkerLostError(LostReplyError):
    """A worker ended with the call under way. Its reply is lost, by no fault of the endpoint."""


class Calls(Protocol):
    """Makes calls elsewhere than in this process."""

    async def call(self, source: str, messages: Sequence[BaseMessage], /) -> Reply:
        """The reply of a source, or its error.

        Raises:
            WorkerLostError: The call may have been made, and its reply is lost.
            UnpricedUsageError: A reply came whose cost cannot be known.
        """


@dataclass
class EndpointStatus:
    """The state of the endpoints, shared by all samplers of a collection.

    Attributes:
        made: Whether any has reached an endpoint: then one that is gone may come back.
        over: Whether one has ended it all, so that no further call is made.
    """

    made: bool = False
    over: bool = False


@dataclass
class Sampler:
    """Draws samples of one source.

    Args:
        name: Of the source.
        source: How to call.
        meter: What a call costs.
        file: Where calls are noted before they are made.
        cap: The most that all calls may cost.
        rate: The pace of the calls.
        retries: How often a failed call is made again.
        status: Shared by all sources.
        calls: Makes the calls elsewhere; None to make them here.

    Attributes:
        given_up: The pause, in seconds, that the endpoint has asked for and that is too long to wait for, so
            that no further call is made in this run; else None.
    """

    name: str
    source: Source
    meter: Meter
    file: CallNotes
    cap: Cap
    rate: RateLimit
    retries: Retries
    status: EndpointStatus
    calls: Calls | None = None
    given_up: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._jitter = random.Random()  # noqa: S311 - pauses, no secrets
        self._answered, self._rejected = False, 0
        self._pauses = RateLimit()  # of this source alone: others go on

    async def draw(
        self, key: SampleKey, messages: Sequence[BaseMessage], before: Attempts
    ) -> Drawn | Attempts:
        """A sample, drawn until it comes or its attempts are used up.

        Returns:
            The sample or, where the cap has no room for a further call or the source was given up, what it
            has taken so far.

        Raises:
            MenuError: The source cannot be called at all.
            UnpricedUsageError: A reply came whose cost cannot be known.
        """
        sent = self.source.billable_messages(messages)
        worst = self.meter.worst_cost(sent, self.source.most_tokens)
        most_tokens = most_prompt_tokens(sent) + self.source.most_tokens
        spent, made = before, 0
        while made < self.retries.attempts:
            await self._pauses.wait(0)
            await self.rate.wait(most_tokens)
            if self.status.over or self.given_up is not None or not self.cap.reserve(worst):
                return spent
            self.file.start(key, spent.attempts + 1, worst)
            reply = await self._call(messages, worst)
            self.rate.give_back(most_tokens - _tokens_used(reply, most_tokens))
            self.cap.settle(worst, reply.cost)
            spent = spent.after(reply)
            if reply.error is None:
                break
            self.file.correct(key, spent.attempts, reply.cost)
            if isinstance(reply.error, WorkerLostError):
                continue  # the endpoint has not failed: this is none of its attempts
            made += 1
            again, wait = self._should_retry(reply.error, made), self.retries.too_long(reply.error)
            if worth_another(reply.error) and wait is not None:
                self.given_up = wait
                return spent
            if not again:
                break
            await self._pause(made, reply.error)
        return Drawn(reply, spent, *shared_prompt(self.source, self.meter, reply))

    def _should_retry(self, error: BaseException, made: int) -> bool:
        """Whether to make another attempt; an endpoint that is not there, or takes no call, ends it all."""
        last = made == self.retries.attempts
        unreachable = is_unreachable(error)
        again = worth_another(error)
        self._rejected += not again
        if (
            refuses_all(error)
            or (unreachable and (last or not self.status.made))
            or (self._rejected >= _MOST_REJECTED and not self._answered)
        ):
            self.status.over = True
            raise MenuError(f"source {self.name!r} cannot be called: {reported(error) or error}") from error
        self.status.made |= not unreachable
        return again and not last

    async def _pause(self, made: int, error: BaseException) -> None:
        asked = retry_after(error)
        if asked is not None:
            self._pauses.shut(asked)
        await asyncio.sleep(self.retries.pause(made, error, self._jitter))

    async def _call(self, messages: Sequence[BaseMessage], worst: float) -> Reply:
        if self.calls is None:
            reply = await made_here(self.source, self.meter, messages)
        else:
            began = time.perf_counter()
            try:
                reply = await self.calls.call(self.name, messages)
            except WorkerLostError as error:
                cost = worst if isfinite(worst) else self._bounded_cost(messages)
                reply = Reply(None, error, cost, time.perf_counter() - began, estimated=True)
        self._answered |= reply.received is not None
        self.status.made |= self._answered
        return reply

    def _bounded_cost(self, messages: Sequence[BaseMessage]) -> float:
        """What a lost call costs whose prompt has no bound."""
        sent = bounded(self.source.billable_messages(messages))
        return self.meter.worst_cost(sent, self.source.most_tokens)


async def made_here(source: Source, meter: Meter, messages: Sequence[BaseMessage]) -> Reply:
    """The reply to a call that is made in this process.

    Raises:
        UnpricedUsageError: A reply came whose cost cannot be known.
    """
    (reply,) = await CallExecutor(source, meter).arun_round([Request(messages, hidden_sample=True)])
    return reply


def shared_prompt(source: Source, meter: Meter, reply: Reply) -> tuple[float, int]:
    """The cost of the prompt of a reply, and the number of samples that share it."""
    if source.samples_per_request == 1 or reply.message is None or reply.estimated:
        return 0.0, 1
    return prompt_cost(meter, reply.message, reply.seconds), source.samples_per_request


def _tokens_used(reply: Reply, most: float) -> float:
    """The tokens of a call; the most that it may have used if its usage is unknown."""
    usage = None if reply.received is None else readable_usage(reply.received)
    if usage:
        return min(most, usage["total_tokens"])
    return 0.0 if reply.error is not None and not reply.estimated else most
