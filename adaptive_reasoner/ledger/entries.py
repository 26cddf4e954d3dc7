"""One charge as a store keeps it, and what a run of charges says."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.lazy_pattern import pattern
from adaptive_reasoner.ledger.base import Reservation, Snapshot, Status
from adaptive_reasoner.ledger.price_controller import NORMAL, PriceLaw, Totals
from adaptive_reasoner.ledger.settings import Account

LONGEST = 500
UNSTORABLE = pattern(r"[\x00\ud800-\udfff]")
WINDOW = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One charge; amounts in small units, `worst` None where it has no bound.

    It counts in the `period` it was reserved in, also when it is settled in the next. `written_off` is its
    part of the savings beyond the credit that are forgotten; it is negative where the charge gave back what
    another one of its question had written off. `allowed` is what its question is forgiven for a budget of
    its own. `explored` is 1 where its action was drawn to learn what it does, else 0. `reserved_at` is None
    where an older version wrote it.
    """

    key: str
    question: str
    period: str
    expected: int
    worst: int | None
    status: Status
    cost: int | None
    action: str | None
    expires_at: float
    written_off: int = 0
    allowed: int = 0
    explored: int = 0
    reserved_at: float | None = None

    @property
    def held(self) -> int:
        """What a hard cap holds while the entry is open."""
        return self.expected if self.worst is None else self.worst

    @property
    def booked(self) -> bool:
        """Whether it counts as spent."""
        return self.status in ("settled", "expired")

    def extended(self, bound: int | None) -> "Entry":
        """The charge with a higher worst case; what an expired one has booked rises with it."""
        if self.status in ("settled", "released"):
            raise LedgerError(
                f"{self.key!r} is {self.status} and cannot be extended; reserve under another key"
            )
        if self.worst is None or (bound is not None and bound <= self.worst):
            return self
        more = 0 if bound is None else bound - self.worst
        return replace(self, worst=bound, cost=None if self.cost is None else self.cost + more)

    def expired(self, unspent: int = 0) -> "Entry":
        """The charge booked at its worst case less what is known to be unspent."""
        if self.status in ("settled", "released"):
            return self
        most = self.held if self.worst is None else max(0, self.held - unspent)
        return replace(self, status="expired", cost=most if self.cost is None else min(self.cost, most))

    def settled(self, cost: int) -> "Entry":
        """The charge at its real cost; the first settlement counts."""
        if self.status == "released":
            raise LedgerError(f"{self.key!r} was released and cannot be settled; reserve it again first")
        return self if self.status == "settled" else replace(self, status="settled", cost=cost)

    def released(self) -> "Entry":
        """The charge taken back, unless it is settled."""
        if self.status in ("settled", "released"):
            return self
        return replace(self, status="released", cost=None)

    def as_reservation(self, account: Account) -> Reservation:
        """The charge as a ledger answers with it, in cost units."""
        return Reservation(
            key=self.key,
            question=self.question,
            expected=self.expected / account.scale,
            worst=float("inf") if self.worst is None else self.worst / account.scale,
            status=self.status,
            cost=account.from_units(self.cost),
            action=self.action,
            expires_at=self.expires_at,
            explored=bool(self.explored),
        )


def check_name(name: str) -> str:
    """A key or question as it is, where a store can find it again.

    Raises:
        LedgerError: It is empty or too long, or no database could keep it.
    """
    if not 0 < len(name) <= LONGEST:
        raise LedgerError(f"a key or name must be 1 to {LONGEST} characters, got {name[:40]!r}")
    return _storable(name)


def check_action(action: str | None) -> str | None:
    """An action's name as it is.

    Raises:
        LedgerError: No database could keep it.
    """
    return None if action is None else _storable(action)


def _storable(name: str) -> str:
    if UNSTORABLE.search(name):
        raise LedgerError(f"databases keep neither NUL nor lone surrogates, got {name[:40]!r}")
    return name


def report(account: Account, totals: Totals, latest: Sequence[Entry], likely: Totals) -> Snapshot:
    """The snapshot of an account, with what its latest charges say.

    Args:
        account: The ledger's terms.
        totals: Its sums.
        latest: Its latest charges, oldest first.
        likely: The sums with the planned cost corrected, as the price law sees them.
    """
    law, scale = account.law, account.scale
    booked = [entry for entry in latest if entry.booked]
    costs: dict[str, int] = {}
    for entry in booked:
        costs[entry.question] = costs.get(entry.question, 0) + (entry.cost or 0)
    actions = Counter(entry.action for entry in booked if entry.action is not None)
    recent = list(costs.values())[-WINDOW:]
    off = _deviation(law, likely, list(costs.values())) / scale
    average = account.mean(totals.spent, totals.questions)
    return Snapshot(
        cost_unit=account.cost_unit,
        target=account.from_units(account.target),
        price=account.price_at(likely),
        average=average,
        spent=totals.spent / scale,
        reserved=totals.reserved / scale,
        held=totals.held / scale,
        questions=totals.questions,
        in_flight=totals.in_flight,
        credit=0.0 - law.overspend(likely) if law else float("inf"),
        slack=law.slack(likely) if law else True,
        recent_average=account.mean(sum(recent), len(recent)),
        worst_recent_average=worst_mean(costs.values(), WINDOW) / scale,
        actions={action: count / actions.total() for action, count in sorted(actions.items())},
        hard_cap=account.from_units(account.hard_cap),
        cap_closed=totals.breaches > 0,
        average_low=max(average - off, 0.0),
        average_high=average + off,
        quality=account.quality(likely),
        explored_questions=totals.explored,
        explored_spent=totals.explored_spent / scale,
    )


def _deviation(law: PriceLaw | None, totals: Totals, costs: Sequence[int]) -> float:
    """What chance alone moves the average by in 95% of runs, in small units; 0 while there is no telling."""
    if len(costs) < 2 or totals.questions == 0:
        return 0.0
    variance = statistics.variance(map(float, costs))
    if law is None:
        return NORMAL * math.sqrt(variance / totals.questions)
    return law.deviation(totals, variance / law.target**2) * law.target / totals.questions


def worst_mean(costs: Iterable[int], window: int) -> float:
    """Highest mean of any `window` consecutive costs; of all of them where there are fewer.

    >>> worst_mean([1, 5, 4, 0], window=2)
    4.5
    """
    sums = [0, *accumulate(costs)]
    width = min(window, len(sums) - 1)
    if width == 0:
        return 0.0
    return max(late - early for early, late in zip(sums, sums[width:], strict=False)) / width
