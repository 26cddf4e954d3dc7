"""The commands that export and prune a ledger."""

import json
import time

import pytest

from adaptive_reasoner.cli.retention import _moment
from adaptive_reasoner.ledger import open_ledger

DAY = 86_400.0


@pytest.fixture
def url(tmp_path):
    """A ledger with two old charges, and a new one."""
    url, ago = f"sqlite:///{tmp_path / 'ledger.sqlite'}", [100 * DAY]
    with open_ledger(url, target=10.0, clock=lambda: time.time() - ago[-1]) as ledger:
        for key in ("a", "b"):
            ledger.charge(12.0, key, action="cot")
        ago.append(0.0)
        ledger.charge(8.0, "c")
    return url


def test_exports_a_file_and_says_how_many_rows(command, url, tmp_path):
    file = tmp_path / "charges.jsonl"
    code, printed, _ = command("ledger", "export", url, "--out", file, "--json")
    assert (code, json.loads(printed)) == (0, {"file": str(file), "rows": 3, "ledgers": ["default"]})
    assert [json.loads(line)["key"] for line in file.read_text().splitlines()] == ["a", "b", "c"]
    assert command("ledger", "export", url, "--out", file, "--since", "30d", "--of", "questions")[0] == 0
    assert [json.loads(line)["run"] for line in file.read_text().splitlines()] == ["c"]


def test_prunes_and_says_how_many_charges_went(command, url, tmp_path):
    code, printed, _ = command("ledger", "prune", url, "--older-than", "90d", "--dry-run", "--json")
    assert (code, json.loads(printed)["charges"], json.loads(printed)["dry_run"]) == (0, 2, True)
    archive = tmp_path / "old.csv"
    code, printed, _ = command("ledger", "prune", url, "--older-than", "90d", "--archive", archive)
    assert code == 0
    assert "charges: 2\n" in printed
    assert len(archive.read_text().splitlines()) == 3
    assert json.loads(command("ledger", "show", url, "--json")[1])["spent"] == 32.0


@pytest.mark.parametrize("age", ["90", "0d", "-1d", "soon", "nan", ""])
def test_refuses_an_age_that_is_none(command, url, age):
    code, printed, said = command("ledger", "prune", url, f"--older-than={age}")
    assert (code, printed) == (2, "")
    assert "such as 90d" in said


def test_refuses_a_time_that_is_none(command, url, tmp_path):
    code, printed, said = command("ledger", "export", url, "--out", tmp_path / "a.csv", "--since", "tomorrow")
    assert (code, printed) == (2, "")
    assert "such as 2026-01-31T18:00" in said
    code, _, said = command("ledger", "export", url, "--out", tmp_path / "a.txt")
    assert code == 2
    assert "use .jsonl, .csv or .parquet" in said


def test_times_without_a_zone_are_in_utc():
    assert _moment("1970-01-02") == DAY
    assert _moment("1970-01-01T01:00:00+01:00") == 0.0
