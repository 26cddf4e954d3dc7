"""What a policy does on a table: where the compute goes, at which price, its calibration and its errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.learning.calibration import reliability
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting import figures
from adaptive_reasoner.kit.reporting.html_page import Section, Table
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.kit.reporting.summary import Findings
from adaptive_reasoner.kit.tables.splits import text_index

_DRAWN_GROUPS = 30  # groups a figure has room for; the table holds all
_CLASSES = 10  # of predicted difficulty
_FAR = 60.0  # times the price in force, either way: beyond that a curve is noise
_FEWEST = 5  # questions in a class
_LISTED = 15  # questions of largest regret
_LONGEST = 240  # characters of a question that are shown
_PERCENT = {"accuracy": ".1%", "mixture": ".1%"}
_SEEN = " The policy was trained on these very questions, so this is kinder than new ones will be."


def compute_section(table: Outcomes, shares: Floats, playing: Playing | None) -> Section:
    """Where the compute went: by group, and by how hard the policy expected a question to be."""
    actions = [table.actions[at] for at in np.argsort(table.cost.mean(axis=0), kind="stable").tolist()]
    everything = ("all questions", np.arange(len(table)))
    drawn, tables = [], []
    if table.groups is not None:
        names, sizes = np.unique(table.groups.astype(str), return_counts=True)
        parts = [(name, np.flatnonzero(table.groups == name)) for name in names]
        whole, *rows = _parts(table, shares, [everything, *parts], actions, "group")
        rows.sort(key=lambda row: -row["mean_cost"])
        largest = set(names[np.argsort(-sizes, kind="stable")][:_DRAWN_GROUPS])
        bars = _bars([row for row in rows if row["group"] in largest], actions, "group")
        kept = "" if len(names) <= _DRAWN_GROUPS else f", the {_DRAWN_GROUPS} largest of {len(names)} groups"
        words = f"Stacked bars: the share of each action in each group, most expensive group first{kept}."
        drawn.append((words, figures.shares_figure(bars, actions, by="group", title="")))
        tables.append(_table(table, [whole, *rows], "By group"))
    if playing is not None:
        parts = [everything, *_difficulty(table, playing)]
        whole, *rows = _parts(table, shares, parts, actions, "expected")
        bars = _bars(rows, actions, "expected")
        words = "Stacked bars: the share of each action, from the questions expected to be hardest on."
        figure = figures.shares_figure(bars, actions, by="expected", title="expected accuracy")
        drawn.append((words, figure))
        tables.append(_table(table, [whole, *rows], "By expected accuracy, mean of all actions"))
    if not drawn:
        tables.append(
            _table(table, _parts(table, shares, [everything], actions, "questions"), "All questions")
        )
    who = "the policy" if playing is not None else "hindsight"
    text = f"What {who} gives each kind of question. More expensive actions have warmer colours."
    return Section("compute", "Where the compute went", text, drawn, tables)


def price_section(found: Findings) -> Section:
    """The price of compute against the mean cost it leads to."""
    best, playing, budget, unit = found.best, found.playing, found.budget, found.unit
    vertices = np.unique(np.linspace(0, len(best.costs) - 1, 120).astype(int))
    lines: list[dict[str, Any]] = [
        {"series": figures.HINDSIGHT, "cost": float(best.costs[at]), "price": float(best.prices[at])}
        for at in vertices
        if 0 < best.prices[at] < np.inf
    ]
    band: list[dict[str, float]] = []
    rows, price = [], best.price_at(budget)
    if playing is not None:
        curve, price = playing.policy.curve, playing.policy.price
        points = zip(*(column.tolist() for column in vars(curve).values()), strict=True)
        for held, cost, low, high in points:
            band.append({"price": held, "low": low, "high": high})
            lines.append({"series": figures.TRAINED, "cost": cost, "price": held})
        for asked, gain in sorted(found.gains.items()):
            held = curve.price_at(max(asked, curve.cheapest))
            rows.append({"budget": asked, "price": held})
            if playing.trained_on:
                continue  # predictions are too good there, and cost what they would not cost elsewhere
            rows[-1] |= {"realised_cost": gain.realised_cost, "off_by": gain.realised_cost / asked - 1}
            if held > 0:
                lines.append({"series": figures.REALISED, "cost": gain.realised_cost, "price": held})
        if price > 0:
            lines = [row for row in lines if price / _FAR < row["price"] < price * _FAR]
            band = [row for row in band if price / _FAR < row["price"] < price * _FAR]
    else:
        budgets = np.linspace(float(best.costs[0]), float(best.costs[-1]), 12)
        rows = [{"budget": float(b), "price": best.price_at(float(b))} for b in budgets]
    text = (
        "One number steers everything: the accuracy that a question must be expected to gain for one more "
        f"{unit.removesuffix('s')}. The higher it is, the less is spent. Online the ledger moves it so that "
        "the average stays on target."
    )
    drawn = []
    if lines:
        words = "A falling line: the price of compute against the mean cost per question."
        drawn = [(words, figures.price_figure(lines, band, price=price, budget=budget, unit=unit))]
    else:
        text += " Here no more expensive action is more accurate: the budget buys nothing, the price is 0."
    table = Table("Price by budget", rows, {"price": ".3g", "off_by": "+.1%"})
    return Section("price", "Price against budget", text, drawn, [table])


def calibration_section(playing: Playing) -> Section | None:
    """The calibration of the policy's predictions."""
    report = playing.policy.card["report"]["calibration"]
    rows = report.get("classes") if playing.trained_on else None
    held_out = rows is not None
    rows = rows or reliability(playing.predictions.accuracy, playing.table)
    if not rows or playing.table.accuracy_unit is not None:
        return None
    error = report["error"] if held_out else calibration_error_of(rows)
    where = (
        "on folds held out in training"
        if held_out
        else "on these questions" + (", which it was trained on" if playing.trained_on else "")
    )
    text = (
        f"A policy can only price what it can predict. Off the diagonal by {100 * error:.1f} points in the "
        f"mean, {where}. Bars are 95% intervals of the mean in a class of questions."
    )
    words = "Points near a diagonal: observed against predicted accuracy, by action."
    formats = {"predicted": ".1%", "observed": ".1%", "low": ".1%", "high": ".1%"}
    return Section(
        "calibration",
        "Calibration",
        text,
        [(words, figures.calibration_figure(rows))],
        [Table("Predicted and observed accuracy", rows, formats)],
    )


