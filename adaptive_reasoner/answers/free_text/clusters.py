"""Free text, compared by meaning: clusters of replies whose vectors are close to each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import ComparisonSteps
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.free_text.differences import in_doubt
from adaptive_reasoner.answers.free_text.vectors import LONGEST, TextEncoder, TextVectors
from adaptive_reasoner.answers.reply_text import spoken

AT_LEAST = 0.7
"""The least cosine of texts that mean the same, as `benchmarks/similar_answers.py` chooses it for MiniLM."""


@overload
def similar(encoder: TextEncoder, *, at_least: float = AT_LEAST, guarded: bool = True) -> "Similar": ...
@overload
def similar(
    encoder: None = None, *, at_least: float = AT_LEAST, guarded: bool = True
) -> "SimilarByPolicy": ...
def similar(
    encoder: TextEncoder | None = None, *, at_least: float = AT_LEAST, guarded: bool = True
) -> "Similar | SimilarByPolicy":
    """Compare free text by meaning: replies are equal if all of them are close to each other.

    The clusters are those of complete linkage, so no chain of small steps joins different texts. The reply
    nearest to the centre of the largest cluster is the answer of a vote. It costs no call.

    An encoder puts texts about the same things close to each other, also if they contradict one another. With
    `guarded`, texts are kept apart if their numbers differ, if one is negated, or if they are alike but for a
    few words or their order: "Alice paid Bob" is not "Bob paid Alice". What differs in none of these ways is
    taken for one. A text of more than 20,000 characters offers nothing to compare.

    Args:
        encoder: Gives texts their vectors: `LearnedPolicy.load(folder).encoder`, the encoder of
            `adaptive_reasoner.kit.open_encoder()`, or any object with such a method `encode(texts)`. Without
            one, the key of a node, middleware, chat model or reasoner takes the encoder of the policy there.
        at_least: The least cosine of two texts that mean the same. The default is chosen for MiniLM.
        guarded: Whether words are compared, too.

    Raises:
        TypeError: The encoder has no method `encode`.
        ValueError: `at_least` is not in (0, 1].

    Source:
        Kuhn et al., arXiv:2302.09664, whose clusters come from a model of entailment instead.

    Example:
        >>> class Letters:
        ...     def encode(self, texts):
        ...         counts = np.array([[text.lower().count(c) for c in "abcdefghijklmno"] for text in texts])
        ...         return counts / np.linalg.norm(counts, axis=1, keepdims=True)
        >>> replies = [AIMessage("It melts."), AIMessage("Melts, it."), AIMessage("Hello, how do you do?")]
        >>> one, other, greeting = similar(Letters(), guarded=False).keys(replies)
        >>> one == other, one == greeting
        (True, False)
    """
    if not 0 < at_least <= 1:
        raise ValueError(f"at_least is a cosine, in (0, 1], not {at_least}")
    if encoder is None:
        return SimilarByPolicy(at_least, guarded)
    return Similar(TextVectors(encoder), at_least, guarded=guarded)


@dataclass(frozen=True)
class SimilarByPolicy:
    """`similar`, before it has the encoder of a policy.

    Attributes:
        at_least: The least cosine of two texts that mean the same.
        guarded: Whether words are compared, too.
    """

    at_least: float
    guarded: bool

    def with_encoder(self, encoder: TextEncoder) -> "Similar":
        """The comparison by this encoder."""
        return similar(encoder, at_least=self.at_least, guarded=self.guarded)

    def __repr__(self) -> str:
        return f"similar(at_least={self.at_least:g})"


class Similar:
    """A comparison by clusters of meaning; see `similar`."""

    name = "similar"

    def __init__(self, vectors: TextVectors, at_least: float, *, guarded: bool) -> None:
        self._vectors, self._at_least, self._guarded = vectors, at_least, guarded

    def keys(self, messages: Sequence[AIMessage], *, question: str = "") -> list[str | None]:  # noqa: ARG002
        """For each message the text nearest to the centre of its cluster; None without a whole text."""
        texts = [text_of(message) for message in messages]
        known = sorted({text for text in texts if text is not None})
        label = {}
        for cluster in self._clusters(known):
            members = [text for text in texts if text in cluster]
            centre = members[self._nearest([text for text in members if text is not None])]
            label.update(dict.fromkeys(cluster, centre))
        return [
            final_answer(message) if message.tool_calls else None if text is None else label[text]
            for message, text in zip(messages, texts, strict=True)
        ]

    def steps(self, messages: Sequence[AIMessage], *, question: str = "") -> ComparisonSteps:
        """The keys; no request is yielded."""
        yield from ()
        return self.keys(messages, question=question)

    def representative(self, messages: Sequence[AIMessage], indices: Sequence[int]) -> int:
        """The index of the reply, among these, that is nearest to their centre."""
        texts = [text_of(messages[at]) for at in indices]
        whole = [text for text in texts if text is not None]
        return indices[self._nearest(whole) if len(whole) == len(texts) else 0]

    def grade(self, answer: str | None, gold: str) -> float:
        """1.0 where the two would be one cluster."""
        if answer is None:
            return 0.0
        texts = sorted({" ".join(answer.split()), " ".join(gold.split())})
        return float(len(self._clusters(texts)) == 1)

    def __call__(self, answer: str | None, gold: str) -> float:
        """1.0 where the two would be one cluster."""
        return self.grade(answer, gold)

    def __repr__(self) -> str:
        return f"similar(at_least={self._at_least:g})"

    def _nearest(self, texts: Sequence[str]) -> int:
        """The number of the text that is most similar to all, on average; the first of equals."""
        if len(set(texts)) == 1:
            return 0
        return int(np.argmax(np.round(self._vectors.similarities(texts).sum(axis=1), 9)))

    def _clusters(self, texts: Sequence[str]) -> list[set[str]]:
        """The clusters of complete linkage, of which any two members are similar; the texts are distinct."""
        if len(texts) < 2:
            return [set(texts)] if texts else []
        closeness = self._vectors.similarities(texts)
        np.fill_diagonal(closeness, -1.0)
        for one, other in np.argwhere(np.triu(closeness >= self._at_least)):
            if self._guarded and in_doubt(texts[one], texts[other]):
                closeness[one, other] = closeness[other, one] = -1.0
        clusters = [{text} for text in texts]
        while True:
            one, other = np.unravel_index(np.argmax(closeness), closeness.shape)
            if closeness[one, other] < self._at_least:
                return [cluster for cluster in clusters if cluster]
            clusters[one] |= clusters[other]
            clusters[other] = set()
            closeness[one] = closeness[:, one] = np.minimum(closeness[one], closeness[other])
            closeness[other] = closeness[:, other] = -1.0
            closeness[one, one] = -1.0


def text_of(message: AIMessage) -> str | None:
    """What a reply says, in one layout; None for tool calls, refusals, cut, empty and too long replies."""
    text = None if message.tool_calls else spoken(message)
    return None if text is None or len(text) > LONGEST else " ".join(text.split()) or None
