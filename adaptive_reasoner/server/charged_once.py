"""A ledger for requests with an idempotency key: one that was charged before is refused."""

from typing_extensions import Unpack, override

from adaptive_reasoner.ledger.base import BookingTerms, ChargeTerms, Ledger, Reservation
from adaptive_reasoner.ledger.proxy import LedgerProxy
from adaptive_reasoner.server.errors import RequestError


class ChargedOnce(LedgerProxy):
    """Refuses to reserve a key that another attempt has reserved, here or in another process.

    Args:
        own: The ledger that is charged.

    Example:
        >>> from adaptive_reasoner import open_ledger
        >>> ledger = ChargedOnce(open_ledger("memory://"))
        >>> ledger.settle(ledger.reserve(3.0, "key-1"), 3.0).cost
        3.0
        >>> ledger.reserve(3.0, "key-1")
        Traceback (most recent call last):
        adaptive_reasoner.server.errors.RequestError: this Idempotency-Key was charged before, ...
    """

    def __init__(self, own: Ledger) -> None:
        self.own = own

    @property
    def non_blocking(self) -> bool:
        """Whether the ledger behind it answers at once."""
        return bool(getattr(self.own, "non_blocking", False))

    @override
    def reserve(self, expected: float, key: str, **terms: Unpack[ChargeTerms]) -> Reservation:
        found = self.own.reserve(expected, key, **terms)
        if found.repeated:
            raise RequestError(
                "this Idempotency-Key was charged before, and its answer is not kept here; use a new key",
                status=409,
                code="idempotency_key_used",
                param="idempotency-key",
            )
        return found

    @override
    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        return self.own.settle(reservation, cost)

    @override
    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        return self.own.extend(reservation, worst)

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        return self.own.expire(reservation, saved=saved)

    @override
    def release(self, reservation: Reservation | str) -> Reservation:
        return self.own.release(reservation)

    @override
    def charge(self, cost: float, key: str, **terms: Unpack[BookingTerms]) -> Reservation:
        return self.own.charge(cost, key, **terms)
