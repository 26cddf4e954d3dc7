"""What a budget buys on a table, and what a policy makes of it, as one page that opens from the disk."""

from collections.abc import Mapping, Sequence
from typing import Any

from adaptive_reasoner.kit.allocation.solver import frontier, uniform_hull
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.backtesting.latency import of_stop_rules
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting import summary, wording
from adaptive_reasoner.kit.reporting.frontier import dial_of, frontier_section
from adaptive_reasoner.kit.reporting.html_page import Dial, Fact, Report, Section, Table, Verdict
from adaptive_reasoner.kit.reporting.label_cost import labels_section, learning_points, learning_section
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.kit.reporting.sections import (
    calibration_section,
    compute_section,
    price_section,
    regret_section,
)
from adaptive_reasoner.kit.reporting.summary import OracleCurves, PolicySummary, Saving
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.learned import LearnedPolicy

__all__ = ["Dial", "Fact", "Report", "Section", "Table", "Verdict", "outcomes_report"]


def outcomes_report(
    outcomes: Outcomes,
    *,
    samples: Samples | None = None,
    policy: LearnedPolicy | None = None,
    backtest: Mapping[str, Any] | None = None,
    budget: float | None = None,
) -> Report:
    """What a budget buys on these outcomes, and what a policy makes of it.

    Args:
        outcomes: The table, best one that the policy was not trained on. Where it was, the policy is shown
            as its training measured it on held-out folds.
        samples: What the outcomes were estimated from, to show what the labels cost and, where there is a
            policy, what fewer of them would have been worth.
        policy: Decides every question of the table at its own price.
        backtest: What `Backtest.as_dict` says of the same table: where there is no policy to show, and for
            the learning curve.
        budget: Allowed mean cost a question. Default: the policy's; without one, where hindsight gains most.

    Raises:
        InfeasibleBudgetError: Even the cheapest actions cost more than the budget.
        UnknownActionError: The policy chooses among other actions than the table has.
    """
    check_argument(outcomes, "Outcomes", "outcomes_report")
    if samples is not None:
        check_argument(samples, "Samples", "outcomes_report(samples=...)")
    rows = [] if backtest is None else backtest["rows"]
    stands: PolicySummary | None = None
    playing, gains = None, {}
    if policy is not None:
        policy = policy if budget is None else policy.at(budget=budget)
        playing = Playing.of(policy, outcomes)
        gains = summary.along_budgets(playing, outcomes)
        budget = summary.own_budget(playing)
    hull, best = uniform_hull(outcomes), frontier(outcomes)
    if rows and (playing is None or playing.trained_on):
        asked, stands = summary.from_backtest(rows, budget)
        budget = asked if budget is None else budget
    elif playing is not None and playing.trained_on:
        stands = summary.from_card(playing.policy.card, hull)
    elif playing is not None and budget is not None:
        stands = summary.from_gain(gains[budget], "on these questions, which the policy was not trained on")
    if budget is None:
        budget = summary.most_to_gain(outcomes)
    at_budget = best.at(budget)
    hindsight = OracleCurves.of(
        outcomes, budget if stands is None else max(stands.cost, float(best.costs[0]))
    )
    bill = _bill(samples, policy)
    saving = None if stands is None else Saving.of(stands, hull)

    shares = at_budget.probabilities() if playing is None else playing.shipped()
    table = outcomes if playing is None else playing.table
    learnt = (backtest or {}).get("learning_curve")
    if learnt is None and samples is not None and policy is not None:
        learnt = learning_points(policy, samples, budget)
    sections: list[Section | None] = [
        frontier_section(outcomes, hull, best, hindsight, gains, playing, stands, rows, budget),
        compute_section(table, shares, playing),
        price_section(best, playing, gains, budget, outcomes.cost_unit),
        None if playing is None else calibration_section(playing),
        learning_section(learnt or [], outcomes.accuracy_unit),
    ]
    facts = _facts(outcomes, stands, saving, hindsight, at_budget.accuracy, budget)
    if bill is not None:
        section, fact = labels_section(bill[1], bill[0], saving, outcomes.cost_unit)
        sections.append(section)
        facts.append(fact)
    if playing is not None:
        sections.append(regret_section(table, shares, playing.policy.price, seen=playing.trained_on))
    if rows:
        sections.append(_backtest_section(rows))
    return Report(
        title=f"What a budget buys: {len(outcomes):,} questions, {len(outcomes.actions)} actions",
        verdict=_verdict(outcomes, stands, playing, backtest, hindsight, budget),
        sections=[section for section in sections if section is not None],
        facts=facts,
        dial=dial_of(outcomes, hull, best, hindsight, gains, playing, budget),
        notes=_notes(outcomes, playing, stands),
    )


def _verdict(
    outcomes: Outcomes,
    stands: PolicySummary | None,
    playing: Playing | None,
    backtest: Mapping[str, Any] | None,
    hindsight: OracleCurves,
    budget: float,
) -> Verdict:
    unit, accuracy_unit = outcomes.cost_unit, outcomes.accuracy_unit
    if stands is None:
        return wording.room(hindsight.gains, budget=budget, unit=unit, accuracy_unit=accuracy_unit)
    gate = {} if playing is None else playing.policy.card["report"]["gate"]
    answer = playing.policy.verdict if playing is not None else (backtest or {}).get("verdict")
    return wording.judged(
        stands, answer=answer, needed=gate.get("needed"), unit=unit, accuracy_unit=accuracy_unit
    )


