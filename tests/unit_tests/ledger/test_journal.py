"""A ledger whose database comes and goes."""

import math
import resource
import subprocess
import sys

import numpy as np
import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import UnreachableLedgerError, open_ledger
from adaptive_reasoner.ledger.journal import JournaledLedger
from adaptive_reasoner.ledger.memory import MemoryLedger
from adaptive_reasoner.ledger.settings import LedgerOptions
from tests.waiting import PATIENCE


class Unsteady(MemoryLedger):
    """A ledger that can be away, also after a change was made but before it was said."""

    away = False
    silent = False

    def _atomically(self, change, wanted=None):
        if self.away:
            raise UnreachableLedgerError("the ledger's database failed")
        done = super()._atomically(change, wanted)
        if self.silent:
            raise UnreachableLedgerError("the ledger's database failed")
        return done


@pytest.fixture
def inner():
    return Unsteady(LedgerOptions(target=50.0).account(), clock=lambda: 0.0)


@pytest.fixture
def ledger(inner, tmp_path):
    with JournaledLedger(inner, tmp_path / "journal", retry_after=0.0) as journaled:
        yield journaled


def test_passes_everything_on_while_the_database_answers(ledger, inner, tmp_path):
    ledger.settle(ledger.reserve(40.0, "q"), 45.0)
    ledger.charge(5.0, "message", question="q")
    ledger.release(ledger.reserve(40.0, "r"))
    assert (inner.spent, ledger.average, ledger.price) == (50.0, 50.0, inner.price)
    assert (tmp_path / "journal").stat().st_size == 0


def test_keeps_the_grades_that_come_while_the_database_is_away(ledger, inner):
    inner.away = True
    ledger.feedback("a", 1.0)
    ledger.feedback("b", 0.5)
    ledger.feedback("a", 0.0)
    assert inner.quality is None
    inner.away = False
    assert ledger.snapshot().quality.accuracy == 0.25
    assert inner.quality.feedbacks == 2


def test_charges_the_journal_in_order_when_the_database_is_back(ledger, inner):
    before = ledger.reserve(40.0, "before", action="cot")
    price, inner.away = ledger.price, True
    assert ledger.settle(before, 45.0).cost == 45.0
    during = ledger.reserve(30.0, "during", question="run", action="vote")
    ledger.release(ledger.reserve(99.0, "never ran"))
    ledger.settle(during, 35.0)
    assert (ledger.price, ledger.spent) == (price, 0.0)
    inner.away = False
    ledger.charge(1.0, "after", question="run")
    seen = ledger.snapshot()
    assert (seen.spent, seen.reserved, seen.questions) == (81.0, 0.0, 2)
    assert seen.actions == {"cot": 0.5, "vote": 0.5}


def test_what_is_extended_and_expired_while_the_database_is_away_is_booked_when_it_is_back(ledger, inner):
    before = ledger.reserve(10.0, "before", worst=60.0)
    inner.away = True
    assert ledger.extend(before, 90.0).worst == 90.0
    during = ledger.extend(ledger.reserve(10.0, "during", worst=20.0), 40.0)
    assert ledger.expire(during, saved=5.0).cost == 35.0
    settled = ledger.settle(ledger.reserve(10.0, "settled", worst=20.0), 15.0)
    ledger.expire(settled)
    inner.away = False
    seen = ledger.snapshot()
    assert (seen.spent, seen.held, seen.in_flight) == (35.0 + 15.0, 90.0, 1)


@pytest.mark.parametrize("times", [1, 2])
def test_counts_once_what_arrived_without_an_answer(ledger, inner, times):
    inner.silent = True
    for _ in range(times):
        ledger.charge(7.0, "q")
    inner.silent = False
    assert ledger.snapshot().spent == 7.0


def test_next_process_charges_what_the_last_one_left(inner, tmp_path):
    first = JournaledLedger(inner, tmp_path / "journal")
    inner.away = True
    first.charge(7.0, "q")
    first.charge(8.0, "r")
    first.close()
    with (tmp_path / "journal").open("a") as journal:
        journal.write('{"verb": "charge", "co')  # killed while it wrote
    again = Unsteady(LedgerOptions(target=50.0).account(), clock=lambda: 0.0)
    with JournaledLedger(again, tmp_path / "journal") as second:
        assert second.snapshot().spent == 15.0
    assert (tmp_path / "journal").stat().st_size == 0


def test_journal_that_was_cut_goes_on_while_the_database_is_still_away(inner, tmp_path):
    line = '{"verb": "charge", "cost": 4, "key": "p"}\n'
    (tmp_path / "journal").write_text(line + line[:30])  # killed while it wrote
    with JournaledLedger(inner, tmp_path / "journal") as ledger:
        inner.away = True
        ledger.charge(7.0, "q")
        inner.away = False
        assert ledger.snapshot().spent == 11.0


