"""The manners of the commands: bad numbers, halves of characters, and what a terminal would obey."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from typing import get_type_hints

import pytest

from adaptive_reasoner import cli
from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import open_ledger
from tests.stub_server import StubServer


@pytest.fixture(scope="module")
def policy_folder(tmp_path_factory):
    from adaptive_reasoner.kit.learning.encoders import VectorCache
    from adaptive_reasoner.kit.learning.training import train
    from adaptive_reasoner.policy.features import EncoderSession
    from tests.unit_tests.toys import toy_outcomes, write_toy_encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPTIVE_REASONER_CACHE", str(tmp_path_factory.mktemp("cache")))
        encoder = EncoderSession(write_toy_encoder(tmp_path_factory.mktemp("encoder")))
        trained = train(
            toy_outcomes(200), budget=20.0, encoder=encoder, cache=VectorCache(encoder, encoder.folder)
        )
        return trained.save(tmp_path_factory.mktemp("policy") / "policy")


def numeric_options():
    """Every option of every command that takes a number, with the rest of a command line that is complete."""
    from typer.main import get_command

    complete = {
        "demo": ["--folder", "d"],
        "collect": ["{asked}", "--out", "s.jsonl", "--preset", "paper", "--model", "m", "--dry-run"],
        "estimate": ["{samples}", "--out", "o.jsonl"],
        "import": ["{asked}", "--from", "jsonl", "--answer-column", "gold", "--plan"],
        "regrade": ["{samples}"],
        "label": ["{samples}", "--out", "l.csv"],
        "solve": ["{outcomes}"],
        "train": ["{outcomes}", "--out", "p"],
        "backtest": ["{outcomes}"],
        "report": ["{outcomes}", "--out", "r.html"],
        "ask": ["5 + 9?", "--policy", "{policy_folder}"],
        "ledger show": ["sqlite:///ledger.sqlite"],
        "ledger history": ["sqlite:///ledger.sqlite"],
        "ledger reset": ["sqlite:///ledger.sqlite"],
        "ledger watch": ["sqlite:///ledger.sqlite"],
        "ledger alarms": ["sqlite:///ledger.sqlite"],
        "ledger set": ["sqlite:///ledger.sqlite"],
    }
    for name, given in complete.items():
        command = get_command(cli.app)
        for part in name.split():
            if part not in getattr(command, "commands", {}):
                break
            command = command.commands[part]
        else:
            for param in command.params:
                kind = str(get_type_hints(command.callback).get(param.name))
                if re.search(r"\b(int|float)\b", kind) or "--votes" in param.opts:
                    needed = (
                        []
                        if "--budget" in param.opts or name not in ("train", "backtest", "solve")
                        else ["--budget", "11"]
                    )
                    needed += (
                        ["--adaptive", "0.9"] if (name, param.opts[0]) == ("collect", "--budget") else []
                    )
                    needed += ["--budget", "9"] if (name, param.opts[0]) == ("collect", "--adaptive") else []
                    yield name.split(), given, param.opts[0], needed


NUMBERS = ["nan", "inf", "-inf", "-1", "1e400", "9" * 5_000, "1.5.2", ""]


@pytest.mark.parametrize(
    ("name", "given", "option", "needed"),
    [*numeric_options()],
    ids=lambda part: part if isinstance(part, str) else None,
)
def test_a_number_that_is_none_is_one_line_and_exit_code_2(
    command, request, monkeypatch, tmp_path, name, given, option, needed
):
    monkeypatch.chdir(tmp_path)
    fixtures = {part[1:-1] for part in given if part.startswith("{")}
    places = {place: request.getfixturevalue(place) for place in fixtures}
    open_ledger("sqlite:///ledger.sqlite", target=10.0).close()
    amount = option in ("--budget", "--max-cost", "--target", "--price")  # which may be large
    for value in [*NUMBERS, *([] if amount else ["9" * 30])]:
        written = (part.format(**places) for part in given)
        code, printed, said = command(*name, *written, *needed, f"{option}={value}")
        assert (code, printed, said.count("\n")) == (2, "", 1), (value, said)


def test_every_numeric_option_is_tried():
    assert len([*numeric_options()]) >= 20


def test_a_price_and_a_budget_exclude_each_other(command, policy_folder):
    code, _, said = command("ask", "5 + 9?", "--policy", policy_folder, "--price", 0.1, "--budget", 20)
    assert code == 2
    assert "give only one of the two" in said


SOURCE = """
[sources.{}]
base_url = "{}"
model = "m"
max_tokens = 8
samples = 1
"""


@pytest.mark.parametrize(
    ("asked", "faults", "reason"),
    [
        ("5 + 9?", dict.fromkeys(range(9), "401"), "the model cannot be called: Error code: 401"),
        (" ", {}, "the question is empty"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_line(
    command, policy_folder, tmp_path, asked, faults, reason
):
    with StubServer(faults=faults) as server:
        menu = tmp_path / "menu.toml"
        menu.write_text("".join(SOURCE.format(name, server.base_url) for name in ("direct", "cot")))
        code, printed, said = command("ask", asked, "--policy", policy_folder, "--config", menu)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert reason in said


def test_a_question_is_asked_at_the_price_of_a_budget(command, policy_folder):
    from adaptive_reasoner.policy.learned import LearnedPolicy

    for budget in (12.0, 30.0):
        shown = json.loads(
            command("ask", "5 + 9?", "--policy", policy_folder, "--budget", budget, "--json")[1]
        )
        assert shown["price"] == pytest.approx(LearnedPolicy.load(policy_folder).at(budget=budget).price)
    code, _, said = command("ask", "5 + 9?", "--policy", policy_folder, "--budget", 0.001)
    assert (code, said.count("\n")) == (2, 1)


HALF = "acme\udcff"  # what the shell's $'acme\xff' is in Python
ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m\rover\u202ekey"


@pytest.mark.parametrize("verb", ["show", "history", "reset", "watch"])
def test_half_a_character_in_a_name_is_one_line(command, tmp_path, verb):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    open_ledger(url, target=10.0).close()
    for arguments in ((url, "--name", HALF), (f"{url}{HALF}",)):
        code, printed, said = command("ledger", verb, *arguments)
        assert (code, printed, said.count("\n")) == (2, "", 1)


def test_half_a_character_in_a_files_name_is_shown_as_it_can_be(command):
    code, printed, said = command("solve", f"{HALF}.parquet", "--budget", 1)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert r"acme\udcff.parquet" in said


@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_terminal_would_obey_is_shown_written_out(command, tmp_path, monkeypatch, terminal):
    from adaptive_reasoner.console import err, out

    for console in (out, err):
        monkeypatch.setattr(console, "_force_terminal", terminal)
        monkeypatch.setattr(console, "_color_system", None)
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url, target=10.0, name=ESCAPES) as ledger:
        ledger.charge(8.0, f"{ESCAPES}\nb", action=ESCAPES)
    seen = [command("ledger", verb, url, "--name", ESCAPES) for verb in ("show", "history")]
    seen += [command("ledger", "show", url)]  # names the ledgers that there are
    for _, printed, said in seen:
        assert not set("\x07\r\x9b\u202e") & set(printed + said)
        assert "\x1b]" not in printed + said
        assert "\x1b[2J" not in printed + said
        assert r"\x1b[2J" in printed + said
    (charge,) = json.loads(command("ledger", "history", url, "--name", ESCAPES, "--json")[1])["charges"]
    assert (charge["key"], charge["action"]) == (f"{ESCAPES}\nb", ESCAPES)


def test_a_ledgers_target_is_set_and_its_old_one_is_refused(command, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    assert command("ledger", "set", url, "--target", 40)[0] == 2  # none is made
    with open_ledger(url, target=20.0, name="acme") as ledger:
        ledger.charge(10.0, "q")
        code, printed, _ = command("ledger", "set", url, "--target", 40, "--name", "acme", "--json")
        assert (code, json.loads(printed)) == (
            0,
            {"ledger": "acme", "target": 40.0, "before": 20.0, "credit": 0.25, "cost_unit": "tokens"},
        )
        assert ledger.snapshot().target == 40.0
    with pytest.raises(LedgerError, match="ledger set URL --target 20"):
        open_ledger(url, target=20.0, name="acme")
    assert command("ledger", "set", url, "--target", 0, "--name", "acme")[0] == 2


def test_a_ledgers_accuracy_is_set_beside_its_target(command, tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url, target=20.0) as ledger:
        price = ledger.price
        assert command("ledger", "set", url)[0] == 2
        code, printed, _ = command("ledger", "set", url, "--accuracy", 0.8, "--json")
        found = json.loads(printed)
        assert (code, found["target_accuracy"], found["accuracy_before"]) == (0, 0.8, None)
        assert found["price"] == pytest.approx(price)
        found = json.loads(command("ledger", "set", url, "--accuracy", 0.9, "--target", 40, "--json")[1])
        assert (found["target_accuracy"], found["accuracy_before"], found["target"]) == (0.9, 0.8, 40.0)
        assert ledger.snapshot().quality.target == 0.9
    assert command("ledger", "set", url, "--accuracy", 1.5)[0] == 2


def test_a_backtest_that_is_a_pipe_or_nested_without_end_is_one_line(command, outcomes, tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name, reason in (("pipe", "not a regular file"), ("deep", "not JSON")):
        code, out, err = command(
            "report", outcomes, "--out", tmp_path / "r.html", "--backtest", tmp_path / f"{name}.json"
        )
        assert (code, out) == (2, "")
        assert reason in err
        assert len(err.splitlines()) == 1


def test_a_command_does_not_show_what_other_packages_syntax_warns_of(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["adaptive-reasoner", "ledger", "show", "nowhere"])
    with pytest.raises(SystemExit):
        cli.main()
    capsys.readouterr()
    compile("1 is 1", "a_package.py", "exec")
    assert capsys.readouterr().err == ""


WITHOUT_EXTRAS = """
import sys
for name in ("onnx", "sklearn", "joblib", "altair", "jinja2", "vl_convert"):
    sys.modules[name] = None
