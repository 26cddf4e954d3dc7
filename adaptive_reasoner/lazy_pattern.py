"""Regular expressions that are compiled at first use, so that importing the library stays cheap."""

import re
from functools import cached_property
from typing import Any, cast


class _LazyPattern:
    def __init__(self, text: str, flags: int) -> None:
        self.pattern, self.flags = text, flags

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, self.flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """A regular expression, compiled when it is first asked for something.

    Example:
        >>> pattern("[ab]+").findall("abcba")
        ['ab', 'ba']
    """
    return cast("re.Pattern[str]", _LazyPattern(text, flags))
