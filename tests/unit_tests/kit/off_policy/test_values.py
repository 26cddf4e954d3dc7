from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.errors import InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.updating import update
from adaptive_reasoner.kit.off_policy.values import off_policy_values
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.kit.off_policy.logs import log_rows, logged
from tests.unit_tests.toys import toy_outcomes


@pytest.fixture(scope="module")
def table():
    return toy_outcomes(2_000, seed=5)


@pytest.fixture(scope="module")
def log(policy, table):
    return Decisions.of(logged(policy, table, explore=0.1))


def row_of(values, name):
    return next(row for row in values.rows if row.policy == name)


def test_fixed_actions_are_valued_as_if_every_question_had_got_them(policy, log, table):
    values = off_policy_values(log, policy)
    for at, action in enumerate(table.actions):
        row = row_of(values, action)
        assert row.accuracy.low < table.accuracy[:, at].mean() < row.accuracy.high
        assert row.cost.low - 0.5 < table.cost[:, at].mean() < row.cost.high + 0.5
        assert row.actions[action] == 1


def test_a_policy_is_valued_at_prices_that_the_log_was_not_made_at(policy, log, table):
    values = off_policy_values(log, policy, budgets=[6.0, 25.0])
    cheap, dear = values.rows[:2]
    for row, budget in ((cheap, 6.0), (dear, 25.0)):
        moved = policy.at(budget=budget)
        shares = PolicyChoices.of(moved, table.questions.tolist()).shipped()
        accuracy, cost = ((shares * cells).sum(axis=1).mean() for cells in (table.accuracy, table.cost))
        assert row.accuracy.low < accuracy < row.accuracy.high
        assert row.cost.low < cost < row.cost.high
        assert row.budget == budget
    assert cheap.over_logged["cost"].high < 0 < dear.over_logged["cost"].low


def test_the_logged_policy_is_what_was_realised_and_its_own_value_agrees(policy, log):
    values = off_policy_values(log, policy)
    row = row_of(values, "logged")
    assert row.accuracy.mean == pytest.approx(log.score.mean())
    assert row.cost.mean == pytest.approx(log.cost.mean())
    own = values.rows[0]
    assert own.over_logged["accuracy"].low - 0.02 < 0 < own.over_logged["accuracy"].high + 0.02
    assert own.effective_size > row_of(values, "cot").effective_size


def test_what_the_policy_gains_over_an_action_is_paired_by_question(policy, log):
    values = off_policy_values(log, policy)
    own, direct = values.rows[0], row_of(values, "direct")
    gain = values.against["direct"]["accuracy"]
    assert gain.mean == pytest.approx(own.accuracy.mean - direct.accuracy.mean)
    apart = np.hypot(own.accuracy.high - own.accuracy.mean, direct.accuracy.high - direct.accuracy.mean)
    assert gain.high - gain.mean < apart


def test_questions_that_were_not_explored_are_left_out_and_counted(policy, table):
    rows = list(log_rows(policy, table, explore=0.1))
    for row in rows[:300]:
        row |= {"propensity": 1.0}
    for row in rows[300:400]:
        del row["propensity"]
    values = off_policy_values(Decisions.of(Samples.from_rows(rows)), policy)
    assert (values.n_questions, values.unexplored, values.unlogged) == (1_600, 300, 100)


def test_a_log_without_exploration_is_refused_with_action_questions_and_way_out(policy, table):
    for rows in (
        [row | {"propensity": 1.0} for row in log_rows(policy, table, explore=0.0)],
        [row | {"action": None, "propensity": None} for row in log_rows(policy, table, explore=0.0)],
    ):
        bare = Decisions.of(Samples.from_rows(rows))
        with pytest.raises(OutcomesError, match=r"'\w+' would be chosen on \d+ of 2000 .* explore=0\.02"):
            off_policy_values(bare, policy, budgets=[25.0])


def test_an_action_that_was_never_taken_is_refused_where_the_policy_would_choose_it(policy, table):
    rows = [row for row in log_rows(policy, table, explore=0.1) if row["action"] == "direct"]
    bare = Decisions.of(Samples.from_rows(rows))
    with pytest.raises(
        OutcomesError, match=r"'cot' would be chosen on \d+ of \d+ questions.* never shows it"
    ):
        off_policy_values(bare, policy)


def test_an_action_that_had_a_chance_on_some_questions_only_is_refused(policy, table):
    rows = [
        row
        for row in log_rows(policy, table, explore=0.3)
        if row["action"] == "direct" or "apples" in row["question"]
    ]
    values = off_policy_values(Decisions.of(Samples.from_rows(rows)), policy)
    assert set(values.unknown) == {"cot"}
    assert "had a chance on about" in values.unknown["cot"]


