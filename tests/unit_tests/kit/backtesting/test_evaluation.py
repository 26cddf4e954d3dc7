"""Backtests end to end: every row is there, topic and noise are told from skill, bad input is refused."""

import dataclasses
import json

import numpy as np
import pytest

from adaptive_reasoner.errors import InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit.backtesting.imitators import Mistakes
from adaptive_reasoner.kit.learning.gate import SHIPS, over_budgets
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.kit.backtesting.backtests import outcomes, run, samples
from tests.unit_tests.toys import wasteful_outcomes

pytestmark = pytest.mark.usefixtures("own_cache")
FIELDS = {
    "policy",
    "budget",
    "realised_cost",
    "accuracy",
    "uniform_at_cost",
    "lift",
    "lift_low",
    "lift_high",
    "lift_relative",
    "lift_within_groups",
    "compute_saved",
    "gap_closed",
}


@pytest.fixture(scope="module")
def told():
    return run(outcomes(160), budgets=[15, 25], splits=2)


@pytest.fixture(scope="module")
def voted():
    return run(samples(), budgets=[25])


def rows_of(tested, budget):
    return {row["policy"]: row for row in tested.as_dict()["rows"] if row["budget"] == budget}


def test_every_policy_has_a_row_a_budget_with_every_field(told):
    result = json.loads(json.dumps(told.as_dict(), allow_nan=False))
    assert {"file", "n_questions", "cost_unit", "rows", "verdict"} <= set(result)
    assert (result["n_questions"], result["cost_unit"]) == (160, "tokens")
    assert all(set(row) >= FIELDS for row in result["rows"])
    for budget in (15, 25):
        assert set(rows_of(told, budget)) == {
            "direct",
            "cot",
            "uniform",
            "length_rule",
            "group_lookup",
            "oracle_in_sample",
            "imitator",
            "imitator_ungated",
            "imitator_labels",
            "imitator_unseen_groups",
        }


def test_without_samples_there_is_nothing_to_look_at(told):
    assert "imitator_first_sample" not in rows_of(told, 25)
    assert told.as_dict()["look"] is None


def test_what_the_text_tells_is_found_and_shipped(told):
    rows = rows_of(told, 25)
    assert told.verdict == "ship"
    assert rows["imitator"]["lift_low"] > 0.1
    assert rows["imitator"]["lift_within_groups"] > 0.1  # the groups tell nothing: it is difficulty
    assert rows["imitator_unseen_groups"]["lift_low"] > 0.1
    assert rows["imitator"]["realised_cost"] == pytest.approx(25, rel=0.1)
    assert 0.5 < rows["imitator"]["gap_closed"] <= 1
    assert rows["imitator"]["compute_saved"] > 1.2
    assert abs(rows["group_lookup"]["lift"]) < 0.05
    assert rows["oracle_in_sample"]["gap_closed"] == 1


def test_rows_agree_with_themselves(told):
    rows = told.as_dict()["rows"]
    assert len(rows) == len(rows_of(told, 15)) + len(rows_of(told, 25)) > 10
    for row in rows:
        assert row["lift"] == pytest.approx(row["accuracy"] - row["uniform_at_cost"])
        assert row["lift_relative"] == pytest.approx(row["lift"] / row["uniform_at_cost"])
        assert row["lift_low"] <= row["lift"] + 1e-9
        assert row["lift"] <= row["lift_high"] + 1e-9
        assert row["lift"] <= rows_of(told, row["budget"])["oracle_in_sample"]["lift"] + 1e-9


def test_what_is_only_noise_is_not_shipped():
    tested = run(outcomes(160, telling=False), budgets=[25])
    rows = rows_of(tested, 25)
    assert tested.verdict != "ship"
    assert abs(rows["imitator"]["lift"]) < 0.05
    assert abs(rows["imitator_ungated"]["lift"]) < 0.1


@pytest.mark.parametrize("telling", [True, False])
def test_the_verdict_and_the_lift_beside_it_follow_from_those_at_each_budget(telling):
    tested = run(outcomes(80, telling=telling), budgets=[5, 15, 25])
    assert tested.verdict == over_budgets(each.verdict for each in tested.verdicts)
    shown = "imitator" if tested.verdict in SHIPS else "imitator_ungated"
    lifts = [row.lift for row in tested.rows if row.policy == shown]
    assert tested.lift.mean == pytest.approx(np.mean(lifts))


def test_few_questions_are_too_few_here_as_they_are_for_the_gate():
    found = [run(outcomes(40, telling=False, seed=seed), budgets=[25]).verdict for seed in range(10)]
    assert found.count("not enough questions") >= 9  # chance alone proves something once in twenty


