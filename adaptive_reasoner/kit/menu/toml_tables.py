"""Tables of a menu file: pydantic checks their entries, and its errors become a sentence each."""

from math import inf
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adaptive_reasoner.errors import MenuError

Number = int | float
"""A number as the file writes it: the digest of a prompt differs between `1` and `1.0`."""

Count = Annotated[int, Field(ge=1)]
Amount = Annotated[Number, Field(ge=0, lt=inf)]
Entries = Annotated[dict[str, Any], Field(default_factory=dict)]
"""A table within the table, empty by default; it is read by itself."""

_LARGEST = 2**53  # beyond it a float counts no more in ones

_SENTENCES = {
    "model_type": "must be a table, not {value!r}",
    "extra_forbidden": "there is no entry {name!r}; known are {known}",
    "missing": "names no {name}",
    "greater_than_equal": "{name} must be at least {ge}, not {value}",
    "greater_than": "{name} must be above {gt}, not {value}",
    "less_than": "{name} must be finite, not {value}",
    "literal_error": "{name} is {value!r}; allowed are {expected}",
}


class MenuTable(BaseModel):
    """The entries that a table of a menu file may have, as fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def read(cls, entries: Any, where: str) -> Self:
        """The table with these entries.

        Raises:
            MenuError: An entry is unknown, wrong or missing. It names the table and the entry.
        """
        for name, value in entries.items() if isinstance(entries, dict) else ():
            if isinstance(value, int) and abs(value) > _LARGEST:
                raise MenuError(f"[{where}] {name} is too large; at most {_LARGEST:,} is possible")
        try:
            return cls.model_validate(entries)
        except ValidationError as error:
            first = min(error.errors(), key=lambda each: each["type"] == "missing")
            sentence = _SENTENCES.get(first["type"], "{name} cannot be {value!r}").format(
                name=next(iter(first["loc"]), None),
                value=first["input"],
                known=", ".join(cls.model_fields),
                **first.get("ctx", {}),
            )
            raise MenuError(f"[{where}] {sentence}") from error
