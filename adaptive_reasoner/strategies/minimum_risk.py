"""The best of several texts without a judge: the one that is most similar to the others."""

from collections.abc import Generator, Sequence
from math import inf

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.free_text.clusters import text_of
from adaptive_reasoner.answers.free_text.vectors import TextEncoder, TextVectors
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Request


def central(encoder: TextEncoder) -> "Central":
    """Score each reply by how similar it is to the other replies, on average.

    `best_of_n(n, central(encoder))` answers with the reply of minimum Bayes risk, if the cosine of two
    replies says how useful one is where the other is right. Unlike a vote it needs no two replies that say
    the same, so it suits summaries, translations and other free text. It makes no call beyond the replies.

    A refusal, a tool call or a cut reply has no score, and does not count for the others. A single reply is
    similar to no other: its score is 0.

    Args:
        encoder: Gives texts their vectors: `LearnedPolicy.load(folder).encoder`, the encoder of
            `adaptive_reasoner.kit.open_encoder()`, or any object with such a method `encode(texts)`.

    Raises:
        TypeError: The encoder has no method `encode`.

    Source:
        Eikema and Aziz, arXiv:2108.04718, on minimum Bayes risk by samples; Suzgun et al., arXiv:2211.07634.
    """
    return Central(TextVectors(encoder))


class Central:
    """A scorer over all replies; see `central`."""

    def __init__(self, vectors: TextVectors) -> None:
        self._vectors = vectors

    def scores(
        self,
        question: str,  # noqa: ARG002 - as every scorer over all replies
        messages: Sequence[AIMessage],
    ) -> Generator[Sequence[Request], Sequence[Reply], list[float]]:
        """The mean cosine of each reply and the others; minus infinity without a whole text."""
        yield from ()
        texts = [text_of(message) for message in messages]
        whole = [text for text in texts if text is not None]
        if len(whole) < 2:
            return [-inf if text is None else 0.0 for text in texts]
        cosines = self._vectors.similarities(whole)
        means = iter((cosines.sum(axis=1) - cosines.diagonal()) / (len(whole) - 1))
        return [-inf if text is None else round(float(next(means)), 9) for text in texts]
