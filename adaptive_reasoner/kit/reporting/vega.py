"""What the report's figures share: axes, colours of the theme, and how a figure gets into a page."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import vl_convert

from adaptive_reasoner.pages import colours

Rows = Sequence[Mapping[str, Any]]

_WIDTH = 720  # of the drawing without a script; with one a figure fills its place
_WIDE = 12  # a cost axis is logarithmic where the highest cost is so many times the lowest
_RAMP = ("#7cc6c3", "#4a90c2", "#6a5acd", "#b0418f", "#e0552f")  # from cheap to expensive, on light and dark
_FONT = "system-ui, -apple-system, Segoe UI, Liberation Sans, sans-serif"


def svg(figure: Any) -> str:
    """The figure drawn, its colours those of the page's theme."""
    drawn: str = vl_convert.vegalite_to_svg(figure.to_json(validate=False))
    for name, shade in colours().items():
        drawn = drawn.replace(shade, f"var(--{name})")
    return drawn.replace("<svg ", '<svg focusable="false" aria-hidden="true" ', 1)


def picture(figure: Any) -> str:
    """The figure as a separate SVG file, on white."""
    drawn: str = vl_convert.vegalite_to_svg(
        figure.properties(background=theme("paper")).to_json(validate=False)
    )
    return drawn


def spec(figure: Any) -> str:
    """The figure as JSON for the page's script, safe inside HTML."""
    return plain(json.loads(figure.to_json(validate=False)))


def plain(value: object) -> str:
    r"""JSON that may stand inside a script element, whatever texts it holds.

    Example:
        >>> plain({"question": "</script>"})
        '{"question":"\\u003c/script>"}'
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def dressed(figure: Any, *, height: int) -> Any:
    """A figure with the theme applied."""
    muted, line = theme("muted"), theme("line")
    return (
        figure.properties(width=_WIDTH, height=height, background="transparent", padding=4)
        .configure(font=_FONT)
        .configure_axis(
            labelColor=muted,
            titleColor=muted,
            gridColor=line,
            domainColor=line,
            tickColor=line,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=8,
            gridOpacity=0.7,
        )
        .configure_legend(
            labelColor=theme("ink"),
            titleColor=muted,
            labelFontSize=12.5,
            labelLimit=260,
            columns=3,  # as many as fit beside the facts
            symbolSize=110,
            symbolOpacity=1,
            columnPadding=26,  # for readers whose fonts are wider than those it is laid out with
            padding=2,
            offset=6,
        )
        .configure_view(stroke=None)
    )


def layered(layers: Sequence[Any]) -> Any:
    """Layers one over the other; those without rows are left out, as Vega complains of them."""
    return alt.layer(*(layer for layer in layers if layer.data["values"]))


def theme(name: str) -> str:
    """The light colour of a name, which the page replaces by the one in force."""
    return colours()[name]


def rows_of(rows: Rows) -> Any:
    """Rows as the data of a layer."""
    return alt.Chart(alt.Data(values=[dict(row) for row in rows]))


def rule_at(field: str, value: float) -> Any:
    """A dashed line at a value."""
    return rows_of([{field: value}]).mark_rule(color=theme("muted"), strokeDash=[4, 4])


def cost_axis(costs: Sequence[float], unit: str) -> Any:
    """Mean cost along x, logarithmic where the costs are far apart."""
    title = cost_title(unit)
    if not (min(costs) > 0 and max(costs) > _WIDE * min(costs)):
        return alt.X("cost:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8))
    low, high = int(np.floor(np.log10(min(costs)))), int(np.ceil(np.log10(max(costs))))
    steps = (1, 2, 5) if high - low < 4 else (1,)
    values = [float(f"{step * 10.0**power:.6g}") for power in range(low, high + 1) for step in steps]
    scale = alt.Scale(type="log", nice=False, domain=[min(costs) * 0.9, max(costs) * 1.1])
    return alt.X("cost:Q", title=title, scale=scale, axis=alt.Axis(values=values, format="~r"))


def cost_title(unit: str) -> str:
    """The title of a cost axis."""
    return f"mean cost per question ({unit})"


def accuracy_axis(field: str, title: str, unit: str | None = None) -> Any:
    """Accuracy along y, in percent unless it is a reward with a unit."""
    axis = alt.Axis(format=".0%") if unit is None else alt.Axis()
    return alt.Y(f"{field}:Q", title=unit or title, scale=alt.Scale(zero=False), axis=axis)


def lines_by(field: str, shades: Mapping[str, str]) -> Any:
    """A colour of the theme for each of several curves."""
    scale = alt.Scale(domain=list(shades), range=[theme(name) for name in shades.values()])
    return alt.Color(f"{field}:N", scale=scale, legend=curve_legend())


def curve_legend() -> Any:
    """Short strokes above the figure."""
    return alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3)


def colour_scale(field: str, names: Sequence[str], title: str | None = None) -> Any:
    """A colour for each of several names in an order."""
    legend = alt.Legend(title=title, orient="top", columns=4)
    scale = alt.Scale(domain=list(names), range=ramp(len(names)))
    return alt.Color(f"{field}:N", scale=scale, sort=list(names), legend=legend)


def ramp(steps: int) -> list[str]:
    """So many colours, from cheap to expensive.

    Example:
        >>> ramp(2), len(ramp(7))
        (['#7cc6c3', '#e0552f'], 7)
    """
    ends = np.array([[int(shade[at : at + 2], 16) for at in (1, 3, 5)] for shade in _RAMP], dtype=float)
    places = np.linspace(0, len(_RAMP) - 1, steps) if steps > 1 else np.zeros(1)
    mixed = np.stack([np.interp(places, np.arange(len(_RAMP)), channel) for channel in ends.T], axis=1)
    return ["#" + "".join(f"{channel:02x}" for channel in shade) for shade in mixed.round().astype(int)]


def tip(field: str, form: str = ".4~r", title: str | None = None) -> Any:
    """A number in the tooltip of a mark."""
    return alt.Tooltip(f"{field}:Q", title=title or field.replace("_", " "), format=form)


def name_tip(field: str, title: str = " ") -> Any:
    """A name in the tooltip of a mark."""
    return alt.Tooltip(f"{field}:N", title=title)
