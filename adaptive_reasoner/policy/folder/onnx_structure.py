"""What an ONNX file may hold: checked on its bytes, before onnxruntime sees it.

A model from a stranger may name other files as its weights, carry operators of its own, loop for ever, or
declare tensors that its bytes do not fill. `check_structure` refuses all of them.
"""

import re
from math import prod
from typing import Any

import numpy as np

from adaptive_reasoner.policy.folder.wire_format import BYTES, FIXED32, VARINT, Buffer, Field, fields, numbers

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
LOOPS = frozenset({"Loop", "Scan", "SequenceMap"})
ML_OPERATORS = frozenset({"TreeEnsembleRegressor"})
MOST = {
    "nodes": 10_000,
    "tensors": 20_000,
    "parts": 200_000,  # nodes, attributes, tensors and their names
    "bytes of descriptions": 2_000_000,  # declared shapes, metadata and the like
    "bytes of lists": 40_000_000,  # in attributes: of trees, mainly
    "bytes of tensors beyond those in the file": 32_000_000,  # in memory
}
MOST_TARGETS = 10_000  # outputs of a tree ensemble
DEEPEST = 8  # branches within branches
MOST_DIMENSIONS = 16

_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128}
_BITS |= {16: 16} | dict.fromkeys(range(17, 21), 8) | dict.fromkeys((21, 22, 23), 4)
_FLOATS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
_TAGGED = np.dtype([("tag", "u1"), ("value", "<f4")])  # a number in a list of an attribute
_CHUNK = 2**22  # bytes looked at together
_TEXT = 8  # the type of a tensor of texts
_TYPED = (4, 5, 7, 10, 11)  # fields of a tensor that hold its numbers one by one
_RAW, _TEXTS, _EXTERNAL, _LOCATION = 9, 6, 13, 14
_MODES = re.compile(rb"(?:\x4a\x04LEAF|\x4a\x0aBRANCH_LEQ)++")  # what each node of a tree is
_NEGATIVE = re.compile(rb"[\x80-\xff]{9}")  # in so many bytes only a negative number is written


def check_structure(data: Buffer) -> None:
    r"""Refuse a model that is more than a plain graph of known operators with its weights inside.

    Args:
        data: The file.

    Raises:
        ValueError: It is no model, or holds what it may not hold.

    Example:
        >>> check_structure(b"\xca\x01\x00")
        Traceback (most recent call last):
        ValueError: it defines functions of its own
    """
    _Walk(data).model()


