import json
import os
import re
import signal
from importlib.metadata import version

import pytest

from adaptive_reasoner import cli
from adaptive_reasoner.cli.results import print_result
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables import outcomes_file
from adaptive_reasoner.kit.tables.files import write_rows
from tests.unit_tests.kit.estimating.judged import compared
from tests.unit_tests.kit.unlabelled import generated


def test_solves_for_an_accuracy_with_the_same_fields_and_the_gap_in_cost(command, outcomes):
    code, printed, said = command("solve", outcomes, "--accuracy", 0.9, "--json")
    solved = json.loads(printed)
    assert (code, said) == (0, "")
    of_a_budget = {"budget", "price", "accuracy", "cost", "bound", "gap", "actions", "cost_unit"}
    assert set(solved) == of_a_budget | {"target_accuracy", "cost_bound", "cost_gap"}
    assert solved["target_accuracy"] == 0.9
    assert solved["accuracy"] == pytest.approx(0.9)
    assert solved["cost"] == solved["budget"] == pytest.approx(solved["cost_bound"])
    within = json.loads(command("solve", outcomes, "--budget", solved["cost"], "--json")[1])
    assert within["accuracy"] == pytest.approx(0.9)


def test_an_accuracy_out_of_reach_is_one_line_that_names_the_highest(command, outcomes):
    code, printed, said = command("solve", outcomes, "--accuracy", 1.5)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert "ask for at most 1" in said


@pytest.mark.parametrize("aims", [(), ("--budget", 11, "--accuracy", 0.9)])
@pytest.mark.parametrize("arguments", [("solve",), ("train", "--out", "p")])
def test_a_budget_or_an_accuracy_is_given_not_both(command, outcomes, arguments, aims):
    code, printed, said = command(*arguments, outcomes, *aims)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert "give either --budget or --accuracy" in said


def test_an_accuracy_that_the_cheapest_actions_reach_is_said_not_to_bind(command, outcomes):
    code, printed, said = command("solve", outcomes, "--accuracy", 0, "--json")
    assert (code, json.loads(printed)["price"]) == (0, None)
    assert "does not bind" in said


def test_estimates_and_solves(command, outcomes):
    code, printed, _ = command("solve", outcomes, "--budget", 11, "--json")
    solved = json.loads(printed)
    assert code == 0
    assert set(solved) == {"budget", "price", "accuracy", "cost", "bound", "gap", "actions", "cost_unit"}
    assert (solved["accuracy"], solved["cost"], solved["cost_unit"]) == (1.0, 11.0, "tokens")
    assert solved["actions"]["direct"] == solved["actions"]["cot"] == 0.5


def test_estimate_says_for_how_many_samples_there_was_nothing_to_compare(command, samples, tmp_path):
    lines = samples.read_text().splitlines()
    row = json.loads(lines[0]) | {"answer": None, "correct": 0.0}
    samples.write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    code, printed, _ = command("estimate", samples, "--out", tmp_path / "o.jsonl", "--json")
    counted = {"direct": {"samples": 1, "of": 10}, "cot": {"samples": 0, "of": 10}}
    assert (code, json.loads(printed)["nothing_to_compare"]) == (0, counted)
    _, printed, _ = command("estimate", samples, "--out", tmp_path / "o.jsonl")
    assert "nothing to compare: direct 1 of 10 samples, cot 0 of 10 samples" in printed


def test_estimate_takes_single_calls_of_free_text_and_refuses_votes_of_it(
    command, samples, tmp_path, monkeypatch
):
    rows = [json.loads(line) | {"answer": None, "correct": 0.0} for line in samples.read_text().splitlines()]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    refused, _, why = command("estimate", samples, "--votes", "1,3", "--out", tmp_path / "o.jsonl")
    assert (refused, why.count("\n")) == (2, 1)
    code, printed, said = command("estimate", samples, "--out", tmp_path / "o.jsonl", "--json")
    assert (code, said.count("\n")) == (0, 2)
    for each in (why, said):
        assert "10 of 10 samples of source 'direct' offer nothing to compare (100%)" in each
    monkeypatch.setattr(outcomes_file, "_LARGE", 0)  # with labels = gold, a block of questions at a time
    write_rows(tmp_path / "s.parquet", rows)
    blocks = command(
        "estimate", tmp_path / "s.parquet", "--labels", "gold", "--out", tmp_path / "o.parquet", "--json"
    )
    assert "10 of 10 samples of source 'direct' offer nothing to compare (100%)" in blocks[2]
    for each in (printed, blocks[1]):
        assert [row["action"] for row in json.loads(each)["actions"]] == ["direct", "cot"]