def test_samples_give_votes_stop_rules_and_the_cross_fitted_oracle(voted):
    rows = rows_of(voted, 25)
    assert {"cot", "cot_vote_3", "cot_vote_9", "oracle_crossfit"} <= set(rows)
    assert {"vote_k", "lossless", "beta_stop", "esc"} <= set(rows)
    assert "group_lookup" not in rows  # no groups, and nothing that needs them
    assert rows["imitator"]["lift_within_groups"] is None
    assert rows["oracle_crossfit"]["accuracy"] < rows["oracle_in_sample"]["accuracy"]
    for name in ("vote_k", "lossless", "beta_stop", "esc"):
        assert rows[name]["realised_cost"] == pytest.approx(25, rel=0.15)
        assert rows[name]["realised_tokens"] == pytest.approx(
            rows[name]["realised_cost"]
        )  # here they are the same
        assert rows[name]["realised_rounds"] >= 1
        assert rows[name]["p95_seconds"] is None  # nobody has said how long the samples took
    assert rows["vote_k"]["accuracy"] < rows["lossless"]["accuracy"]
    assert rows["cot"]["realised_tokens"] is None
    assert "How long stop rules take, on cot" in voted._repr_html_()
    assert voted.source == "cot"


def test_the_curve_of_labelling_goes_from_two_samples_to_all(voted, told):
    curve = voted.as_dict()["learning_curve"]
    assert [point["samples"] for point in curve] == [2, 4, 8, 12]
    assert [point["calls"] for point in curve] == [60, 120, 240, 360]
    ungated = rows_of(voted, 25)["imitator_ungated"]
    assert curve[-1]["lift"] == pytest.approx(ungated["lift"])  # all samples are what the backtest trains on
    assert all(point["lift_low"] <= point["lift"] <= point["lift_high"] for point in curve)
    assert told.learning_curve == ()


def test_a_file_is_read_as_what_it_holds(tmp_path, voted):
    samples().write(tmp_path / "samples.jsonl")
    again = run(tmp_path / "samples.jsonl", budgets=[25])
    assert again.file == str(tmp_path / "samples.jsonl")
    assert again.rows == voted.rows  # one seed, one result


def test_outcomes_with_samples_beside_them_replay_the_rules(tmp_path):
    both = samples(24, sources=("direct", "cot"))
    outcomes(24).write(tmp_path / "outcomes.parquet")
    both.write(tmp_path / "samples.parquet")
    options = {"budgets": [25], "samples": tmp_path / "samples.parquet"}
    tested = run(tmp_path / "outcomes.parquet", source="cot", **options)
    assert tested.source == "cot"
    assert {"esc", "direct", "cot"} <= set(rows_of(tested, 25))
    with pytest.raises(OutcomesError, match="no source 'thinking'; there are direct, cot"):
        run(tmp_path / "outcomes.parquet", source="thinking", **options)


def test_a_first_answer_that_tells_is_worth_the_look_and_one_that_does_not_is_not():
    """Every question reads alike: only the cheap answer, at a fifth of the price, can say which need more."""
    told, silent = (run(hesitant(120, telling=telling), budgets=[6]) for telling in (True, False))
    rows = rows_of(told, 6)
    assert (told.observe, silent.observe) == ("first_sample", "question")
    assert rows["imitator_first_sample"]["lift"] > 0.1 > rows["imitator"]["lift"]
    assert rows["imitator_first_sample"]["realised_cost"] == pytest.approx(6, rel=0.2)  # with the look
    assert told.look.low > 0.05 > silent.look.low


def hesitant(n, *, telling):
    """A cheap source that says when it is unsure, or not; a dear one that is nearly always right."""
    rng = np.random.default_rng(3)
    right = rng.random(n) < 0.6
    said = np.where(right if telling else rng.random(n) < 0.6, "seven it is", "perhaps eight")
    row = {"cost_unit": "tokens", "sample": 0}
    return Samples.from_rows(
        row
        | {"question_id": f"q{i}", "question": f"how many {i}", "source": source, "answer": answer}
        | {"correct": float(correct), "cost": cost}
        for i in range(n)
        for source, answer, correct, cost in (
            ("direct", str(said[i]), right[i], 2.0),
            ("cot", "seven", rng.random() < 0.95, 10.0),
        )
    )


def test_bad_input_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(InfeasibleBudgetError, match="budget of 1 tokens per question is below 2 tokens"):
        run(outcomes(), budgets=[25, 1])
    for budget in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"needs finite budgets, not {budget}"):
            run(outcomes(), budgets=[budget])
    with pytest.raises(ValueError, match="needs a budget and a split"):
        run(outcomes(), budgets=[])
    with pytest.raises(OutcomesError, match="two questions of different text"):
        run(outcomes().select([0]), budgets=[25])
    (tmp_path / "empty.csv").touch()
    with pytest.raises(OutcomesError, match=r"empty\.csv: the table is empty"):
        run(tmp_path / "empty.csv", budgets=[25])