def calibration_error_of(rows: Sequence[Mapping[str, Any]]) -> float:
    """Mean distance of the observed from the predicted, over classes as large as they are."""
    weights = np.array([row["questions"] for row in rows], dtype=float)
    gaps = np.array([abs(row["predicted"] - row["observed"]) for row in rows])
    return float((weights * gaps).sum() / weights.sum())


def regret_section(table: Outcomes, shares: Floats, price: float, *, seen: bool) -> Section:
    """The questions on which the policy's choice lost most against hindsight, at its own price."""
    value = table.accuracy - price * table.cost
    regret = (shares * (value.max(axis=1, keepdims=True) - value)).sum(axis=1)
    best = np.argmax(value, axis=1)
    order, taken = np.argsort(-regret, kind="stable"), np.argmax(shares, axis=1)
    _, first = np.unique(text_index(table.questions)[order], return_index=True)
    rows = [
        {
            "question": _short(str(table.questions[at])),
            **({} if table.groups is None else {"group": table.groups[at]}),
            "chosen": table.actions[taken[at]],
            "accuracy": float(table.accuracy[at, taken[at]]),
            "better": table.actions[best[at]],
            "its_accuracy": float(table.accuracy[at, best[at]]),
            "regret": float(regret[at]),
        }
        for at in order[np.sort(first)][:_LISTED]
        if regret[at] > 0
    ]
    mean, wrong = float(regret.mean()), float((shares[np.arange(len(best)), best] < 0.5).mean())
    text = (
        f"Mean regret {100 * mean:.1f} points: hindsight would have chosen otherwise on {wrong:.0%} of the "
        "questions. Regret is accuracy less price times cost, lost against the best action."
    )
    if int(table.samples.max()) == 1:
        text += " With one sample an action much of it is luck."
    tables = [
        Table(
            "Questions with the largest regret",
            rows,
            {"accuracy": ".2f", "its_accuracy": ".2f", "regret": ".3f"},
            words=("group", "chosen", "better"),
        )
    ]
    return Section("regret", "Where it was wrong", text + (_SEEN if seen else ""), (), tables if rows else ())


def _difficulty(table: Outcomes, playing: Playing) -> list[tuple[str, Ints]]:
    """Classes of equally many questions, hardest first, named by the accuracy expected."""
    expected = playing.predictions.accuracy.mean(axis=1)
    parts = np.array_split(np.argsort(expected, kind="stable"), max(1, min(_CLASSES, len(table) // _FEWEST)))
    form = ".0%" if table.accuracy_unit is None else ".3g"
    names: dict[str, int] = {}
    named = []
    for at in parts:
        name = f"{format(expected[at].min(), form)} to {format(expected[at].max(), form)}"
        names[name] = names.get(name, 0) + 1
        named.append((name if names[name] == 1 else f"{name} ({names[name]})", at))
    return named


def _parts(
    table: Outcomes, shares: Floats, parts: Sequence[tuple[str, Ints]], actions: Sequence[str], by: str
) -> list[dict[str, Any]]:
    """A row for each part of the questions, named in the column `by`: costs, accuracy, action shares."""
    return [
        {
            by: name,
            "questions": len(at),
            "mean_cost": float((shares[at] * table.cost[at]).sum(axis=1).mean()),
            "accuracy": float((shares[at] * table.accuracy[at]).sum(axis=1).mean()),
            **{action: float(shares[at, table.actions.index(action)].mean()) for action in actions},
        }
        for name, at in parts
    ]


def _bars(rows: Sequence[dict[str, Any]], actions: Sequence[str], by: str) -> list[dict[str, Any]]:
    """The rows of `_parts` as the figure takes them: one for each part and action."""
    shared = (by, "questions", "mean_cost")
    return [
        {**{name: row[name] for name in shared}, "action": action, "rank": rank, "share": row[action]}
        for row in rows
        for rank, action in enumerate(actions)
    ]


def _table(table: Outcomes, rows: Sequence[dict[str, Any]], caption: str) -> Table:
    percent = _PERCENT if table.accuracy_unit is None else {}
    formats = {**percent, **dict.fromkeys(table.actions, ".0%")}
    return Table(f"{caption}: share of each action", rows, formats, marked=("all questions",))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"
