"""Amounts of cost: as whole numbers of a small unit, so that sums are exact, and as people read them."""

from decimal import ROUND_CEILING, Context, Decimal
from math import isfinite
from numbers import Real

NOISE = 1e-12  # what rounding leaves of sums that are zero
EXACT = 15  # significant digits that every float holds


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


def written(amount: float, digits: int = 6) -> str:
    """An amount or a price as people read it, without an exponent and without rounding noise.

    Args:
        amount: The amount; what is nearer to 0 than 1e-12 counts as rounding noise.
        digits: Significant digits; those before the decimal point are all kept, up to 15.

    Example:
        >>> written(1e-05), written(0.1 + 0.2), written(1.26e-17), written(1_234_567.0)
        ('0.00001', '0.3', '0', '1234567')
    """
    return "0" if abs(amount) < NOISE else _plain(amount, digits)


def enough(amount: float, digits: int = 6) -> str:
    """An amount as `written` shows it, but rounded up: what is asked for at least is enough as it stands.

    Example:
        >>> written(123.4564), enough(123.4564), enough(0.1 + 0.2), enough(2.0)
        ('123.456', '123.457', '0.3', '2')
    """
    if not isfinite(amount):
        return written(amount, digits)
    exact = Decimal(written(amount, EXACT))
    most = max(digits, len(str(int(abs(amount)))))
    return f"{Context(prec=min(most, EXACT), rounding=ROUND_CEILING).plus(exact):f}"


def given(value: object) -> str:
    """A value that a user gave, as Python writes it, but a number without exponent and rounding noise.

    Example:
        >>> given(-1.0), given(-1e-05), given(0.1 + 0.2), given("1e-05"), given(None)
        ('-1.0', '-0.00001', '0.3', "'1e-05'", 'None')
    """
    if isinstance(value, bool | int) or not isinstance(value, Real):
        return repr(value)
    number = float(value)
    as_python = repr(number)
    if "e" in as_python or number != float(f"{number:.{EXACT}g}"):
        return _plain(number, EXACT)
    return as_python


def signed(amount: float, digits: int = 6) -> str:
    """A difference of amounts, with its sign.

    Example:
        >>> signed(0.00002), signed(-12.5), signed(0.0)
        ('+0.00002', '-12.5', '+0')
    """
    return f"{'-' if amount < 0 else '+'}{written(abs(amount), digits)}"


def _plain(amount: float, digits: int) -> str:
    if not isfinite(amount):
        return f"{amount:g}"
    whole = len(str(int(abs(amount))))
    return f"{Decimal(f'{amount:.{min(max(digits, whole), EXACT)}g}'):f}"
