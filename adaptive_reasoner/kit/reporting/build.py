"""The report on a table and a policy: one page that opens from the disk."""

from collections.abc import Mapping, Sequence
from typing import Any

from adaptive_reasoner.kit.allocation.allocation import Allocation
from adaptive_reasoner.kit.allocation.solver import frontier, uniform_hull
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.backtesting.latency import of_stop_rules
from adaptive_reasoner.kit.learning.dominated import dropped_in_words
from adaptive_reasoner.kit.learning.gate import worthwhile
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting import summary, wording
from adaptive_reasoner.kit.reporting.frontier import dial_of, frontier_section
from adaptive_reasoner.kit.reporting.html_page import Fact, Report, Section, Table, Verdict
from adaptive_reasoner.kit.reporting.judge import judge_section
from adaptive_reasoner.kit.reporting.label_cost import labels_section, learning_points, learning_section
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.kit.reporting.savings import savings_section
from adaptive_reasoner.kit.reporting.sections import (
    calibration_section,
    compute_section,
    price_section,
    regret_section,
)
from adaptive_reasoner.kit.reporting.summary import Findings, OracleCurves, PolicySummary, Saving
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.learned import LearnedPolicy


def outcomes_report(
    outcomes: Outcomes,
    *,
    samples: Samples | None = None,
    policy: LearnedPolicy | None = None,
    backtest: Mapping[str, Any] | None = None,
    budget: float | None = None,
    savings: Mapping[str, Any] | None = None,
) -> Report:
    """Make a report: what a budget buys on these outcomes, and what a policy achieves.

    Args:
        outcomes: The table, best one that the policy was not trained on. Where it was, the policy is shown
            as its training measured it on held-out folds.
        samples: What the outcomes were estimated from, to show what the labels cost and, where there is a
            policy, what fewer of them would have been worth.
        policy: Decides every question of the table at its own price.
        backtest: What `Backtest.as_dict` returns for the same table: shown where there is no policy, and for
            the learning curve.
        budget: Allowed mean cost per question; by default the policy's, or where hindsight gains most.
        savings: What `Savings.as_dict` returns, to show what live questions have shown.

    Raises:
        InfeasibleBudgetError: Even the cheapest actions cost more than the budget.
        UnknownActionError: The policy chooses among other actions than the table has.
    """
    check_argument(outcomes, "Outcomes", "outcomes_report")
    if samples is not None:
        check_argument(samples, "Samples", "outcomes_report(samples=...)")
    found = _find(outcomes, policy, backtest or {}, budget)
    playing = found.playing
    saving = None if found.summary is None else Saving.of(found.summary, found.hull)
    optimum = found.best.at(found.budget)
    shares = optimum.probabilities() if playing is None else playing.shipped()
    table = outcomes if playing is None else playing.table
    learned = (backtest or {}).get("learning_curve")
    if learned is None and samples is not None and policy is not None:
        learned = learning_points(policy, samples, found.budget)
    sections: list[Section | None] = [
        frontier_section(found),
        compute_section(table, shares, playing),
        price_section(found),
        None if playing is None else calibration_section(playing),
        learning_section(learned or [], outcomes.accuracy_unit),
        judge_section(outcomes, samples),
        savings_section(savings),
    ]
    facts = _oracle_facts(found, optimum) if found.summary is None else _facts(found, found.summary, saving)
    bill = _bill(samples, policy)
    if bill is not None:
        section, fact = labels_section(bill[1], bill[0], saving, outcomes.cost_unit)
        sections.append(section)
        facts.append(fact)
    if playing is not None:
        sections.append(regret_section(table, shares, playing.policy.price, seen=playing.trained_on))
    if found.rows:
        sections.append(_backtest_section(found.rows))
    return Report(
        title=f"What a budget buys: {len(outcomes):,} questions, {len(outcomes.actions)} actions",
        verdict=_verdict(found),
        sections=[section for section in sections if section is not None],
        facts=facts,
        dial=dial_of(found),
        notes=_notes(found, backtest or {}),
    )


def _find(
    outcomes: Outcomes, policy: LearnedPolicy | None, backtest: Mapping[str, Any], budget: float | None
) -> Findings:
    """Measure the policy and both oracles at the budget, or at the budget where hindsight gains most."""
    hull, best = uniform_hull(outcomes), frontier(outcomes)
    measured: PolicySummary | None = None
    answer = None if policy is None else policy.verdict
    playing, gains, rows = None, {}, backtest.get("rows", [])
    if policy is not None:
        playing = Playing.on(policy if budget is None else policy.at(budget=budget), outcomes)
        gains = summary.along_budgets(playing, outcomes)
        budget = summary.own_budget(playing)
    if rows and (playing is None or playing.trained_on):
        nearest, measured, answer = summary.from_backtest(backtest, budget, answer)
        budget = nearest if budget is None else budget
    elif playing is not None and playing.trained_on:
        measured = summary.from_card(playing.policy.card, hull)
    elif playing is not None and budget is not None:
        gain = gains[budget]
        measured = PolicySummary(
            cost=gain.realised_cost,
            accuracy=gain.accuracy,
            uniform=gain.uniform_at_cost,
            lift=gain.lift,
            within_groups=gain.within_groups,
            source="on these questions, which the policy was not trained on",
            anew=True,
        )
    if budget is None:
        budget = summary.most_to_gain(outcomes)
    cost = budget if measured is None else max(measured.cost, float(best.costs[0]))
    oracles = OracleCurves.of(outcomes, cost)
    return Findings(outcomes, budget, hull, best, oracles, playing, gains, measured, answer, rows)


