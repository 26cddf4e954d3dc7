"""Budgets: reserve before a call, settle at its real cost, and read the price for the next question.

A ledger records all costs. It sets the price of compute so that the mean cost per question stays on target
while the mix of questions changes.

    >>> ledger = open_ledger("memory://", target=50.0, cost_unit="tokens")
    >>> reservation = ledger.reserve(40.0, "question-1")
    >>> ledger.settle(reservation, 47.0).status
    'settled'
    >>> ledger.average
    47.0
"""

from adaptive_reasoner.ledger.base import Ledger, Reservation, Snapshot, UnreachableLedgerError
from adaptive_reasoner.ledger.comparisons import Estimate, Savings
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.ledger.retention import Exported, Pruned, export_ledger, prune_ledger

__all__ = [
    "Estimate",
    "Exported",
    "Ledger",
    "Pruned",
    "Reservation",
    "Savings",
    "Snapshot",
    "UnreachableLedgerError",
    "export_ledger",
    "open_ledger",
    "prune_ledger",
]
