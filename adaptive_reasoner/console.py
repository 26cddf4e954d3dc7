"""What the commands show: progress on stderr, results on stdout."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from adaptive_reasoner.amounts import NOISE, written

# What a terminal obeys or hides: control characters, directions of writing, and halves of characters.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class SafeConsole(Console):
    """A console on which no text moves the cursor, hides a part of itself or renames the window."""

    @override
    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(visible(each) if isinstance(each, str) else each for each in objects), **options)

    def plain_line(self, text: str, **options: Any) -> None:
        """Print one line: it is not wrapped, and nothing in it is markup."""
        self.print(text, markup=False, highlight=False, soft_wrap=True, **options)


def visible(text: str, *, one_line: bool = False) -> str:
    r"""The text with what a terminal obeys or hides written out, as Python writes it.

    Example:
        >>> print(visible("\x1b[31mred"), visible("two\nlines", one_line=True))
        \x1b[31mred two\nlines
    """
    text = _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)
    return text.replace("\n", r"\n").replace("\t", r"\t") if one_line else text


err = SafeConsole(stderr=True, emoji=False)  # `prompts:x:` in a message is no emoji
out = SafeConsole(emoji=False)

_UNBOUNDED = 10_000  # columns, to see how wide a table must be


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr while a step runs; nothing where stderr is no terminal.

    Yields:
        A function that sets how much is done and, if passed, the `total` and a `note` beside the bar.
    """
    if not err.is_terminal:
        yield lambda done, total=None, note="": None  # noqa: ARG005
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    notes = TextColumn("{task.fields[note]}")
    with Progress(*columns, notes, console=err) as bars:
        bar = bars.add_task(what, total=total, note="")
        yield lambda done, total=None, note="": bars.update(
            bar, completed=done, total=total, note=escape(visible(note, one_line=True))
        )
        if bars.tasks[bar].total is None:
            bars.update(bar, total=1, completed=1)


def print_json(value: object) -> None:
    """One JSON object on stdout; what is not known (NaN, infinity) is null."""
    out.file.write(to_json(value) + "\n")


def to_json(value: object) -> str:
    """Plain JSON; what is not known (NaN, infinity) is null.

    Example:
        >>> to_json({"price": float("nan"), "shares": (0.5, float("inf"))})
        '{"price": null, "shares": [0.5, null]}'
    """
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)  # the same JSON, and safe on a terminal


def print_table(rows: Sequence[Mapping[str, object]], title: str | None = None) -> None:
    """Rows with equal keys, as a table on stdout. Figures and names are shown whole, however narrow it is."""
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for number, column in enumerate(rows[0]):
        text = number > 0 and any(isinstance(row[column], str) for row in rows)
        # A word a line: figures are narrower than their headings.
        heading = visible(column, one_line=True).replace("_", "\n")
        table.add_column(heading, justify="right" if number else "left", no_wrap=not text)
    for row in rows:
        # As text, because a string would be read as markup.
        table.add_row(*(Text(visible(_shown(*each), one_line=True)) for each in row.items()))
    least = Measurement.get(out, out.options.update(max_width=_UNBOUNDED), table).minimum
    table.width = least if least > out.width else None
    if title is not None:
        out.plain_line(title, style="italic")
    out.print(table, crop=False)


def number(value: float) -> str:
    """A number as people read it: four digits or more, never an exponent, and no rounding noise.

    Example:
        >>> number(0.00419894), number(1.1e-16), number(2.5e-7), number(12.0)
        ('0.004199', '0', '0.00000025', '12')
        >>> number(1234567.891), number(float("inf")), number(float("nan"))
        ('1234567.89', 'unlimited', 'unknown')
    """
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "unlimited" if value > 0 else "-unlimited"
    return written(round(value, 2), 15) if abs(value) >= 1000 else written(value, 4)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _shown(column: str, value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    is_cost = ("cost" in column and "at_cost" not in column) or column == "budget"
    if abs(value) < NOISE or abs(value) >= (0.1 if is_cost else 0.001):
        return f"{abs(value) if abs(value) < NOISE else value:.3f}"
    return number(value)  # a call costs so little