def test_an_action_of_which_there_are_too_few_decisions_is_not_valued(policy, table):
    rows = list(log_rows(policy, table, explore=0.1))
    dear = [row for row in rows if row["action"] == "cot" and row["propensity"] < 0.5][:3]
    some = [row for row in rows if row["action"] == "direct"][:200] + dear
    values = Decisions.of(Samples.from_rows(some))
    with pytest.raises(OutcomesError, match=r"never shows|too little|had a chance"):
        off_policy_values(values, policy, budgets=[39.0])


def test_ungraded_questions_tell_cost_and_a_log_without_grades_is_refused(policy, table):
    rows = list(log_rows(policy, table, explore=0.1))
    for row in rows[::2]:
        row |= {"gold": None, "correct": None}
    values = off_policy_values(Decisions.of(Samples.from_rows(rows)), policy)
    assert (values.n_questions, values.n_graded) == (2_000, 1_000)
    for row in rows:
        row |= {"gold": None, "correct": None}
    with pytest.raises(OutcomesError, match=r"none of 2000 explored questions of the log is graded.*regrade"):
        off_policy_values(Decisions.of(Samples.from_rows(rows)), policy)


def test_an_action_that_the_policy_does_not_know_is_valued_too(policy, table):
    right, dear = np.ones((len(table), 1)), np.full((len(table), 1), 50.0)
    three = replace(
        table,
        actions=(*table.actions, "new"),
        accuracy=np.hstack([table.accuracy, right]),
        cost=np.hstack([table.cost, dear]),
        samples=np.ones((len(table), 3), dtype=int),
    )
    values = off_policy_values(Decisions.of(logged(policy, three, explore=0.2)), policy)
    row = row_of(values, "new")
    assert row.accuracy.mean == pytest.approx(1.0, abs=0.05)
    assert row.cost.mean == pytest.approx(50.0, rel=0.05)
    assert values.rows[0].actions["new"] == 0


def test_a_log_that_cannot_be_compared_is_refused(policy, log):
    with pytest.raises(OutcomesError, match="costs in usd, the policy in tokens"):
        off_policy_values(replace(log, cost_unit="usd"), policy)
    digests = np.array(["sha256:0123"] * len(log), dtype=object)
    with pytest.raises(OutcomesError, match="are digests"):
        off_policy_values(replace(log, questions=digests), policy)
    with pytest.raises(InfeasibleBudgetError):
        off_policy_values(log, policy, budgets=[0.5])


def test_the_values_are_plain_json(policy, log):
    import json

    shown = json.loads(json.dumps(off_policy_values(log, policy).as_dict(), allow_nan=False))
    assert [row["policy"] for row in shown["rows"]] == ["policy", "logged", "direct", "cot"]
    assert shown["rows"][0]["accuracy_low"] < shown["rows"][0]["accuracy"] < shown["rows"][0]["accuracy_high"]
    assert set(shown["policy_over_actions"]) == {"direct", "cot"}


@pytest.mark.parametrize(
    "call", [off_policy_values, lambda log, policy: update(policy, toy_outcomes(20), log)]
)
def test_a_path_in_place_of_a_log_or_a_policy_is_refused_with_what_reads_it(call, policy, log):
    with pytest.raises(TypeError, match=r"takes Decisions, not a path; Decisions.read\('log.jsonl'\) reads"):
        call("log.jsonl", policy)
    with pytest.raises(
        TypeError, match=r"takes a LearnedPolicy, not a path; LearnedPolicy.load\('p/'\) reads"
    ):
        call(log, "p/")


def test_a_policy_folder_tells_how_far_costs_lie_from_predictions_and_intervals_count_that(policy, log):
    spread = policy.card["report"]["calibration"]["cost_spread"]
    assert spread.keys() == set(policy.actions)
    assert all(value >= 0 for value in spread.values())
    values = row_of(off_policy_values(log, policy), "cot")
    earlier, wider = copy(policy), copy(policy)
    report = policy.card["report"]
    without = {name: value for name, value in report["calibration"].items() if name != "cost_spread"}
    earlier.card = {**policy.card, "report": {**report, "calibration": without}}
    far = {"cost_spread": dict.fromkeys(spread, 4.0)}
    wider.card = {**policy.card, "report": {**report, "calibration": {**without, **far}}}
    alone, much = (row_of(off_policy_values(log, each), "cot") for each in (earlier, wider))
    assert alone.cost != values.cost
    assert much.cost.high - much.cost.low > 2 * (alone.cost.high - alone.cost.low)
    assert much.cost.mean == alone.cost.mean == values.cost.mean
    assert much.accuracy == alone.accuracy == values.accuracy
