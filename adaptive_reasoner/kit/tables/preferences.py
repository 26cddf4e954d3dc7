"""What a judge prefers, as it stands in rows of samples: which reply, shown first, over which others."""

import json
from collections.abc import Mapping
from typing import Any

from adaptive_reasoner.kit.tables.row_fields import is_null

Preferences = Mapping[tuple[str, int], float]
"""The source and sample of another reply -> how likely this one, shown first, is preferred to it."""

PREFERRED_OVER = "preferred_over"
"""The column of rows that holds preferences."""


def preferences_field(row: Mapping[str, Any]) -> Preferences | None:
    """The preferences in a row; None where it has none.

    Raises:
        ValueError: They are not in the form that `preferences_cell` writes, or outside [0, 1].

    Example:
        >>> preferences_field({"preferred_over": '[["cot", 0, 1.0]]'})
        {('cot', 0): 1.0}
    """
    cell = row.get(PREFERRED_OVER)
    if cell is None or (not isinstance(cell, list) and is_null(cell)):
        return None
    try:
        entries = json.loads(cell) if isinstance(cell, str) else cell
        found = {(str(source), int(sample)): float(chance) for source, sample, chance in entries}
    except (TypeError, ValueError):
        form = '[["source", sample, chance], ...]'
        raise ValueError(f"{PREFERRED_OVER} is {cell!r}; {form} is needed") from None
    for (source, sample), chance in found.items():
        if not 0 <= chance <= 1:
            raise ValueError(f"{PREFERRED_OVER} {source!r} {sample} is {chance}, outside [0, 1]")
    return found


def preferences_cell(preferences: Preferences | None) -> str | None:
    """The preferences as a cell of any file format.

    Example:
        >>> preferences_cell({("cot", 0): 1.0})
        '[["cot", 0, 1.0]]'
    """
    if preferences is None:
        return None
    return json.dumps([[*other, chance] for other, chance in preferences.items()], ensure_ascii=False)
