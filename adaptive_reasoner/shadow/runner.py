"""The threads that compare answers while others are given, and what they have found."""

import asyncio
import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextvars import Context
from queue import Empty, Full, Queue
from weakref import WeakSet

from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.errors import UnknownActionError
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.comparison_keeping import comparison_keeper
from adaptive_reasoner.ledger.comparisons import Savings
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.models.wrapped_models import models_in
from adaptive_reasoner.policy.base import never_blocks
from adaptive_reasoner.policy.draws import uniform_from_key
from adaptive_reasoner.shadow.comparing import Comparer, GivenAnswer, check_declared
from adaptive_reasoner.shadow.judging import judge_of
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow

_logger = logging.getLogger(__name__)

_AT_EXIT = 5.0  # seconds that a process which ends waits for the comparisons under way
_REMEMBERED = 1_000  # dropped questions that are still to be written down

_running: "WeakSet[ShadowRunner]" = WeakSet()


class ShadowRunner:
    """Answers a share of the questions a second time, and has the answers judged; see `Shadow`.

    Args:
        shadow: What is asked for.
        actions: The strategies, of which one is the reference.
        source: How calls are made where an action does not say.
        meter: What a call costs.
        key: When two replies say the same.
        ledger: What the answers are charged to; its store keeps the comparisons, and pays for them.

    Raises:
        UnknownActionError: The reference action is none of the actions.
        BudgetExceededError: The reference action or the judge can reply at any length.
        ValueError: The ledger keeps no comparisons.
    """

    def __init__(
        self,
        shadow: Shadow,
        actions: Mapping[str, Flow],
        *,
        source: Source,
        meter: Meter,
        key: Comparison,
        ledger: Ledger,
    ) -> None:
        if shadow.against not in actions:
            given = f"actions={{{shadow.against!r}: ...}}, the strategy that answers a second time"
            raise UnknownActionError(shadow.against, actions, f"give {given}")
        keeper = comparison_keeper(ledger)
        if keeper is None:
            raise ValueError(
                f"{type(ledger).__name__} keeps no comparisons: give the shadow a ledger of open_ledger(...)"
            )
        self.settings, self._keeper = shadow, keeper
        self._payer = keeper.payer(shadow.max_cost)
        flow, judge = actions[shadow.against], judge_of(shadow)
        if any(models_in(source.model)):  # else the model is not made yet, or comes with each question
            check_declared(flow, judge, source, meter, self._payer)
        self._comparer = Comparer(shadow, flow, judge, meter=meter, key=key, keeper=keeper, payer=self._payer)
        self._closed = self._warned = False
        self._pid = os.getpid()
        self._jobs: Queue[GivenAnswer | None] = Queue(shadow.waiting)
        self._dropped: deque[GivenAnswer] = deque(maxlen=_REMEMBERED)
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"ShadowRunner(against={self.settings.against!r}, share={self.settings.share:g})"

    def draws(self, question: str) -> bool:
        """Whether a question is answered a second time, which its key alone decides."""
        return uniform_from_key(question, draw="shadow") < self.settings.share

    def offer(self, given: GivenAnswer) -> bool:
        """Have an answer compared, later and elsewhere; whether it will be. It never waits.

        Where too many wait already, the answer is dropped, and counted.
        """
        if self._closed:
            return False
        if self._pid != os.getpid():  # a fork has none of its parent's threads
            self._pid, self._threads, self._starting = os.getpid(), [], threading.Lock()
            self._jobs = Queue(self.settings.waiting)
        with self._starting:
            if not self._threads:
                _running.add(self)
                for _ in range(self.settings.concurrency):
                    self._threads.append(threading.Thread(target=self._work, name="shadow", daemon=True))
                    self._threads[-1].start()
        try:
            self._jobs.put_nowait(given)
        except Full:
            self._dropped.append(given)
            return False
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to compare; whether that was so in time."""
        until = None if timeout is None else time.monotonic() + timeout
        with self._jobs.all_tasks_done:
            while self._jobs.unfinished_tasks:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._jobs.all_tasks_done.wait(left)
        self._write_dropped()
        return True

    def savings(self) -> Savings:
        """What the comparisons so far say, and what they have cost."""
        self._write_dropped()
        return self._keeper.savings()

    def close(self, timeout: float | None = None) -> None:
        """End what is under way, and drop what waits; later questions are not compared.

        Args:
            timeout: Seconds to wait for what is under way; what is left is booked at its worst case.
        """
        if self._closed:
            return
        self._closed = True
        _running.discard(self)
        while True:
            try:
                given = self._jobs.get_nowait()
            except Empty:
                break
            if given is not None:
                self._dropped.append(given)
            self._jobs.task_done()
        if self._pid == os.getpid() and self.wait(timeout):
            for _ in self._threads:
                self._jobs.put(None)
            if not never_blocks(self._payer):  # in memory there is nothing to close, and `savings` reads on
                self._payer.close()

    async def aclose(self, timeout: float | None = None) -> None:
        """`close`, without blocking the loop."""
        await asyncio.to_thread(self.close, timeout)

    def _work(self) -> None:
        while True:
            given = self._jobs.get()
            try:
                if given is None:
                    return
                self._compare(given)
            finally:
                self._jobs.task_done()

    def _compare(self, given: GivenAnswer) -> None:
        """Compare an answer, in a context that knows nothing of the run it was given in."""
        try:
            self._write_dropped()
            Context().run(self._comparer.compare, given)
        except Exception as error:  # noqa: BLE001 - of a model, a judge or a database; the answer was given long ago
            why = f"{type(error).__name__}: {error}"
            ending = (
                isinstance(error, RuntimeError) and "interpreter shutdown" in why
            )  # no pool makes calls then
            log = _logger.debug if self._warned or ending else _logger.warning
            log("a question was not compared with %s: %s", self.settings.against, why)
            self._warned = True

    def _write_dropped(self) -> None:
        while self._dropped:
            try:
                given = self._dropped.popleft()
            except IndexError:  # another thread has written it
                return
            self._comparer.leave_out(given)


@atexit.register
def _close_all() -> None:
    """What is under way when the process ends is waited for, but not for long."""
    for runner in list(_running):
        runner.close(_AT_EXIT)
