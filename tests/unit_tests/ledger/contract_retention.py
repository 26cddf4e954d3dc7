"""What becomes of charges in a database: exported as they are, deleted without a trace in the sums."""

import json
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import export_ledger, open_ledger, prune_ledger
from adaptive_reasoner.ledger.sql import exporting, pruning
from tests.unit_tests.ledger.stand_ins import Clock

DAY = 86_400.0
names = count()


def rows_of(url, file, **options):
    export_ledger(url, file, **options)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@contextmanager
def opened_at(url):
    """Opens ledgers of a database by their name, and closes them at the end."""
    with ExitStack() as closing:
        yield lambda name="default", **terms: closing.enter_context(open_ledger(url, name=name, **terms))


class RetentionContract:
    """Subclasses have the fixtures `url`, of a database that may hold other ledgers, and `opening` there."""

    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def name(self):
        return f"kept {next(names)}"

    @pytest.fixture
    def ledger(self, opening, name, clock):
        return opening(name, target=10.0, hard_cap=1e6, reservation_ttl=3_600.0, clock=clock)

    @pytest.fixture
    def pruned(self, url, name, clock):
        """Prunes the ledger of the test."""

        def pruning_it(days=90.0, **options):
            return prune_ledger(url, older_than=days * DAY, name=name, clock=clock, **options)

        return pruning_it

    def test_exports_every_charge_with_run_tenant_action_time_and_cost(
        self, url, ledger, name, clock, tmp_path
    ):
        clock.now = 1_750_000_000.0
        ledger.settle(ledger.reserve(8.0, "acme/k1", question="acme/r1", worst=20.0, action="cot"), 6.5)
        ledger.reserve(4.0, "k2", question="r2", worst=float("5"), explored=True)
        first, second = rows_of(url, tmp_path / "charges.jsonl", name=name)
        assert first == {
            "ledger": name,
            "tenant": "acme",
            "run": "acme/r1",
            "key": "acme/k1",
            "action": "cot",
            "status": "settled",
            "period": None,
            "reserved_at": "2025-06-15T15:06:40+00:00",
            "expires_at": "2025-06-15T16:06:40+00:00",
            "cost_unit": "tokens",
            "expected": 8.0,
            "worst": 20.0,
            "cost": 6.5,
            "explored": False,
        }
        assert (second["tenant"], second["status"], second["cost"], second["explored"]) == (
            None,
            "open",
            None,
            True,
        )

    def test_exports_page_by_page_what_it_would_export_at_once(
        self, url, ledger, name, tmp_path, monkeypatch
    ):
        for number in range(25):
            ledger.charge(float(number), f"k{number}", question=f"r{number // 2}")
        whole = [rows_of(url, tmp_path / f"{of}.jsonl", of=of, name=name) for of in ("charges", "questions")]
        monkeypatch.setattr(exporting, "PAGE", 4)
        assert [
            rows_of(url, tmp_path / f"{of}.jsonl", of=of, name=name) for of in ("charges", "questions")
        ] == whole
        charges, questions = whole
        assert (len(charges), len(questions)) == (25, 13)
        assert sum(row["spent"] for row in questions) == sum(row["cost"] for row in charges) == 300.0

    def test_exports_questions_with_their_sums_and_grades(self, url, ledger, name, tmp_path):
        ledger.charge(3.0, "a", question="q")
        ledger.reserve(5.0, "b", question="q")
        ledger.release(ledger.reserve(5.0, "c", question="q"))
        ledger.feedback("q", 0.5)
        (row,) = rows_of(url, tmp_path / "q.jsonl", of="questions", name=name)
        assert (row["run"], row["charges"], row["open"]) == ("q", 3, 1)
        assert (row["spent"], row["reserved"], row["score"]) == (3.0, 5.0, 0.5)

    def test_exports_what_was_reserved_since(self, url, ledger, name, clock, tmp_path):
        ledger.charge(1.0, "old")
        clock.now += DAY
        since = clock.now
        ledger.reserve(2.0, "new")
        file = tmp_path / "c.jsonl"
        assert [row["key"] for row in rows_of(url, file, name=name, since=since)] == ["new"]
        assert [row["key"] for row in rows_of(url, file, name=name, since=since - 1.0)] == ["new"]
        assert rows_of(url, file, name=name, since=since + 1.0) == []

    def test_exports_every_ledger_of_the_database_unless_one_is_named(self, url, opening, name, tmp_path):
        for each in ("one", "other"):
            opening(f"{name} {each}", target=1.0).charge(1.0, "k")
        rows = rows_of(url, tmp_path / "all.jsonl")
        assert {f"{name} one", f"{name} other"} <= {row["ledger"] for row in rows}
        (row,) = rows_of(url, tmp_path / "one.jsonl", name=f"{name} one")
        assert row["ledger"] == f"{name} one"

    def test_prunes_old_charges_and_leaves_every_sum_as_it_is(self, ledger, pruned, clock):
        for number in range(30):
            ledger.settle(ledger.reserve(8.0, f"q{number}", worst=20.0), 12.0)
        clock.now += 91 * DAY
        ledger.charge(9.0, "new")
        before, price = ledger.snapshot(), ledger.price
        found = pruned()
        assert (found.charges, found.kept, found.dry_run) == (30, 0, False)
        assert [charge.key for charge in ledger.history()] == ["new"]
        after = ledger.snapshot()
        assert ledger.price == price
        for sum_ in ("spent", "average", "questions", "price", "credit", "held", "reserved", "in_flight"):
            assert getattr(after, sum_) == getattr(before, sum_), sum_
        assert pruned().charges == 0

    def test_a_dry_run_says_what_would_go_and_deletes_nothing(self, ledger, pruned, clock, tmp_path):
        for number in range(5):
            ledger.charge(1.0, f"q{number}")
        clock.now += 91 * DAY
        found = pruned(dry_run=True, archive=tmp_path / "a.jsonl")
        assert (found.charges, found.grades, found.archive, found.dry_run) == (5, None, None, True)
        assert not (tmp_path / "a.jsonl").exists()
        assert len(ledger.history()) == 5
        assert pruned() == replace(found, grades=0, dry_run=False)

    def test_never_prunes_what_is_open_nor_the_other_charges_of_its_question(self, ledger, pruned, clock):
        ledger.reserve(5.0, "open", question="run", worst=9.0)
        ledger.charge(3.0, "step", question="run")
        ledger.charge(3.0, "alone")
        clock.now += 200 * DAY
        found = pruned()
        assert (found.charges, found.kept) == (1, 1)
        assert ledger.charge(3.0, "step", question="run").repeated is False
        assert ledger.settle("open", 4.0).cost == 4.0
        seen = ledger.snapshot()
        assert (seen.spent, seen.questions, seen.in_flight) == (10.0, 2, 0)

    def test_a_question_with_a_newer_charge_is_still_counted_once(self, ledger, pruned, clock):
        ledger.charge(3.0, "early", question="run")
        clock.now += 91 * DAY
        ledger.charge(3.0, "late", question="run")
        assert (pruned().charges, pruned().kept) == (0, 1)
        ledger.charge(3.0, "last", question="run")
        assert ledger.snapshot().questions == 1

    def test_a_price_that_open_plans_are_corrected_for_stays(self, ledger, pruned, clock):
        for number in range(200):
            ledger.settle(ledger.reserve(4.0, f"q{number}", worst=90.0, action="cot"), 12.0)
        clock.now += 91 * DAY
        for number in range(40):
            ledger.reserve(4.0, f"open {number}", worst=90.0, action="cot")
        price = ledger.snapshot().price
        found = pruned()
        assert (found.charges, found.kept) == (0, 200)
        assert ledger.snapshot().price == price
        for number in range(40):
            ledger.release(f"open {number}")
        assert pruned().charges == 240 - 40

    def test_the_archive_holds_what_is_gone(self, ledger, pruned, clock, tmp_path):
        for number in range(7):
            ledger.charge(float(number), f"q{number}")
        clock.now += 91 * DAY
        ledger.charge(9.0, "new")
        file = tmp_path / "archive.jsonl"
        found = pruned(archive=file)
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert (found.charges, found.archive) == (7, str(file))
        assert [row["key"] for row in rows] == [f"q{number}" for number in range(7)]
        with pytest.raises(LedgerError, match="never overwritten"):
            pruned(archive=file)

    def test_nothing_is_deleted_when_the_archive_cannot_be_written(self, ledger, pruned, clock, tmp_path):
        ledger.charge(1.0, "q")
        clock.now += 91 * DAY
        with pytest.raises(LedgerError, match="no folder"):
            pruned(archive=tmp_path / "nowhere" / "a.jsonl")
        with pytest.raises(LedgerError, match="unknown format"):
            pruned(archive=tmp_path / "a.txt")
        assert len(ledger.history()) == 1

    def test_what_changes_between_archive_and_deletion_stays(self, ledger, url, name, clock, monkeypatch):
        for number in range(3):
            ledger.reserve(5.0, f"q{number}", worst=9.0)
        clock.now += 1 * DAY
        ledger.snapshot()  # books them at their worst case
        clock.now += 91 * DAY
        delete = pruning.OldCharges.delete

        def late(old, connection, batch):
            connection.execute(  # as a settlement that comes late leaves it
                pruning.sa.update(pruning.schema.entries)
                .where(pruning._entry.ledger == name, pruning._entry.key == "q1")
                .values(cost=4_000_000)
            )
            return delete(old, connection, batch)

        monkeypatch.setattr(pruning.OldCharges, "delete", late)
        found = prune_ledger(url, older_than=90 * DAY, name=name, clock=clock)
        assert (found.charges, found.kept) == (2, 1)
        assert [charge.key for charge in ledger.history()] == ["q1"]

    def test_prunes_in_batches(self, ledger, pruned, clock, monkeypatch):
        monkeypatch.setattr(pruning, "BATCH", 3)
        monkeypatch.setattr(exporting, "PAGE", 4)
        for number in range(20):
            ledger.charge(1.0, f"q{number}", question=f"r{number // 3}")
        clock.now += 91 * DAY
        assert pruned().charges == 20
        assert (ledger.snapshot().spent, ledger.snapshot().questions) == (20.0, 7)

    def test_grades_go_with_the_last_charge_of_their_question(self, ledger, pruned, clock):
        for question in ("gone", "open"):
            ledger.reserve(1.0, question)
            ledger.feedback(question, 1.0)
        ledger.settle("gone", 1.0)
        clock.now += 91 * DAY
        assert pruned().grades == 1
        ledger.feedback("open", 1.0)  # it is known, and does not count again
        assert ledger.quality.feedbacks == 2

    @pytest.mark.parametrize("age", [0.0, -1.0, float("nan"), float("inf")])
    def test_refuses_an_age_that_is_none(self, url, age):
        with pytest.raises(LedgerError, match="older_than"):
            prune_ledger(url, older_than=age)

    def test_says_which_ledgers_there_are(self, url, ledger, tmp_path):
        with pytest.raises(LedgerError, match="no ledger 'nobody'"):
            prune_ledger(url, older_than=1.0, name="nobody")
        with pytest.raises(LedgerError, match="no ledger 'nobody'"):
            export_ledger(url, tmp_path / "a.csv", name="nobody")
        assert not (tmp_path / "a.csv").exists()
