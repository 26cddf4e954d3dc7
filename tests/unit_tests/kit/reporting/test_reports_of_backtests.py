"""The report beside a backtest: its verdict, what ships and what waits."""

from pathlib import Path

import pytest

from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.reporting.build import outcomes_report
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.toys import toy_outcomes

pytestmark = pytest.mark.usefixtures("own_cache")
RECORDED = Path(__file__).parents[4] / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"


def section(report, name):
    return next(each for each in report.sections if each.name == name)


def backtested(**verdicts):
    """A backtest in which what ships gains 4 points at each budget, and following every prediction 1."""
    names = ("realised_cost", "accuracy", "uniform_at_cost", "lift", "lift_low", "lift_high")
    cells = {"imitator": (7.9, 0.3, 0.26, 0.04, 0.02, 0.06)}
    cells["imitator_ungated"] = (7.9, 0.27, 0.26, 0.01, -0.02, 0.05)
    budgets = {float(name.removeprefix("at_")): verdict for name, verdict in verdicts.items()}
    rows = [
        {"policy": each, "budget": budget, "lift_within_groups": None, **dict(zip(names, row, strict=True))}
        for budget in budgets
        for each, row in cells.items()
    ]
    found = [{"budget": budget, "verdict": verdict, "trust": 1.0} for budget, verdict in budgets.items()]
    return {"rows": rows, "verdict": "ship in part", "verdicts": found}


def test_the_verdict_of_a_backtest_is_that_of_the_budget_shown():
    outcomes = estimate(Samples.read(RECORDED), votes=(1, 3))
    found = backtested(at_8="ship", at_20="not enough questions")
    at = {budget: outcomes_report(outcomes, backtest=found, budget=budget).verdict for budget in (8, 20)}
    assert at[8].word == "Ship:"
    assert at[8].sentence.startswith("+4.0 points at 7.9 tokens")
    assert at[20].word == "Not enough questions:"
    assert at[20].sentence.startswith("+1.0 points at 7.9 tokens")


def test_a_backtest_beside_a_policy_that_ships_tells_of_what_ships(policy):
    found = backtested(at_20="not enough questions")
    report = outcomes_report(toy_outcomes(300), policy=policy, backtest=found)
    assert report.verdict.word == "Ship:"
    assert report.verdict.sentence.startswith("+4.0 points at 7.9 tokens")


def test_a_backtest_gives_verdict_and_learning_curve():
    outcomes = estimate(Samples.read(RECORDED), votes=(1, 3))
    row = {
        "policy": "imitator",
        "budget": 8.0,
        "realised_cost": 7.9,
        "accuracy": 0.3,
        "uniform_at_cost": 0.26,
        "lift": 0.04,
        "lift_low": 0.02,
        "lift_high": 0.06,
        "lift_within_groups": 0.03,
    }
    curve = [
        {"samples": n, "budget": 8.0, "lift": lift, "lift_low": lift - 0.01, "lift_high": lift + 0.01}
        for n, lift in ((2, 0.01), (8, 0.04))
    ]
    priced = {**row, "policy": "priced_stop", "realised_rounds": 1.5, "p95_seconds": 2.25}
    tested = {"rows": [row, priced], "verdict": "ship", "learning_curve": curve}
    report = outcomes_report(outcomes, backtest=tested)
    assert report.verdict.sentence.startswith("+4.0 points at 7.9 tokens, interval 2.0 to 6.0")
    assert [row["lift"] for row in section(report, "learning").tables[0].rows] == [1.0, 4.0]
    everything, stop_rules = section(report, "backtest").tables
    assert everything.rows[0]["policy"] == "imitator"
    (waited,) = stop_rules.rows
    assert (waited["policy"], waited["realised_rounds"], waited["p95_seconds"]) == ("priced_stop", 1.5, 2.25)
