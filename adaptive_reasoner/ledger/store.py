"""What the rules of a ledger ask of the store that keeps its entries and sums."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from adaptive_reasoner.ledger.changes import Share
from adaptive_reasoner.ledger.comparisons import ComparedAnswer
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.estimates import Known
from adaptive_reasoner.ledger.price_controller import Totals
from adaptive_reasoner.ledger.settings import Aims
from adaptive_reasoner.policy.alarm import Alarm


class Wanted(NamedTuple):
    """What a change will ask of its transaction, so that a store can look it up along with others'.

    Attributes:
        key: Names the charge.
        question: Its question as far as the caller knows; a stored charge may name another.
        period: The period in which it will be written where it is new.
        needs: The most that it may take of what a hard cap has left, in small units.
    """

    key: str
    question: str
    period: str
    needs: int = 0

    @property
    def place(self) -> tuple[str, str, str]:
        """Key, question and period."""
        return self[:3]

    @property
    def names(self) -> tuple[str, str]:
        """Two changes that share one of these may touch the same charge or question."""
        return self.key, self.question


class Transaction(Known, Protocol):
    """One atomic change of a store."""

    @property
    def loaded(self) -> Mapping[str, Totals]:
        """The sums read so far, by period, with what was added."""

    def totals(self, period: str) -> Totals:
        """The sums of a period, with what was added here; a new period starts at the last one's drift."""

    def entry(self, wanted: Wanted) -> Entry | None:
        """The charge of this key; its question stays locked until the commit."""

    def others(self, entry: Entry) -> Share:
        """Sums over the other charges of the entry's question and period."""

    def put(self, entry: Entry, *, before: Entry | None) -> None:
        """Write a charge in place of what it was before."""

    def add(self, period: str, change: Totals) -> None:
        """Add to the sums of a period."""

    def score(self, question: str) -> int | None:
        """The grade of a question in 1e-9, None without one; it stays locked until the commit."""

    def put_score(self, question: str, score: int, now: float) -> None:
        """Write the grade of a question in place of an earlier one."""

    def put_comparison(self, comparison: ComparedAnswer) -> None:
        """Write a comparison in place of an earlier one of its key."""

    def comparisons(self) -> Sequence[ComparedAnswer]:
        """All comparisons, oldest first."""

    def scores_since(self, moment: float) -> Mapping[str, float]:
        """The grades that were written since a moment, from 0 to 1, by question, oldest first."""

    def put_alarm(self, alarm: Alarm) -> None:
        """Write an alarm, unless it is there."""

    def alarms(self) -> Sequence[Alarm]:
        """All alarms, oldest first."""

    def drop_alarms(self, policy_id: str) -> None:
        """Delete the alarms of a policy."""

    def due(self, now: float, most: int) -> Sequence[Entry]:
        """So many of the open reservations that expired by now."""

    def latest(self, limit: int) -> Sequence[Entry]:
        """The latest charges, oldest first."""

    def clear(self) -> None:
        """Forget every charge and every sum."""

    def lock(self) -> None:
        """Wait for the changes that are under way, and let none begin until this one is made.

        The change may be started over for it, on what the others leave.
        """

    def retarget(self, aims: Aims) -> None:
        """Store what the ledger holds from now on; needs the lock."""
