"""A report as one HTML file: it loads nothing, and says in tables what its figures show."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import vl_convert

from adaptive_reasoner import pages
from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.kit.reporting.vega import picture, plain, spec, svg

Tone = Literal["good", "bad", "unsure"]

_POLICY = (  # the page may run what is in it and reach nothing: no network, whatever a table holds
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:"
)


@dataclass(frozen=True)
class Verdict:
    """The result in a word and a sentence.

    Attributes:
        word: `"Ship it"`, `"Do not ship"`, ...
        sentence: With the numbers.
        tone: How it is coloured.
    """

    word: str
    sentence: str
    tone: Tone = "unsure"


@dataclass(frozen=True)
class Table:
    """A table: a caption, and rows with equal keys.

    Attributes:
        caption: What it holds.
        rows: The cells by column.
        formats: How numbers of a column are written; four significant digits by default.
        words: Columns of text, which are set flush left.
        marked: Rows whose first cell is one of these stand out.
    """

    caption: str
    rows: Sequence[Mapping[str, object]]
    formats: Mapping[str, str] = field(default_factory=dict)
    words: Sequence[str] = ()
    marked: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A figure with what it says and the numbers behind it.

    Attributes:
        name: For links, unique on the page.
        title: Its heading.
        text: What there is to see, a sentence or two.
        figures: What each figure shows, in words for who cannot see it, and the figure.
        tables: The numbers.
        open: Whether the tables are shown at once, not behind a click.
    """

    name: str
    title: str
    text: str
    figures: Sequence[tuple[str, Any]] = ()
    tables: Sequence[Table] = ()
    open: bool = False


@dataclass(frozen=True)
class Fact:
    """A number worth knowing at a glance: what it is, the number, and a note on it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Dial:
    """Curves a reader can read off at any budget.

    Attributes:
        unit: Of the budget.
        budget: Its first position.
        curves: By name the accuracies at `budgets`.
        budgets: Rising, equally many.
        accuracy_unit: Of the accuracies, where they are none.
    """

    unit: str
    budget: float
    budgets: Sequence[float]
    curves: Mapping[str, Sequence[float | None]]
    accuracy_unit: str | None = None


@dataclass(frozen=True)
class Report:
    """What a report says; `html` and `write` make the page.

    Attributes:
        title: Of the page.
        verdict: The result.
        sections: The first one is shown beside the facts, on the first screen.
        facts: Numbers beside it.
        dial: Curves to read off under the first figure.
        notes: What a reader should know before believing it.
    """

    title: str
    verdict: Verdict
    sections: Sequence[Section]
    facts: Sequence[Fact] = ()
    dial: Dial | None = None
    notes: Sequence[str] = ()

    def html(self) -> str:
        """The page, in one string."""
        first, *others = self.sections
        contents = "".join(
            f'<li><a href="#{each.name}">{html.escape(each.title)}</a></li>' for each in others
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<title>{html.escape(self.title)}</title>\n<link rel="icon" href="data:,">\n'
            f"<style>{pages.style()}{_asset('report.css')}</style>\n</head>\n<body>\n"
            f'<a class="skip" href="#verdict">Skip to the verdict</a>\n'
            f"<header><h1>{html.escape(self.title)}</h1>"
            f'<button id="theme" type="button" hidden></button></header>\n<main>\n'
            f'<p id="verdict" class="verdict" data-tone="{self.verdict.tone}" tabindex="-1">'
            f"<strong>{html.escape(self.verdict.word)}</strong> {html.escape(self.verdict.sentence)}</p>\n"
            f'<div class="first"><div>{_section(first, self.dial)}</div>{_facts(self.facts)}</div>\n'
            + (f'<nav aria-label="Sections"><ul>{contents}</ul></nav>\n' if others else "")
            + "\n".join(_section(each) for each in others)
            + (f'<section><h2>How to read this</h2><ul class="notes">{notes}</ul></section>' if notes else "")
            + f"\n</main>\n<script>{_bundle()}</script>\n"
            f"<script>{pages.theme_script()}{_script()}</script>\n</body>\n</html>\n"
        )

    def picture(self) -> str:
        """The first figure as an SVG file."""
        return picture(self.sections[0].figures[0][1])

    def as_dict(self) -> dict[str, Any]:
        """What it says first, as plain JSON values."""
        return {
            "title": self.title,
            "verdict": asdict(self.verdict),
            "facts": [asdict(fact) for fact in self.facts],
            "notes": list(self.notes),
        }

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all."""
        with replaced_whole(Path(path)) as part:
            part.write_text(self.html(), encoding="utf-8")


