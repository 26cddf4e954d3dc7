"""What the change of one charge does to the sums of a ledger."""

from dataclasses import dataclass, replace
from typing import Self

from adaptive_reasoner.ledger.controller import PriceLaw, Totals
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.estimates import Correction


@dataclass(frozen=True, slots=True)
class Share:
    """Sums over charges of one question in one period, in small units.

    Attributes:
        open: How many are open.
        booked: How many count as spent.
        spent: Cost of those.
        reserved: Planned cost of the open ones.
        written_off: What they have written off, released ones too.
    """

    open: int = 0
    booked: int = 0
    spent: int = 0
    reserved: int = 0
    written_off: int = 0

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """What one charge contributes to its question."""
        is_open = entry.status == "open"
        return cls(
            int(is_open),
            int(entry.booked),
            (entry.cost or 0) if entry.booked else 0,
            entry.expected if is_open else 0,
            entry.written_off,
        )

    def plus(self, more: Self, times: int = 1) -> "Share":
        """With another charge added, or taken away with `times=-1`."""
        return Share(
            self.open + times * more.open,
            self.booked + times * more.booked,
            self.spent + times * more.spent,
            self.reserved + times * more.reserved,
            self.written_off + times * more.written_off,
        )


def difference(before: Entry | None, after: Entry, others: Share, *, breaches: int = 0) -> Totals:
    """What the sums change by when a charge becomes `after`; what the price law adds is not in it."""
    was, now = before is not None and before.status == "open", after.status == "open"
    had, has = before is not None and before.booked, after.booked
    return Totals(
        spent=(after.cost or 0) - ((before.cost or 0) if before else 0),
        reserved=now * after.expected - (before.expected if before and was else 0),
        held=now * after.held - (before.held if before and was else 0),
        admitted=0 if others.open or others.booked else (now or has) - (was or had),
        questions=0 if others.booked else has - had,
        in_flight=now - was,
        breaches=breaches,
    )


def steered(
    law: PriceLaw,
    correction: Correction,
    totals: Totals,
    change: Totals,
    question: Share,
) -> Totals:
    """A change of the sums with what the price law adds: its step, and the savings that are written off.

    Args:
        law: The ledger's.
        correction: Of planned cost.
        totals: The sums before the change.
        change: The difference that the charge makes.
        question: All charges of its question, with the charge as it is now.
    """
    counts = question.open > 0 or question.booked > 0
    likely = correction.of(Totals(spent=question.spent, reserved=question.reserved, in_flight=question.open))
    earlier, later = correction.of(totals), correction.of(totals + change)
    forgiven = law.forgiveness(
        later,
        correction.of(change),
        saving=counts * law.target - likely.spent - likely.reserved,
        written_off=question.written_off,
    )
    # A release takes the step back that the law took when its plan was reserved.
    drift = law.step(earlier if change.admitted < 0 else later) * change.admitted
    floored = law.floored(earlier) if change.admitted > 0 else 0
    return replace(change, forgiven=forgiven, drift=drift, floored=floored)
