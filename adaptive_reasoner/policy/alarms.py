"""Alarms when live questions stop being what a policy expects: a policy that watches its own outcomes."""

import logging
import random
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from math import isfinite, log2
from typing import Any, Literal

import numpy as np

from adaptive_reasoner.policy.base import Decision, Policy
from adaptive_reasoner.policy.change_detection import ChangeDetector, Ranks
from adaptive_reasoner.policy.versions import (
    HasMixture,
    Outcome,
    VersionedPolicy,
    version_of,
    with_its_looks,
)

_logger = logging.getLogger(__name__)

Series = Literal["cost", "agreement", "accuracy", "fallback", "not_comparable"]
Direction = Literal["rises", "falls"]

_WATCHED: dict[tuple[Series, Direction], float] = {  # the share of false alarms that each may raise
    ("cost", "rises"): 0.1,
    ("cost", "falls"): 0.05,
    ("agreement", "falls"): 0.325,
    ("accuracy", "falls"): 0.325,
    ("fallback", "rises"): 0.1,
    ("not_comparable", "rises"): 0.1,
}
_AGAINST: dict[Series, str] = {"cost": " times what was expected", "accuracy": " above what was expected"}
_FINE = {"cost": 8}  # steps of a score: an eighth of a doubling; others have hundredths
_RECENT = 500  # answers among which the beginning of a change is looked for
_FEWEST = 5  # answers that an alarm calls `now`, at least
_UNGRADED = 10_000  # answers whose grade is awaited
_LEAST = 2.0**-60  # stands for a cost of 0 in a logarithm


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What has changed.

    Attributes:
        series: `"cost"` (over what the policy expects of the action), `"agreement"` (of the samples of a
            vote), `"accuracy"` (grades, less what the policy expects), `"fallback"` (share of questions
            unlike the training questions) or `"not_comparable"` (share of answers with nothing to compare).
        direction: `"rises"` or `"falls"`.
        before: Its mean before the change, of the actions taken since and as often as these, so that another
            mix of actions is no part of it. For the cost the typical ratio, by the mean of logarithms.
        now: Its mean since the change.
        seen: How many answers it was seen on before the change.
        since: How many answers ago the change has most likely begun.
        policy_id: The policy that decided.
        taken_over: Whether the policy's mixture of fixed actions decides from now on.
    """

    series: Series
    direction: Direction
    before: float
    now: float
    seen: int
    since: int
    policy_id: str
    taken_over: bool = False

    def __str__(self) -> str:
        now = f"{self.now:.3g}{_AGAINST.get(self.series, '')}"
        moved = f"{self.series} {self.direction}: {now} over the latest {self.since:,} answers"
        return f"{moved}, {self.before:.3g} over the {self.seen:,} before (policy {self.policy_id})"

    def as_event(self) -> dict[str, Any]:
        """The alarm as a plain dict, as callback handlers receive it."""
        return {"event": "alarm", **asdict(self)}


class _Watch:
    """One series in one direction."""

    def __init__(self, series: Series, direction: Direction, run_length: float) -> None:
        self.series, self.direction, self.run_length = series, direction, run_length
        self.begin()

    def begin(self) -> None:
        """Forget what was seen."""
        self._ranks: dict[str, Ranks] = {}
        self._detector = ChangeDetector(self.run_length)
        self._recent: deque[tuple[float, str]] = deque(maxlen=_RECENT)
        self._sums: defaultdict[str, float] = defaultdict(float)  # of the values, by kind
        self._counts: Counter[str] = Counter()

    def add(self, value: float, kind: str, draw: float) -> dict[str, Any] | None:
        """What has changed, as fields of an alarm, where a value raises one."""
        score = round(value * _FINE.get(self.series, 100)) * self._sign
        self._recent.append((value, kind))
        self._sums[kind] += value
        self._counts[kind] += 1
        p = self._ranks.setdefault(kind, Ranks()).add(score, draw=draw)
        if not self._detector.add(p)[0]:
            return None
        before, now, since = self._change()
        if self.series == "cost":
            before, now = 2.0**before, 2.0**now
        found = {"before": before, "now": now, "seen": self._counts.total() - since, "since": since}
        self.begin()
        return found

    @property
    def _sign(self) -> int:
        return 1 if self.direction == "rises" else -1

    def _change(self) -> tuple[float, float, int]:
        """The mean before and since the most likely beginning of a change, and how many answers that is.

        Each value is compared with those of its kind, as it is ranked. A kind that was not seen before the
        change tells nothing of it.
        """
        latest = list(self._recent)[::-1]
        moved = np.cumsum([value - self._sums[kind] / self._counts[kind] for value, kind in latest])
        count = np.arange(1, len(latest) + 1)
        possible = slice(_FEWEST - 1, max(self._counts.total() - 1, _FEWEST))
        standing_out = self._sign * moved / np.sqrt(count)
        since = int(count[possible][np.argmax(standing_out[possible])])
        sums, counts = defaultdict[str, float](float), Counter[str]()
        for value, kind in latest[:since]:
            sums[kind] += value
            counts[kind] += 1
        both = [kind for kind in counts if self._counts[kind] > counts[kind]] or list(counts)
        number = sum(counts[kind] for kind in both)
        now = sum(sums[kind] for kind in both) / number
        before = sum(
            counts[kind] * (self._sums[kind] - sums[kind]) / max(self._counts[kind] - counts[kind], 1)
            for kind in both
        )
        return before / number, now, since


class Alarms(VersionedPolicy):
    """A policy that decides as another one does, and raises an alarm when its outcomes change.

    It watches cost against what the policy expects, the agreement of votes, grades against the expected
    accuracy, the share of fallbacks, and the share of answers with nothing to compare. What is usual it
    learns from the answers themselves, each action apart. While nothing changes, all series together raise
    one alarm in `run_length` questions at most, on average. An alarm is an event, `on_alarm` is called with
    it, and it is kept in `raised`. A new version of a watched policy is judged by itself: its answers begin
    anew, and the policy decides again where the mixture had taken over.

    Args:
        policy: Decides.
        on_alarm: Called with each alarm once the answer that raised it is settled; what it raises is logged.
        take_over: From an alarm on, the policy's mixture of fixed actions decides, until `reset` or a new
            version.
        run_length: Questions to a false alarm, on average, at least.

    Raises:
        TypeError: The policy is none, watches its outcomes already or, with `take_over`, has no mixture;
            or `on_alarm` cannot be called.

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
        self.policy, self.on_alarm, self.take_over = policy, on_alarm, take_over
        self.run_length = run_length
        self.raised: tuple[Alarm, ...] = ()
        self.taken_over = False
        self._watches = {watched: _Watch(*watched, run_length / share) for watched, share in _WATCHED.items()}
        self._draws = random.Random(0)  # noqa: S311 - ties of ranks, no secret
        self._version = policy.policy_id
        self._replaced: set[str] = set()
        self._mixture: tuple[Policy, Policy] | None = None  # of a version
        self._looking = with_its_looks(policy)
        self._untold: list[Alarm] = []
        self._ungraded: OrderedDict[str, Decision] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Alarms({self.policy!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_mixture")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock(), _mixture=None)

    @property
    def version(self) -> Policy:
        """The policy that decides now: the one it was given, or its mixture."""
        return self._prepare(version_of(self.policy))

    def version_for(self, actions: Collection[str]) -> Policy:
        """The policy that decides a question; see `VersionedPolicy`."""
        return self._prepare(version_of(self._looking, actions))

    def hear(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Take note of an answer; gives the events of the alarms that no one was told of yet."""
        with self._lock:
            raised = [] if outcome.decision.policy_id in self._replaced else self._hear(outcome)
            self._untold += raised
            told, self._untold = self._untold, []
        self._call(raised)
        return [alarm.as_event() for alarm in told]

    def feedback(self, question: str, score: float) -> None:
        """Grade the answer to a question, as a ledger is given grades; the first grade counts.

        The event of an alarm that it raises is sent with the next answer.

        Args:
            question: `record["run_id"]` of a result, among the latest 10,000 answers.
            score: From 0 (wrong) to 1 (right).

        Raises:
            ValueError: The score does not lie from 0 to 1.
        """
        if not 0 <= score <= 1:
            raise ValueError(f"a score lies from 0 (wrong) to 1 (right), got {score!r}")
        with self._lock:
            decision = self._ungraded.pop(question, None)
            if decision is None or decision.policy_id in self._replaced:
                return
            expected = decision.expected_accuracy if isfinite(decision.expected_accuracy) else 0.0
            raised = self._observe({"accuracy": score - expected}, decision)
            self._untold += raised
        self._call(raised)

    def reset(self) -> None:
        """Forget every alarm and what is usual; the policy decides again where its mixture had taken over."""
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
        self._ungraded[outcome.question] = decision
        if len(self._ungraded) > _UNGRADED:
            self._ungraded.popitem(last=False)
        return self._observe(seen, decision)

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
                found.append(Alarm(series=series, direction=direction, **changed, **whose))
        self.taken_over = self.taken_over or bool(found and self.take_over)
        self.raised += tuple(found)
        return found

    def _call(self, raised: Sequence[Alarm]) -> None:
        for alarm in raised:
            _logger.warning("%s", alarm)
            if self.on_alarm is None:
                continue
            with ThreadPoolExecutor(1) as apart:  # the answer is paid for and stands, whatever this raises
                failed = apart.submit(self.on_alarm, alarm).exception()
            if failed is not None:
                _logger.error("on_alarm failed on this alarm: %s", alarm, exc_info=failed)

    def _prepare(self, version: Policy) -> Policy:
        """The version, or its mixture; a new one begins anew."""
        if version.policy_id != self._version:
            with self._lock:
                self._replaced = (self._replaced | {self._version}) - {version.policy_id}
                self._begin(version.policy_id)
        taken_over = self.taken_over
        if not (taken_over and isinstance(version, HasMixture)):
            return version
        if self._mixture is None or self._mixture[0] is not version:
            self._mixture = version, version.by_mixture()
        return self._mixture[1]

    def _begin(self, version: str) -> None:
        self._version, self.raised, self.taken_over = version, (), False
        self._ungraded.clear()
        for watch in self._watches.values():
            watch.begin()
