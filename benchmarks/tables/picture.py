"""The picture of the README: accuracy against mean cost on two hosted models, for light and dark pages."""

from html import escape

from cells import result
from front import TWO_MODELS

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 736, 56, 326
COSTS, ACCURACIES = (0, 21), (0.66, 0.84)
THEMES = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1f2328",
        "faint": "#d0d7de",
        "ours": "#0969da",
        "other": "#6e7781",
    },
    "dark": {"paper": "#0d1117", "ink": "#e6edf3", "faint": "#30363d", "ours": "#58a6ff", "other": "#8b949e"},
}


def picture(theme):
    """The chart as SVG, in the colours of a theme."""
    colours = THEMES[theme]
    rows = result("backtests")["tables"][TWO_MODELS]["rows"]
    cheap, strong = (next(row for row in rows if row["policy"] == name) for name in ("mixtral", "gpt-4"))
    trained = [row for row in rows if row["policy"] == "imitator"]
    ends = [(row["realised_cost"], row["accuracy"]) for row in (cheap, strong)]
    curve = [ends[0], *((row["realised_cost"], row["accuracy"]) for row in trained), ends[1]]
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="{colours["ink"]}">'
    )
    claim = "More accurate than any fixed mix of the two models, at the same mean cost"
    parts = [
        drawing,
        f"<title>{escape(_said(trained))}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{colours["paper"]}"/>',
        f'<text x="20" y="30" font-size="16" font-weight="600">{claim}</text>',
        *_axes(colours),
        _line(ends, colours["other"], dashed=True),
        _line(curve, colours["ours"]),
        *(_dot(point, colours["ours"]) for point in curve[1:-1]),
        *(_dot(point, colours["other"]) for point in ends),
        _text(*ends[0], "always Mixtral-8x7B", dx=10, dy=18),
        _text(*ends[1], "always GPT-4", dx=-6, dy=-12, anchor="end"),
        _text(*curve[2], "trained policy", dx=-2, dy=-14, anchor="end", colour=colours["ours"]),
        _text(14.5, _on_mixture(ends, 14.5), "best random mixture", dx=10, dy=36, colour=colours["other"]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _said(trained):
    figures = ", ".join(f"{row['accuracy']:.3f} at {row['realised_cost']:.1f}" for row in trained)
    return f"Accuracy of the trained policy against mean cost per question: {figures}"


def _axes(colours):
    for cost in range(0, 21, 5):
        x = _x(cost)
        yield f'<text x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{cost}</text>'
    for percent in range(68, 84, 4):
        y = _y(percent / 100)
        yield f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{colours["faint"]}"/>'
        yield f'<text x="{LEFT - 10}" y="{y + 5:.1f}" text-anchor="end">{percent}%</text>'
    yield f'<text x="20" y="{TOP - 4}">accuracy</text>'
    middle = (LEFT + RIGHT) / 2
    label = "mean cost per question (one call of Mixtral-8x7B is 1, of GPT-4 is 20)"
    yield f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{label}</text>'


def _on_mixture(ends, cost):
    (low, worse), (high, better) = ends
    return worse + (better - worse) * (cost - low) / (high - low)


def _x(cost):
    return LEFT + (RIGHT - LEFT) * (cost - COSTS[0]) / (COSTS[1] - COSTS[0])


def _y(accuracy):
    return BOTTOM - (BOTTOM - TOP) * (accuracy - ACCURACIES[0]) / (ACCURACIES[1] - ACCURACIES[0])


def _line(points, colour, *, dashed=False):
    path = "L".join(f"{_x(cost):.1f} {_y(accuracy):.1f}" for cost, accuracy in points)
    dashes = ' stroke-dasharray="6 5"' if dashed else ""
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dashes}/>'


def _dot(point, colour):
    return f'<circle cx="{_x(point[0]):.1f}" cy="{_y(point[1]):.1f}" r="4.5" fill="{colour}"/>'


def _text(cost, accuracy, said, *, dx=0, dy=0, anchor="start", colour=None):
    place = f'x="{_x(cost) + dx:.1f}" y="{_y(accuracy) + dy:.1f}" text-anchor="{anchor}"'
    fill = "" if colour is None else f' fill="{colour}"'
    return f"<text {place}{fill}>{escape(said)}</text>"
