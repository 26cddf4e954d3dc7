"""Regular expressions that are compiled at first use, so that importing the library stays cheap."""

import re
from typing import Any, cast


class _LazyPattern:
    def __init__(self, text: str, flags: int) -> None:
        self.pattern, self.flags = text, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(self.pattern, self.flags), name)
        setattr(self, name, value)  # found here from now on
        return value


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """A regular expression, compiled when it is first asked for something.

    Example:
        >>> pattern("[ab]+").findall("abcba")
        ['ab', 'ba']
    """
    return cast("re.Pattern[str]", _LazyPattern(text, flags))
