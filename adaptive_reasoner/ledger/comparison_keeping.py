"""The part of a ledger that keeps comparisons, with what they may cost."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

from adaptive_reasoner.ledger.async_verbs import AsyncVerbs
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.comparisons import ComparedAnswer, Savings, savings_of
from adaptive_reasoner.ledger.entries import check_action, check_name
from adaptive_reasoner.ledger.proxy import innermost
from adaptive_reasoner.ledger.store import Transaction

T = TypeVar("T")

BESIDE = "shadow"
"""What the ledger is called, beside the one whose answers are compared, that pays for comparisons."""


@runtime_checkable
class KeepsComparisons(Protocol):
    """A ledger that keeps comparisons of the answers that are charged to it."""

    def put_comparison(self, comparison: ComparedAnswer) -> None:
        """Keep a comparison in place of an earlier one of its key."""

    def comparisons(self) -> list[ComparedAnswer]:
        """All comparisons, oldest first."""

    def savings(self) -> Savings:
        """What the comparisons say, and what they have cost."""

    def payer(self, max_cost: float) -> Ledger:
        """The ledger that pays for comparisons, in the same store; its hard cap is `max_cost` from now on."""


class ComparisonKeeping(AsyncVerbs):
    """Keeps comparisons in the ledger's own store."""

    def put_comparison(self, comparison: ComparedAnswer) -> None:
        """Keep a comparison in place of an earlier one of its key."""
        for name in (comparison.key, comparison.question):
            check_name(name)
        for action in (comparison.action, comparison.against):
            check_action(action)
        self._change(lambda transaction: transaction.put_comparison(comparison))

    def comparisons(self) -> list[ComparedAnswer]:
        """All comparisons, oldest first."""
        return list(self._change(lambda transaction: transaction.comparisons()))

    def savings(self) -> Savings:
        """What the comparisons say, and what they have cost."""
        found = savings_of(self.comparisons(), self.cost_unit)
        payer = self._paying()
        if payer is None:
            return found
        seen = payer.snapshot()
        return found.paid(seen.spent + seen.held, seen.hard_cap)

    @abstractmethod
    def payer(self, max_cost: float) -> Ledger:
        """The ledger that pays for comparisons, in the same store; its hard cap is `max_cost` from now on."""

    def _paying(self) -> Ledger | None:
        """The ledger that pays for comparisons; None before there was any."""
        return None

    @abstractmethod
    def _change(self, change: Callable[[Transaction], T]) -> T:
        """Run a change of the store in one transaction."""


def comparison_keeper(ledger: Ledger) -> KeepsComparisons | None:
    """The ledger that keeps the comparisons of a ledger: itself, or the one behind it; None without one."""
    own = innermost(ledger)
    return own if isinstance(own, KeepsComparisons) else None
