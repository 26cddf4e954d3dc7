"""A policy that is read again when its folder changes, between two questions."""

import copy
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Protocol, Self

from adaptive_reasoner.errors import (
    InfeasibleAccuracyError,
    InfeasibleBudgetError,
    PolicyFormatError,
    UnknownActionError,
)
from adaptive_reasoner.policy.accuracy_curve import AccuracyCurve
from adaptive_reasoner.policy.base import Policy
from adaptive_reasoner.policy.folder.policy_folder import CARD, PathLike, current_folder, read_policy_folder
from adaptive_reasoner.policy.versions import VersionedPolicy

_logger = logging.getLogger(__name__)

_Signature = tuple[tuple[str, int, int, int], ...]


class Version(Policy, Protocol):
    """A policy as it was read from a folder."""

    counts: str | None
    accuracy_curve: AccuracyCurve

    def at(self, *, budget: float | None, price: float | None, target_accuracy: float | None) -> Self:
        """The same at another mean cost, price or mean accuracy."""

    def with_looks(self) -> Self:
        """The same, which also decides for looks."""


@dataclass(frozen=True)
class Refused:
    """A version that was not taken.

    Attributes:
        folder: The policy folder.
        digest: What it says its digest is; None where it says none that can be read.
        reason: Why it was not taken.
    """

    folder: Path
    digest: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.folder} was refused and the policy before it is kept: {self.reason}"


class FolderWatch:
    """Reads a policy folder again when it has changed; the last good version is kept.

    Args:
        path: A policy folder, or a policy store, whose current policy is read.
        load: Reads a policy folder.
        every: Seconds from one look at the folder to the next.
        clock: Seconds; for tests.

    Attributes:
        latest: The last good version; replaced whole.
        folder: Where that was read.
        refused: The version that was found after it and refused; None where there is none.
    """

    def __init__(
        self, path: Path, load: Callable[[Path], Version], *, every: float, clock: Callable[[], float]
    ) -> None:
        if not 0 <= every < inf:
            raise ValueError(f"every is a number of seconds, at least 0, not {every!r}")
        self.path, self.every, self._load, self._clock = path, every, load, clock
        self._seen = _signature(path)
        self.folder = current_folder(path)
        self.latest = load(self.folder)
        self.refused: Refused | None = None
        self._due = clock() + every
        self._process, self._checking = os.getpid(), threading.Lock()

    def check(self) -> bool:
        """Look at the folder now, and read it if it has changed; whether there is a new version."""
        with self._lock():
            return self._check()

    def check_when_due(self) -> None:
        """Have a thread look at the folder if that is due, and never wait for it."""
        lock = self._lock()
        if self._clock() < self._due or not lock.acquire(blocking=False):
            return
        self._due = self._clock() + self.every
        try:
            threading.Thread(target=self._check_and_release, args=(lock,), name="policy-watch").start()
        except RuntimeError:  # the process is ending, or has no thread left: the next question tries again
            lock.release()

    def refuse(self, reason: str, *, digest: str | None, folder: Path | None = None) -> None:
        """Keep what there is; warn once of each version that is refused."""
        refused = Refused(folder or self.folder, digest, reason)
        if refused != self.refused:
            self.refused = refused
            _logger.warning("%s", refused)

    def _lock(self) -> threading.Lock:
        """Held by the thread that looks; a forked process has its own, as that thread is not in it."""
        if self._process != os.getpid():
            self._process, self._checking = os.getpid(), threading.Lock()
        return self._checking

    def _check_and_release(self, lock: threading.Lock) -> None:
        try:
            self._check()
        finally:
            lock.release()

    def _check(self) -> bool:
        seen = _signature(self.path)
        if seen == self._seen:
            return False
        folder, digest, found = self.path, None, self.latest
        try:
            folder = current_folder(self.path)
            digest = read_policy_folder(folder)["digest"]
            if digest[:16] != found.policy_id:
                found = self._load(folder)
            self._check_units(found, folder)
        except PolicyFormatError as error:
            if _signature(self.path) == seen:  # else it is being written: the next look reads it again
                self._seen = seen
                self.refuse(str(error), folder=folder, digest=digest)
            return False
        if _signature(self.path) != seen:
            return False
        self._seen, self.folder, self.refused = seen, folder, None
        changed = found is not self.latest
        self.latest = found
        return changed

    def _check_units(self, found: Version, folder: Path) -> None:
        for name in ("cost_unit", "counts"):
            before, now = getattr(self.latest, name), getattr(found, name)
            if now != before:
                raise PolicyFormatError(f"{folder / CARD}: {name} is {now!r}, and was {before!r}")


