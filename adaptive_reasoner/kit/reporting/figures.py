"""The report's figures as Vega-Lite: interactive in a browser with scripts, drawn as SVG for one without."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from adaptive_reasoner.kit.reporting.vega import (
    Rows,
    accuracy_axis,
    colour_scale,
    cost_axis,
    cost_title,
    curve_legend,
    dressed,
    layered,
    lines_by,
    name_tip,
    rows_of,
    rule_at,
    theme,
    tip,
)

FIXED, MIXTURE, POLICY = "fixed actions", "random mixture of them", "policy"
ORACLE, BOUND = "hindsight, cross-fitted", "hindsight, at most"
_SHADES = {FIXED: "mixture", MIXTURE: "mixture", POLICY: "policy", ORACLE: "oracle", BOUND: "bound"}
_DASHES = {MIXTURE: [5, 4], BOUND: [2, 2]}

TRAINED, REALISED, HINDSIGHT = "policy, from its training", "policy, on these questions", "hindsight"
_PRICED = {TRAINED: "policy", REALISED: "budget", HINDSIGHT: "bound"}


def frontier_figure(
    *,
    fixed: Rows,
    lines: Rows,
    band: Rows,
    points: Rows,
    budget: float,
    unit: str,
    accuracy_unit: str | None = None,
) -> Any:
    """Accuracy against mean cost.

    Args:
        fixed: The fixed actions: `name`, `cost`, `accuracy`, and `named` where the name is written out.
        lines: Points of curves: `series`, `cost`, `accuracy`.
        band: The policy's interval along its curve: `cost`, `low`, `high`.
        points: What was measured of the policy: `name`, `cost`, `accuracy`, `low`, `high`.
        budget: The first position of the dial.
        unit: Of the costs.
        accuracy_unit: Of the accuracies, where they are none.
    """
    x = cost_axis([budget, *(row["cost"] for row in [*fixed, *lines, *points])], unit)
    y, low = (accuracy_axis(field, "accuracy", accuracy_unit) for field in ("accuracy", "low"))
    present = {row["series"] for row in lines} | {FIXED} | ({POLICY} if points else set())
    shown = {name: shade for name, shade in _SHADES.items() if name in present}
    colour = lines_by("series", shown)
    dash = alt.StrokeDash(
        "series:N",
        scale=alt.Scale(domain=list(shown), range=[_DASHES.get(name, [1, 0]) for name in shown]),
        legend=curve_legend(),
    )
    form = ".1%" if accuracy_unit is None else ".4~r"
    tips = [tip("cost", title=f"cost ({unit})"), tip("accuracy", form)]
    named = [row for row in fixed if row.get("named")]
    actions, curves, measured = (
        rows_of([{"series": series, **row} for row in rows])
        for series, rows in ((FIXED, fixed), ("", lines), (POLICY, points))
    )
    dial = rows_of([{}]).transform_calculate(cost="budget").add_params(alt.param(name="budget", value=budget))
    layers = [
        rows_of(band).mark_area(opacity=0.18, color=theme("policy")).encode(x=x, y=low, y2="high:Q"),
        curves.mark_line(strokeWidth=2.2).encode(x=x, y=y, color=colour, strokeDash=dash),
        curves.mark_point(opacity=0, size=160).encode(x=x, y=y, tooltip=[name_tip("series"), *tips]),
        dial.mark_rule(color=theme("budget"), strokeDash=[3, 3], strokeWidth=1.5).encode(x=x),
        actions.mark_point(filled=True, size=70, opacity=1).encode(
            x=x, y=y, color=colour, tooltip=[name_tip("name", "action"), *tips]
        ),
        _labels(named, x, y, "name", dx=9, dy=11),
        measured.mark_rule(strokeWidth=2.5).encode(x=x, y=low, y2="high:Q", color=colour),
        measured.mark_point(filled=True, size=150, opacity=1, stroke=theme("paper"), strokeWidth=1.5).encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[name_tip("name", "measured"), *tips, tip("low", form), tip("high", form)],
        ),
    ]
    return dressed(layered(layers), height=330)


def shares_figure(rows: Rows, actions: Sequence[str], *, by: str, title: str) -> Any:
    """How the actions share each group of questions: stacked bars.

    Args:
        rows: `by`, `action`, `share`, `rank` (of the action, cheapest first), `questions`, `mean_cost`; the
            bars stand in this order.
        actions: Names, cheapest first.
        by: The column a bar is drawn for.
        title: Of the axis.
    """
    order = list(dict.fromkeys(row[by] for row in rows))
    axis = alt.Axis(labelLimit=190, ticks=False, domain=False)
    share = alt.X("share:Q", stack="normalize", title="share of the questions", axis=alt.Axis(format=".0%"))
    bars = rows_of(rows).mark_bar(stroke=theme("paper"), strokeWidth=0.8)
    tips = [
        name_tip(by),
        name_tip("action", "action"),
        tip("share", ".1%"),
        tip("questions"),
        tip("mean_cost"),
    ]
    return dressed(
        bars.encode(
            y=alt.Y(f"{by}:N", sort=order, title=title or None, axis=axis),
            x=share,
            color=colour_scale("action", actions),
            order=alt.Order("rank:Q"),
            tooltip=tips,
        ),
        height=max(60, 22 * len(order)),
    )


def price_figure(lines: Rows, band: Rows, *, price: float, budget: float, unit: str) -> Any:
    """The price of compute against the budget it holds.

    Args:
        lines: `series`, `cost`, `price`.
        band: Interval of the mean cost at a price: `price`, `low`, `high`.
        price: The price in force; none where it is 0.
        budget: The mean cost it is meant to hold.
        unit: Of the costs.
    """
    x = cost_axis([row["cost"] for row in lines], unit)
    y = alt.Y(
        "price:Q",
        title=f"price (accuracy a {unit.removesuffix('s')})",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(format="~r", tickCount=5),
    )
    present = {row["series"] for row in lines}
    colour = lines_by("series", {name: shade for name, shade in _PRICED.items() if name in present})
    tips = [tip("cost", title=f"cost ({unit})"), tip("price", ".3~r")]
    here = [{"cost": budget, "price": price, "label": "in force"}] if price > 0 else []
    shaded = rows_of(band).mark_area(opacity=0.18, color=theme("policy"), orient="horizontal")
    curves = rows_of(lines)
    layers = [
        shaded.encode(y=y, x=alt.X("low:Q", title=cost_title(unit)), x2="high:Q"),
        curves.mark_line(strokeWidth=2.2).encode(x=x, y=y, color=colour, order="price:Q"),
        curves.mark_point(opacity=0, size=120).encode(x=x, y=y, tooltip=[name_tip("series"), *tips]),
        _spot(here, x, y, tips),
        _labels(here, x, y, "label", dx=10, dy=-9),
    ]
    return dressed(layered(layers), height=260)


def calibration_figure(rows: Rows) -> Any:
    """Observed against predicted accuracy: `action`, `predicted`, `observed`, `low`, `high`, `questions`."""
    ends = [pick(row["predicted"] for row in rows) for pick in (min, max)]
    x = alt.X(
        "predicted:Q",
        title="predicted accuracy",
        axis=alt.Axis(format=".0%"),
        scale=alt.Scale(zero=False),
    )
    y, low = (accuracy_axis(field, "observed accuracy") for field in ("observed", "low"))
    colour = colour_scale("action", list(dict.fromkeys(row["action"] for row in rows)))
    exact = rows_of([{"predicted": end, "observed": end} for end in ends])
    classes = rows_of(rows)
    tips = [name_tip("action", "action"), tip("predicted", ".1%"), tip("observed", ".1%"), tip("questions")]
    layers = [
        exact.mark_line(color=theme("muted"), strokeDash=[4, 4], strokeWidth=1.2).encode(x=x, y=y),
        classes.mark_rule(strokeWidth=1.5, opacity=0.5).encode(x=x, y=low, y2="high:Q", color=colour),
        classes.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, color=colour, tooltip=tips),
    ]
    return dressed(layered(layers), height=300)


def learning_figure(rows: Rows, *, accuracy_unit: str | None = None) -> Any:
    """Lift against samples per question: `samples`, `lift`, `low`, `high`, `budget`."""
    bought = sorted({row["samples"] for row in rows})
    x = alt.X(
        "samples:Q",
        title="samples per question used in training",
        scale=alt.Scale(type="log", base=2),
        axis=alt.Axis(values=bought, format="d"),
    )
    title = "lift (points)" if accuracy_unit is None else f"lift ({accuracy_unit})"
    y, low = (alt.Y(f"{field}:Q", title=title) for field in ("lift", "low"))
    colour = colour_scale("budget", list(dict.fromkeys(row["budget"] for row in rows)), title="budget")
    measured = rows_of(rows)
    tips = [
        tip("samples", "d"),
        name_tip("budget", "budget"),
        *(tip(end, "+.2f") for end in ("lift", "low", "high")),
    ]
    layers = [
        rule_at("lift", 0).encode(y=y),
        measured.mark_rule(strokeWidth=2, opacity=0.5).encode(x=x, y=low, y2="high:Q", color=colour),
        measured.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        measured.mark_point(filled=True, size=70, opacity=1).encode(x=x, y=y, color=colour, tooltip=tips),
    ]
    return dressed(layered(layers), height=240)


def break_even_figure(rows: Rows, *, even: float, unit: str) -> Any:
    """What is saved after so many requests, labels paid: `requests`, `net`, `low`, `high`."""
    x = alt.X("requests:Q", title="requests answered", axis=alt.Axis(format="~s"))
    y, low = (
        alt.Y(f"{field}:Q", title=f"saved, labels paid ({unit})", axis=alt.Axis(format="~s"))
        for field in ("net", "low")
    )
    saved = rows_of(rows)
    here = [{"requests": even, "net": 0.0, "label": f"paid for after {even:,.0f}"}]
    tips = [tip(field, ",.0f") for field in ("requests", "net", "low", "high")]
    layers = [
        saved.mark_area(opacity=0.18, color=theme("policy")).encode(x=x, y=low, y2="high:Q"),
        rule_at("net", 0).encode(y=y),
        saved.mark_line(color=theme("policy"), strokeWidth=2.2).encode(x=x, y=y, tooltip=tips),
        _spot(here, x, y, tips[:2]),
        _labels(here, x, y, "label", dx=8, dy=16),
    ]
    return dressed(layered(layers), height=240)


def _spot(rows: Rows, x: Any, y: Any, tips: Sequence[Any]) -> Any:
    """A marked point."""
    mark = rows_of(rows).mark_point(
        filled=True, size=130, opacity=1, color=theme("policy"), stroke=theme("paper"), strokeWidth=1.5
    )
    return mark.encode(x=x, y=y, tooltip=list(tips))


def _labels(rows: Rows, x: Any, y: Any, field: str, *, dx: int, dy: int) -> Any:
    """Names beside their marks."""
    mark = rows_of(rows).mark_text(align="left", dx=dx, dy=dy, color=theme("muted"), fontSize=12)
    return mark.encode(x=x, y=y, text=f"{field}:N")
