"""Question to numbers: the encoder and the surface features, the same code when fitting and deciding."""

import hashlib
import json
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

from adaptive_reasoner.arrays import Matrix
from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.folder.onnx_models import open_model
from adaptive_reasoner.policy.folder.regular_files import Refusing, read_regular

ENCODER_FILES = ("encoder.onnx", "tokenizer.json")

TOKENIZER_BYTES = 64_000_000
"""The most bytes that `tokenizer.json` may have."""

TRIAL_TEXT = "What is 2 + 2?"
"""What an encoder is tried on when it is opened."""

_MOST_QUOTES = 3_000_000  # in `tokenizer.json`, where each word and each merge of two has some
_MOST_ADDED = 10_000  # tokens beside the vocabulary: each is normalized when the tokenizer is opened
_MOST_PADDING = 10_000  # tokens that a text may be padded to
_LONGEST_PADDING = 100  # characters of the token that is padded with
_MOST_GROWTH = 64  # times that a text may be lengthened
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


def surface_features(text: str, n_tokens: int) -> Matrix:
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

    Attributes:
        folder: Where its files are.
        dimension: Length d of a vector.

    Raises:
        PolicyFormatError: A file is missing or cannot be read.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        model, self._tokenizer = self.folder / "encoder.onnx", _open_tokenizer(self.folder / "tokenizer.json")
        with Refusing(self.folder / "tokenizer.json", f"it cannot encode {TRIAL_TEXT!r}"):
            ids = np.array([self._tokenizer.encode(TRIAL_TEXT).ids], dtype=np.int64)
        self._session, outputs = open_model(model, _inputs(ids))
        vector = outputs[0] if outputs else None
        if not (isinstance(vector, np.ndarray) and vector.ndim == 2 and vector.dtype == np.float32):
            raise PolicyFormatError(f"{model}: its first output is not a float32 vector of shape (1, d)")
        self.dimension = int(vector.shape[1])
        if len(vector) != 1 or not self.dimension or not np.isfinite(vector).all():
            raise PolicyFormatError(
                f"{model}: its vector of {TRIAL_TEXT!r} is of shape {vector.shape} or not finite"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return EncoderSession, (self.folder,)

    @cached_property
    def identity(self) -> str:
        """Digest of both files: equal identities give equal vectors."""
        return encoder_identity(self.folder)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Vectors of unit length, shape (len(texts), dimension)."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(self._tokenize(text))
        return vectors

    def count_tokens(self, text: str) -> int:
        """Tokens of the whole text, also of what the encoder cuts off; special tokens do not count."""
        return _tokens(self._tokenize(text))

    def features(self, text: str, vector: ArrayLike | None = None) -> Matrix:
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
        with Refusing(self.folder / "tokenizer.json", "it cannot encode a text"):
            return self._tokenizer.encode(text.encode(errors="replace").decode())

    def _vector(self, encoding: Any) -> Matrix:
        ids = np.array([encoding.ids], dtype=np.int64)
        with Refusing(self.folder / "encoder.onnx", "it cannot encode a text"):
            vector: Matrix = self._session.run(None, _inputs(ids))[0][0]
        if vector.shape != (self.dimension,):
            raise PolicyFormatError(
                f"{self.folder / 'encoder.onnx'}: a vector of it is of shape {vector.shape}, "
                f"not ({self.dimension},) as the first one"
            )
        return vector


def encoder_identity(folder: Path) -> str:
    """Digest of the two files of an encoder."""
    digests = (hashlib.sha256((folder / name).read_bytes()).digest() for name in ENCODER_FILES)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _inputs(ids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _open_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer  # here, as importing the library must be cheap

    text = read_regular(path, at_most=TOKENIZER_BYTES)
    if text.count(b'"') > _MOST_QUOTES:
        raise PolicyFormatError(f"{path}: it has more than {_MOST_QUOTES // 2:,} words and names")
    if text.count(b'"single_word"') > _MOST_ADDED:
        raise PolicyFormatError(f"{path}: it adds more than {_MOST_ADDED:,} tokens to its vocabulary")
    with Refusing(path, "tokenizers cannot open it"):
        tokenizer = Tokenizer.from_str(text.decode())
        growth = _growth(_state(tokenizer.normalizer)) * _growth(_state(tokenizer.pre_tokenizer))
        added, copies = _framing(_state(tokenizer.post_processor))
    padding = tokenizer.padding or {}
    padded = max(padding.get("length") or 0, padding.get("pad_to_multiple_of") or 0, added)
    if padded > _MOST_PADDING:
        raise PolicyFormatError(f"{path}: it pads a text to {padded:,} tokens, more than {_MOST_PADDING:,}")
    if len(padding.get("pad_token") or "") > _LONGEST_PADDING:
        raise PolicyFormatError(f"{path}: it pads with a token of more than {_LONGEST_PADDING} characters")
    times = max(growth, copies)
    if times > _MOST_GROWTH:
        raise PolicyFormatError(f"{path}: it lengthens a text {times:.3g} times, more than {_MOST_GROWTH}")
    return tokenizer


def _state(part: Any) -> Any:
    """A part of a tokenizer as JSON. A sequence may call itself empty, and so false, in old versions."""
    return None if part is None else json.loads(part.__getstate__())


def _growth(part: Any) -> float:
    """How many times longer a normalizer or a pre-tokenizer can make a text.

    A replacement may stand at each position, beside what is there, where its pattern matches nothing.
    """
    if isinstance(part, list):
        return math.prod(map(_growth, part))
    if not isinstance(part, dict):
        return 1.0
    own = 2.0 if part.get("type") == "ByteLevel" else 1.0  # of a byte, a character of two
    own *= max(1.0, len(part.get("content") or "") + _matches_nothing(part.get("pattern")))
    own *= 1.0 + len(part.get("prepend") or "")
    return own * _growth(part.get("normalizers")) * _growth(part.get("pretokenizers"))


def _matches_nothing(pattern: Any) -> bool:
    """Whether a pattern may match between two characters."""
    return isinstance(pattern, dict) and ("Regex" in pattern or pattern.get("String") == "")


def _framing(part: Any) -> tuple[int, float]:
    """How many tokens a post-processor adds to a text, and how many times it repeats the text."""
    if not isinstance(part, dict):
        return 0, 1.0
    special = part.get("special_tokens")
    lengths = {name: len(token["ids"]) for name, token in special.items()} if special else {}
    pieces = part.get("single") or []
    added = sum(lengths.get(piece["SpecialToken"]["id"], 0) for piece in pieces if "SpecialToken" in piece)
    copies = float(max(1, sum("Sequence" in piece for piece in pieces)))
    for each in part.get("processors") or []:
        more, times = _framing(each)
        added, copies = added + more, copies * times
    return added, copies


def _tokens(encoding: Any) -> int:
    parts = [encoding, *encoding.overflowing]
    return sum(len(part.ids) - sum(part.special_tokens_mask) for part in parts)