def test_writes_a_report_and_says_its_verdict(command, samples, outcomes, tmp_path):
    page = tmp_path / "report.html"
    code, printed, _ = command("report", outcomes, "--samples", samples, "--out", page, "--json")
    said = json.loads(printed)
    assert code == 0
    assert said["file"] == str(page)
    assert said["verdict"]["word"] == "Room to gain:"
    assert said["verdict"]["sentence"] in page.read_text()


def test_a_report_refuses_what_is_no_backtest(command, outcomes, tmp_path):
    (tmp_path / "b.json").write_text('{"accuracy": 1}')
    code, _, said = command(
        "report", outcomes, "--backtest", tmp_path / "b.json", "--out", tmp_path / "r.html"
    )
    assert code == 2
    assert "b.json" in said
    assert not (tmp_path / "r.html").exists()


def test_a_budget_below_the_cheapest_action_names_both_numbers(command, outcomes):
    code, printed, said = command("solve", outcomes, "--budget", 1)
    assert (code, printed) == (2, "")
    assert said.count("\n") == 1
    assert "budget of 1 tokens" in said
    assert "below 2 tokens" in said


@pytest.mark.filterwarnings("default")
def test_a_cut_last_line_is_dropped_with_a_warning(command, samples, tmp_path):
    with samples.open("a") as file:
        file.write('{"question_id": "hard", "question": "the ha')
    code, _, said = command("estimate", samples, "--out", tmp_path / "o.jsonl")
    assert code == 0
    assert "warning" in said
    assert samples.name in said


def test_a_bad_line_is_named_with_file_row_and_reason(command, samples, tmp_path):
    lines = samples.read_text().splitlines()
    lines[3] = lines[3].replace('"cost": 2.0', '"cost": -2.0')
    samples.write_text("\n".join(lines) + "\n")
    code, _, said = command("estimate", samples, "--out", tmp_path / "o.jsonl")
    assert code == 2
    assert f"{samples}: row 4: " in said
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("solve", "nothing.parquet", "--budget", "3"), "nothing.parquet"),
        (("ask", "5 + 9?", "--policy", "nowhere"), "nowhere"),
        (("ledger", "show", "redis://host"), "redis://host"),
        (("ledger", "show", "sqlite:///nowhere.sqlite"), "nowhere.sqlite"),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_2(command, arguments, reason):
    code, printed, said = command(*arguments)
    assert (code, printed) == (2, "")
    assert said.count("\n") == 1
    assert reason in said


@pytest.mark.parametrize("budget", ["nan", "inf"])
@pytest.mark.parametrize(
    "arguments", [("solve",), ("train", "--out", "p"), ("backtest",), ("report", "--out", "r.html")]
)
def test_a_budget_that_is_no_finite_number_is_refused(command, outcomes, arguments, budget):
    code, printed, said = command(*arguments, outcomes, "--budget", budget)
    assert (code, printed) == (2, "")
    assert f"{budget} is not a finite number" in said


@pytest.mark.parametrize("share", [0, 1, 1.5, "nan"])
def test_a_share_to_hold_out_lies_between_0_and_1(command, outcomes, share):
    code, printed, said = command("backtest", outcomes, "--budget", 11, "--test-size", share)
    assert (code, printed) == (2, "")
    assert "is not between 0 and 1" in said


@pytest.mark.parametrize(("samples_of_cot", "sizes"), [(5, (1, 3, 5)), (4, (1, 3)), (2, (1,))])
def test_by_default_votes_are_as_large_as_every_question_has_samples(
    command, samples, tmp_path, samples_of_cot, sizes
):
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    kept = [row for row in rows if row["source"] == "direct" or row["sample"] < samples_of_cot]
    samples.write_text("".join(json.dumps(row) + "\n" for row in kept))
    code, printed, _ = command("estimate", samples, "--out", tmp_path / "o.jsonl", "--json")
    named = [row["action"] for row in json.loads(printed)["actions"]]
    of_cot = ["cot" if size == 1 else f"cot_vote_{size}" for size in sizes]
    assert (code, named) == (0, ["direct", "direct_vote_3", "direct_vote_5", *of_cot])


