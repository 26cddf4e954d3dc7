"""Shows the `Example:` sections of docstrings, and examples that stand by themselves, as examples."""

import re
import textwrap
from typing import Any

import griffe

_ALONE = re.compile(r"^(?:>>>|\.\.\.).*\n?(?:^\S.*\n?)*", re.MULTILINE)


class Examples(griffe.Extension):
    """Calls every example what the reader looks for."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with each object once it is read."""
        if obj.docstring is not None:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = _ALONE.sub(_headed, text)


def _headed(example: re.Match[str]) -> str:
    return "Examples:\n" + textwrap.indent(example[0], "    ")
