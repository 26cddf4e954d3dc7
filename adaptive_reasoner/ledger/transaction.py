"""Entries and sums of one ledger inside one database transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from adaptive_reasoner.ledger import schema
from adaptive_reasoner.ledger.book import Wanted
from adaptive_reasoner.ledger.controller import Totals
from adaptive_reasoner.ledger.entries import Entry

PARTS = 16  # rows that share a period's sums on PostgreSQL, so that as many processes commit at once
_N_SUMS = len(Totals.__slots__)


class Found(NamedTuple):
    """What was read for a change: the charge, and what the others of its question and period are."""

    entry: Entry | None
    others_open: bool
    others_spent: bool


class SqlTransaction:
    """The store that the rules of a ledger change, on one driver's connection.

    SQLite lets one transaction write at a time. On PostgreSQL what can collide is locked: under a hard cap
    the whole account; without one (`parted`) each question, so that it is counted once, and any free row of
    sums. There the connection is in pipeline mode: statements are sent without waiting for their results, and
    a transaction waits twice, for what it reads and for its commit, however many changes it makes.
    """

    def __init__(
        self,
        driver: Any,
        statements: Mapping[str, schema.Statement],
        name: str,
        *,
        shared: bool,
        capped: bool,
    ) -> None:
        self.loaded: dict[str, Totals] = {}
        self._driver = driver
        self._statements = statements
        self._of = name
        self._parted = shared and not capped
        self._changes: dict[str, Totals] = {}
        self._asked: dict[Wanted, Any] = {}  # sent before its turn came
        self._found: dict[str, tuple[Wanted, Found]] = {}
        if shared and capped:
            self._do("lock_account")

    def look_up(self, wanted: Iterable[Wanted]) -> None:
        """Ask for charges of different questions before their turn comes."""
        known = [each for each in wanted if each.question is not None]
        self._lock(each.question for each in known)
        for each in known:
            self._asked[each] = self._ask(each)

    def totals(self, period: str) -> Totals:
        """The sums of a period, with what was added here."""
        if period not in self.loaded:
            self._load(period, self._do("read_sums", within=period).fetchone())
        return self.loaded[period]

    def entry(self, wanted: Wanted) -> Entry | None:
        """The charge of this key; its question is this transaction's alone from here on."""
        asked = self._asked.pop(wanted, None)
        if asked is None:
            if wanted.question is None:
                found = self._do("read_question", named=wanted.key).fetchone()
                if found is None:
                    return None
                wanted = wanted._replace(question=str(found[0]))
            self._lock([wanted.question])
            asked = self._ask(wanted)
        others_open, others_spent, *row = asked.fetchone()
        if wanted.period not in self.loaded:
            self._load(wanted.period, row[: _N_SUMS + 1])
        entry = None if row[_N_SUMS + 1] is None else Entry(*row[_N_SUMS + 1 :])
        if entry is not None and entry.question != wanted.question:  # the hint was wrong: lock what is right
            return self.entry(wanted._replace(question=entry.question))
        self._found[wanted.key] = wanted, Found(entry, bool(others_open), bool(others_spent))
        return entry

    def others(self, entry: Entry) -> tuple[bool, bool]:
        """Whether other charges of its question and period are open, and whether any are spent."""
        wanted = Wanted(entry.key, entry.question, entry.period)
        known, found = self._found.pop(entry.key, (None, None))
        if found is None or known != wanted:
            self._lock([entry.question])
            found = Found(None, *self._ask(wanted).fetchone()[:2])
        return bool(found.others_open), bool(found.others_spent)

    def put(self, entry: Entry, *, before: Entry | None) -> None:
        """Write a charge over what it was before."""
        if before is None:
            self._do("insert_entry", ledger=self._of, **_columns(entry))
        else:
            self._do("update_entry", named=entry.key, **_columns(entry))

    def add(self, period: str, change: Totals) -> None:
        """Add to the sums of a period."""
        self.loaded[period] = self.totals(period) + change
        self._changes[period] = self._changes.get(period, Totals()) + change

    def flush(self) -> None:
        """Write what was added to the sums, at the very end, so that the rows are locked but a moment."""
        for period, change in self._changes.items():
            more = {f"more_{name}": value for name, value in _columns(change).items()}
            self._do("add_to_free" if self._parted else "add_to_first", within=period, **more)

    def due(self, now: float) -> Sequence[Entry]:
        """Open reservations that expired by now, their questions locked."""
        found = [Entry(*row) for row in self._do("read_due", now=now).fetchall()]
        if found and self._parted:
            self._lock(entry.question for entry in found)
            found = [Entry(*row) for row in self._do("read_due", now=now).fetchall()]
        return found

    def latest(self, limit: int) -> Sequence[Entry]:
        """The latest charges, oldest first."""
        return [Entry(*row) for row in reversed(self._do("read_latest", most=limit).fetchall())]

    def forget(self, before: float, most: int) -> None:
        """Let go of so many charges that are closed and expired before then, the oldest first."""
        self._do("forget", before=before, most=most)

    def clear(self) -> None:
        """Forget every charge and every sum."""
        self._do("clear_entries")
        self._do("clear_sums")
        for known in (self.loaded, self._changes, self._asked, self._found):
            known.clear()

    def _lock(self, questions: Iterable[str | None]) -> None:
        """Wait for whoever works on these questions, in their order: so no ring of waiters forms."""
        ordered = sorted({question for question in questions if question is not None})
        if self._parted and ordered:
            self._do("lock_questions", all=ordered)

    def _ask(self, wanted: Wanted) -> Any:
        return self._do("read_charge", named=wanted.key, asked=wanted.question, within=wanted.period)

    def _load(self, period: str, row: Sequence[int]) -> None:
        parts, *sums = row
        self.loaded[period] = Totals(*sums) if parts else self._begin(period)

    def _begin(self, period: str) -> Totals:
        """Make the rows of a new period; the drift of the last one carries over."""
        last = self._do("last_drift").fetchone()
        drift = last[0] if last else 0
        for part in range(PARTS if self._parted else 1):
            self._do("begin_sums", ledger=self._of, period=period, part=part, drift=0 if part else drift)
        return Totals(drift=drift)

    def _do(self, name: str, **parameters: Any) -> Any:
        statement = self._statements[name]
        return self._driver.execute(statement.text, {"of": self._of, **statement.constants, **parameters})


def _columns(row: Entry | Totals) -> dict[str, Any]:
    """Its values by column."""
    return {name: getattr(row, name) for name in row.__slots__}