@pytest.mark.parametrize("labels", ["auto", "gold"])
def test_a_few_questions_with_fewer_samples_are_named_where_they_leave_out_votes(
    command, samples, tmp_path, monkeypatch, labels
):
    monkeypatch.setattr(outcomes_file, "_LARGE", 0)  # with labels = gold, a block of questions at a time
    table, out = tmp_path / "samples.parquet", tmp_path / "o.parquet"
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    last = rows[-1]["question_id"]
    short = ("cot", last)
    kept = [row for row in rows if (row["source"], row["question_id"]) != short or row["sample"] < 4]
    write_rows(table, kept)
    code, printed, said = command("estimate", table, "--labels", labels, "--out", out, "--json")
    named = [row["action"] for row in json.loads(printed)["actions"]]
    assert (code, named) == (0, ["direct", "direct_vote_3", "direct_vote_5", "cot", "cot_vote_3"])
    assert f"without votes of 5 samples of source 'cot', as question {last!r} has 4" in said


def test_votes_beyond_the_samples_are_refused(command, samples, tmp_path):
    code, _, said = command("estimate", samples, "--votes", "1,9", "--out", tmp_path / "o.jsonl")
    assert code == 2
    assert "9" in said


def test_each_source_can_have_its_own_sizes_of_vote(command, samples, tmp_path):
    path = tmp_path / "o.jsonl"
    code, printed, _ = command("estimate", samples, "--votes", "direct=1 cot=1,5", "--out", path, "--json")
    assert code == 0
    actions = [action["action"] for action in json.loads(printed)["actions"]]
    assert actions == ["direct", "cot", "cot_vote_5"]
    code, _, said = command("estimate", samples, "--votes", "coat=1", "--out", path)
    assert code == 2
    assert "no source 'coat'; there are direct, cot" in said
    assert command("estimate", samples, "--votes", "direct=1 cot", "--out", path)[0] == 2


def test_votes_that_are_no_numbers_are_refused(command, samples, tmp_path):
    assert command("estimate", samples, "--votes", "many", "--out", tmp_path / "o.jsonl")[0] == 2


def test_the_help_says_what_the_exit_codes_mean(command):
    said = " ".join(command("--help")[1].split())
    for meaning in ("0 success", "1 you answered no", "2 an error that you can correct", "130 stopped by"):
        assert meaning in said


def test_ctrl_c_ends_with_130(command, outcomes, monkeypatch):
    monkeypatch.setattr(
        "adaptive_reasoner.kit.allocation.solver.solve", lambda *_: os.kill(os.getpid(), signal.SIGINT)
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert command("solve", outcomes, "--budget", 11)[0] == 130
    finally:
        signal.signal(signal.SIGINT, before)


def test_progress_is_silent_where_there_is_no_terminal(command, samples, tmp_path):
    code, _, said = command("estimate", samples, "--out", tmp_path / "o.jsonl", "--json")
    assert (code, said) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("adaptive-reasoner ba", "backtest"), ("adaptive-reasoner ledger w", "watch")],
)
def test_the_shell_completes_commands(command, monkeypatch, typed, offered):
    monkeypatch.setenv("_ADAPTIVE_REASONER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    assert command()[1].split() == [offered]


def test_every_command_can_speak_json(command):
    from typer.main import get_command

    def leaves(group, name=""):
        for part, each in group.commands.items():
            yield from (
                leaves(each, f"{name} {part}") if hasattr(each, "commands") else [(f"{name} {part}", each)]
            )

    silent = [
        name
        for name, each in leaves(get_command(cli.app))
        if not any("--json" in p.opts for p in each.params)
    ]
    assert silent == []


def test_a_job_is_priced_before_it_starts_and_nothing_is_made(command, asked, tmp_path):
    out = tmp_path / "samples.jsonl"
    given = ("collect", asked, "--out", out, "--preset", "paper", "--model", "m", "--dry-run")
    code, printed, _ = command(*given, "--json")
    job = json.loads(printed)
    assert (code, job["calls"], job["bound"]) == (0, 3 * 48, 3 * 48 * 1024)
    assert [source["source"] for source in job["sources"]] == ["cot"]
    assert command(*given)[0] == 0
    assert not out.exists()


@pytest.mark.filterwarnings("default")  # what the libraries of the hub warn of is theirs
def test_the_papers_protocol_is_priced_in_one_command_also_without_a_hub(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    given = ("collect", "--preset", "paper", "--model", "m", "--out", tmp_path / "p.jsonl", "--dry-run")
    code, printed, said = command(*given, "--json")
    job = json.loads(printed)
    assert (code, job["calls"], job["bound"]) == (0, 400 * 48, 400 * 48 * 1024.0)
    assert "priced by the mean length" in said
    assert "bound: 19660800" in command(*given)[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "--config"),
        (("--preset", "paper"), "--model"),
        (("--preset", "thesis", "--model", "m"), "there is no preset 'thesis'; known are paper"),
        (("--preset", "paper", "--model", "m", "--adaptive", "0.9"), "--budget"),
    ],
)
def test_what_a_collection_lacks_is_named(command, asked, tmp_path, options, reason):
    code, _, said = command("collect", asked, "--out", tmp_path / "s.jsonl", *options)
    assert code == 2
    assert reason in " ".join(said.split())