class WatchedPolicy(VersionedPolicy):
    """A learned policy that is read again when its folder, or the current one of its store, changes.

    `LearnedPolicy.watch(folder)` makes it. A question is decided wholly on one version; the next one that
    begins after a new version was read is decided on that. Reading happens in a thread beside the questions.
    A version that is damaged, half-copied, of a newer format, in another cost unit, that chooses an action
    nobody supplied, or that cannot keep to the budget, is refused: the last good one is kept, `refused` says
    why, and a warning is logged once.

    Args:
        folder: A policy folder, or a policy store.
        load: Reads a policy folder.
        every: Seconds from one look at the folder to the next, at least; questions cause the looks.
        clock: Seconds; for tests.
    """

    def __init__(
        self,
        folder: PathLike,
        load: Callable[[Path], Version],
        *,
        every: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch, self._load = FolderWatch(Path(folder), load, every=every, clock=clock), load
        self._aim: dict[str, float | None] = {}
        self._names: frozenset[str] | None = None  # of the actions that can be run, once they are known
        self._used: dict[frozenset[str] | None, _InUse] = {}
        self._last = _InUse.of(self._watch.latest, self._aim)  # that could decide

    def __repr__(self) -> str:
        return f"WatchedPolicy({str(self._watch.path)!r}, {self._watch.latest!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _watched, (self._watch.path, self._load, self._watch.every, self._aim)

    @property
    def refused(self) -> Refused | None:
        """The version that was found last and refused, while it is still there; None otherwise."""
        return self._watch.refused

    @property
    def version(self) -> Version:
        """The newest version that keeps to what was asked for, and to the actions that were last run."""
        return self._newest(self._names).plain

    def version_for(self, actions: Collection[str]) -> Version:
        """The newest version that chooses among `actions` alone, with its looks."""
        self._names = frozenset(actions)
        return self._newest(self._names).looking

    def check(self) -> bool:
        """Look at the folder now instead of waiting for the next look; whether there is a new version."""
        return self._watch.check()

    def at(
        self,
        *,
        budget: float | None = None,
        price: float | None = None,
        target_accuracy: float | None = None,
    ) -> "WatchedPolicy":
        """The same policy, each version of which is moved as `LearnedPolicy.at` moves it."""
        moved = copy.copy(self)
        moved._aim = {"budget": budget, "price": price, "target_accuracy": target_accuracy}
        moved._used, moved._last = {}, _InUse.of(self._watch.latest, moved._aim)
        return moved

    def _newest(self, names: frozenset[str] | None) -> "_InUse":
        self._watch.check_when_due()
        read, used = self._watch.latest, self._used.get(names)
        if used is None or used.read is not read:
            used = self._used[names] = self._fitting(read, names, used)
        return used

    def _fitting(self, read: Version, names: frozenset[str] | None, used: "_InUse | None") -> "_InUse":
        """A version as it decides; in place of one that cannot, the one before it."""
        try:
            _check_actions(read, names)
            fitting = _InUse.of(read, self._aim)
        except (UnknownActionError, InfeasibleBudgetError, InfeasibleAccuracyError) as error:
            before = used or self._last
            _check_actions(before.read, names)
            self._watch.refuse(str(error), digest=read.policy_id)
            return before
        self._last = fitting
        return fitting


@dataclass(frozen=True)
class _InUse:
    """A version as it was read, and as it decides, without and with looks."""

    read: Version
    plain: Version
    looking: Version

    @classmethod
    def of(cls, read: Version, aim: Mapping[str, Any]) -> Self:
        """A version at the budget, price or accuracy that it is asked to keep to, where it is."""
        plain = read.at(**aim) if aim else read
        return cls(read, plain, plain.with_looks())


def _check_actions(version: Version, names: frozenset[str] | None) -> None:
    for action in version.actions:
        if names is not None and action not in names:
            given = f"actions={{{action!r}: ...}} or add_action({action!r}, ...)"
            raise UnknownActionError(action, sorted(names), f"give {given}")


def _watched(path: Path, load: Callable[[Path], Version], every: float, aim: Mapping[str, Any]) -> Any:
    policy = WatchedPolicy(path, load, every=every)
    return policy.at(**aim) if aim else policy


def _signature(path: Path) -> _Signature:
    """Names, sizes and times of the files of a folder, or of a store's current one: equal if unchanged."""
    try:
        with os.scandir(current_folder(path)) as entries:
            found = [(entry.name, entry.stat()) for entry in entries]
    except (OSError, PolicyFormatError):
        return ()  # it is being replaced, or gone
    return tuple(sorted((name, each.st_size, each.st_mtime_ns, each.st_ino) for name, each in found))
