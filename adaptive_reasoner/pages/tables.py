"""Tables for notebooks, in plain HTML that Jupyter styles."""

import html
from collections.abc import Mapping, Sequence

from adaptive_reasoner.amounts import written


def html_table(rows: Sequence[Mapping[str, object]], caption: str = "", *, most: int = 20) -> str:
    """Rows with equal keys as an HTML table.

    Args:
        rows: The cells by column.
        caption: Said above.
        most: Rows shown; a longer table says how many there are.

    Example:
        >>> html_table([{"action": "direct", "share": 0.25}])
        '<table><thead><tr><th>action</th><th>share</th></tr></thead><tbody><tr><th>direct</th><td>0.25</td></tr></tbody></table>'
    """
    head = "".join(
        f"<th>{html.escape(str(name).replace('_', ' '))}</th>" for name in (rows[0] if rows else ())
    )
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows[:most])
    more = f" (the first {most} of {len(rows):,} rows)" if len(rows) > most else ""
    caption_html = f"<caption>{html.escape(caption + more)}</caption>" if caption or more else ""
    return f"<table>{caption_html}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def field_table(fields: Mapping[str, object], caption: str = "") -> str:
    """One value as an HTML table, one row per field.

    Example:
        >>> field_table({"cost": 12.5}, "Decision")
        '<table><caption>Decision</caption><tbody><tr><th>cost</th><td>12.5</td></tr></tbody></table>'
    """
    body = "".join(
        f"<tr>{_cells({'field': name.replace('_', ' '), 'value': value})}</tr>"
        for name, value in fields.items()
    )
    caption_html = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{caption_html}<tbody>{body}</tbody></table>"


def _cells(row: Mapping[str, object]) -> str:
    first, *others = (html.escape(_shown(value)) for value in row.values())
    return f"<th>{first}</th>" + "".join(f"<td>{cell}</td>" for cell in others)


def _shown(value: object) -> str:
    if value is None or value != value:
        return "-"
    return written(value, 4) if isinstance(value, float) else str(value)
