"""Hold an average cost per question: reserve before a call, settle after it, and read the price in between.

The ledger is the one place that knows what was spent. From it comes the price of compute at which the next
question is decided, so that the mean cost a question stays on target while the mix of questions changes.

    >>> ledger = open_ledger("memory://", target=50.0, cost_unit="tokens")
    >>> reservation = ledger.reserve(40.0, "question-1")
    >>> ledger.settle(reservation, 47.0).status
    'settled'
    >>> ledger.average
    47.0
"""

from adaptive_reasoner.ledger.base import Ledger, Reservation, Snapshot, UnreachableLedgerError
from adaptive_reasoner.ledger.opening import open_ledger

__all__ = ["Ledger", "Reservation", "Snapshot", "UnreachableLedgerError", "open_ledger"]
