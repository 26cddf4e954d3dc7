"""The vectors of replies, by an encoder of sentences."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from adaptive_reasoner.arrays import Matrix

LONGEST = 20_000
"""Characters of a text: a longer one gets no vector, because what lies beyond would not be compared."""

_PART = 700  # bytes in UTF-8, which encoders of 256 tokens read whole
_KEPT = 4_096  # texts whose vectors are remembered


class TextEncoder(Protocol):
    """What gives texts their vectors: the encoder of a policy, for example, or any of your own."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Vectors of unit length, shape (len(texts), dimension)."""
        ...


class TextVectors:
    """The vectors of texts of any length; each text is encoded once.

    A text that is longer than the encoder reads is cut at spaces, and gets the mean of its parts.

    Args:
        encoder: Encodes the parts.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        given: object = encoder
        if isinstance(given, str) or not callable(getattr(given, "encode", None)):
            raise TypeError(
                f"an encoder has a method encode(texts), and {encoder!r} has none; take the encoder of a "
                "policy, LearnedPolicy.load(folder).encoder, or adaptive_reasoner.kit.open_encoder()"
            )
        self._encoder = encoder
        self._vector = lru_cache(maxsize=_KEPT)(self._encoded)

    def similarities(self, texts: Sequence[str]) -> Matrix:
        """The cosines between texts, shape (len(texts), len(texts))."""
        vectors = np.stack([self._vector(text) for text in texts])
        cosines: Matrix = np.clip(vectors @ vectors.T, -1.0, 1.0)
        return cosines

    def _encoded(self, text: str) -> Matrix:
        vector: Matrix = np.asarray(self._encoder.encode(_parts(text)), dtype=np.float64).sum(axis=0)
        length = float(np.linalg.norm(vector))
        return vector / length if length else vector


def _parts(text: str) -> list[str]:
    parts, size = [""], 0
    for word in text.split(" "):
        for start in range(0, len(word) or 1, _PART // 4):  # languages without spaces
            piece = word[start : start + _PART // 4] + ("" if start + _PART // 4 < len(word) else " ")
            size += len(piece.encode(errors="replace"))
            if size > _PART and parts[-1]:
                parts.append("")
                size = len(piece.encode(errors="replace"))
            parts[-1] += piece
    return [part.strip() for part in parts]
