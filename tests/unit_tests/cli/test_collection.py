"""The commands that read a menu, as the shell sees them: exit codes, errors in one line, no code unasked."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from adaptive_reasoner.kit.tables.files import write_rows
from tests.command import start_command
from tests.stub_server import StubServer
from tests.waiting import PATIENCE, wait_until

QUESTIONS = [{"question_id": f"q{i}", "question": f"What is {i} + 1?", "gold": str(i + 1)} for i in range(6)]
MENU = """
[sources.cot]
base_url = "{base_url}"
model = "m"
max_tokens = 8
samples = 2
{more}
"""


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    """`command`, in a folder with questions."""
    monkeypatch.chdir(tmp_path)
    write_rows("questions.jsonl", QUESTIONS)
    return command


def menu(base_url="http://127.0.0.1:1/v1", more=""):
    Path("menu.toml").write_text(MENU.format(base_url=base_url, more=more))


COLLECT = ("collect", "questions.jsonl", "--config", "menu.toml", "--out", "samples.jsonl")


def test_a_cap_that_is_reached_has_an_exit_code_of_its_own_and_says_what_is_missing(command):
    with StubServer() as server:
        menu(server.base_url)
        code, printed, said = command(*COLLECT, "--max-cost", 20, "--json")
        assert code == 3
        done = json.loads(printed)
        assert done["stopped"] == "max_cost"
        missing = 12 - done["there"]
        assert said.startswith(
            f"adaptive-reasoner: {missing} of 12 samples are missing in samples.jsonl: the cap"
        )
        code, printed, said = command(*COLLECT, "--json")
        assert (code, json.loads(printed)["there"], said) == (0, 12, "")


def test_a_source_that_is_given_up_has_that_exit_code_too(command):
    with StubServer(faults={0: "429"}, asks_pause="retry-after: 86400") as server:
        menu(server.base_url)
        code, printed, said = command(*COLLECT, "--json", "--concurrency", 1)
    assert (code, json.loads(printed)["given_up"]) == (3, {"cot": 86400.0})
    assert "12 of 12 samples are missing" in said
    assert "cot for 86400 seconds" in said


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(command, tmp_path):
    with StubServer(replies=3) as server:
        menu(server.base_url)
        started = start_command(*COLLECT, "--concurrency", "1", stderr=subprocess.PIPE)
        out = Path("samples.jsonl")
        wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") == 3)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=PATIENCE)
    assert started.returncode == 130
    assert len(out.read_text().splitlines()) == 3
    assert said.splitlines()[-1] == (
        "adaptive-reasoner: stopped: 3 of 12 samples are kept in samples.jsonl; "
        "run the same command again to collect the rest"
    )
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--workers", 2), "'--workers': goes with --engine ray"),
        (("--address", "auto"), "'--address': goes with --engine ray"),
        (("--engine", "ray", "--batch"), "a batch has no calls to share"),
        (("--engine", "dask"), "'dask' is not one of"),
    ],
)
def test_options_of_the_ray_engine_that_do_not_fit_together_are_refused(command, options, reason):
    menu()
    code, _, said = command(*COLLECT, *options)
    assert (code, reason in said) == (2, True)
    assert not Path("samples.jsonl").exists()


def test_without_ray_its_engine_names_what_to_install(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    menu()
    code, _, said = command(*COLLECT, "--engine", "ray")
    assert (code, said.count("\n")) == (2, 1)
    assert "pip install 'adaptive-reasoner[ray]'" in said
    assert not Path("samples.jsonl").exists()


def test_a_dry_run_runs_no_code_unless_it_is_allowed(command, tmp_path):
    ran = f"open({str(tmp_path / 'ran.txt')!r}, 'w').close()\n"
    Path("my_code.py").write_text(ran + "def cot(question):\n    return 'Think: ' + question\n")
    code_table = "[code]\nmodules = ['my_code']"
    menu(more=f"prompt = {{ function = 'my_code:cot' }}\n{code_table}")
    code, _, said = command(*COLLECT, "--dry-run")
    assert (code, said.count("\n")) == (2, 1)
    assert "add --allow-code" in said
    code, _, said = command(*COLLECT, "--no-code")
    assert (code, "--no-code refuses it" in said) == (2, True)
    assert not (tmp_path / "ran.txt").exists()
    code, printed, _ = command(*COLLECT, "--dry-run", "--allow-code", "--json")
    assert (code, json.loads(printed)["calls"]) == (0, 12)
    assert (tmp_path / "ran.txt").exists()


def test_a_shell_command_is_no_prompt(command, tmp_path):
    menu(more="prompt = { function = 'os:system' }")
    Path("questions.jsonl").write_text(json.dumps({"question": "touch ran.txt", "gold": "1"}))
    for options in ((), ("--dry-run",), ("--dry-run", "--allow-code")):
        code, _, said = command(*COLLECT, *options)
        assert (code, said.count("\n")) == (2, 1)
        assert 'modules = ["os"]' in said
    assert not (tmp_path / "ran.txt").exists()


def test_a_dry_run_says_which_keys_go_where(command):
    menu(more="api_key_env = 'QWEN_KEY'")
    code, printed, _ = command(*COLLECT, "--dry-run")
    assert (code, "keys: QWEN_KEY [127.0.0.1:1]" in printed) == (0, True)


def test_a_dry_run_names_a_bad_row(command):
    menu()
    Path("samples.jsonl").write_text('{"question_id": "q0", "source": "cot", "sample": null}\n')
    code, _, said = command(*COLLECT, "--dry-run")
    assert (code, said) == (2, "adaptive-reasoner: samples.jsonl: row 1: sample is missing\n")


def test_damaged_parquet_text_is_one_line(command):
    offsets = pa.py_buffer(np.array([0, 1, 2], np.int32))
    texts = pa.Array.from_buffers(pa.utf8(), 2, [None, offsets, pa.py_buffer(b"a\xff")])
    parquet.write_table(pa.table({"question": texts, "gold": ["1", "2"]}), "damaged.parquet")
    menu()
    for arguments in (
        ("solve", "damaged.parquet", "--budget", 1),
        ("collect", "damaged.parquet", *COLLECT[2:]),
    ):
        code, _, said = command(*arguments)
        assert (code, said.count("\n")) == (2, 1)
        assert said.startswith("adaptive-reasoner: damaged.parquet: row 2: question is not readable")


def test_a_number_of_samples_nobody_means_is_one_line(command):
    menu()
    Path("menu.toml").write_text(Path("menu.toml").read_text().replace("samples = 2", "samples = 300000000"))
    code, _, said = command(*COLLECT, "--dry-run")
    assert (code, said.count("\n")) == (2, 1)
    assert "300000000 samples" in said


def test_a_collection_is_summed_up_in_words_and_with_json_in_fields(command):
    with StubServer() as server:
        menu(server.base_url)
        code, printed, _ = command(*COLLECT)
        lines = dict(line.split(": ", 1) for line in printed.splitlines())
        assert (code, lines["requested"], lines["already in the file"], lines["collected now"]) == (
            *(0, "12", "0", "12"),
        )
        assert lines["cost"].endswith(" tokens")
        lines = dict(line.split(": ", 1) for line in command(*COLLECT)[1].splitlines())
        assert (lines["already in the file"], lines["collected now"]) == ("12", "0")
        fields = json.loads(command(*COLLECT, "--json")[1])
    assert [fields[name] for name in ("wanted", "there", "new", "saved", "lost")] == [12, 12, 0, 0, 0]


def test_a_budget_that_does_not_bind_is_said(command):
    row = {"question_id": "q", "question": "x", "cost_unit": "tokens"}
    cells = [("direct", 0.5, 5.0), ("cot", 1.0, 45.0)]
    write_rows("outcomes.jsonl", [{**row, "action": a, "accuracy": x, "cost": c} for a, x, c in cells])
    code, printed, said = command("solve", "outcomes.jsonl", "--budget", 500, "--json")
    assert (code, json.loads(printed)["cost"]) == (0, 45.0)
    assert said == "the budget does not bind: the most accurate choices cost 45 tokens per question\n"
    assert command("solve", "outcomes.jsonl", "--budget", 20)[2] == ""


def test_collect_says_how_many_questions_have_no_right_answer_and_how_to_go_on(command):
    write_rows(
        "questions.jsonl", [{**QUESTIONS[0]}, {"question": "What is 8 + 1?"}, {"question": "And 9 + 1?"}]
    )
    with StubServer() as server:
        menu(server.base_url)
        assert "2 of 3 questions have no right answer" in command(*COLLECT, "--dry-run")[2]
        code, printed, said = command(*COLLECT, "--json")
    assert (code, json.loads(printed)["ungraded"]) == (0, 4)
    assert said.startswith("note: 2 of 3 questions came without a right answer")
    assert "adaptive-reasoner label samples.jsonl --next 80" in said


def test_collect_says_when_rows_were_graded_otherwise(command):
    with StubServer() as server:
        menu(server.base_url)
        assert command(*COLLECT)[2] == ""
        menu(server.base_url, more="[grader]\nkind = 'numeric'")
        code, _, said = command(*COLLECT)
    assert code == 0
    assert "12 by exact" in said
    assert "adaptive-reasoner regrade samples.jsonl" in said
