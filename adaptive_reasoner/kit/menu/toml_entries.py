"""What is read from a table of a TOML file: known entries of the right kind."""

from collections.abc import Mapping
from typing import Any

from adaptive_reasoner.errors import MenuError

Entries = Mapping[str, Any]

NUMBER = (int, float)

_LARGEST = 2**53  # beyond it a float counts no more in ones


def entries_of(entries: Any, where: str, **kinds: type | tuple[type, ...]) -> dict[str, Any]:
    """The entries of a table, once each is known and of its kind."""
    if not isinstance(entries, dict):
        raise MenuError(f"[{where}] must be a table, not {entries!r}")
    for name, value in entries.items():
        if name not in kinds:
            raise MenuError(f"[{where}] there is no entry {name!r}; known are {', '.join(kinds)}")
        if not isinstance(value, kinds[name]) or (isinstance(value, bool) and kinds[name] is not bool):
            raise MenuError(f"[{where}] {name} cannot be {value!r}")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise MenuError(f"[{where}] {name} is too large; at most {_LARGEST:,} is possible")
    return dict(entries)