def _facts(
    outcomes: Outcomes,
    stands: PolicySummary | None,
    saving: Saving | None,
    hindsight: OracleCurves,
    oracle: float,
    budget: float,
) -> list[Fact]:
    unit, accuracy_unit = outcomes.cost_unit, outcomes.accuracy_unit
    if stands is None:
        crossfit = hindsight.gains.get("oracle_crossfit")
        facts = [
            Fact(
                "Looked at",
                f"{wording.amount(budget)} {unit}",
                "mean cost a question, where hindsight gains most unless a budget is given",
            ),
            Fact(
                "The best random mixture",
                wording.level(float(uniform_hull(outcomes).accuracy_at(budget)), accuracy_unit),
                "of fixed actions, at that cost",
            ),
            Fact(
                "Hindsight",
                wording.level(oracle, accuracy_unit),
                "knowing every outcome: no policy can do better",
            ),
        ]
        if crossfit is not None:
            halves = "chosen on one half of the samples, scored on the other"
            facts.append(Fact("Cross-fitted", wording.level(crossfit.accuracy, accuracy_unit), halves))
        return facts
    lift = stands.lift
    facts = [
        Fact(
            "Lift over the mixture",
            wording.points(lift.mean, accuracy_unit),
            f"95% interval {wording.between(lift.low, lift.high, accuracy_unit)}",
        ),
        Fact(
            "Mean cost",
            f"{wording.amount(stands.cost)} {unit}",
            f"of {wording.amount(budget)} allowed a question",
        ),
    ]
    if saving is not None and saving.cost > 0:
        times = (stands.cost + saving.cost) / stands.cost
        more = "at least " if saving.at_least else ""
        facts.append(
            Fact(
                "Compute saved",
                f"{more}{times:.2f} times",
                f"a mixture as accurate costs {wording.amount(stands.cost + saving.cost)} {unit}",
            )
        )
    closed = hindsight.closed(lift.mean)
    if lift.mean > 0 and closed:
        of = (
            "of the in-sample oracle's, and of the cross-fitted one's"
            if len(closed) > 1
            else "of one oracle's"
        )
        facts.append(Fact("Of hindsight's gain", wording.share_closed(closed), of))
    if stands.within_groups is not None:
        facts.append(
            Fact(
                "Within groups",
                wording.points(stands.within_groups, accuracy_unit),
                "what is difficulty, not only topic",
            )
        )
    return facts


def _backtest_section(rows: Sequence[Mapping[str, Any]]) -> Section:
    columns = (
        "policy",
        "budget",
        "realised_cost",
        "accuracy",
        "uniform_at_cost",
        "lift",
        "lift_low",
        "lift_high",
        "lift_within_groups",
    )
    table = Table(
        "Means over splits; 95% intervals over questions",
        [{column: row.get(column) for column in columns} for row in rows],
        {"accuracy": ".3f", "uniform_at_cost": ".3f", **dict.fromkeys(columns[5:], "+.3f")},
        marked=("imitator",),
    )
    stop_rules = of_stop_rules(rows)
    waiting = Table(
        "What stop rules spend and how long people wait for them; a wave takes as long as its slowest sample",
        stop_rules,
        {"accuracy": ".3f", "realised_rounds": ".2f", "p95_seconds": ".3g"},
        marked=("priced_stop",),
    )
    return Section(
        "backtest",
        "Against every baseline",
        "Each at the cost it really came to, on questions held out.",
        (),
        [table, waiting] if stop_rules else [table],
    )


def _bill(
    samples: Samples | None, policy: LearnedPolicy | None
) -> tuple[str, Sequence[Mapping[str, Any]]] | None:
    """What the labels cost: of the samples given, else what the policy remembers."""
    if samples is not None:
        return samples.cost_unit, samples.bill()
    kept = None if policy is None else policy.card["report"].get("labelling")
    return None if kept is None else (kept["cost_unit"], kept["sources"])


def _notes(outcomes: Outcomes, playing: Playing | None, stands: PolicySummary | None) -> list[str]:
    notes = [_MIXTURE, _HINDSIGHT, _INTERVALS]
    if outcomes.halves is None:
        notes.insert(2, _ONE_SAMPLE)
    if stands is not None:
        notes.append(f"The policy's accuracy and lift were measured {stands.source}.")
    if playing is not None and playing.trained_on:
        notes.append(_TRAINED_HERE)
    if playing is not None and not playing.ships:
        notes.append(_NOT_SHIPPED)
    return notes


_MIXTURE = (
    "The random mixture knows nothing of a question: at each mean cost it is the best that tossing a coin "
    "between fixed actions can do. Only what lies above it is the merit of choosing."
)
_HINDSIGHT = (
    "Hindsight chooses for each question knowing its outcomes. Chosen and scored on the same samples it "
    "flatters itself, and is the dual bound that nothing can pass. Cross-fitted, chosen on one half of the "
    "samples and scored on the other, it is a little too modest, as it votes with half of them. The truth "
    "lies between."
)
_ONE_SAMPLE = (
    "With one sample an action there is no cross-fitted oracle: hindsight knows each question's luck, and "
    "its curve is far above what can be had."
)
_INTERVALS = (
    "Intervals are 95%, by a bootstrap over questions in which the mixture is fitted again each time; they "
    "hold for the policy as it was trained."
)
_TRAINED_HERE = (
    "These are the questions the policy was trained on. Where its compute went and where it was wrong is "
    "therefore kinder than on new ones; a report on a table that was held out shows that too."
)
_NOT_SHIPPED = (
    "The gate did not let this policy ship: the folder plays the best random mixture, and the curve shows "
    "what the imitator would have done."
)