class _Walk:
    """One pass over a model, with what has been counted on the way."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.counted = dict.fromkeys(MOST, 0)

    def model(self) -> None:
        """The whole file."""
        graphs = 0
        for field in fields(self.data, 0, len(self.data)):
            if field.number == 7 and field.kind == BYTES:
                graphs += 1
                self._graph(field, 0)
            elif field.number == 20:
                raise ValueError("it brings training steps")
            elif field.number == 25:
                raise ValueError("it defines functions of its own")
            else:
                self._describe(field)
        if graphs != 1:
            raise ValueError(f"it holds {graphs} graphs, not one")

    def _graph(self, graph: Field, depth: int) -> None:
        if depth > DEEPEST:
            raise ValueError(f"its branches lie more than {DEEPEST} deep")
        for field in fields(self.data, graph.start, graph.stop):
            if field.number == 1 and field.kind == BYTES:
                self._node(field, depth)
            elif field.number == 5 and field.kind == BYTES:
                self._tensor(field)
            elif field.number == 15:
                raise ValueError("it holds sparse tensors")
            else:
                self._describe(field)

    def _node(self, node: Field, depth: int) -> None:
        self._count("parts")
        self._count("nodes")
        operator, domain, attributes = "", "", []
        for field in fields(self.data, node.start, node.stop):
            if field.number == 4:
                operator = self._text(field)
            elif field.number == 7:
                domain = self._text(field)
            elif field.number == 5 and field.kind == BYTES:
                attributes.append(field)
            elif field.number in (1, 2, 3):
                self._count("parts")
            else:
                self._describe(field)
        if domain not in DOMAINS:
            raise ValueError(f"its operator {operator!r} is of the foreign domain {domain!r}")
        if operator in LOOPS or (domain == "ai.onnx.ml" and operator not in ML_OPERATORS):
            raise ValueError(f"it has the operator {operator!r}, which no policy needs")
        for attribute in attributes:
            self._attribute(attribute, depth, trees=domain == "ai.onnx.ml")

    def _attribute(self, attribute: Field, depth: int, *, trees: bool) -> None:
        self._count("parts")
        single = 0
        for field in fields(self.data, attribute.start, attribute.stop, run=_MODES):
            if field.number in (5, 6):
                single += 1
                if single > 1:
                    raise ValueError("an attribute of it has two values")
            if field.number in (5, 10) and field.kind == BYTES:
                self._tensor(field)
            elif field.number in (6, 11) and field.kind == BYTES:
                self._graph(field, depth + 1)
            elif field.number in (22, 23):
                raise ValueError("it holds sparse tensors")
            elif field.number in (7, 8):
                self._list(field)
                if field.number == 7 and field.kind == FIXED32:
                    self._no_nan(field, _TAGGED)
            elif field.number == 9 and field.run:
                self._list(field, times=4)  # a short text takes much more in memory
            elif field.number == 9:
                self._list(field)
                self._count("parts")
            elif field.number in (1, 4):
                self._count("parts")
            elif field.number != 3:
                self._describe(field)
            if trees and field.kind == VARINT and field.number in (3, 8):
                self._index(field)

    def _index(self, field: Field) -> None:
        """Of a tree: its numbers are positions, and the lone one is how many outputs it has."""
        if _NEGATIVE.search(self.data, field.start, field.stop):
            raise ValueError("a tree of it has a negative position")
        if field.number == 3 and max(numbers(self.data, field)) > MOST_TARGETS:
            raise ValueError(f"its trees have more than {MOST_TARGETS:,} outputs")

    def _tensor(self, tensor: Field) -> None:
        self._count("parts")
        self._count("tensors")
        shape: list[int] = []
        raw: list[Field] = []
        kind, stored, typed, texts = 0, 0, 0, 0
        for field in fields(self.data, tensor.start, tensor.stop):
            size = field.stop - field.start
            if field.number == 1:
                shape += numbers(self.data, field)
            elif field.number == 2:
                kind = numbers(self.data, field)[-1]
            elif field.number == _RAW:
                stored += size
                raw.append(field)
            elif field.number in _TYPED:
                typed += size
                if field.kind == BYTES and field.number in (4, 10):
                    self._no_nan(field, _FLOATS[1 if field.number == 4 else 11])
            elif field.number == _TEXTS:
                texts += 1
                self._count("parts")
            elif field.number == _EXTERNAL or (field.number == _LOCATION and self._outside(field)):
                raise ValueError("its weights are kept in another file")
            elif field.number not in (8, _LOCATION):
                self._describe(field)
        self._fits(shape, kind, stored, typed, texts)
        for field in raw if kind in _FLOATS else ():
            self._no_nan(field, _FLOATS[kind])

    def _no_nan(self, field: Field, kind: np.dtype[Any]) -> None:
        step = _CHUNK // kind.itemsize * kind.itemsize
        for start in range(field.start, field.stop, step):
            part = self.data[start : min(start + step, field.stop)]
            values = np.frombuffer(part, kind, count=len(part) // kind.itemsize)
            if np.isnan(values if kind.names is None else values["value"]).any():
                raise ValueError("a weight of it is not a number")

    def _outside(self, field: Field) -> bool:
        return field.kind != VARINT or any(numbers(self.data, field))

    def _fits(self, shape: list[int], kind: int, stored: int, typed: int, texts: int) -> None:
        if len(shape) > MOST_DIMENSIONS or any(size >= 2**63 for size in shape):
            raise ValueError(f"a tensor of it has the shape {shape[:MOST_DIMENSIONS]}")
        elements = prod(shape)
        if kind == _TEXT:
            there = texts
        elif kind in _BITS:
            there = stored * 8 // _BITS[kind] + typed * 2
        else:
            raise ValueError(f"a tensor of it is of the unknown type {kind}")
        if elements > there:
            raise ValueError(
                f"a tensor of it declares {elements:,} elements, and there are bytes for {there:,} at most"
            )
        unpacked = elements * _BITS.get(kind, 0) // 8 - stored - typed
        self._count("bytes of tensors beyond those in the file", max(0, unpacked))

    def _count(self, what: str, more: int = 1) -> None:
        self.counted[what] += more
        if self.counted[what] > MOST[what]:
            raise ValueError(f"it has more than {MOST[what]:,} {what}")

    def _describe(self, field: Field) -> None:
        self._count("bytes of descriptions", field.stop - field.start + 2)

    def _list(self, field: Field, *, times: int = 1) -> None:
        self._count("bytes of lists", times * (field.stop - field.start + 2))

    def _text(self, field: Field) -> str:
        return self.data[field.start : min(field.stop, field.start + 200)].decode(errors="replace")
