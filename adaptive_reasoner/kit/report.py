"""A page that shows what a budget buys: one self-contained HTML file, a picture and the numbers behind it."""

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import vl_convert
from numpy.typing import NDArray

from adaptive_reasoner.errors import UnknownActionError
from adaptive_reasoner.kit.allocation import Frontier, Hull, frontier, solve, uniform_hull
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy import LearnedPolicy

_INK = "#808080"  # readable on the light and on the dark page
_COLOURS = {"fixed action": "#808080", "adaptive": "#d9480f", "oracle": "#2b8a3e"}
_MOST_VERTICES = 300
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --faint: #8c959f55; --accent: #d9480f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #14171c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .25rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { font-size: 1.15rem; border-left: .3rem solid var(--accent); padding-left: .8rem; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--faint); text-align: right; }
th:first-child, td:first-child { text-align: left; }
tr.adaptive td { font-weight: 600; }
caption { text-align: left; padding-bottom: .4rem; opacity: .8; }
li { margin-bottom: .3rem; }
"""


@dataclass(frozen=True)
class Table:
    """A table of the report: a caption, and rows with equal keys."""

    caption: str
    rows: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        title: Of the page.
        verdict: The result in one sentence.
        hull: What mixing fixed actions at random buys.
        oracle: What perfect knowledge would buy; None where it is not known.
        cost_unit: What a cost counts.
        budget: The stated budget, marked in the picture.
        points: What was measured: `name`, `cost`, `accuracy` and, where known, `low` and `high`.
        tables: The numbers.
        notes: What a reader should know before believing them.
    """

    title: str
    verdict: str
    hull: Hull
    oracle: Frontier | None
    cost_unit: str
    budget: float | None = None
    points: Sequence[Mapping[str, Any]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def html(self) -> str:
        """The page; it loads nothing and needs no script."""
        title, verdict = html.escape(self.title), html.escape(self.verdict)
        tables = "\n".join(_table(table) for table in self.tables)
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{_STYLE}</style></head><body><main>\n"
            f'<h1>{title}</h1>\n<p class="verdict">{verdict}</p>\n'
            f'<figure role="img" aria-label="Accuracy against mean cost. The tables below hold the numbers.">'
            f"{_picture(self)}</figure>\n{tables}\n"
            + (f"<h2>How to read this</h2><ul>{notes}</ul>" if notes else "")
            + "\n</main></body></html>\n"
        )

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all."""
        path = Path(path)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(self.html(), encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def outcomes_report(
    outcomes: Outcomes, *, samples: Samples | None = None, policy: LearnedPolicy | None = None
) -> Report:
    """What a budget buys on these outcomes, and what a policy makes of it.

    Args:
        outcomes: The table, best one that the policy was not trained on.
        samples: What the outcomes were estimated from, to show what the labels cost.
        policy: Decides every question of the table at its own price.

    Raises:
        UnknownActionError: The policy chooses among other actions than the table has.
    """
    hull, best = uniform_hull(outcomes), frontier(outcomes)
    fixed = [
        {"policy": action, "accuracy": float(accuracy), "mean_cost": float(cost)}
        for action, accuracy, cost in zip(
            outcomes.actions, outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0), strict=True
        )
    ]
    rows, tables, budget = list(fixed), [], None
    verdict = (
        f"On {len(outcomes)} questions hindsight reaches {best.accuracies[-1]:.3f} for "
        f"{best.costs[-1]:.1f} {outcomes.cost_unit}, the best fixed action {hull.accuracies[-1]:.3f} for "
        f"{hull.costs[-1]:.1f}."
    )
    if policy is not None:
        budget = policy.budget
        chosen = _decided(outcomes, policy)
        cost = float(np.take_along_axis(outcomes.cost, chosen[:, None], axis=1).mean())
        accuracy = float(np.take_along_axis(outcomes.accuracy, chosen[:, None], axis=1).mean())
        lift = accuracy - hull.accuracy_at(cost)
        rows += [
            {"policy": "uniform", "accuracy": hull.accuracy_at(cost), "mean_cost": cost},
            {"policy": "adaptive", "accuracy": accuracy, "mean_cost": cost},
        ]
        if cost >= best.costs[0]:
            at_cost = solve(outcomes, cost)
            rows.append({"policy": "oracle", "accuracy": at_cost.accuracy, "mean_cost": at_cost.cost})
        tables.append(
            Table("Where the compute went: share of questions an action", _shares(outcomes, chosen))
        )
        verdict = (
            f"The gate says {policy.verdict}: accuracy {accuracy:.3f} for {cost:.1f} {outcomes.cost_unit} "
            f"a question, {100 * lift:+.1f} points against a random mixture at that cost."
        )
    if samples is not None:
        tables.append(Table(f"What the labels cost, in {samples.cost_unit}", samples.bill()))
    return Report(
        title=f"What a budget buys on {len(outcomes)} questions",
        verdict=verdict,
        hull=hull,
        oracle=best,
        cost_unit=outcomes.cost_unit,
        budget=budget,
        points=[
            {
                "name": row["policy"],
                "cost": row["mean_cost"],
                "accuracy": row["accuracy"],
                "kind": kind_of(row),
            }
            for row in rows
        ],
        tables=[Table("Accuracy and mean cost", rows), *tables],
        notes=(
            "The dashed line is the best that a random mixture of fixed actions can do.",
            "The green line is hindsight: the best choice for each question, knowing the outcomes.",
            "Hindsight on few samples a question flatters itself; `backtest` shows it cross-fitted.",
        ),
    )


def kind_of(row: Mapping[str, Any]) -> str:
    """How a row is drawn."""
    return row["policy"] if row["policy"] in ("adaptive", "oracle") else "fixed action"


def _decided(outcomes: Outcomes, policy: LearnedPolicy) -> NDArray[np.intp]:
    """The position of the action the policy takes on each question."""
    missing = set(policy.actions) - set(outcomes.actions)
    if missing:
        raise UnknownActionError(min(missing), outcomes.actions)
    decisions = zip(outcomes.questions, outcomes.question_ids, strict=True)
    return np.array(
        [outcomes.actions.index(policy.decide(text, key=key).action) for text, key in decisions],
        dtype=np.intp,
    )


def _shares(outcomes: Outcomes, chosen: NDArray[np.intp]) -> list[dict[str, object]]:
    """Share of each action, over all questions and in each group."""
    groups = {"all questions": np.ones(len(outcomes), dtype=bool)}
    if outcomes.groups is not None:
        groups |= {str(group): outcomes.groups == group for group in sorted(set(outcomes.groups))}
    return [
        {
            "questions": name,
            "number": int(own.sum()),
            **{action: float((chosen[own] == at).mean()) for at, action in enumerate(outcomes.actions)},
        }
        for name, own in groups.items()
    ]


def _picture(report: Report) -> str:
    """Accuracy against mean cost, as SVG."""
    unit = report.cost_unit
    cost = alt.X("cost:Q", title=f"mean cost a question ({unit})", scale=alt.Scale(nice=True))
    accuracy = alt.Y(
        "accuracy:Q", title="accuracy", axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=False, nice=True)
    )
    colour = alt.Color(
        "kind:N",
        legend=alt.Legend(title=None, orient="bottom"),
        scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
    )
    hull = [
        {"cost": c, "accuracy": a} for c, a in zip(report.hull.costs, report.hull.accuracies, strict=True)
    ]
    layers: list[Any] = [
        alt.Chart(alt.Data(values=hull))
        .mark_line(color=_COLOURS["fixed action"], strokeDash=[5, 4])
        .encode(x=cost, y=accuracy)
    ]
    if report.oracle is not None:
        costs, accuracies = report.oracle.costs, report.oracle.accuracies
        shown = np.unique(np.linspace(0, len(costs) - 1, _MOST_VERTICES).astype(int))
        values = [{"cost": costs[vertex], "accuracy": accuracies[vertex]} for vertex in shown]
        dearest = max([costs[-1], *report.hull.costs])  # beyond its last vertex hindsight buys nothing more
        values.append({"cost": dearest, "accuracy": accuracies[-1]})
        layers.append(
            alt.Chart(alt.Data(values=values)).mark_line(color=_COLOURS["oracle"]).encode(x=cost, y=accuracy)
        )
    if report.budget is not None:
        rule = alt.Chart(alt.Data(values=[{"cost": report.budget}]))
        layers.append(rule.mark_rule(color=_INK, strokeDash=[2, 3]).encode(x="cost:Q"))
    points = [{"kind": "fixed action", **point} for point in report.points]
    measured = alt.Chart(alt.Data(values=points))
    # Actions that no mixture needs are only in the table, so that the names can be read.
    needed = {*report.hull.actions, "adaptive", "oracle"}
    named = alt.Chart(alt.Data(values=[point for point in points if point["name"] in needed]))
    spread = alt.Chart(alt.Data(values=[point for point in points if "low" in point]))
    layers += [
        spread.mark_rule(strokeWidth=2).encode(
            x=cost, y=alt.Y("low:Q", title="accuracy"), y2="high:Q", color=colour
        ),
        measured.mark_point(filled=True, size=90, opacity=1).encode(x=cost, y=accuracy, color=colour),
        named.mark_text(align="left", dx=8, dy=10, color=_INK).encode(x=cost, y=accuracy, text="name:N"),
    ]
    chart = (
        alt.layer(*layers)
        .properties(
            width=720,
            height=360,
            background="transparent",
            padding={"left": 5, "top": 5, "right": 90, "bottom": 5},
        )
        .configure(font="system-ui, sans-serif")
        .configure_axis(labelColor=_INK, titleColor=_INK, gridColor=_INK, gridOpacity=0.15, domainColor=_INK)
        .configure_legend(labelColor=_INK, labelFontSize=12)
        .configure_view(stroke=None)
    )
    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    return svg


def _table(table: Table) -> str:
    columns = list(table.rows[0]) if table.rows else []
    head = "".join(f'<th scope="col">{html.escape(column.replace("_", " "))}</th>' for column in columns)
    body = "".join(
        f'<tr class="{html.escape(str(next(iter(row.values()))))}">'
        + "".join(f"<td>{html.escape(_shown(row[column]))}</td>" for column in columns)
        + "</tr>"
        for row in table.rows
    )
    return (
        f"<table><caption>{html.escape(table.caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
