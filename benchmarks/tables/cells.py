"""Results as markdown: figures, intervals, tables."""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results"


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def figure(value):
    """A gain with its sign, to three decimals."""
    return "" if value is None else f"{value:+.3f}"


def interval(row, name):
    return f"{figure(row[name])} ({figure(row[f'{name}_low'])} to {figure(row[f'{name}_high'])})"


def lines_of(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def fine(value):
    """A gain with its sign, to four decimals."""
    return "" if value is None else f"{value:+.4f}"


def fine_interval(row, name):
    """A gain with its only interval, to four decimals."""
    return f"{fine(row[name])} ({fine(row['low'])} to {fine(row['high'])})"