def test_line_that_a_full_disk_cuts_is_refused_and_leaves_no_trace(ledger, inner, tmp_path):
    inner.away = True
    ledger.charge(7.0, "q")
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "journal").stat().st_size + 10, most[1]))
    try:
        with pytest.raises(UnreachableLedgerError, match="took no more"):
            ledger.charge(8.0, "r")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    ledger.charge(9.0, "s")
    inner.away = False
    assert ledger.snapshot().spent == 16.0


def test_refuses_keys_that_could_never_be_charged_also_while_the_database_is_away(ledger, inner):
    inner.away = True
    for refused in (
        lambda: ledger.settle("q\x00", 1.0),
        lambda: ledger.release(""),
        lambda: ledger.charge(1.0, "q", action="\ud800"),
    ):
        with pytest.raises(LedgerError):
            refused()
    ledger.charge(np.float32(2.0), "q")
    assert ledger.reserve(9.0, "r", worst=3.0).expected == 3.0
    inner.away = False
    assert (ledger.snapshot().spent, ledger.snapshot().reserved) == (2.0, 3.0)


def test_refuses_what_is_no_amount_also_while_the_database_is_away(ledger, inner):
    inner.away = True
    for refused in (lambda: ledger.reserve(math.nan, "q"), lambda: ledger.settle("q", -1.0)):
        with pytest.raises(LedgerError, match="finite"):
            refused()


def test_says_that_it_cannot_report_while_the_database_is_away(ledger, inner):
    inner.away = True
    ledger.charge(1.0, "q")
    with pytest.raises(UnreachableLedgerError):
        ledger.snapshot()


def test_refuses_a_hard_cap(tmp_path):
    with pytest.raises(LedgerError, match="hard cap"):
        JournaledLedger(open_ledger("memory://", hard_cap=1.0), tmp_path / "journal")


