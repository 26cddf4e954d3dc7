"""Entries and sums of one ledger inside one database transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from adaptive_reasoner.ledger.changes import Share
from adaptive_reasoner.ledger.comparisons import Comparison
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.estimates import Closed
from adaptive_reasoner.ledger.price_controller import CARRIED, NANO, Totals
from adaptive_reasoner.ledger.sql.connection import Answer
from adaptive_reasoner.ledger.store import Wanted
from adaptive_reasoner.policy.alarm import Alarm

PARTS = 16  # rows that share a period's sums on PostgreSQL, so that as many processes commit at once


class SqlTransaction:
    """The store that the rules of a ledger change, on one connection to the database.

    SQLite lets one transaction write at a time. On PostgreSQL a transaction locks what another could change:
    under a hard cap the whole account; without one (`parted`) each question, so that it is counted once, and
    any free row of sums. There statements are sent when an answer is read, so a transaction waits twice, for
    what it reads and for its commit, however many changes it makes.
    """

    def __init__(
        self,
        run: Callable[[str, Mapping[str, Any]], Answer],
        name: str,
        *,
        shared: bool,
        capped: bool,
        hold: Callable[[int | None], None],
    ) -> None:
        self.loaded: dict[str, Totals] = {}
        self._hold = hold  # called with the target in force whenever sums are read
        self._run = run
        self._name = name
        self._parted = shared and not capped
        self._changes: dict[str, Totals] = {}
        self._summing: dict[str, Answer] = {}  # sent before they are needed: sums by period
        self._asked: dict[str, tuple[Wanted, Answer]] = {}  # and charges, by question
        self._others: dict[Wanted, Share] = {}
        if shared and capped:
            self._do("lock_account")

    def look_up(self, wanted: Sequence[Wanted]) -> None:
        """Send the queries for charges of different questions, before each is needed."""
        self._lock(each.question for each in wanted)
        for period in {each.period for each in wanted}:
            self._summing[period] = self._do("read_sums", within=period)
        for each in wanted:
            self._asked[each.question] = each, self._ask(each)

    def totals(self, period: str) -> Totals:
        """The sums of a period, with what was added here."""
        if period not in self.loaded:
            answer = self._summing.pop(period, None) or self._do("read_sums", within=period)
            [(parts, target, *sums)] = answer()
            self._hold(target)
            self.loaded[period] = Totals(*sums) if parts else self._begin(period)
        return self.loaded[period]

    def entry(self, wanted: Wanted) -> Entry | None:
        """The charge of this key; its question stays locked until the commit."""
        asked, answer = self._asked.pop(wanted.question, (None, None))
        if answer is None or asked != wanted:
            self._lock([wanted.question])
            answer = self._ask(wanted)
        others, entry = _read(answer)
        if entry is not None and entry.question != wanted.question:
            return self.entry(wanted._replace(question=entry.question))  # the caller did not know it
        self._others[wanted] = others
        return entry

    def others(self, entry: Entry) -> Share:
        """Sums over the other charges of its question and period."""
        wanted = Wanted(entry.key, entry.question, entry.period)
        known = self._others.pop(wanted, None)
        if known is not None:
            return known
        self._lock([entry.question])
        return _read(self._ask(wanted))[0]

    def put(self, entry: Entry, *, before: Entry | None) -> None:
        """Write a charge in place of what it was before."""
        for name in (entry.key, entry.question):
            self._asked.pop(name, None)  # an answer from before this is out of date
        if before is not None and before.status != "released":
            names = ("status", "cost", "worst", "written_off", "allowed")
            self._do("change_entry", named=entry.key, **{name: getattr(entry, name) for name in names})
            return
        if before is not None:
            self._do("drop_entry", named=entry.key)  # it is inserted again, as the latest
        self._do("insert_entry", **_columns(entry))

    def add(self, period: str, change: Totals) -> None:
        """Add to the sums of a period."""
        self.loaded[period] = self.totals(period) + change
        self._changes[period] = self._changes.get(period, Totals()) + change

    def flush(self) -> None:
        """Write what was added to the sums; call it last, so that their rows are locked shortly."""
        for period, change in self._changes.items():
            self._do("add_to_free" if self._parted else "add_to_first", within=period, **_columns(change))

    def due(self, now: float, most: int) -> Sequence[Entry]:
        """The oldest open reservations that expired by now, at most so many; their questions are locked."""
        found = self._due(now, most)
        if found and self._parted:
            self._lock(entry.question for entry in found)
            locked = {entry.question for entry in found}
            found = [entry for entry in self._due(now, most) if entry.question in locked]
        return found

    def latest(self, limit: int) -> Sequence[Entry]:
        """The latest charges, oldest first."""
        return [Entry(*row) for row in reversed(self._rows("read_latest", most=limit))]

    def closed(self, most: int) -> Sequence[Closed]:
        """The latest charges that are no longer open, at most so many."""
        return [Closed(*row) for row in self._rows("read_closed", most=most)]

    def planned(self) -> Mapping[str | None, tuple[int, int]]:
        """The number of open charges of each action, and their planned cost."""
        return {action: (charges, amount) for action, charges, amount in self._rows("read_open")}

    def score(self, question: str) -> int | None:
        """The grade of a question, None without one; the question stays locked until the commit."""
        self._lock([question])
        return next((score for (score,) in self._rows("read_score", asked=question)), None)

    def put_score(self, question: str, score: int, now: float) -> None:
        """Write the grade of a question in place of an earlier one."""
        self._do("put_score", asked=question, score=score, now=now)

    def put_comparison(self, comparison: Comparison) -> None:
        """Write a comparison in place of an earlier one of its key."""
        self._do("put_comparison", **_columns(comparison))

    def comparisons(self) -> Sequence[Comparison]:
        """All comparisons, oldest first."""
        return [Comparison(*row) for row in self._rows("read_comparisons")]

    def scores_since(self, moment: float) -> Mapping[str, float]:
        """The grades that were written since a moment, from 0 to 1, by question, oldest first."""
        rows = self._rows("read_scores_since", moment=moment)
        return {question: score / NANO for question, score in rows}

    def put_alarm(self, alarm: Alarm) -> None:
        """Write an alarm, unless it is there."""
        self._do("put_alarm", **{**_columns(alarm), "taken_over": int(alarm.taken_over)})

    def alarms(self) -> Sequence[Alarm]:
        """All alarms, oldest first."""
        rows = [dict(zip(Alarm.__slots__, row, strict=True)) for row in self._rows("read_alarms")]
        return [Alarm(**{**row, "taken_over": bool(row["taken_over"])}) for row in rows]

    def drop_alarms(self, policy_id: str) -> None:
        """Delete the alarms of a policy."""
        self._do("drop_alarms", policy=policy_id)

    def forget(self, before: float, most: int) -> None:
        """Delete the oldest charges that are closed and expired before then, at most so many, and grades."""
        self._do("forget", before=before, most=most)
        self._do("forget_scores", before=before)

    def lock(self) -> None:
        """Wait for the running transactions of this ledger, and let none begin until the commit."""
        if self._parted:
            self._do("lock_all_questions")

    def retarget(self, target: int) -> None:
        """Write another target; needs the lock."""
        self._do("retarget", target=target)

    def clear(self) -> None:
        """Forget every charge and every sum."""
        self.lock()  # a running transaction would go on with sums that are gone
        self._do("clear_entries")
        self._do("clear_sums")
        self._do("clear_scores")
        self._do("clear_comparisons")
        self._do("clear_alarms")
        for known in (self.loaded, self._changes, self._summing, self._asked, self._others):
            known.clear()

    def _lock(self, questions: Iterable[str]) -> None:
        """Lock these questions, in their order, so that transactions cannot wait for each other in a ring."""
        if self._parted:
            for question in sorted(set(questions)):
                self._do("lock_question", asked=question)

    def _due(self, now: float, most: int) -> Sequence[Entry]:
        return [Entry(*row) for row in self._rows("read_due", now=now, most=most)]

    def _ask(self, wanted: Wanted) -> Answer:
        return self._do("read_charge", named=wanted.key, asked=wanted.question, within=wanted.period)

    def _begin(self, period: str) -> Totals:
        """Insert the rows of a new period, which starts with what the last one carries over."""
        first = self._last_sums()
        for part in range(PARTS if self._parted else 1):
            begun = Totals() if part else first
            self._do(
                "begin_sums", within=period, part=part, **{name: getattr(begun, name) for name in CARRIED}
            )
        return first

    def _last_sums(self) -> Totals:
        rows = self._rows("last_sums")
        return Totals(**dict(zip(CARRIED, rows[0], strict=True))) if rows else Totals()

    def _rows(self, name: str, **parameters: Any) -> list[Any]:
        return self._do(name, **parameters)()

    def _do(self, name: str, **parameters: Any) -> Answer:
        return self._run(name, {"of": self._name, **parameters})


def _read(answer: Answer) -> tuple[Share, Entry | None]:
    """The sums over the other charges of a question, and the charge itself."""
    [row] = answer()
    width = len(Share.__slots__)
    return Share(*row[:width]), None if row[width] is None else Entry(*row[width:])


def _columns(row: Entry | Totals | Comparison | Alarm) -> dict[str, Any]:
    """Its values by column."""
    return {name: getattr(row, name) for name in row.__slots__}
