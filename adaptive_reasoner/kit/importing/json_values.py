"""The values in a file of JSON, one at a time: lines, one array, or values that follow each other."""

import codecs
import gzip
import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from adaptive_reasoner.errors import OutcomesError

_CHUNK = 2**16
_WHITE = " \t\r\n"


def read_json_values(path: Path) -> Iterator[tuple[int, Any]]:
    r"""The values in a file, each with its number: that of its line in JSONL, else its place from 1.

    A file of lines or an array is never in memory whole. A name that ends in `.gz` is unpacked. A last line
    that a killed writer left half-written is left out with a warning.

    Raises:
        OutcomesError: There is no such file or no value in it, or one cannot be read; it names the row.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "runs.json")
        ...     _ = path.write_text('[{"id": 1},\n {"id": 2}]')
        ...     list(read_json_values(path))
        [(1, {'id': 1}), (2, {'id': 2})]
    """
    if not path.is_file():
        raise OutcomesError("no such file", file=path)
    found = False
    try:
        with _opened(path) as file:
            for number, value in _values(file, path):
                found = True
                yield number, value
    except UnicodeError as error:
        raise OutcomesError(f"not text in UTF-8 ({error}); save it in that encoding", file=path) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise OutcomesError(f"cannot be unpacked ({error})", file=path) from error
    if not found:
        raise OutcomesError("the file is empty", file=path)


def _opened(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _values(file: Any, path: Path) -> Iterator[tuple[int, Any]]:
    encoding = json.detect_encoding(file.peek(4)[:4])
    lines: Iterable[str | bytes] = file  # so that a byte that is no text is in the line that is named
    if encoding.startswith("utf-8"):
        rest = codecs.getreader("utf-8")(file, "surrogatepass")
    else:
        rest = lines = codecs.getreader(encoding)(file)
    numbered = ((at, line) for at, line in enumerate(lines, start=1) if line.strip())
    at, line = next(numbered, (0, ""))
    begin = (line if isinstance(line, str) else line.decode(encoding, "surrogatepass")).lstrip()
    if begin.startswith("["):
        yield from _elements(_Text(rest, begin), path)
        return
    try:
        if begin:
            yield at, _decoded(begin)
    except ValueError as error:
        if not begin.startswith("{"):
            raise OutcomesError(f"not a line of JSON ({error})", file=path, row=at) from error
        yield from _followed(_Text(rest, begin), path)
        return
    for at, line in numbered:
        try:
            value = _decoded(line)
        except ValueError as error:
            if line[-1:] not in ("\n", b"\n"):
                warnings.warn(f"{path}: row {at}: cut in the middle, left out", stacklevel=3)
                return
            raise OutcomesError(f"not a line of JSON ({error})", file=path, row=at) from error
        yield at, value


def _decoded(line: str | bytes) -> Any:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


class _Text:
    """A text that is read as far as it is needed."""

    def __init__(self, file: codecs.StreamReader, read: str) -> None:
        self._file, self._read, self._at = file, read, 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is not whitespace; empty at the end."""
        while True:
            while self._at < len(self._read):
                if self._read[self._at] not in _WHITE:
                    return self._read[self._at]
                self._at += 1
            if not self._more():
                return ""

    def skip(self) -> None:
        """Go on after that character."""
        self._at += 1

    def value(self) -> Any:
        """The next value.

        Raises:
            ValueError: There is none.
        """
        while True:
            try:
                value, self._at = self._decoder.raw_decode(self._read, self._at)
            except ValueError:
                if not self._more():
                    raise
            except RecursionError as error:
                raise ValueError("it is nested too deeply") from error
            else:
                return value

    def _more(self) -> bool:
        """Read on, as much again as there is, so that a long value is not read over and over."""
        chunk = self._file.read(max(_CHUNK, len(self._read) - self._at))
        self._read, self._at = self._read[self._at :] + chunk, 0
        return bool(chunk)


def _elements(text: _Text, path: Path) -> Iterator[tuple[int, Any]]:
    """The elements of an array."""
    text.skip()
    number = 0
    while (sign := text.peek()) != "]":
        number += 1
        if sign == "," and number > 1:
            text.skip()
            text.peek()
        elif number > 1:
            raise OutcomesError("the array is not closed after the row before", file=path, row=number)
        try:
            yield number, text.value()
        except ValueError as error:
            raise OutcomesError(f"not JSON ({error})", file=path, row=number) from error


def _followed(text: _Text, path: Path) -> Iterator[tuple[int, Any]]:
    """Values that follow each other, written over any number of lines."""
    number = 0
    while text.peek():
        number += 1
        try:
            yield number, text.value()
        except ValueError as error:
            raise OutcomesError(f"not JSON ({error})", file=path, row=number) from error
