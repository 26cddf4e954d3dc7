"""What the change of one charge does to the sums of a ledger."""

from dataclasses import dataclass, replace
from typing import Self

from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.estimates import Correction
from adaptive_reasoner.ledger.price_controller import PriceLaw, Totals


@dataclass(frozen=True, slots=True)
class Share:
    """Sums over charges of one question in one period, in small units.

    Attributes:
        open: How many are open.
        booked: How many count as spent.
        spent: Cost of those.
        reserved: Planned cost of the open ones.
        written_off: What they have written off, released ones too.
        allowed: Target less the question's budget, where it has one.
        explored: How many of the booked ones are of an explored action.
    """

    open: int = 0
    booked: int = 0
    spent: int = 0
    reserved: int = 0
    written_off: int = 0
    allowed: int = 0
    explored: int = 0

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
            entry.allowed,
            entry.explored * entry.booked,
        )

    def plus(self, more: Self, times: int = 1) -> "Share":
        """With another charge added, or taken away with `times=-1`."""
        return Share(
            self.open + times * more.open,
            self.booked + times * more.booked,
            self.spent + times * more.spent,
            self.reserved + times * more.reserved,
            self.written_off + times * more.written_off,
            self.allowed + times * more.allowed,
            self.explored + times * more.explored,
        )


def difference(before: Entry | None, after: Entry, others: Share, *, breaches: int = 0) -> Totals:
    """What the sums change by when a charge becomes `after`; what the price law adds is not in it."""
    was, now = before is not None and before.status == "open", after.status == "open"
    had, has = before is not None and before.booked, after.booked
    spent = (after.cost or 0) - ((before.cost or 0) if before else 0)
    return Totals(
        spent=spent,
        reserved=now * after.expected - (before.expected if before and was else 0),
        held=now * after.held - (before.held if before and was else 0),
        admitted=0 if others.open or others.booked else (now or has) - (was or had),
        questions=0 if others.booked else has - had,
        in_flight=now - was,
        breaches=breaches,
        explored=0 if others.explored else after.explored * (has - had),
        explored_spent=after.explored * spent,
    )


def steered(
    law: PriceLaw,
    correction: Correction,
    totals: Totals,
    change: Totals,
    before: Entry | None,
    after: Entry,
    others: Share,
    own: int,
) -> tuple[Totals, Entry]:
    """A change with what the price law adds: its step, and the savings that are written off.

    Args:
        law: The ledger's.
        correction: Of planned cost.
        totals: The sums before the change.
        change: The difference that the charge makes.
        before: The charge as it was.
        after: The charge as it is now.
        others: The other charges of its question.
        own: Target less the question's own budget; 0 for a question that is measured against the target.

    Returns:
        The change, and the charge with what it has written off.
    """
    same = before is not None and (before.question, before.period) == (after.question, after.period)
    written_off, allowed = (before.written_off, before.allowed) if before is not None and same else (0, 0)
    # The first charge of a question brings its allowance, and the last that is released takes all of it back.
    grant = own if change.admitted > 0 else change.admitted * (others.allowed + allowed)
    after, change = (
        replace(after, written_off=written_off, allowed=allowed + grant),
        replace(change, forgiven=grant),
    )
    question = others.plus(Share.of(after))
    counts = question.open > 0 or question.booked > 0
    likely = correction.of(Totals(spent=question.spent, reserved=question.reserved, in_flight=question.open))
    earlier, later = correction.of(totals), correction.of(totals + change)
    forgiven = law.forgiveness(
        later,
        correction.of(change),
        saving=counts * law.target - question.allowed - likely.spent - likely.reserved,
        written_off=question.written_off,
    )
    # A release takes the step back that the law took when its plan was reserved.
    drift = law.step(earlier if change.admitted < 0 else later) * change.admitted
    floored = law.floored(earlier) if change.admitted > 0 else 0
    return (
        replace(change, forgiven=grant + forgiven, drift=drift, floored=floored),
        replace(after, written_off=written_off + forgiven),
    )
