"""Collection on a Ray cluster: workers make the calls and run slow graders, this process does the rest.

A cap that is exact, one pace for all calls and one writer of the file all need a single place. That place is
the collecting process: a worker gets a call only after its worst case was reserved and noted, and its reply
comes back to the one file. Ray must not repeat a call by itself, because it would be paid for twice unseen;
a call that was lost with its worker is billed at its worst case and made again like any other.
"""

import asyncio
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from langchain_core.messages import BaseMessage

from adaptive_reasoner.errors import AdaptiveReasonerError, MenuError
from adaptive_reasoner.kit.collecting.grading import Grade, scored
from adaptive_reasoner.kit.collecting.http_clients import Connections
from adaptive_reasoner.kit.collecting.sampler import WorkerLostError, made_here
from adaptive_reasoner.kit.collecting.sent_errors import packed, unpacked
from adaptive_reasoner.kit.menu.menu import Judge, Menu
from adaptive_reasoner.kit.ray_cluster import check_ray, connect, number_of_workers
from adaptive_reasoner.models.replies import Reply

_START_SECONDS = 300.0  # that a worker may take to start
_MOST_LOST = 3  # workers lost in a row for each of the pool, without a reply between
_MOST_CALLS = 4_096  # in flight on one worker


@dataclass(frozen=True)
class RayEngine:
    """Where `collect` makes its calls: on the workers of a Ray cluster.

    Each machine needs this library in the same version, what the menu's models need, and their keys in its
    environment. A menu as `Menu.load` reads it is sent to the workers; one with models that were made already
    or with functions that other machines do not have is made there by `load_menu`.

    Args:
        address: `"auto"` for the cluster of this machine, or its HOST:PORT. None for the one that
            `ray.init` or RAY_ADDRESS has set, or else for one that is started here and stopped at the end.
        workers: How many; each takes a CPU of the cluster. None for as many as it has CPUs.
        load_menu: Makes the menu on a worker, where it cannot be sent.

    Raises:
        ImportError: Ray is not installed.

    Example:
        >>> RayEngine(workers=0)
        Traceback (most recent call last):
        ValueError: a collection needs at least 1 worker, not 0
    """

    address: str | None = None
    workers: int | None = None
    load_menu: Callable[[], Menu] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"a collection needs at least 1 worker, not {self.workers}")
        check_ray()


class Worker:
    """Makes calls in a process of the cluster."""

    async def open(self, menu: bytes) -> None:
        """Load the menu, or the function that makes it, from bytes.

        Raises:
            MenuError: The variable that should hold a key is not set, or the menu cannot be made.
            ImportError: What the menu needs is not installed.
        """
        from ray import cloudpickle

        made = cloudpickle.loads(menu)
        self._menu: Menu = made if isinstance(made, Menu) else made()
        self._sources = Connections(self._menu.sources).sources

    async def call(self, source: str, messages: Sequence[BaseMessage]) -> tuple[Reply, bytes | None]:
        """A reply, and its error as bytes."""
        reply = await made_here(self._sources[source], self._menu.meter_of(source), messages)
        return replace(reply, error=None), None if reply.error is None else packed(reply.error)

    async def score(self, found: Grade, gold: str) -> Grade:
        """How right an answer is, by the menu's function."""
        grader = self._menu.grader
        assert not isinstance(grader, Judge)
        return await asyncio.to_thread(scored, found, gold, grader)


@dataclass(eq=False)
class _Place:
    """A worker that is ready, and how much it has to do."""

    actor: Any
    busy: int = 0