def test_a_single_action_leaves_nothing_to_choose():
    table = outcomes(40)
    alone = dataclasses.replace(
        table,
        actions=("direct",),
        accuracy=table.accuracy[:, :1],
        cost=table.cost[:, :1],
        samples=table.samples[:, :1],
    )
    tested = run(alone, budgets=[2])
    assert tested.verdict == "do not ship"
    assert rows_of(tested, 2)["imitator"]["lift"] == pytest.approx(0)
    assert rows_of(tested, 2)["imitator"]["gap_closed"] is None


@pytest.mark.parametrize("kept", [False, True])
def test_free_text_is_backtested_by_single_replies(kept):
    texts = free_text(samples(24, sources=("direct", "cot")), "direct", "cot", kept=kept)
    tested = run(texts, budgets=[11])
    assert tested.actions == ("direct", "cot")
    assert tested.source is None
    assert not {row.policy for row in tested.rows} & {"beta_0.9", "optpo", "uab", "cascade_threshold"}


def test_only_sources_whose_replies_can_be_compared_vote():
    mixed = free_text(samples(24, sources=("direct", "cot")), "direct")
    tested = run(mixed, budgets=[15])
    assert "direct_vote_3" not in tested.actions
    assert "cot_vote_3" in tested.actions
    assert tested.source == "cot"
    with pytest.raises(OutcomesError, match="most samples of source 'direct' offer nothing to compare"):
        run(mixed, budgets=[15], source="direct")


def free_text(told, *sources, kept=False):
    """The samples, with nothing to compare in the replies of some sources, or whole texts for a judge."""
    return dataclasses.replace(
        told,
        replies={
            (name, source): [
                dataclasses.replace(each, answer=f"text {at}" if kept else None)
                for at, each in enumerate(several)
            ]
            if source in sources
            else several
            for (name, source), several in told.replies.items()
        },
    )


def test_two_questions_are_too_few_and_no_share_of_the_oracle_is_known():
    tested = run(outcomes(2), budgets=[25], splits=2)
    assert tested.verdict == "not enough questions"
    assert all(row.gap_closed is None for row in tested.rows)


def test_regret_is_the_error_rate_times_the_regret_when_wrong():
    table = outcomes(100)
    rng = np.random.default_rng(0)
    several = [Mistakes.of(table, rng.dirichlet([1, 1], 100), budget) for budget in (5.0, 25.0)]
    for mistakes in (*several, Mistakes.mean(several)):
        error = 1 - mistakes.imitation_accuracy
        assert mistakes.regret == pytest.approx(error * mistakes.regret_when_wrong)
        assert mistakes.regret <= mistakes.regret_bound + 1e-12
        assert 0.5 <= mistakes.majority_rate <= 1


def test_a_backtest_draws_its_lifts_and_shows_its_rows(told):
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    ax = told.plot()
    drawn = {name: container for container, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    assert {"imitator", "imitator_ungated", "group_lookup", "length_rule"} <= set(drawn)
    rows = sorted((row for row in told.rows if row.policy == "imitator"), key=lambda row: row.realised_cost)
    data = drawn["imitator"].lines[0].get_xydata()
    assert data == pytest.approx(np.array([[row.realised_cost, 100 * row.lift] for row in rows]))
    assert ax.get_title(loc="left").startswith(told.verdict)
    plt.close("all")
    assert told.verdict in told._repr_html_()
    assert told._repr_html_().count("<tr>") == len(told.rows) + 1


def test_splits_side_by_side_change_nothing_and_each_is_reported():
    lines = []
    table = outcomes(80)
    alone = run(table, budgets=[15, 25], splits=3, draws=50)
    together = run(table, budgets=[15, 25], splits=3, draws=50, n_jobs=2, on_progress=lines.append)
    assert together == alone
    assert sorted(line.split(" took ")[0] for line in lines) == [f"split {n} of 3" for n in (1, 2, 3)]
    assert lines[0].endswith(" s left for 2 more")
    assert "left" not in lines[2]


def test_fewer_than_one_split_at_once_is_refused():
    with pytest.raises(ValueError, match="n_jobs is 0"):
        run(outcomes(40), budgets=[25], n_jobs=0)


def test_a_backtest_names_what_is_never_worth_choosing():
    table = wasteful_outcomes(400)
    tested = run(table, budgets=[20], splits=2)
    assert (tested.actions, tested.dropped) == (table.actions, ("guess",))
    assert tested.as_dict()["dropped"] == ["guess"]
    assert "1 of 3 actions is never worth choosing: guess" in tested._repr_html_()
    rows = {row.policy: row for row in tested.rows}
    assert rows["guess"].accuracy == pytest.approx(0.3, abs=0.1)
    assert rows["imitator"].lift > 0.05
