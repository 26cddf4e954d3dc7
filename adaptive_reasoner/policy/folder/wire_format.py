"""The wire format of protocol buffers, read without trust and without copying."""

import re
from collections.abc import Iterator
from functools import cache
from mmap import mmap
from typing import NamedTuple

Buffer = bytes | mmap

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MOST = 127  # the highest number of a field that is read
_TAG = 2  # bytes that number and kind of a field take
_SHORT = 1000  # bytes of a list of numbers that is read
_WIDTH = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """A field of a message, or a run of the same number field after another.

    Attributes:
        number: As the message's definition numbers it.
        kind: `VARINT`, `FIXED64`, `BYTES` or `FIXED32`.
        start: Where its bytes begin; of a run, with its tags.
        stop: Where they end.
        run: Whether it is a run of short texts.
    """

    number: int
    kind: int
    start: int
    stop: int
    run: bool = False


def fields(data: Buffer, start: int, stop: int, *, run: re.Pattern[bytes] | None = None) -> Iterator[Field]:
    r"""The fields of the message that lies between two positions.

    Args:
        data: The file.
        start: Where the message begins.
        stop: Where it ends.
        run: Matches texts that come by the thousand, which are then one field.

    Raises:
        ValueError: The bytes are no message.

    Example:
        >>> [field[:4] for field in fields(b"\x08\x01\x08\x02\x12\x02hi", 0, 8)]
        [(1, 0, 0, 4), (2, 2, 6, 8)]
    """
    at = start
    while at < stop:
        tag, after = _varint(data, at, stop)
        number, kind = tag >> 3, tag & 7
        if not 0 < number <= _MOST or after - at > _TAG:
            raise ValueError(f"a field at byte {at:,} has the number {number}")
        texts = run.match(data, at, stop) if run is not None and kind == BYTES else None
        if texts is not None:
            yield Field(number, kind, at, texts.end(), run=True)
            at = texts.end()
        elif kind == BYTES:
            size, begin = _varint(data, after, stop)
            at = begin + size
            if at > stop:
                raise ValueError(f"a field at byte {begin:,} ends after its message")
            yield Field(number, kind, begin, at)
        elif kind == VARINT or kind in _WIDTH:
            same = _run(data[at:after], kind).match(data, at, stop)
            if same is None:
                raise ValueError(f"a number at byte {at:,} is cut off")
            yield Field(number, kind, at, same.end())
            at = same.end()
        else:
            raise ValueError(f"a field at byte {at:,} is of the unknown kind {kind}")


def numbers(data: Buffer, field: Field) -> list[int]:
    r"""The few integers of a field: of a run of them, or packed into one field of bytes.

    Raises:
        ValueError: They are no varints, or take more than `_SHORT` bytes.

    Example:
        >>> numbers(b"\x08\x01\x08\x82\x01", Field(1, VARINT, 0, 5))
        [1, 130]
    """
    if field.stop - field.start > _SHORT:
        raise ValueError(f"the list of numbers at byte {field.start:,} is too long")
    found, at = [], field.start
    while at < field.stop:
        value, at = _varint(data, at, field.stop)
        found.append(value)
    return found[1::2] if field.kind == VARINT else found  # a run has a tag before each number


def _varint(data: Buffer, at: int, stop: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number before byte {at:,} is cut off or too long")


@cache
def _run(tag: bytes, kind: int) -> re.Pattern[bytes]:
    number = rb"[\x80-\xff]{0,9}+[\x00-\x7f]" if kind == VARINT else b"." * _WIDTH[kind]
    return re.compile(b"(?s:%b%b)++" % (re.escape(tag), number))