from adaptive_reasoner import cli, kit
for words in (
    "demo",
    "train o --out p",
    "backtest o --budget 1",
    "backtest --log o --policy p",
    "report o --out r",
):
    sys.argv = ["adaptive-reasoner", *words.split()]
    try:
        cli.main()
    except SystemExit as ended:
        print(ended.code, file=sys.stderr)
try:
    kit.Imitator
except ImportError as error:
    print(error, file=sys.stderr)
"""


def test_without_its_extra_a_command_or_a_name_of_the_kit_says_what_to_install(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stderr.splitlines() == [
        "adaptive-reasoner: the demo needs: pip install 'adaptive-reasoner[demo]'",
        "2",
        "adaptive-reasoner: train needs: pip install 'adaptive-reasoner[kit]'",
        "2",
        "adaptive-reasoner: backtest needs: pip install 'adaptive-reasoner[kit]'",
        "2",
        "adaptive-reasoner: backtest needs: pip install 'adaptive-reasoner[kit]'",
        "2",
        "adaptive-reasoner: report needs: pip install 'adaptive-reasoner[kit]'",
        "2",
        "Imitator of the kit needs: pip install 'adaptive-reasoner[kit]'",
    ]


def test_the_package_is_run_as_its_command(tmp_path):
    command = [sys.executable, "-m", "adaptive_reasoner", "--version"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == f"adaptive-reasoner {version('adaptive-reasoner')}\n"
