"""Question to numbers: the encoder and the surface features, the same code when fitting and deciding."""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adaptive_reasoner.errors import PolicyFormatError

ENCODER_FILES = ("encoder.onnx", "tokenizer.json")

_LONGEST = 20_000  # characters looked at; what lies beyond says nothing new and would cost time

# Each is counted, and enters as log(1 + count).
_COUNTED = {
    "digits": r"\d",
    "numbers": r"\d+(?:[.,]\d+)*",
    "decimals": r"\d\.\d",
    "operators": r"[-+*/=<>^%\u00d7\u00f7\u00b1\u2264\u2265]",
    "latex": r"\\[A-Za-z]+|\$",
    "brackets": r"[()\[\]{}]",
    "clauses": r"[,;:]",
    "sentences": r"[.!?]+(?=\s|$)",
    "lines": r"\n",
    "question_marks": r"\?",
    "quotes": r"[\"“”«»]",
    "options": r"(?m)^\s*[-(]?[A-Ja-j1-9][).]\s|^\s*- ",
    "capitalised": r"\b[A-Z][a-z]+",
    "acronyms": r"\b[A-Z]{2,}\b",
    "foreign_characters": r"[^\x00-\x7f]",
    "how_many": r"\b[Hh]ow (?:many|much|long|far|old|often)\b",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _COUNTED.items()}
