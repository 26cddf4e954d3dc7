"""A policy valued on a log of live traffic, by the command line."""

import json

import pytest

from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.kit.off_policy.logs import logged
from tests.unit_tests.toys import toy_encoder, toy_outcomes


@pytest.fixture(scope="module", autouse=True)
def vectors(own_cache):
    """Vectors are kept in a folder of these tests."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    encoder = toy_encoder()
    trained = train(
        toy_outcomes(200), budget=15.0, encoder=encoder, cache=VectorCache(encoder, encoder.folder)
    )
    return trained.save(tmp_path_factory.mktemp("policy") / "policy")


@pytest.fixture
def log(folder, tmp_path):
    path = tmp_path / "log.jsonl"
    logged(LearnedPolicy.load(folder), toy_outcomes(600, seed=5), explore=0.2).write(path)
    return path


def test_a_log_values_the_policy_the_logged_one_and_fixed_actions(command, log, folder):
    code, printed, _ = command("backtest", "--log", log, "--policy", folder, "--json")
    result = json.loads(printed)
    assert code == 0
    assert [row["policy"] for row in result["rows"]] == ["policy", "logged", "direct", "cot"]
    assert result["rows"][0]["budget"] == 15.0
    assert result["rows"][0]["accuracy_low"] < result["rows"][0]["accuracy"]
    assert result["policy"] == LearnedPolicy.load(folder).policy_id
    assert (result["n_questions"], result["n_graded"]) == (600, 600)


def test_budgets_set_the_price_at_which_the_policy_is_valued(command, log, folder):
    arguments = ("backtest", "--log", log, "--policy", folder, "--budget", 6, "--budget", 25, "--json")
    rows = json.loads(command(*arguments)[1])["rows"]
    assert [row["budget"] for row in rows[:2]] == [6.0, 25.0]
    assert rows[0]["price"] > rows[1]["price"]
    assert rows[0]["cost"] < rows[1]["cost"]


def test_people_read_a_table_and_what_is_gained_over_each_action(command, log, folder):
    code, printed, _ = command("backtest", "--log", log, "--policy", folder)
    assert code == 0
    assert "600 explored questions, cost in tokens" in printed
    assert "policy over direct: accuracy +" in printed


def test_a_log_that_was_not_explored_is_one_line_with_the_way_out(command, folder, tmp_path):
    path = tmp_path / "log.jsonl"
    logged(LearnedPolicy.load(folder), toy_outcomes(50, seed=5), explore=0.0).write(path)
    code, printed, said = command("backtest", "--log", path, "--policy", folder, "--budget", 25)
    assert (code, printed) == (2, "")
    assert "'cot' would be chosen on" in said
    assert "explore=0.02" in said


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--splits", "3"), "'--splits': not with --log"),
        (("--test-size", "0.3"), "'--test-size': not with --log"),
        (("{log}",), "'FILE': not with --log"),
    ],
)
def test_what_belongs_to_the_backtest_of_a_table_is_refused_with_a_log(command, log, folder, more, reason):
    given = [each.format(log=log) for each in more]
    code, printed, said = command("backtest", *given, "--log", log, "--policy", folder)
    assert (code, printed) == (2, "")
    assert reason in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--log", "log.jsonl"), "--log and --policy go together"),
        (("--policy", "policy"), "--log and --policy go together"),
        ((), "'FILE': a file is needed, or --log with --policy"),
        (("outcomes.jsonl",), "'--budget': a budget is needed"),
    ],
)
def test_a_backtest_says_what_is_missing(command, arguments, reason):
    code, printed, said = command("backtest", *arguments)
    assert (code, printed) == (2, "")
    assert reason in said


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    toy_outcomes(200).write(path)
    return path


def test_a_policy_is_updated_in_another_folder_and_says_what_was_forgotten(
    command, log, folder, old, tmp_path
):
    out = tmp_path / "policy2"
    code, printed, said = command("train", old, "--update", folder, "--log", log, "--out", out, "--json")
    result, before = json.loads(printed), LearnedPolicy.load(folder)
    assert (code, said) == (0, "")
    assert result["policy"] == str(out)
    assert result["update"]["updated_from"] == before.card["digest"]
    assert set(result["update"]["actions"]) == {"direct", "cot"}
    assert len(result["update"]["why"]) == 4
    after = LearnedPolicy.load(out)
    assert (after.card["updated_from"], after.budget) == (before.card["digest"], before.budget)


def test_an_update_replaces_the_folder_where_no_other_is_named(command, log, folder, old, tmp_path):
    import shutil

    own = tmp_path / "own"
    shutil.copytree(folder, own)
    code, printed, _ = command("train", old, "--update", own, "--log", log, "--budget", 12)
    assert code == 0
    assert "updated from" in printed
    assert "drift: the accuracy of 'direct'" in printed
    assert LearnedPolicy.load(own).budget == 12.0


def test_a_store_is_no_place_for_an_updated_policy_which_is_said_before_training(
    command, log, folder, old, tmp_path
):
    store = tmp_path / "store"
    assert command("policy", "add", store, folder, "--name", "monday", "--activate")[0] == 0
    code, printed, said = command("train", old, "--update", store, "--log", log.parent / "missing.jsonl")
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert "store is a policy store and was not changed" in said
    assert f"adaptive-reasoner policy add {store} FOLDER" in said
    code, _, said = command("train", old, "--update", store, "--log", log, "--out", tmp_path / "new")
    assert (code, said) == (0, "")


def test_an_update_by_a_log_without_grades_says_that_it_tells_costs_only(command, log, folder, old, tmp_path):
    rows = [json.loads(line) | {"correct": None, "gold": None} for line in log.read_text().splitlines()]
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, said = command("train", old, "--update", folder, "--log", bare, "--out", tmp_path / "new")
    assert code == 0
    assert "no question of the log is graded, so that it tells costs only: give right answers by" in said


def test_outcomes_that_the_policy_was_not_trained_on_are_a_warning(command, log, folder, tmp_path):
    toy_outcomes(100, seed=3).write(tmp_path / "others.jsonl")
    arguments = (
        "train",
        tmp_path / "others.jsonl",
        "--update",
        folder,
        "--log",
        log,
        "--out",
        tmp_path / "p",
    )
    code, _, said = command(*arguments)
    assert code == 0
    assert "was not trained on these outcomes" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("{old}", "--update", "{folder}"), "'--log': --update and --log go together"),
        (("{old}", "--log", "{log}"), "'--update': --update and --log go together"),
        (("--update", "{folder}", "--log", "{log}"), "a policy folder holds no questions"),
        (("{old}", "--update", "{folder}", "--log", "{log}", "--encoder", "m"), "keeps the policy's encoder"),
        (("{old}", "--budget", "11"), "'--out': a policy folder to write is needed"),
        (("--budget", "11", "--out", "p"), "'OUTCOMES': a file of outcomes is needed"),
        (("{old}", "--out", "p"), "give either --budget or --accuracy"),
    ],
)
def test_training_says_what_is_missing(command, log, folder, old, arguments, reason):
    given = [each.format(log=log, folder=folder, old=old) for each in arguments]
    code, printed, said = command("train", *given)
    assert (code, printed) == (2, "")
    assert reason in said
    assert said.count("\n") == 1
