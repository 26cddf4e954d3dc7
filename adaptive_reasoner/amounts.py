"""Amounts as whole numbers of a small unit, so that sums are exact and never drift."""


def scale_of(cost_unit: str) -> int:
    """Small units in one cost unit: 1e9 for dollars, 1e6 for anything else."""
    return 1_000_000_000 if cost_unit == "usd" else 1_000_000


def units_of(amount: float, cost_unit: str) -> int:
    """An amount in small units, to the nearest.

    Example:
        >>> units_of(0.1, "usd") + units_of(0.2, "usd") == units_of(0.3, "usd")
        True
    """
    return round(amount * scale_of(cost_unit))