def test_refuses_the_journal_of_a_running_process(ledger, tmp_path):
    script = (
        "import sys\n"
        "from adaptive_reasoner.ledger import open_ledger\n"
        "from adaptive_reasoner.ledger.journal import JournaledLedger\n"
        "JournaledLedger(open_ledger('memory://'), sys.argv[1])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "journal")]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "is the journal of another process" in refused.stderr


async def test_async_twins_are_journaled_too(ledger, inner):
    inner.away = True
    await ledger.asettle(await ledger.areserve(4.0, "q"), 5.0)
    inner.away = False
    assert (await ledger.asnapshot()).spent == 5.0


def test_child_of_the_process_that_opened_it_is_refused(tmp_path):
    script = (
        "import os, sys\n"
        "from adaptive_reasoner.errors import LedgerError\n"
        "from adaptive_reasoner.ledger import open_ledger\n"
        "place = sys.argv[1]\n"
        "ledger = open_ledger(f'sqlite:///{place}/l.db', target=50.0, journal=f'{place}/journal')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try: ledger.charge(1.0, 'q')\n"
        "    except LedgerError as error: os._exit(0 if 'after a fork' in str(error) else 1)\n"
        "    os._exit(2)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert ledger.charge(1.0, 'q').cost == 1.0\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=PATIENCE)


UNREADABLE = [
    "no json",
    "\x00" * 40,
    "[]",
    "null",
    "{}",
    '{"verb": "reset"}',
    '{"verb": "close", "key": "q"}',
    '{"verb": "charge", "key": "q"}',
    '{"verb": "charge", "key": 7, "cost": 1}',
    '{"verb": "charge", "key": "q", "cost": "much"}',
    '{"verb": "charge", "key": "q", "cost": null}',
    '{"verb": "charge", "key": "q", "cost": 1, "self": 2}',
    '{"verb": "release"}',
    "[" * 100_000,
]
REFUSED = [
    '{"verb": "charge", "key": "q", "cost": -1}',
    '{"verb": "charge", "key": "q", "cost": NaN}',
    '{"verb": "charge", "key": "q", "cost": 1e300}',
    '{"verb": "reserve", "key": "", "expected": 1}',
    '{"verb": "charge", "key": "\\ud800", "cost": 1}',
    '{"verb": "release", "key": "never reserved"}',
]


@pytest.mark.parametrize("line", UNREADABLE + REFUSED, ids=lambda line: line[:40])
def test_a_line_that_cannot_be_charged_holds_nothing_up(inner, tmp_path, line):
    journal = tmp_path / "journal"
    good = '{"verb": "charge", "cost": 4, "key": "%s"}\n'
    journal.write_bytes(f"{good % 'a'}{line}\n{good % 'b'}".encode())
    with JournaledLedger(inner, journal) as ledger:
        if "never reserved" in line:  # what never arrived needs no release
            assert ledger.snapshot().spent == 8.0
            return
        with pytest.warns(UserWarning, match=r"journal\.rejected; the first: .+") as named:
            assert ledger.snapshot().spent == 8.0
        assert len(named) == 1
        assert ledger.charge(1.0, "c").cost == 1.0
        assert ledger.snapshot().spent == 9.0
    assert (tmp_path / "journal.rejected").read_bytes() == f"{line}\n".encode()
    assert journal.stat().st_size == 0


def test_a_closed_ledger_rejects_no_line(inner, tmp_path):
    (tmp_path / "journal").write_text('{"verb": "charge", "cost": 4, "key": "a"}\n')
    ledger = JournaledLedger(inner, tmp_path / "journal")
    inner.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.charge(1.0, "b")
    ledger.close()
    assert not (tmp_path / "journal.rejected").exists()
    assert (tmp_path / "journal").stat().st_size > 0


def test_a_long_journal_is_charged_in_parts_and_verbs_go_in_between(inner, tmp_path):
    lines = "".join(f'{{"verb": "charge", "cost": 1, "key": "{n}"}}\n' for n in range(1_000))
    (tmp_path / "journal").write_text(lines)
    with JournaledLedger(inner, tmp_path / "journal") as ledger:
        assert ledger.charge(5.0, "late").status == "settled"
        assert 0.0 < inner.spent < 100.0  # not all of it was charged first
        held = ledger.reserve(7.0, "later")
        ledger.settle(held, 6.0)
        assert ledger.snapshot().spent == 1_011.0
    assert (tmp_path / "journal").stat().st_size == 0


def test_parts_that_were_charged_are_gone_from_the_journal_when_the_process_dies(inner, tmp_path):
    lines = "".join(f'{{"verb": "charge", "cost": 1, "key": "{n}"}}\n' for n in range(1_000))
    (tmp_path / "journal").write_text(lines)
    ledger = JournaledLedger(inner, tmp_path / "journal", retry_after=0.0)
    for late in range(25):
        ledger.charge(5.0, f"late {late}")
    assert (tmp_path / "journal").stat().st_size < 0.5 * len(lines)
    before = {charge.key for charge in inner.history(2_000)}
    ledger.close()
    after = Unsteady(LedgerOptions(target=50.0).account(), clock=lambda: 0.0)
    with JournaledLedger(after, tmp_path / "journal") as again:
        missing = {charge.key for charge in again.history(2_000)}
    assert len(missing) < 700
    assert before | missing == {*map(str, range(1_000)), *(f"late {late}" for late in range(25))}


def test_a_database_that_goes_away_in_the_middle_of_a_replay_loses_nothing(inner, tmp_path, monkeypatch):
    lines = "".join(f'{{"verb": "charge", "cost": 1, "key": "{n}"}}\n' for n in range(100))
    (tmp_path / "journal").write_text(lines)
    charge = inner.charge

    def failing(cost, key, **others):
        if key == "40" and not inner.away:
            inner.away = True
        return charge(cost, key, **others)

    monkeypatch.setattr(inner, "charge", failing)
    with JournaledLedger(inner, tmp_path / "journal", retry_after=0.0) as ledger:
        with pytest.raises(UnreachableLedgerError):
            ledger.snapshot()
        monkeypatch.setattr(inner, "charge", charge)
        inner.away = False
        assert ledger.snapshot().spent == 100.0


def test_a_child_that_ends_leaves_the_journal_to_its_parent(tmp_path):
    script = (
        "import os, sys\n"
        "from adaptive_reasoner.errors import LedgerError\n"
        "from adaptive_reasoner.ledger import open_ledger\n"
        "from adaptive_reasoner.ledger.journal import JournaledLedger\n"
        "ledger = JournaledLedger(open_ledger('memory://'), sys.argv[1])\n"
        "if (child := os.fork()) == 0: sys.exit()  # with everything that Python does at the end\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "try: JournaledLedger(open_ledger('memory://'), sys.argv[1])\n"
        "except LedgerError as error: assert 'of another process' in str(error)\n"
        "else: raise AssertionError('two have it')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "journal")], check=True, timeout=PATIENCE)


def test_a_budget_of_a_question_is_kept_in_the_journal(ledger, inner):
    inner.away = True
    ledger.settle(ledger.reserve(80.0, "q", budget=80.0), 80.0)
    inner.away = False
    assert ledger.snapshot().credit == 0.0


def test_what_was_explored_while_the_database_was_away_keeps_its_line(ledger, inner):
    inner.away = True
    ledger.settle(ledger.reserve(10.0, "a", explored=True), 12.0)
    ledger.charge(3.0, "b", explored=True)
    ledger.settle(ledger.reserve(10.0, "c"), 9.0)
    inner.away = False
    seen = ledger.snapshot()
    assert (seen.explored_questions, seen.explored_spent, seen.spent) == (2, 15.0, 24.0)
