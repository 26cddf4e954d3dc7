"""Open a ledger by its URL."""

import os
import time
from collections.abc import Callable

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import HasPrice, Ledger, Window, unknown_url


def open_ledger(
    url: str,
    *,
    target: float | None = None,
    cost_unit: str | None = None,
    policy: HasPrice | None = None,
    hard_cap: float | None = None,
    reservation_ttl: float | None = None,
    credit: float | None = None,
    window: Window | None = None,
    keep: float | None = None,
    target_accuracy: float | None = None,
    name: str = "default",
    journal: str | os.PathLike[str] | None = None,
    clock: Callable[[], float] = time.time,
) -> Ledger:
    """Open a ledger, and create it if it is missing.

    Args:
        url: `memory://`, `sqlite:///path` or `postgresql://...`.
        target: Allowed mean cost per question. Default: the policy's budget, if there is no target accuracy;
            without one it only counts.
        cost_unit: Unit of every amount. Default: the policy's, or `"tokens"`.
        policy: Gives the starting price, and how fast cost answers to it.
        hard_cap: Total amount that is never exceeded, whatever crashes, repeats or races.
        reservation_ttl: Seconds until an unsettled reservation counts as spent, at its worst case. Default:
            an hour.
        credit: How many questions at the target the savings may pay for later. Default: 300.
        window: `"day"` or `"month"`: target and cap hold for each of them, in UTC; a charge counts where it
            was reserved, and the price carries over. Default: all time.
        keep: Seconds after which a database may forget a charge that is no longer open; its cost stays in
            the sums, but its key could be charged anew. Default: 30 days. In memory: the latest 100,000.
            A database forgets from its oldest charge on, so that its ledgers had best agree on this.
        target_accuracy: Mean accuracy that is not to be fallen below, at the least cost. The price starts
            where the policy expects it, and follows the grades that `Ledger.feedback` is given; without any
            it stays there, and `quality` says so. With a target, that stays the most that a question may cost
            on average, and `quality` says whether it keeps the floor from being held.
        name: Several ledgers can live in one database.
        journal: File of this process alone: while the database is away, go on at the last price and write
            down here what is to be charged later. Default: refuse, with UnreachableLedgerError.
        clock: Seconds since the epoch; for tests.

    An existing ledger keeps what it was made with: arguments left out are read from it, a different value is
    refused.

    Raises:
        LedgerError: The URL's scheme is unknown, an argument is out of range, or differs from what is stored.
        ImportError: The database's driver is not installed.
    """
    from adaptive_reasoner.ledger.settings import LedgerOptions

    terms = LedgerOptions(
        target=target,
        cost_unit=cost_unit,
        policy=policy,
        hard_cap=hard_cap,
        reservation_ttl=reservation_ttl,
        credit=credit,
        window=window,
        keep=keep,
        target_accuracy=target_accuracy,
    )
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme == "memory" and journal is not None:
        raise LedgerError("a ledger in memory has no database to lose: open it without a journal")
    if scheme == "memory":
        from adaptive_reasoner.ledger.memory import MemoryLedger

        return MemoryLedger(terms.account(), clock=clock)
    if scheme in ("sqlite", "postgresql"):
        from adaptive_reasoner.ledger.sql.ledger import SqlLedger

        ledger = SqlLedger(url, name, terms, clock=clock)
        if journal is None:
            return ledger
        from adaptive_reasoner.ledger.journal import JournaledLedger

        try:
            return JournaledLedger(ledger, journal)
        except LedgerError:
            ledger.close()
            raise
    raise unknown_url(url)
