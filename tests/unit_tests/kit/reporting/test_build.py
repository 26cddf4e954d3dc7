"""The report: its verdict, its numbers, and a page that needs nothing but itself."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from adaptive_reasoner.errors import UnknownActionError
from adaptive_reasoner.kit.allocation.solver import solve, uniform_hull
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.calibration import reliability
from adaptive_reasoner.kit.learning.gate import Answer
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting.build import outcomes_report
from adaptive_reasoner.kit.reporting.html_page import Report, Section, Table, Verdict
from adaptive_reasoner.kit.reporting.label_cost import labels_section
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.kit.reporting.summary import PolicySummary, Saving
from adaptive_reasoner.kit.reporting.wording import judged
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.bootstrap import Interval
from tests.unit_tests.kit.estimating.judged import compared
from tests.unit_tests.toys import toy_outcomes, wasteful_outcomes

pytestmark = pytest.mark.usefixtures("own_cache")
RECORDED = Path(__file__).parents[4] / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"


@pytest.fixture(scope="module")
def report(policy, fresh):
    return outcomes_report(fresh, policy=policy)


@pytest.fixture(scope="module")
def page(report):
    return report.html()


def section(report, name):
    return next(each for each in report.sections if each.name == name)


def facts(report):
    return {fact.label: fact.value for fact in report.facts}


def test_a_policy_that_gains_on_new_questions_is_to_be_shipped(report, policy, fresh):
    assert report.verdict.word == "Ship:"
    assert report.verdict.tone == "good"
    shares = Playing.on(policy, fresh).shipped()
    accuracy, cost = ((shares * table).sum(axis=1).mean() for table in (fresh.accuracy, fresh.cost))
    lift = 100 * (accuracy - uniform_hull(fresh).accuracy_at(cost))
    assert f"{lift:+.1f} points at {cost:.3g} tokens, interval" in report.verdict.sentence
    assert facts(report)["Lift over the mixture"] == f"{lift:+.1f} points"


def test_what_is_only_topic_is_said_in_the_verdict(report):
    assert "telling topics apart" in report.verdict.sentence


def test_the_shares_are_those_of_the_decisions(policy, fresh):
    playing = Playing.on(policy, fresh)
    decided = [
        policy.decide(text, key=key).action
        for text, key in zip(fresh.questions, fresh.question_ids, strict=True)
    ]
    expected = playing.shipped().mean(axis=0)
    assert decided.count("cot") / len(decided) == pytest.approx(
        expected[list(playing.table.actions).index("cot")], abs=0.04
    )
    assert playing.shipped().sum(axis=1) == pytest.approx(np.ones(len(fresh)))


def test_a_mixture_is_drawn_with_the_probabilities_it_says(policy):
    price = policy.mixture.curve.price_at(15.0)
    drawn = [policy.mixture.choose(price, at) for at in (np.arange(4000) + 0.5) / 4000]
    assert np.bincount(drawn, minlength=2) / 4000 == pytest.approx(policy.mixture.shares(15.0), abs=1e-3)


def test_on_the_questions_it_was_trained_on_the_held_out_figures_are_shown(policy):
    table = toy_outcomes(300)
    report = outcomes_report(table, policy=policy)
    held_out = policy.card["report"]["held_out"]
    assert f"at {held_out['cost']:.3g} tokens" in report.verdict.sentence
    assert any("trained on" in note for note in report.notes)
    assert "the policy" not in report.dial.curves
    assert not any("realised_cost" in row for row in section(report, "price").tables[0].rows)
    assert section(report, "calibration").tables[0].rows == policy.card["report"]["calibration"]["classes"]


def test_a_policy_that_gains_nothing_is_not_to_be_shipped(policy_for):
    policy = policy_for(toy_outcomes(300, informative=False))
    report = outcomes_report(toy_outcomes(300, seed=1, informative=False), policy=policy)
    assert report.verdict.word in ("Do not ship:", "Not enough questions:")
    assert report.verdict.tone != "good"
    assert any("did not let this policy ship" in note for note in report.notes)
    assert all(abs(row["off_by"]) < 0.05 for row in section(report, "price").tables[0].rows)


@pytest.mark.parametrize(
    ("lift", "answer", "word"),
    [
        ((0.095, 0.082, 0.109), "ship", "Ship:"),
        ((0.095, 0.082, 0.109), "not enough questions", "Not enough questions:"),
        ((0.095, 0.082, 0.109), "do not ship", "Do not ship:"),
        ((0.001, -0.004, 0.006), "ship", "Do not ship:"),
        ((0.012, -0.01, 0.03), "not enough questions", "Not enough questions:"),
        ((0.012, -0.01, 0.03), "do not ship", "Do not ship:"),
    ],
)
def test_a_verdict_that_new_questions_refute_is_withdrawn(lift, answer, word):
    stands = PolicySummary(75.0, 0.7, 0.605, Interval(*lift), None, "here", anew=True)
    verdict = judged(stands, answer=answer, needed=900, unit="tokens")
    assert verdict.word == word
    assert f"{100 * lift[0]:+.1f} points at 75 tokens" in verdict.sentence
    assert f"interval {100 * lift[1]:.1f} to {100 * lift[2]:.1f}" in verdict.sentence


@pytest.mark.parametrize("lift", [(0.095, 0.082, 0.109), (0.001, -0.004, 0.006), (-0.02, -0.03, -0.01)])
@pytest.mark.parametrize("answer", get_args(Answer))
def test_a_report_on_what_the_gate_has_judged_has_the_word_of_the_gate(lift, answer):
    stands = PolicySummary(75.0, 0.7, 0.605, Interval(*lift), None, "here")
    verdict = judged(stands, answer=answer, needed=900, unit="tokens")
    assert verdict.word.lower() == f"{answer}:"
    assert f"{100 * lift[0]:+.1f} points at 75 tokens" in verdict.sentence
    assert (verdict.tone == "good") == (answer in ("ship", "ship in part") and lift[1] > 0)


def test_a_policy_that_ships_by_its_training_says_so_where_these_questions_are_too_few():
    stands = PolicySummary(12.5, 0.337, 0.322, Interval(0.015, -0.025, 0.058), None, "here", anew=True)
    verdict = judged(stands, answer="ship", needed=None, unit="tokens")
    assert (verdict.word, verdict.tone) == ("Ship:", "unsure")
    assert "These questions are too few to show what training showed." in verdict.sentence


@pytest.mark.parametrize(
    ("lift", "said"),
    [
        ((-0.002, -0.008, 0.004), "the lift is within noise"),
        ((-0.081, -0.156, -0.038), "it loses against the best random mixture"),
    ],
)
def test_a_loss_is_called_a_loss(lift, said):
    stands = PolicySummary(75.0, 0.7, 0.605, Interval(*lift), None, "here")
    assert judged(stands, answer="do not ship", needed=None, unit="tokens").sentence.startswith(said)


def test_a_reward_is_no_percentage(fresh):
    rewards = replace(fresh, accuracy=fresh.accuracy * 3 - 1, accuracy_unit="reward")
    report = outcomes_report(rewards)
    assert "reward" in report.verdict.sentence
    assert "points" not in report.verdict.sentence


def test_without_a_policy_it_says_what_there_is_to_gain():
    samples = Samples.read(RECORDED)
    outcomes = estimate(samples, votes=(1, 3))
    report = outcomes_report(outcomes, samples=samples)
    assert report.verdict.word == "Room to gain:"
    assert "cross-fitted" in report.verdict.sentence
    assert facts(report)["Labels"] == "45,154 tokens"
    assert {each.name for each in report.sections} == {"frontier", "compute", "price", "labels"}


def test_the_bound_of_the_table_is_the_exact_optimum(report, fresh):
    table = next(each for each in section(report, "frontier").tables if "dual bound" in each.caption)
    assert len(table.rows) > 1
    for row in table.rows:
        best = solve(fresh, row["budget"])
        assert (row["value"], row["bound"]) == (best.accuracy, best.bound)


def test_compute_is_shown_by_group_and_by_expected_difficulty(report, fresh):
    by_group, by_difficulty = section(report, "compute").tables
    assert {row["group"] for row in by_group.rows} == {"all questions", "story", "sum"}
    assert sum(row["questions"] for row in by_difficulty.rows) == 2 * len(fresh)
    cot = {row["group"]: row["cot"] for row in by_group.rows}
    assert cot["sum"] < 0.1 < 0.7 < cot["story"]


def test_regret_is_listed_by_size_and_names_the_better_action(report):
    (table,) = section(report, "regret").tables
    regrets = [row["regret"] for row in table.rows]
    assert regrets == sorted(regrets, reverse=True) != []
    assert all(row["better"] != row["chosen"] for row in table.rows)
    assert len({row["question"] for row in table.rows}) == len(table.rows)


def test_calibration_classes_hold_every_question_once_an_action(fresh):
    rows = reliability(np.random.default_rng(0).random(fresh.accuracy.shape), fresh)
    assert {row["action"] for row in rows} == set(fresh.actions)
    assert sum(row["questions"] for row in rows) == fresh.accuracy.size
    assert all(row["low"] <= row["observed"] <= row["high"] for row in rows)


def test_labels_are_paid_for_when_the_savings_reach_their_cost(policy_for):
    samples = Samples.read(RECORDED)
    outcomes = estimate(samples, votes=(1, 3))
    hull = uniform_hull(outcomes)
    stands = PolicySummary(
        6.0, 0.28, float(hull.accuracy_at(6.0)), Interval(0.003, 0.001, 0.004), None, "here"
    )
    saving = Saving.of(stands, hull)
    assert hull.accuracy_at(6.0 + saving.cost) == pytest.approx(hull.accuracy_at(6.0) + 0.003)
    assert saving.low < saving.cost < saving.high
    assert not saving.at_least


@pytest.mark.parametrize(
    ("saving", "says"),
    [
        (Saving(5.0, 5.0, 5.0, at_least=True), "are paid for after at most 20 requests."),
        (Saving(5.0, 2.0, 5.0, at_least=True), "after at most 20 requests (after 50 at the lower end"),
        (Saving(5.0, 2.0, 8.0, at_least=False), "after 20 requests (after 50 at the lower end"),
        (Saving(5.0, -1.0, 8.0, at_least=False), "after 20 requests (never, at the lower end"),
    ],
)
def test_a_saving_of_at_least_so_much_pays_for_labels_at_the_latest_then(saving, says):
    told, _ = labels_section([{"calls": 10, "cost": 100.0}], "tokens", saving, "tokens")
    assert says in told.text


def test_other_actions_than_the_policys_are_refused(policy, fresh):
    with pytest.raises(UnknownActionError, match="direct"):
        outcomes_report(fresh.only([fresh.actions.index("cot")]), policy=policy)


def test_a_policy_of_some_actions_is_shown_on_a_table_of_more(policy, fresh):
    wider = replace(
        fresh,
        actions=("vote", *fresh.actions),
        accuracy=np.column_stack([fresh.accuracy[:, 0], fresh.accuracy]),
        cost=np.column_stack([fresh.cost[:, 0] * 9, fresh.cost]),
        samples=np.ones((len(fresh), 3), int),
    )
    report = outcomes_report(wider, policy=policy)
    assert report.verdict.word == "Ship:"
    assert any(row["action"] == "vote" for row in section(report, "frontier").tables[0].rows)


def test_the_page_needs_nothing_but_itself(page):
    head = page[: page.index("<script>")]
    assert "default-src 'none'" in head
    assert not re.search(
        r'<(?:link|img|iframe)[^>]*(?:href|src)="(?!data:|#)', page[: page.index("<script>")]
    )
    assert not re.search(r"<script[^>]*src=", page)
    for text in ("Ship:", "Accuracy against cost", "Questions with the largest regret"):
        assert text in head


def test_every_figure_has_words_a_drawing_and_numbers(report, page):
    drawn = sum(len(each.figures) for each in report.sections)
    assert drawn > 1
    assert page.count('class="figure" role="img" aria-label="') == page.count('class="drawn"><svg') == drawn
    assert all(each.tables for each in report.sections)


def test_what_a_table_holds_cannot_run(tmp_path):
    nasty = "</script><script>alert(1)</script>"
    hostile = Report(
        title=nasty,
        verdict=Verdict(nasty, nasty),
        sections=[Section("one", nasty, nasty, tables=[Table(nasty, [{nasty: nasty}])])],
        notes=[nasty],
    )
    assert nasty not in hostile.html()


def test_a_hostile_action_name_cannot_run_either(fresh):
    nasty = "</script><script>alert(1)</script>"
    hostile = replace(fresh, actions=("direct", nasty), groups=np.where(fresh.groups == "sum", nasty, "b"))
    assert nasty not in outcomes_report(hostile).html()


def test_writes_the_page_whole_and_says_it_in_json(report, page, tmp_path):
    report.write(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    said = json.loads(json.dumps(report.as_dict()))
    assert said["verdict"]["word"] == "Ship:"
    assert report.picture().startswith("<svg")


@pytest.mark.parametrize("costs", [(1.0, 5.0, 9.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 5.0, 9.0)])
@pytest.mark.parametrize("accuracies", [(1.0, 0.5, 0.2), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)])
def test_a_table_on_which_dearer_actions_never_help_has_a_report(accuracies, costs, tmp_path):
    rows = [
        {
            "question_id": str(question),
            "question": f"question {question}",
            "action": action,
            "accuracy": accuracy,
            "cost": cost,
            "cost_unit": "tokens",
            "samples": 1,
        }
        for question in range(12)
        for action, accuracy, cost in zip(("few", "more", "most"), accuracies, costs, strict=True)
    ]
    page = outcomes_report(Outcomes.from_rows(rows))
    page.write(tmp_path / "report.html")
    price = next(section for section in page.sections if section.name == "price")
    assert not price.figures
    assert "the price is 0" in (tmp_path / "report.html").read_text()


def test_a_judge_stands_in_the_report_with_its_bias_and_its_bill():
    samples = compared(60, labelled=range(40), first=0.3)
    report = outcomes_report(estimate(samples, votes=(1,)), samples=samples, budget=5.0)
    judge = section(report, "judge")
    assert "120 preferences of a judge, for 240 tokens." in judge.text
    assert re.search(r"of them with right answers it is right in \d+%, better than the agreement", judge.text)
    (table,) = judge.tables
    assert [row["towards"] for row in table.rows] == [
        "longer replies",
        "the reply shown first",
        "cheap",
        "strong",
    ]
    assert re.search(r"prefers the same reply in \d+% of pairs", judge.text)
    alone = outcomes_report(estimate(samples, votes=(1,)), budget=5.0)
    assert section(alone, "judge").text == judge.text  # it stands in the outcomes
    unchecked = outcomes_report(estimate(samples, votes=(1,)), samples=compared(9), budget=5.0)
    assert "label some questions to measure it" in section(unchecked, "judge").text


def test_a_report_says_which_actions_the_policy_does_without(policy_for):
    fresh = wasteful_outcomes(200, seed=1)
    dropped = "1 of 3 actions is never worth choosing: guess."
    assert dropped in outcomes_report(fresh, policy=policy_for(wasteful_outcomes())).html()
    assert dropped not in outcomes_report(fresh).html()
