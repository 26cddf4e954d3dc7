"""Alarms when live questions stop being what a policy expects: a policy that watches its own outcomes."""

import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf, isfinite, log2
from typing import Any
from weakref import WeakKeyDictionary

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.policy.alarm import Alarm, Direction, KeepsAlarms, Series
from adaptive_reasoner.policy.base import Decision, Policy, never_blocks
from adaptive_reasoner.policy.monitored_series import MonitoredSeries
from adaptive_reasoner.policy.versions import (
    HasMixture,
    Outcome,
    VersionedPolicy,
    version_of,
    with_its_looks,
)

_logger = logging.getLogger(__name__)

_WATCHED: dict[tuple[Series, Direction], float] = {  # the share of false alarms that each may raise
    ("cost", "rises"): 0.1,
    ("cost", "falls"): 0.05,
    ("agreement", "falls"): 0.325,
    ("accuracy", "falls"): 0.325,
    ("fallback", "rises"): 0.1,
    ("not_comparable", "rises"): 0.1,
}
_AWAITED = 10_000  # answers whose grade is awaited
_LEAST = 2.0**-60  # stands for a cost of 0 in a logarithm


class _Shelf:
    """What is known of a ledger that keeps the alarms."""

    def __init__(self) -> None:
        self.kept: set[Alarm] = set()  # that are in the ledger
        self.read_to: float | None = None  # the moment up to which its grades are known
        self.due, self.failed = -inf, False