def test_a_data_set_that_is_not_known_is_one_line(command, tmp_path):
    code, _, said = command(
        "collect", "gsm9k", "--out", tmp_path / "s.jsonl", "--preset", "paper", "--model", "m"
    )
    assert code == 2
    assert "known are gsm8k, math, math500" in " ".join(said.split())


def test_a_result_is_a_line_a_field_in_short_numbers_and_words(capsys):
    gate = {"lift": 0.0407679123, "costs": [7.999703227242004, 17.995365216329454], "needed": None}
    print_result({"max_cost": None, "folder": "a/long/folder" * 10, "gate": gate}, False)
    assert capsys.readouterr().out.splitlines() == [
        "max cost: none",
        f"folder: {'a/long/folder' * 10}",
        "gate: lift 0.04077, costs [8, 18], needed none",
    ]


def test_numbers_are_shown_without_exponents_noise_or_braces(command, outcomes, tmp_path, capsys):
    print_result({"gap": 1.26e-17, "price": 2.5e-7, "spent": 1234567.0, "by": {"cot": {"cost": 3.0}}}, False)
    assert capsys.readouterr().out.splitlines() == [
        *("gap: 0", "price: 0.00000025", "spent: 1234567", "by:", "  cot: cost 3"),
    ]
    for given in (("solve", outcomes, "--budget", 11), ("backtest", outcomes, "--budget", 11)):
        printed = command(*given)[1]
        assert not re.search(r"\de[+-]\d|[{}]", printed), printed


def test_the_version_is_that_of_the_package(command):
    assert command("--version")[:2] == (0, f"adaptive-reasoner {version('adaptive-reasoner')}\n")


def test_samples_without_right_answers_are_estimated_and_said_to_be(command, tmp_path):
    samples, outcomes = tmp_path / "s.jsonl", tmp_path / "o.parquet"
    generated(160, labelled=()).write(samples)
    code, printed, _ = command("estimate", samples, "--votes", "1", "--out", outcomes, "--json")
    estimated = json.loads(printed)
    assert (code, estimated["n_questions"], estimated["n_labelled"]) == (0, 160, 0)
    _, printed, _ = command("estimate", samples, "--votes", "1", "--out", outcomes)
    assert "160 questions, 160 of them without a right answer (estimated)" in printed
    code, _, refused = command("estimate", samples, "--labels", "gold", "--out", outcomes)
    assert (code, "960 replies are not graded" in refused) == (2, True)


def test_estimate_prints_how_good_the_judge_is_and_takes_rewards(command, tmp_path):
    table = compared(60, labelled=range(30))
    table.write(tmp_path / "poems.jsonl")
    estimate = ("estimate", tmp_path / "poems.jsonl", "--votes", "1", "--out", tmp_path / "o.parquet")
    _, printed, _ = command(*estimate, "--json")
    judge = json.loads(printed)["judge"]
    assert (judge["gives"], judge["given"], judge["cost"]) == ("preferences", 120, 240.0)
    assert 0.7 < judge["accuracy"] <= 1.0
    _, printed, _ = command(*estimate)
    assert "judge: 120 preferences; " in printed
    assert command(*estimate, "--reward", "stars")[0] == 2  # they have no scores
    rows = [{**row, "score": 10.0 * at} for at, row in enumerate(table.rows())]
    write_rows(tmp_path / "poems.jsonl", rows)
    assert command(*estimate, "--reward", "stars")[0] == 0
    assert Outcomes.read(tmp_path / "o.parquet").accuracy_unit == "stars"