def _verdict(found: Findings) -> Verdict:
    units: dict[str, Any] = {
        "unit": found.unit,
        "accuracy_unit": found.accuracy_unit,
        "worthwhile": worthwhile(found.outcomes),
    }
    if found.summary is None or found.answer is None:
        return wording.room(found.oracles.gains, budget=found.budget, **units)
    gate = {} if found.playing is None else found.playing.policy.card["report"]["gate"]
    return wording.judged(
        found.summary,
        answer=found.answer,
        needed=gate.get("needed_labels" if found.answer == "unverified" else "needed"),
        labels=gate.get("labels"),
        **units,
    )


def _oracle_facts(found: Findings, optimum: Allocation) -> list[Fact]:
    """What mixtures and oracles reach, where no policy is shown."""
    accuracy_unit, crossfit = found.accuracy_unit, found.oracles.gains.get("oracle_crossfit")
    facts = [
        Fact(
            "Looked at",
            f"{wording.amount(found.budget)} {found.unit}",
            "mean cost per question, where hindsight gains most unless a budget is given",
        ),
        Fact(
            "The best random mixture",
            wording.level(float(found.hull.accuracy_at(found.budget)), accuracy_unit),
            "of fixed actions, at that cost",
        ),
        Fact(
            "Hindsight",
            wording.level(optimum.accuracy, accuracy_unit),
            "knowing every outcome: no policy can do better",
        ),
    ]
    if crossfit is not None:
        halves = "chosen on one half of the samples, scored on the other"
        facts.append(Fact("Cross-fitted", wording.level(crossfit.accuracy, accuracy_unit), halves))
    return facts


def _facts(found: Findings, measured: PolicySummary, saving: Saving | None) -> list[Fact]:
    """What a policy gains, spends and saves."""
    unit, accuracy_unit, lift = found.unit, found.accuracy_unit, measured.lift
    facts = [
        Fact(
            "Lift over the mixture",
            wording.points(lift.mean, accuracy_unit),
            f"95% interval {wording.between(lift.low, lift.high, accuracy_unit)}",
        ),
        Fact(
            "Mean cost",
            f"{wording.amount(measured.cost)} {unit}",
            f"of {wording.amount(found.budget)} allowed a question",
        ),
    ]
    if saving is not None and saving.cost > 0:
        as_accurate = measured.cost + saving.cost
        more = "at least " if saving.at_least else ""
        facts.append(
            Fact(
                "Compute saved",
                f"{more}{as_accurate / measured.cost:.2f} times",
                f"a mixture as accurate costs {wording.amount(as_accurate)} {unit}",
            )
        )
    closed = found.oracles.closed(lift.mean)
    if lift.mean > 0 and closed:
        several = "of the in-sample oracle's, and of the cross-fitted one's"
        of = several if len(closed) > 1 else "of one oracle's"
        facts.append(Fact("Of hindsight's gain", wording.share_closed(closed), of))
    if measured.within_groups is not None:
        within = wording.points(measured.within_groups, accuracy_unit)
        facts.append(Fact("Within groups", within, "what is difficulty, not only topic"))
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
    """The cost of the labels, from the samples if given, else from the policy."""
    if samples is not None:
        return samples.cost_unit, samples.bill()
    kept = None if policy is None else policy.card["report"].get("labelling")
    return None if kept is None else (kept["cost_unit"], kept["sources"])


def _notes(found: Findings, backtest: Mapping[str, Any]) -> list[str]:
    notes = [_MIXTURE, _HINDSIGHT, _INTERVALS]
    missing = len(found.outcomes) - int(found.outcomes.labelled.sum())
    if missing:
        notes.insert(
            0, f"{missing:,} of {len(found.outcomes):,} questions have no right answer: {_ESTIMATED}"
        )
    elif found.outcomes.halves is None:
        notes.insert(2, _ONE_SAMPLE)
    if found.summary is not None:
        notes.append(f"The policy's accuracy and lift were measured {found.summary.source}.")
    if found.playing is not None and found.playing.trained_on:
        notes.append(_TRAINED_HERE)
    if found.playing is not None and not found.playing.ships:
        notes.append(_NOT_SHIPPED)
    says = backtest if found.playing is None else found.playing.policy.card
    dropped = says.get("dropped", ())
    if dropped:
        actions = len({*says["actions"], *dropped})
        notes.append(f"{dropped_in_words(dropped, actions)}. {_DROPPED}")
    return notes


_ESTIMATED = (
    "their accuracies are estimates, by how far the replies agree or by a judge, corrected by the questions "
    "that have one. Lifts and their intervals count only these as known; curves of hindsight are estimates."
)
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
    "therefore better than on new ones; a report on held-out questions shows that too."
)
_DROPPED = (
    "At no price is one of these the best action for more than one question in a thousand, and mixtures of "
    "the other actions are more accurate at the same cost: a policy does without them."
)
_NOT_SHIPPED = (
    "The gate did not let this policy ship: the folder uses the best random mixture, and that is what is "
    "shown. A backtest shows what its predictions would do."
)
