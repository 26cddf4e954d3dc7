"""What is kept of a text in a file that others may read: all of it, a redacted form, or only a digest."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_DIGEST = "sha256:"
_NAMES_KEY = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)(_ID)?$", re.IGNORECASE)
_SHORTEST_KEY = 6  # characters; shorter ones, such as "none", are words
_KIND = re.compile(r"[\w.]+")  # of an error: `TimeoutError`, `httpx.ReadTimeout`, `429`


@dataclass(frozen=True)
class Redaction:
    """Decides what is kept of texts; equal texts stay equal, so that votes can count them.

    Args:
        redact: What is kept of a text. Default: all of it.
        texts: False keeps a digest in place of each text, and of an error its kind.

    Example:
        >>> redaction = Redaction(lambda text: text.replace("Ada", "[name]"))
        >>> redaction.text("Who is Ada?"), redaction.error("ValueError: no Ada")
        ('Who is [name]?', 'ValueError: no [name]')
        >>> Redaction(texts=False).error("ValueError: no Ada")
        'ValueError'
    """

    redact: Callable[[str], str] | None = None
    texts: bool = True

    def text(self, text: str) -> str:
        """What is kept of a text."""
        if self.redact is not None:
            text = self.redact(text)
        return text if self.texts else digest(text)

    def error(self, error: str) -> str:
        """What is kept of an error: its kind, and its message as a text; all is text where it has no kind."""
        kind, colon, message = error.partition(": ")
        if not colon or not _KIND.fullmatch(kind):
            return self.text(error)
        return f"{kind}{colon}{self.text(message)}" if self.texts else kind


def without_keys(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text in which what the environment keeps as keys is hidden: some errors hold the whole request.

    Example:
        >>> without_keys("401 for https://example.org/?key=very-secret", {"EXAMPLE_API_KEY": "very-secret"})
        '401 for https://example.org/?key=***'
    """
    keys = (value for name, value in environment.items() if _NAMES_KEY.search(name))
    for key in sorted(keys, key=len, reverse=True):
        text = text.replace(key, "***") if len(key) >= _SHORTEST_KEY else text
    return text


def digest(text: str) -> str:
    """A short digest that names a text. It hides the text, but not from someone who guesses it.

    Example:
        >>> digest("7") == digest("7") != digest("8"), is_digest(digest("7")), is_digest("7")
        (True, True, False)
    """
    return _DIGEST + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def is_digest(text: str) -> bool:
    """Whether a text is a digest."""
    return text.startswith(_DIGEST)
