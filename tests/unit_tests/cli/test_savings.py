"""What `adaptive-reasoner savings` shows, and what a report makes of it."""

import json
from dataclasses import replace

import pytest

from adaptive_reasoner.kit.reporting.savings import savings_section
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.comparisons import ComparedAnswer
from tests.unit_tests.toys import toy_outcomes

ROW = ComparedAnswer("", "", "judged", "vote_3", "strong", 0.1, 2.0, 5.0, 0.5)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url):
    with open_ledger(url, target=10.0, cost_unit="usd") as opened:
        yield opened


@pytest.fixture
def compared(ledger):
    for number in range(20):
        name = f"q{number}"
        ledger.put_comparison(replace(ROW, key=name, question=name, preferred=number % 4 / 3, at=number))
    payer = ledger.payer(50.0)
    payer.charge(7.5, "q0")
    payer.close()


def test_shows_both_arms_what_was_saved_and_what_that_cost(command, url, compared):
    code, out, _ = command("savings", url)
    assert code == 0
    assert "against: strong\n" in out
    assert "questions: about " in out
    assert "saved: 3 (3 to 3)\n" in out
    assert "spent: 7.5\n" in out
    assert "max cost: 50\n" in out


def test_prints_one_json_object(command, url, compared):
    code, out, err = command("savings", url, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["ledger"], found["cost_unit"]) == ("default", "usd")
    assert (found["judged"], found["questions"]) == (20, 200)
    assert found["saved_total"] == {"mean": 600.0, "low": 600.0, "high": 600.0}
    assert found["quality"]["mean"] == pytest.approx(0.5)
    assert found["quality"]["low"] < 0.5 < found["quality"]["high"]
    assert (found["spent"], found["max_cost"]) == (7.5, 50.0)


def test_a_ledger_without_a_shadow_says_how_to_get_one(command, url, ledger):
    code, out, err = command("savings", url)
    assert code == 0
    assert "judged: 0\n" in out
    assert "give shadow=Shadow(...)" in err


def test_a_ledger_that_is_not_there_is_one_line(command, tmp_path):
    code, out, err = command("savings", f"sqlite:///{tmp_path}/none.sqlite")
    assert (code, out) == (2, "")
    assert "there is no ledger" in err


@pytest.mark.slow
def test_a_report_shows_what_live_questions_have_shown(command, url, compared, tmp_path):
    saved, table, page = tmp_path / "saved.json", tmp_path / "outcomes.jsonl", tmp_path / "report.html"
    saved.write_text(command("savings", url, "--json")[1])
    toy_outcomes(40).write(table)
    code, *_ = command("report", table, "--savings", saved, "--out", page)
    assert code == 0
    assert "Saved on live questions" in page.read_text()
    assert "by strong, and judged blind" in page.read_text()


def test_a_report_takes_no_other_file_for_savings(command, tmp_path):
    table, other = tmp_path / "outcomes.jsonl", tmp_path / "other.json"
    toy_outcomes(40).write(table)
    other.write_text("{}")
    code, _, err = command("report", table, "--savings", other, "--out", tmp_path / "report.html")
    assert code == 2
    assert "no 'saved_total' in it" in err


def test_the_section_of_a_report_names_both_arms_and_is_left_out_without_a_comparison(ledger, request):
    assert savings_section(None) is None
    assert savings_section(ledger.savings().as_dict()) is None
    request.getfixturevalue("compared")
    section = savings_section(ledger.savings().as_dict())
    assert "20 live questions were answered a second time, by strong, and judged blind" in section.text
    assert "3 (3 to 3) usd less" in section.text
    assert [(row["arm"], row["cost"]) for row in section.tables[0].rows] == [
        ("answers", 2.0),
        ("strong", 5.0),
    ]
