"""The cost of labels: how many samples per question to buy, and when they have paid for themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from adaptive_reasoner.action_names import vote_action
from adaptive_reasoner.amounts import written
from adaptive_reasoner.kit.backtesting.learning_curve import measure_learning_curve
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.reporting import figures
from adaptive_reasoner.kit.reporting.html_page import Fact, Section, Table
from adaptive_reasoner.kit.reporting.summary import Saving
from adaptive_reasoner.kit.reporting.wording import amount
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.learned import LearnedPolicy

_LEARNT_FROM = 1_000  # questions a learning curve is made of


def learning_points(policy: LearnedPolicy, samples: Samples, budget: float) -> list[dict[str, Any]]:
    """Train on fewer samples per question and score on all samples: the rows of `learning_section`.

    Quick, for a page: two splits, of so many questions at most that a reader does not wait long. A backtest
    takes more of both. Empty where the samples are not those the policy's actions are made of.
    """
    votes = {source: _sizes(samples, source, policy.actions) for source in samples.sources}
    if sum(map(len, votes.values())) < 2 or not set(votes) & set(policy.actions):
        return []
    table = estimate(samples, votes=votes)
    table = table.select(np.random.default_rng(0).permutation(len(table))[:_LEARNT_FROM])
    features = feature_matrix(table.questions.tolist(), policy.encoder)
    points = measure_learning_curve(
        samples, table, features, [budget], votes=votes, splits=2, test_size=0.5, draws=500
    )
    return [asdict(point) for point in points]


def _sizes(samples: Samples, source: str, actions: Sequence[str]) -> list[int]:
    """Sizes of the votes of a source that the table has, a single reply among them."""
    most = max((len(samples.votes(question_id, source)) for question_id in samples.question_ids), default=0)
    return [size for size in range(1, most + 1) if size == 1 or vote_action(source, size) in actions]


def learning_section(rows: Sequence[Mapping[str, Any]], accuracy_unit: str | None = None) -> Section | None:
    """The lift by how many samples per question were used in training.

    Args:
        rows: Of a backtest's `learning_curve`: `samples`, `budget`, `lift`, `lift_low`, `lift_high`.
        accuracy_unit: Of the lifts, where they are no accuracies.
    """
    if not rows:
        return None
    scale = 100.0 if accuracy_unit is None else 1.0
    drawn = [
        {
            "samples": int(row["samples"]),
            "budget": written(row["budget"]),
            "lift": scale * row["lift"],
            "low": scale * row["lift_low"],
            "high": scale * row["lift_high"],
        }
        for row in rows
    ]
    most = max(row["samples"] for row in drawn)
    text = (
        f"What {most} samples per question buy over fewer, on questions held out. Where the line is flat, "
        "fewer calls would have trained as good a policy."
    )
    words = "A line: the lift over the random mixture against the samples per question used in training."
    figure = figures.learning_figure(drawn, accuracy_unit=accuracy_unit)
    table = Table(
        "Lift by samples per question" + (", in points" if scale == 100 else ""),
        drawn,
        dict.fromkeys(("lift", "low", "high"), "+.2f"),
    )
    return Section("learning", "How many samples to buy", text, [(words, figure)], [table])


def labels_section(
    bill: Sequence[Mapping[str, Any]], label_unit: str, saving: Saving | None, unit: str
) -> tuple[Section, Fact]:
    """What the labels cost, and after how many requests the policy has saved as much."""
    paid, calls = sum(row["cost"] for row in bill), sum(row["calls"] for row in bill)
    title = "When the labels have paid for themselves"
    tables = [Table(f"What the labels cost, in {label_unit}", bill)]
    spent = f"{calls:,} calls cost {amount(paid)} {label_unit}."
    if saving is None or label_unit != unit or saving.cost <= 0:
        if saving is None:
            why = "Without a policy nothing is saved yet."
        elif label_unit != unit:
            why = f"The policy's costs are in {unit}, so the two cannot be compared."
        else:
            why = "The policy saves nothing against a mixture as accurate, so they do not pay for themselves."
        section = Section("labels", title, f"{spent} {why}", (), tables)
        return section, Fact("Labels", f"{amount(paid)} {label_unit}", why)
    even = paid / saving.cost
    more, after = ("at least ", "at most ") if saving.at_least else ("", "")
    slopes = {"net": saving.cost, "low": saving.low, "high": saving.high}
    rows = [
        {"requests": requests, **{end: float(slope * requests - paid) for end, slope in slopes.items()}}
        for requests in np.linspace(0.0, 3 * even, 40).tolist()
    ]
    late = (
        " (never, at the lower end of the interval)"
        if saving.low <= 0
        else f" (after {paid / saving.low:,.0f} at the lower end of the interval)"
        if saving.low < saving.cost
        else ""
    )
    text = (
        f"{spent} The policy saves {more}{amount(saving.cost)} {unit} per request against the cheapest "
        "mixture "
        f"that is as accurate, so the labels are paid for after {after}{even:,.0f} requests{late}."
    )
    words = "A rising line: what is saved less what the labels cost, against requests answered."
    figure = figures.break_even_figure(rows, even=even, unit=unit)
    shown = Table(
        "Saved, labels paid",
        [row for at, row in enumerate(rows) if at % 3 == 0],
        dict.fromkeys(("requests", "net", "low", "high"), ",.0f"),
    )
    fact = Fact(
        "Labels paid for after",
        f"{after}{even:,.0f} requests",
        f"{amount(paid)} {label_unit} for {calls:,} calls",
    )
    return Section("labels", title, text, [(words, figure)], [*tables, shown]), fact