# Words of a kind are counted likewise; a word is of one kind only.
_KINDS = {
    "negations": "not no never none neither nor without except cannot false don't doesn't isn't can't won't",
    "conditions": "if unless suppose assume given let when otherwise",
    "conjunctions": "and or but then because so therefore while",
    "comparisons": "more less fewer most least than greater larger smaller same twice half",
    "quantifiers": "all every each any some both only exactly",
    "order": "first second third next after before last finally left right",
    "wh_words": "what which who whom whose where",
    "why_how": "why how explain describe",
    "instructions": "find compute calculate evaluate determine simplify solve prove show sort",
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
_MEASURED = (
    "tokens",  # log of the encoder's own token count, before truncation
    "characters",  # log of their number
    "words",  # log of their number
    "word_length",  # mean characters a word
    "distinct_words",  # share of words that differ, letter case aside
    "largest_number",  # digits before the point of the longest number
    "bracket_depth",  # deepest nesting of brackets
    "longest_line",  # log of its characters
    "last_line",  # log of its characters: where the question itself often stands
    "longest_list",  # log of the most items between commas or newlines in one sentence
    "uppercase",  # share of characters
    "non_letters",  # share of characters that are neither letters nor spaces
)
SURFACE_FEATURES: tuple[str, ...] = (*_MEASURED, *_COUNTED, *_KINDS)
"""Names of the surface features, in the order of `surface_features`."""

_NUMBER = re.compile(r"\d+")
_SENTENCE_END = re.compile(r"[.!?:]\s")
_ITEM_END = re.compile(r"[,;\n]")
_WORD = re.compile(r"[a-z]+(?:'t)?")
_UPPERCASE = re.compile(r"[A-Z]")
_LETTER_OR_SPACE = re.compile(r"[^\W\d_]|\s")
_BRACKET = re.compile(r"[()\[\]{}]")


def surface_features(text: str, n_tokens: int) -> NDArray[np.float32]:
    """What the text looks like, without understanding it: length, numbers, structure, kinds of words.

    Args:
        text: The question.
        n_tokens: Its length by the encoder's tokenizer.

    Returns:
        Shape (len(SURFACE_FEATURES),), all finite; an empty text gives zeros.

    Example:
        >>> values = dict(zip(SURFACE_FEATURES, surface_features("What is 12 + 7?", n_tokens=6)))
        >>> round(float(np.expm1(values["numbers"]))), float(values["largest_number"])
        (2, 2.0)
    """
    text = text[:_LONGEST]
    words = text.split()
    length = len(text) or 1
    lines = text.split("\n")
    measured = (
        math.log1p(n_tokens),
        math.log1p(len(text)),
        math.log1p(len(words)),
        sum(map(len, words)) / max(len(words), 1),
        len({word.lower() for word in words}) / max(len(words), 1),
        max(map(len, _NUMBER.findall(text)), default=0),
        _bracket_depth(text),
        math.log1p(max(map(len, lines))),
        math.log1p(len(lines[-1])),
        math.log1p(max(len(_ITEM_END.findall(part)) for part in _SENTENCE_END.split(text))),
        len(_UPPERCASE.findall(text)) / length,
        (len(text) - len(_LETTER_OR_SPACE.findall(text))) / length,
    )
    counted = [math.log1p(len(pattern.findall(text))) for pattern in _PATTERNS.values()]
    kinds = Counter(map(_KIND_OF.get, _WORD.findall(text.lower())))
    return np.array([*measured, *counted, *(math.log1p(kinds[kind]) for kind in _KINDS)], dtype=np.float32)


def _bracket_depth(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        depth = depth + 1 if bracket in "([{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


class EncoderSession:
    """Unit vectors and token counts of texts, by an encoder saved as ONNX beside its tokenizer.

    Texts are encoded one at a time: a quantised encoder scales by what else is in the batch, and a question
    must get the same vector when a policy is fitted and when it decides.

    Args:
        folder: Holds `encoder.onnx` (inputs `input_ids` and `attention_mask`, one output of shape (1, d)) and
            `tokenizer.json` (with the truncation the encoder was made for).
        threads: Threads of one encoding.

    Attributes:
        folder: Where its files are.
        dimension: Length d of a vector.

    Raises:
        PolicyFormatError: A file is missing or cannot be read.
    """

    def __init__(self, folder: str | os.PathLike[str], *, threads: int = 1) -> None:
        from tokenizers import Tokenizer  # here, as importing the library must be cheap

        self.folder = Path(folder)
        for name in ENCODER_FILES:
            if not (self.folder / name).is_file():
                raise PolicyFormatError(f"{self.folder / name} is missing")
        self._session = open_session(self.folder / "encoder.onnx", threads=threads)
        self._tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.dimension = int(self._session.get_outputs()[0].shape[-1])

    @cached_property
    def identity(self) -> str:
        """Digest of both files: equal identities give equal vectors."""
        digests = (hashlib.sha256((self.folder / name).read_bytes()).digest() for name in ENCODER_FILES)
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of unit length, shape (len(texts), dimension)."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(self._tokenize(text))
        return vectors

    def count_tokens(self, text: str) -> int:
        """Tokens of the whole text, also of what the encoder cuts off; special tokens do not count."""
        return _tokens(self._tokenize(text))

    def features(self, text: str, vector: ArrayLike | None = None) -> NDArray[np.float32]:
        """The vector of `text` (taken as given where it is known), then its surface features.

        Raises:
            ValueError: `vector` is not of shape (dimension,).
        """
        encoding = self._tokenize(text)
        known = self._vector(encoding) if vector is None else np.asarray(vector, dtype=np.float32)
        if known.shape != (self.dimension,):
            raise ValueError(f"a vector of shape ({self.dimension},) is needed, not {known.shape}")
        return np.concatenate([known, surface_features(text, _tokens(encoding))])

    def _tokenize(self, text: str) -> Any:
        """The tokens of `text`; half a character, as broken JSON or a shell may leave it, reads as `?`."""
        return self._tokenizer.encode(text.encode(errors="replace").decode())

    def _vector(self, encoding: Any) -> NDArray[np.float32]:
        ids = np.array([encoding.ids], dtype=np.int64)
        vector: NDArray[np.float32] = self._session.run(
            None, {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )[0][0]
        return vector


def open_session(path: Path, *, threads: int = 1) -> Any:
    """An ONNX session on the CPU, quiet and with `threads` threads.

    Raises:
        PolicyFormatError: The file is not an ONNX model that this onnxruntime can run.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (failures.Fail, failures.InvalidGraph, failures.InvalidProtobuf, failures.NotImplemented) as error:
        raise PolicyFormatError(f"{path}: onnxruntime cannot open it: {error}") from error


def _tokens(encoding: Any) -> int:
    parts = [encoding, *encoding.overflowing]
    return sum(len(part.ids) - sum(part.special_tokens_mask) for part in parts)