class Alarms(VersionedPolicy):
    """A policy that decides as another one does, and raises an alarm when its outcomes change.

    It watches cost against what the policy expects, the agreement of votes, grades against the expected
    accuracy, the share of fallbacks, and the share of answers with nothing to compare. What is usual it
    learns from the answers themselves, each action apart. While nothing changes, all series together raise
    one alarm in `run_length` questions at most, on average.

    An alarm is an event, and `on_alarm` is called with it. The ledger that the answers are charged to keeps
    it: it stands in every process that has the ledger open, and after a restart, until `reset` or a new
    version of a watched policy. Grades come from the ledger too, by its `feedback`. A new version is judged
    by itself: its answers begin anew, and it decides again where the mixture had taken over.

    Args:
        policy: Decides.
        on_alarm: Called with each alarm that this process raises, once the answer that raised it is settled;
            what it raises is logged.
        take_over: From an alarm on, the policy's mixture of fixed actions decides, until `reset` or a new
            version.
        run_length: Questions to a false alarm, on average, at least.
        every: Seconds between two looks at a ledger in a database, for grades and for alarms of other
            processes; answers cause the looks.

    Raises:
        TypeError: The policy is none, watches its outcomes already or, with `take_over`, has no mixture;
            or `on_alarm` cannot be called.
        ValueError: `every` is no number of at least 0.

    Example:
        >>> from adaptive_reasoner import FixedPolicy
        >>> policy = Alarms(FixedPolicy("vote_3", expected_cost=30.0))
        >>> policy.decide("What is 3 + 4?").action, policy.raised
        ('vote_3', ())
    """

    def __init__(
        self,
        policy: Policy,
        *,
        on_alarm: Callable[[Alarm], object] | None = None,
        take_over: bool = False,
        run_length: float = 20_000,
        every: float = 1.0,
    ) -> None:
        if isinstance(policy, Alarms) or not callable(getattr(policy, "decide", None)):
            raise TypeError(
                f"policy is one that decides, such as LearnedPolicy.watch('policies/'), not {policy!r}"
            )
        if not (on_alarm is None or callable(on_alarm)):
            raise TypeError(f"on_alarm is a function of an alarm, not {on_alarm!r}")
        if take_over and not isinstance(policy, HasMixture | VersionedPolicy):
            raise TypeError(
                f"policy {policy.policy_id!r} has no mixture of fixed actions to take over; only a "
                "LearnedPolicy has one: leave take_over out"
            )
        if not 0 <= every < inf:
            raise ValueError(f"every is a number of seconds, at least 0, not {every!r}")
        self.policy, self.on_alarm, self.take_over = policy, on_alarm, take_over
        self.run_length, self.every = run_length, every
        self._raised: tuple[Alarm, ...] = ()
        self._watches = {
            watched: MonitoredSeries(*watched, run_length / share) for watched, share in _WATCHED.items()
        }
        self._draws = random.Random(0)  # noqa: S311 - ties of ranks, no secret
        self._version = policy.policy_id
        self._replaced: set[str] = set()
        self._mixture: tuple[Policy, Policy] | None = None  # of a version
        self._looking = with_its_looks(policy)
        self._untold: list[Alarm] = []
        self._awaited: OrderedDict[str, Decision | None] = OrderedDict()  # None: its grade counts no more
        self._make_locks()

    def __repr__(self) -> str:
        return f"Alarms({self.policy!r})"

    def __getstate__(self) -> dict[str, Any]:
        made = ("_lock", "_reading", "_shelves", "_mixture")
        return {name: value for name, value in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _mixture=None)
        self._make_locks()

    def _make_locks(self) -> None:
        self._lock, self._reading = threading.Lock(), threading.RLock()
        self._shelves: WeakKeyDictionary[KeepsAlarms, _Shelf] = WeakKeyDictionary()

    @property
    def version(self) -> Policy:
        """The policy that decides now: the one it was given, or its mixture."""
        return self._prepare(version_of(self.policy))

    def version_for(self, actions: Collection[str]) -> Policy:
        """The policy that decides a question; see `VersionedPolicy`."""
        return self._prepare(version_of(self._looking, actions))

    @property
    def raised(self) -> tuple[Alarm, ...]:
        """The alarms that stand, oldest first, after a look at the ledgers."""
        self.check()
        return self._raised

    @property
    def taken_over(self) -> bool:
        """Whether the mixture decides, after a look at the ledgers."""
        self.check()
        return self._taken_over

    @property
    def _taken_over(self) -> bool:
        return self.take_over and any(alarm.taken_over for alarm in self._raised)

    def keep_in(self, ledger: KeepsAlarms) -> None:
        """Keep the alarms in a ledger, and take over those that stand there."""
        if ledger not in self._shelves:
            self._look(ledger)

    def check(self) -> None:
        """Look at the ledgers now, for grades and for what other processes have raised or reset."""
        for ledger in list(self._shelves):
            self._look(ledger)

    def hear(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Take note of an answer; gives the events of the alarms that no one was told of yet."""
        with self._lock:
            raised = [] if outcome.decision.policy_id in self._replaced else self._hear(outcome)
        self._tell(raised)
        ledger = outcome.ledger
        if ledger is not None and (ledger not in self._shelves or self._is_due(ledger)):
            self._look(ledger)
        with self._lock:
            told, self._untold = self._untold, []
        return [alarm.as_event() for alarm in told]

    def feedback(self, question: str, score: float) -> None:
        """Grade the answer to a question; the first grade counts.

        `feedback` of the ledger does this too, in any process, and a ledger with a target accuracy steers by
        it. The event of an alarm that a grade raises is sent with the next answer.

        Args:
            question: `record["run_id"]` of a result, among the latest 10,000 answers of this process.
            score: From 0 (wrong) to 1 (right).

        Raises:
            ValueError: The score does not lie from 0 to 1.
            LookupError: No such answer is known.
        """
        if not 0 <= score <= 1:
            raise ValueError(f"a score lies from 0 (wrong) to 1 (right), got {score!r}")
        if question not in self._awaited:
            raise LookupError(
                f"{question!r} is none of the latest {len(self._awaited):,} answers of this process: give "
                "the run_id of a record, or grade answers of other processes by the feedback of the ledger"
            )
        self._grade({question: score})

    def reset(self) -> None:
        """Forget every alarm and what is usual; the policy decides again where its mixture had taken over.

        The ledgers forget the alarms, so that the other processes begin anew as well.
        """
        with self._reading:
            self._forget(self._version)
            with self._lock:
                self._begin(self._version)

    def _hear(self, outcome: Outcome) -> list[Alarm]:
        decision = outcome.decision
        expected = decision.expected_cost if decision.expected_cost > 0 else 1.0
        seen: dict[Series, float | None] = {
            "cost": log2(max(outcome.cost, _LEAST) / expected),
            "agreement": outcome.agreement,
            "not_comparable": None if outcome.comparable is None else float(not outcome.comparable),
            "fallback": float(decision.reason == "fallback")
            if decision.reason in ("policy", "fallback")
            else None,
        }
        self._awaited[outcome.question] = decision
        if len(self._awaited) > _AWAITED:
            self._awaited.popitem(last=False)
        return self._observe(seen, decision)

    def _grade(self, scores: Mapping[str, float]) -> None:
        """Count the first grade of each answer that is awaited."""
        raised = []
        with self._lock:
            for question, score in scores.items():
                decision = self._awaited.get(question)
                if decision is None:
                    continue
                self._awaited[question] = None
                expected = decision.expected_accuracy if isfinite(decision.expected_accuracy) else 0.0
                raised += self._observe({"accuracy": score - expected}, decision)
        self._tell(raised)

    def _observe(self, seen: Mapping[Series, float | None], decision: Decision) -> list[Alarm]:
        """The alarms that values raise, each compared with those of the same action and reason."""
        found = []
        for (series, direction), watch in self._watches.items():
            value = seen.get(series)
            if value is None:
                continue
            kind = "" if series == "fallback" else f"{decision.action} {decision.reason}"
            if (changed := watch.add(value, kind, self._draws.random())) is not None:
                whose: dict[str, Any] = {"policy_id": decision.policy_id, "taken_over": self.take_over}
                found.append(Alarm(series=series, direction=direction, **changed, **whose, at=time.time()))
        self._raised += tuple(found)
        self._untold += found
        return found

    def _tell(self, raised: Sequence[Alarm]) -> None:
        """Have the ledgers keep alarms, and call with each."""
        if raised:
            self.check()
        for alarm in raised:
            _logger.warning("%s", alarm)
            if self.on_alarm is None:
                continue
            with ThreadPoolExecutor(1) as apart:  # the answer is paid for and stands, whatever this raises
                failed = apart.submit(self.on_alarm, alarm).exception()
            if failed is not None:
                _logger.error("on_alarm failed on this alarm: %s", alarm, exc_info=failed)

    def _is_due(self, ledger: KeepsAlarms) -> bool:
        return never_blocks(ledger) or time.monotonic() >= self._shelves[ledger].due

    def _look(self, ledger: KeepsAlarms) -> None:
        """Put what a ledger does not keep yet, and learn from it what others have raised, reset or graded."""
        with self._reading:
            shelf = self._shelves.setdefault(ledger, _Shelf())
            shelf.due = time.monotonic() + self.every
            try:
                kept = {alarm for alarm in ledger.alarms() if alarm.policy_id == self._version}
                with self._lock:
                    if shelf.kept - kept:
                        self._begin(self._version)  # reset by another process
                    self._adopt(kept - set(self._raised))
                    missing = [alarm for alarm in self._raised if alarm not in kept]
                for alarm in missing:
                    ledger.put_alarm(alarm)
                shelf.kept = kept | set(missing)
                scores, shelf.read_to = ledger.grades(shelf.read_to)
                shelf.failed = False
            except LedgerError as error:  # the answers stand; the next look tries again
                (_logger.debug if shelf.failed else _logger.warning)("alarms are not kept: %s", error)
                shelf.failed = True
                return
        self._grade(scores)

    def _adopt(self, alarms: Collection[Alarm]) -> None:
        """Take over the alarms of another process: what changed there counts as usual from now on."""
        for alarm in alarms:
            self._watches[alarm.series, alarm.direction].begin()
        self._raised = tuple(sorted((*self._raised, *alarms), key=lambda alarm: alarm.at))

    def _forget(self, *versions: str) -> None:
        """Drop the alarms of versions from the ledgers."""
        for ledger, shelf in list(self._shelves.items()):
            for version in versions:
                with suppress(LedgerError):  # away: its alarms are found there again, and stand
                    ledger.drop_alarms(version)
            shelf.kept = set()

    def _prepare(self, version: Policy) -> Policy:
        """The version, or its mixture; a new one begins anew."""
        if version.policy_id != self._version:
            with self._reading:
                before = self._version
                with self._lock:
                    self._replaced = (self._replaced | {before}) - {version.policy_id}
                    self._begin(version.policy_id)
                self._forget(before, version.policy_id)
        taken_over = self._taken_over
        if not (taken_over and isinstance(version, HasMixture)):
            return version
        if self._mixture is None or self._mixture[0] is not version:
            self._mixture = version, version.by_mixture()
        return self._mixture[1]

    def _begin(self, version: str) -> None:
        self._version, self._raised = version, ()
        self._awaited = OrderedDict.fromkeys(self._awaited)
        for watch in self._watches.values():
            watch.begin()