def _section(section: Section, dial: Dial | None = None) -> str:
    drawn = "".join(
        f'<figure><div class="figure" role="img" aria-label="{html.escape(words)}">'
        f'<div class="drawn">{svg(chart)}</div><div class="live"></div></div>'
        f'<script type="application/json" class="spec">{spec(chart)}</script></figure>'
        for words, chart in section.figures
    )
    tables = "".join(_table(table) for table in section.tables)
    if tables and section.figures and not section.open:
        tables = f'<details open class="numbers"><summary>The numbers</summary>{tables}</details>'
    return (
        f'<section id="{section.name}" aria-labelledby="{section.name}-title">'
        f'<h2 id="{section.name}-title">{html.escape(section.title)}</h2>'
        f"<p>{html.escape(section.text)}</p>{drawn}{_dial(dial) if dial else ''}{tables}</section>"
    )


def _dial(dial: Dial) -> str:
    curves = {
        "unit": dial.unit,
        "budgets": list(dial.budgets),
        "curves": dict(dial.curves),
        "points": dial.accuracy_unit is None,
    }
    top = len(dial.budgets) - 1
    here = min(range(top + 1), key=lambda at: abs(dial.budgets[at] - dial.budget))
    return (
        '<div class="dial" hidden>'
        '<label for="dial">At a budget of <output id="dial-budget"></output></label>'
        f'<input id="dial" type="range" min="0" max="{top}" value="{here}" aria-describedby="dial-says">'
        f'<p id="dial-says" aria-live="polite"></p>'
        f'<script type="application/json" id="dial-curves">{plain(curves)}</script></div>'
    )


def _facts(facts: Sequence[Fact]) -> str:
    if not facts:
        return ""
    return (
        '<dl class="facts">'
        + "".join(
            f"<div><dt>{html.escape(fact.label)}</dt><dd><b>{html.escape(fact.value)}</b>"
            f"<span>{html.escape(fact.note)}</span></dd></div>"
            for fact in facts
        )
        + "</dl>"
    )


def _table(table: Table) -> str:
    columns = list(table.rows[0]) if table.rows else []
    first = columns[0] if columns else ""
    flush = {first, *table.words}

    def cell(row: Mapping[str, object], column: str) -> str:
        text = html.escape(shown(row.get(column), table.formats.get(column)))
        if column == first:
            return f'<th scope="row">{text}</th>'
        return f'<td class="words">{text}</td>' if column in flush else f"<td>{text}</td>"

    head = "".join(
        f"<th scope=col{' class=words' * (column in flush)}>{html.escape(column.replace('_', ' '))}</th>"
        for column in columns
    )
    body = "".join(
        f"<tr{' class=marked' if str(row[first]) in table.marked else ''}>"
        + "".join(cell(row, column) for column in columns)
        + "</tr>"
        for row in table.rows
    )
    caption = html.escape(table.caption)
    return (
        f'<div class="scrolls" role="region" tabindex="0" aria-label="{caption}"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def shown(value: object, form: str | None = None) -> str:
    """A cell as text.

    Example:
        >>> shown(0.125, ".1%"), shown(None), shown(1234.5678), shown("direct")
        ('12.5%', '-', '1,235', 'direct')
    """
    if value is None or value != value:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if form is not None:
        return format(value, form)
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    )


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and their embedding, whole, so that the page needs no network."""
    code: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _script() -> str:
    return _asset("report.js").replace("LIGHT_COLOURS", plain(pages.colours()))


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
