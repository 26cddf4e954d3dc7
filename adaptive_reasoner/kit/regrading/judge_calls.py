"""A judge's calls on samples that are there: retried, paced, capped and billed like those of samples."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import HumanMessage

from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.kit.collecting.cost_cap import Cap
from adaptive_reasoner.kit.collecting.http_clients import Connections
from adaptive_reasoner.kit.collecting.rate_limit import RateLimit
from adaptive_reasoner.kit.collecting.sample_file import SampleKey, StartedCalls
from adaptive_reasoner.kit.collecting.sampler import Drawn, EndpointStatus, Sampler
from adaptive_reasoner.kit.collecting.worklist import Attempts
from adaptive_reasoner.kit.menu.menu import Judge, Menu


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """What a judge is asked.

    Attributes:
        key: Under which its calls are noted.
        attempts: Calls made for this key so far.
        text: The request.
    """

    key: SampleKey
    attempts: int
    text: str


class JudgeCalls:
    """Asks the judge of a menu.

    Args:
        menu: Its grader is a judge.
        notes: Where calls are noted before they are made.
        cap: The most that they may cost.

    Attributes:
        stopped: Why requests are left: `"max_cost"`, `"retry_after"`, or None.
    """

    def __init__(self, menu: Menu, notes: StartedCalls, cap: Cap) -> None:
        assert isinstance(menu.grader, Judge)
        name = menu.grader.source
        self._menu, self._cap = menu, cap
        self._connections = Connections({name: menu.sources[name]})
        self._status = EndpointStatus()
        self._sampler = Sampler(
            name,
            self._connections.sources[name],
            menu.meter_of(name),
            file=notes,
            cap=cap,
            rate=RateLimit(menu.requests_per_minute, menu.tokens_per_minute),
            retries=menu.retries,
            status=self._status,
        )
        self._error: AdaptiveReasonerError | None = None
        self.stopped: str | None = None

    async def run(
        self, requests: Sequence[JudgeRequest], concurrency: int, add: Callable[[JudgeRequest, Drawn], None]
    ) -> None:
        """Ask of each request; `add` takes each reply when it comes.

        Raises:
            MenuError: The judge cannot be called at all.
            UnpricedUsageError: A reply came whose cost cannot be known.
        """
        todo = deque(requests)

        async def work() -> None:
            while todo:
                request = todo.popleft()
                try:
                    drawn = await self._ask(request)
                except AdaptiveReasonerError as error:
                    self._error, self._status.over = self._error or error, True
                    drawn = None
                if drawn is None:
                    todo.clear()
                    return
                add(request, drawn)

        async with self._connections, asyncio.TaskGroup() as workers:
            for _ in range(min(concurrency, len(requests))):
                workers.create_task(work())
        error = self._error or self._cap.breach
        if error is not None:
            raise error

    async def _ask(self, request: JudgeRequest) -> Drawn | None:
        """The judge's reply; None where no further call can be made."""
        before = Attempts(request.attempts)
        drawn = await self._sampler.draw(request.key, [HumanMessage(request.text)], before)
        if isinstance(drawn, Drawn):
            return drawn
        if not self._status.over:
            self.stopped = "max_cost" if self._sampler.given_up is None else "retry_after"
        return None
