"""A report as one HTML file: it loads nothing, and repeats its figures as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import vl_convert
from jinja2 import Environment, Template

from adaptive_reasoner import pages
from adaptive_reasoner.amounts import written
from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.kit.reporting.vega import picture, plain, spec, svg

Tone = Literal["good", "bad", "unsure"]


@dataclass(frozen=True)
class Verdict:
    """The result in a word and a sentence.

    Attributes:
        word: `"Ship:"`, `"Do not ship:"`, ...
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

    @property
    def position(self) -> int:
        """The position of the budget that is nearest to the first one."""
        return min(range(len(self.budgets)), key=lambda at: abs(self.budgets[at] - self.budget))

    @property
    def data(self) -> str:
        """What the page's script reads, as JSON."""
        curves = {"unit": self.unit, "budgets": list(self.budgets), "curves": dict(self.curves)}
        return plain({**curves, "points": self.accuracy_unit is None})


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
        script = pages.asset(__package__, "report.js").replace("LIGHT_COLOURS", plain(pages.colours()))
        return _template().render(
            report=self,
            style=pages.style() + pages.asset(__package__, "report.css"),
            bundle=_bundle(),
            script=pages.theme_script() + script,
        )

    def picture(self) -> str:
        """The first figure as an SVG file."""
        return picture(self.sections[0].figures[0][1])

    def as_dict(self) -> dict[str, Any]:
        """Title, verdict, facts and notes as plain JSON values."""
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
        return written(value, int(form[1:-1])) if form.endswith("g") else format(value, form)
    if isinstance(value, int):
        return f"{value:,}"
    return written(value, 4) if abs(value) < 1000 else f"{value:,.0f}"


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and their embedding, whole, so that the page needs no network."""
    code: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"shown": shown, "svg": svg, "spec": spec}
    return environment.from_string(pages.asset(__package__, "report.html"))