class RayWorkers:
    """The workers of a collection, while an `async with` block runs.

    Work goes to the worker that has the least to do. One that ends is replaced.

    Args:
        engine: The cluster.
        menu: What the workers call.

    Raises:
        MenuError: The menu cannot be sent to the workers.
    """

    def __init__(self, engine: RayEngine, menu: Menu) -> None:
        from ray import cloudpickle

        self._engine = engine
        try:
            self._menu = cloudpickle.dumps(engine.load_menu or menu)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise MenuError(
                f"the menu cannot be sent to workers ({error}); give RayEngine a function that makes it "
                "there, as load_menu"
            ) from error
        self._actors: list[Any] = []
        self._places: list[_Place] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._error: AdaptiveReasonerError | None = None
        self._count = self._lost = 0
        self._owns_connection = False

    async def __aenter__(self) -> Self:
        self._owns_connection = await asyncio.to_thread(connect, self._engine.address, self._engine.workers)
        try:
            self._count = number_of_workers(self._engine.workers)
            for _ in range(self._count):
                self._start()
            await self._least_busy()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop()

    async def call(self, source: str, messages: Sequence[BaseMessage], /) -> Reply:
        """The reply of a source, or its error.

        Raises:
            WorkerLostError: The worker ended with the call under way.
            UnpricedUsageError: A reply came whose cost cannot be known.
            MenuError: The workers end again and again.
        """
        reply: Reply
        reply, error = await self._on_a_worker("call", source, messages)
        return reply if error is None else replace(reply, error=unpacked(error))

    async def score(self, found: Grade, gold: str, /) -> Grade:
        """How right an answer is, by the function of the menu.

        Raises:
            MenuError: The workers end again and again.
        """
        while True:
            with suppress(WorkerLostError):
                grade: Grade = await self._on_a_worker("score", found, gold)
                return grade

    async def _on_a_worker(self, method: str, *given: Any) -> Any:
        from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

        place = await self._least_busy()
        place.busy += 1
        try:
            result = await getattr(place.actor, method).remote(*given)
        except (RayActorError, OutOfMemoryError) as error:
            self._replace(place, error)
            raise WorkerLostError(f"a worker ended with the call under way: {_line(error)}") from error
        except RayTaskError as error:
            if isinstance(error.cause, AdaptiveReasonerError):
                raise error.cause from None
            raise
        finally:
            place.busy -= 1
        self._lost = 0
        return result

    async def _least_busy(self) -> _Place:
        while not self._places:
            if self._error is not None:
                raise self._error
            await self._news.wait()
        return min(self._places, key=lambda place: place.busy)

    def _replace(self, place: _Place, error: BaseException) -> None:
        """Start another worker for one that ended; each of its calls reports it."""
        if place in self._places:
            self._places.remove(place)
            self._note_loss(error)

    def _note_loss(self, error: BaseException) -> None:
        self._lost += 1
        if self._lost > _MOST_LOST * self._count:
            self._give_up(MenuError(f"{self._lost} workers ended without a reply; the last: {_line(error)}"))
        else:
            if not self._places:
                self._news.clear()
            self._start()

    def _give_up(self, error: AdaptiveReasonerError) -> None:
        self._error = error
        self._places.clear()
        self._news.set()

    def _start(self) -> None:
        task = asyncio.get_running_loop().create_task(self._open())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _open(self) -> None:
        """Start a worker, and add it to the places once it is ready."""
        import ray
        from ray.exceptions import RayActorError, RayTaskError

        limits = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": _MOST_CALLS}
        actor = ray.remote(Worker).options(**limits, scheduling_strategy="SPREAD").remote()
        self._actors.append(actor)
        try:
            await asyncio.wait_for(actor.open.remote(self._menu), _START_SECONDS)
        except TimeoutError:
            if not self._places:
                reason = "other work may hold the CPUs of the cluster"
                self._give_up(MenuError(f"no worker started within {_START_SECONDS:g} seconds; {reason}"))
        except RayTaskError as error:
            reason = f"{type(error.cause).__name__}: {_line(error.cause)}"
            self._give_up(MenuError(f"a worker cannot load the menu: {reason}"))
        except RayActorError as error:
            self._note_loss(error)
        else:
            self._places.append(_Place(actor))
            self._news.set()

    async def _stop(self) -> None:
        import ray

        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for actor in self._actors:
            ray.kill(actor)
        if self._owns_connection:
            await asyncio.to_thread(ray.shutdown)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
