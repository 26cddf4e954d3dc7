"""Entries and sums of one ledger inside one database transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from adaptive_reasoner.ledger.changes import Share
from adaptive_reasoner.ledger.comparisons import ComparedAnswer
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.estimates import Closed
from adaptive_reasoner.ledger.price_controller import CARRIED, NANO, Totals
from adaptive_reasoner.ledger.settings import Aims
from adaptive_reasoner.ledger.sql.connection import Answer, StartOverError
from adaptive_reasoner.ledger.store import Wanted
from adaptive_reasoner.policy.alarm import Alarm

PARTS = 16  # rows that share a period's sums on PostgreSQL, so that as many processes commit at once


class SqlTransaction:
    """The store that the rules of a ledger change, on one connection to the database.

    SQLite lets one transaction write at a time. On PostgreSQL a transaction locks what another could change:
    each question, so that it is counted once, and any free row of sums. There statements are sent when an
    answer is read, so a transaction waits twice, for what it reads and for its commit, however many changes
    it makes.

    Under a hard cap, each row of sums has an allowance, a part of the cap, that what is spent and held in the
    row stays within: the table itself refuses more. The allowances add up to the cap, so that a transaction
    is within the cap if it is within the allowance of its row, whatever others do. What fits into no row, and
    what is refused, is decided by a transaction that runs `alone`: it sees all that the rows have left, and
    shares it out anew, or leaves it all to one row when it is little.

    Args:
        run: Runs a statement by its name.
        name: The ledger's.
        shared: Other transactions run at the same time.
        cap: The hard cap in small units, None without one.
        alone: Run while no other transaction of the ledger does.
        hold: Called with the target in force whenever sums are read.
    """

    def __init__(
        self,
        run: Callable[[str, Mapping[str, Any]], Answer],
        name: str,
        *,
        shared: bool,
        cap: int | None = None,
        alone: bool = False,
        hold: Callable[[Aims], None],
    ) -> None:
        self.loaded: dict[str, Totals] = {}
        self._hold = hold
        self._run = run
        self._name = name
        self._cap = cap if shared else None
        self._parts: dict[str, int] = {}  # rows of sums, by period
        self._shared = shared
        self._beside = shared  # other transactions
        self._began = False
        self._changes: dict[str, Totals] = {}
        self._summing: dict[str, Answer] = {}  # sent before they are needed: sums by period
        self._asked: dict[str, tuple[Wanted, Answer]] = {}  # and charges, by question
        self._others: dict[tuple[str, str, str], Share] = {}
        if alone:
            self.lock()

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
            [(parts, target, accuracy, floor_price, *sums)] = answer()
            self._hold(Aims(target, accuracy, floor_price))
            self._parts[period] = max(parts, PARTS if self._shared else 1)
            self.loaded[period] = Totals(*sums) if parts else self._begin(period)
            if parts and self._cap is not None and not self._beside:  # an older version made one row
                for part in range(parts, self._parts[period]):
                    self._insert_sums(period, part, Totals(), 0)
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
        self._others[wanted.place] = others
        return entry

    def others(self, entry: Entry) -> Share:
        """Sums over the other charges of its question and period."""
        wanted = Wanted(entry.key, entry.question, entry.period)
        known = self._others.pop(wanted.place, None)
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
        for period, change in sorted(self._changes.items()):
            columns, taken = _columns(change), change.spent + change.held
            if self._beside and self._cap is not None:
                self._do("add_within", within=period, needs=taken, **columns)
            elif self._beside:
                self._do("add_to_free", within=period, **columns)
            elif self._cap is not None:
                left, share = shared_out(self._cap, self.loaded[period], self._parts[period], taken)
                self._do("add_alone", within=period, left=left, **columns)
                self._do("share_out", within=period, share=share)
            else:
                self._do("add_to_first", within=period, **columns)

    def due(self, now: float, most: int) -> Sequence[Entry]:
        """The oldest open reservations that expired by now, at most so many; their questions are locked."""
        found = self._due(now, most)
        if found and self._beside:
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

    def put_comparison(self, comparison: ComparedAnswer) -> None:
        """Write a comparison in place of an earlier one of its key."""
        self._do("put_comparison", **_columns(comparison))

    def comparisons(self) -> Sequence[ComparedAnswer]:
        """All comparisons, oldest first."""
        return [ComparedAnswer(*row) for row in self._rows("read_comparisons")]

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
        """Wait for the running transactions of this ledger, and let none begin until the commit.

        The account's row is locked as well, which older versions lock under a hard cap.

        Raises:
            StartOverError: Others may wait for a question of this transaction, which has to begin alone.
        """
        if self._beside:
            if self._began:
                raise StartOverError("the change begins again, when no other is under way")
            self._do("lock_account")
            self._do("lock_all_questions")
            self._beside = False

    def retarget(self, aims: Aims) -> None:
        """Write what the ledger holds from now on; needs the lock."""
        self._do("retarget", **aims._asdict())

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
        if self._beside:
            for question in sorted(set(questions)):
                self._do("lock_question", asked=question)

    def _due(self, now: float, most: int) -> Sequence[Entry]:
        return [Entry(*row) for row in self._rows("read_due", now=now, most=most)]

    def _ask(self, wanted: Wanted) -> Answer:
        return self._do("read_charge", named=wanted.key, asked=wanted.question, within=wanted.period)

    def _begin(self, period: str) -> Totals:
        """Insert the rows of a new period, which starts with what the last one carries over."""
        first = self._last_sums()
        left = share = None
        if self._cap is not None:
            left, share = shared_out(self._cap, Totals(), self._parts[period], 0)
        self._insert_sums(period, 0, first, left)
        for part in range(1, self._parts[period]):
            self._insert_sums(period, part, Totals(), share)
        return first

    def _insert_sums(self, period: str, part: int, first: Totals, allowance: int | None) -> None:
        carried = {name: getattr(first, name) for name in CARRIED}
        self._do("begin_sums", within=period, part=part, allowance=allowance, **carried)

    def _last_sums(self) -> Totals:
        rows = self._rows("last_sums")
        return Totals(**dict(zip(CARRIED, rows[0], strict=True))) if rows else Totals()

    def _rows(self, name: str, **parameters: Any) -> list[Any]:
        return self._do(name, **parameters)()

    def _do(self, name: str, **parameters: Any) -> Answer:
        self._began = True
        return self._run(name, {"of": self._name, **parameters})


def shared_out(cap: int, totals: Totals, parts: int, taken: int) -> tuple[int, int]:
    """What a cap has left, for the first row and for each of the others.

    When an equal part would not hold as much again as was just taken, the first row gets all of it.

    >>> shared_out(1_000, Totals(spent=100, held=90), 4, 20)
    (204, 202)
    >>> shared_out(1_000, Totals(spent=100, held=850), 4, 20)
    (50, 0)
    """
    left = max(0, cap - totals.spent - totals.held)
    share = left // parts if left // parts >= taken else 0
    return left - share * (parts - 1), share


def fits_one_row(cap: int, totals: Totals, needs: int) -> bool:
    """Whether an equal part of what a cap has left would hold so much."""
    return needs <= 0 or cap - totals.spent - totals.held >= PARTS * needs


def _read(answer: Answer) -> tuple[Share, Entry | None]:
    """The sums over the other charges of a question, and the charge itself."""
    [row] = answer()
    width = len(Share.__slots__)
    return Share(*row[:width]), None if row[width] is None else Entry(*row[width:])


def _columns(row: Entry | Totals | ComparedAnswer | Alarm) -> dict[str, Any]:
    """Its values by column."""
    return {name: getattr(row, name) for name in row.__slots__}
