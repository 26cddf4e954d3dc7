"""Why a cost is refused under a hard cap, and the ways out."""

from math import inf

from adaptive_reasoner.amounts import enough, written
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger.base import Ledger


def beyond_cap(wanted: float, left: float, cap: float, unit: str) -> str:
    """What to say of a worst case that a hard cap has no room for, and the ways out.

    >>> print(beyond_cap(30.0, 10.0, 100.0, "tokens"))
    30 tokens wanted, 10 left under the hard cap of 100; declare a smaller max_tokens, or raise the cap to 120
    """
    if wanted == inf:
        return (
            f"inf {unit} wanted, {written(left)} left under the hard cap of {written(cap)}: the worst case "
            "has no bound; declare max_tokens on the Source or the model, or a worst_cost of the action"
        )
    return (
        f"{written(wanted)} {unit} wanted, {written(left)} left under the hard cap of {written(cap)}; "
        f"declare a smaller max_tokens, or raise the cap to {enough(cap + wanted - left)}"
    )


def without_bound(ledger: Ledger, reason: str) -> BudgetExceededError:
    """The error for calls that a hard cap cannot hold, as nobody declares how much they can cost."""
    left = max(0.0, (ledger.hard_cap or 0.0) - ledger.spent)
    return BudgetExceededError(inf, left, ledger.cost_unit, reason)
