"""One charge as a store keeps it, and what a run of charges says."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import Snapshot, Status
from adaptive_reasoner.ledger.account import Account
from adaptive_reasoner.ledger.controller import Totals

LONGEST = 500
WINDOW = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One charge; amounts in small units, `worst` None where it has no bound.

    It counts in the `period` it was reserved in, also when it is settled in the next.
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

    @property
    def held(self) -> int:
        """What a hard cap holds while the entry is open."""
        return self.expected if self.worst is None else self.worst

    @property
    def booked(self) -> bool:
        """Whether it counts as spent."""
        return self.status in ("settled", "expired")


def check_name(name: str) -> str:
    """A key or question as it is, where a store can find it again.

    Raises:
        LedgerError: It is empty, too long, or holds a NUL, which databases refuse.
    """
    if not name or len(name) > LONGEST or "\x00" in name:
        raise LedgerError(f"a key must be 1 to {LONGEST} characters without NUL, got {name[:40]!r}")
    return name


def report(account: Account, totals: Totals, latest: Sequence[Entry]) -> Snapshot:
    """The snapshot of an account, with what its latest charges say."""
    law, scale = account.law, account.scale
    booked = [entry for entry in latest if entry.booked]
    costs: dict[str, int] = {}
    for entry in booked:
        costs[entry.question] = costs.get(entry.question, 0) + (entry.cost or 0)
    actions = Counter(entry.action for entry in booked if entry.action is not None)
    recent = list(costs.values())[-WINDOW:]
    return Snapshot(
        cost_unit=account.cost_unit,
        target=account.outside(account.target),
        price=account.price_at(totals),
        average=account.mean(totals.spent, totals.questions),
        spent=totals.spent / scale,
        reserved=totals.reserved / scale,
        held=totals.held / scale,
        questions=totals.questions,
        in_flight=totals.in_flight,
        credit=-law.overspend(totals) if law else float("inf"),
        slack=law.slack(totals) if law else True,
        recent_average=account.mean(sum(recent), len(recent)),
        worst_recent_average=worst_mean(costs.values(), WINDOW) / scale,
        actions={action: count / actions.total() for action, count in sorted(actions.items())},
        hard_cap=account.outside(account.hard_cap),
        cap_closed=totals.breaches > 0,
    )


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
