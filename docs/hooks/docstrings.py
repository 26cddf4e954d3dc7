"""Shows examples in docstrings as examples, and the settings that a pydantic model takes as its signature."""

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


class Settings(griffe.Extension):
    """Gives a class whose `__init__` takes `**fields` the signature that its fields declare."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Called with each class once its members are read."""
        init = cls.members.get("__init__")
        if not isinstance(init, griffe.Function) or "fields" not in init.parameters:
            return
        given = [each for each in init.parameters if each.name != "fields"]
        settings = [
            griffe.Parameter(
                name,
                annotation=_taken(field.annotation),
                kind=griffe.ParameterKind.keyword_only,
                default=field.value,
            )
            for name, field in cls.attributes.items()
            if field.annotation is not None and field.value is not None and not name.startswith("_")
        ]
        init.parameters = griffe.Parameters(*given, *settings)


def _taken(annotation: Any) -> Any:
    """The annotation inside `SkipValidation[...]`."""
    skips = isinstance(annotation, griffe.ExprSubscript) and annotation.canonical_name == "SkipValidation"
    return annotation.slice if skips else annotation


def _headed(example: re.Match[str]) -> str:
    return "Examples:\n" + textwrap.indent(example[0], "    ")
