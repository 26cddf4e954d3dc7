"""Commands on a ledger: show, grade, name its alarms, reset."""

import io
import json
import re
import sys

from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.alarm_keeping import alarm_keeper
from tests.unit_tests.ledger.contract_alarms import ALARM


def test_shows_a_ledger_and_resets_it(command, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url, target=10.0, cost_unit="tokens") as ledger:
        ledger.settle(ledger.reserve(8.0, "q"), 12.0)
    code, printed, _ = command("ledger", "show", url, "--json")
    shown = json.loads(printed)
    assert code == 0
    assert (shown["spent"], shown["average"], shown["target"], shown["in_flight"]) == (12.0, 12.0, 10.0, 0)
    (charge,) = json.loads(command("ledger", "history", url, "--json")[1])["charges"]
    assert (charge["key"], charge["cost"], charge["status"]) == ("q", 12.0, "settled")
    assert command("ledger", "reset", url, "--yes")[0] == 0
    shown = json.loads(command("ledger", "show", url, "--json")[1])
    assert (shown["spent"], shown["target"]) == (0.0, 10.0)


def test_names_the_alarms_of_a_ledger_and_resets_them(command, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    open_ledger(url, target=10.0, cost_unit="tokens").close()
    assert json.loads(command("ledger", "show", url, "--json")[1])["alarms"] == []
    assert command("ledger", "alarms", url)[1] == "alarms: none\n"
    with open_ledger(url) as ledger:
        alarm_keeper(ledger).put_alarm(ALARM)
    said = str(ALARM)
    assert f"alarm: {said}" in command("ledger", "show", url)[1]
    (shown,) = json.loads(command("ledger", "show", url, "--json")[1])["alarms"]
    assert (shown["text"], shown["series"], shown["at"], shown["taken_over"]) == (said, "cost", 7.5, True)
    assert said in command("ledger", "alarms", url)[1]
    (reset,) = json.loads(command("ledger", "alarms", url, "--reset", "--json")[1])["reset"]
    assert reset["policy_id"] == "p1"
    assert json.loads(command("ledger", "alarms", url, "--json")[1]) == {"ledger": "default", "alarms": []}


def test_grades_an_answer_from_the_command_line(command, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url, target_accuracy=0.8, target=10.0) as ledger:
        ledger.settle(ledger.reserve(8.0, "q"), 12.0)
    for _ in range(2):
        code, printed, _ = command("ledger", "feedback", url, "q", 0.5, "--json")
    graded = json.loads(printed)
    assert (code, graded["quality"]["feedbacks"], graded["quality"]["accuracy"]) == (0, 1, 0.5)
    shown = json.loads(command("ledger", "show", url, "--json")[1])
    assert (shown["quality"], shown["price"]) == (graded["quality"], graded["price"])
    assert "blind yes" in command("ledger", "show", url)[1]
    code, printed, said = command("ledger", "feedback", url, "q", 2)
    assert (code, printed) == (2, "")
    assert "score lies from 0" in said
    assert command("ledger", "feedback", f"sqlite:///{tmp_path / 'none.sqlite'}", "q", 1)[0] == 2


def test_commands_on_a_ledger_take_its_name_and_make_none(command, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url, name="acme", target=10.0) as ledger:
        ledger.charge(12.0, "q")
    for asked in ("show", "history", "reset"):
        code, _, said = command("ledger", asked, url, "--json")
        assert code == 2
        assert "no ledger 'default'" in said
        assert "only acme" in said
    printed = command("ledger", "reset", url, "--name", "acme", "--yes", "--json")[1]
    assert json.loads(printed)["forgotten"]["spent"] == 12.0
    assert json.loads(command("ledger", "history", url, "--name", "acme", "--json")[1]) == {"charges": []}


def test_a_ledger_is_reset_only_when_the_answer_is_yes(command, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url, target=10.0) as ledger:
        ledger.charge(12.0, "q")
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert command("ledger", "reset", url)[0] == 1
    code, printed, _ = command("ledger", "reset", url, "--yes", "--json")
    assert (code, json.loads(printed)["forgotten"]["spent"]) == (0, 12.0)


def test_a_history_shows_times_as_a_clock_does(command, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url, target=10.0) as ledger:
        ledger.reserve(12.0, "q")
    printed = command("ledger", "history", url)[1]
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", printed)
    assert not re.search(r"\d{9}", printed)
