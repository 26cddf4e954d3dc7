"""A small table of outcomes, samples of votes, and a backtest of either in a moment and without a model."""

import zlib
from pathlib import Path

import numpy as np

from adaptive_reasoner.kit.backtesting.evaluation import backtest
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples


class WordEncoder:
    """Vectors of hashed words: an encoder that needs no model."""

    folder = Path()
    identity = "words"
    dimension = 16

    def encode(self, texts):
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def count_tokens(self, text):
        return len(text.split())


def questions(n=240, *, telling=True, seed=0):
    """Half of two groups is hard; its text says so in one word, unless it is not telling."""
    rng = np.random.default_rng(seed)
    hard = rng.random(n) < 0.5
    spoken = hard if telling else rng.random(n) < 0.5
    texts = [f"{'prove' if s else 'name'} item {i} of {i % 7}" for i, s in enumerate(spoken)]
    groups = ["sums" if i % 2 else "products" for i in range(n)]
    return rng, hard, texts, groups


def outcomes(n=240, *, telling=True, seed=0):
    rng, hard, texts, groups = questions(n, telling=telling, seed=seed)
    direct = rng.random(n) < np.where(hard, 0.05, 0.95)
    cost = np.column_stack([np.full(n, 2.0), 40 + 20 * rng.random(n)])
    return Outcomes(
        question_ids=[f"q{i}" for i in range(n)],
        questions=texts,
        actions=("direct", "cot"),
        accuracy=np.column_stack([direct, rng.random(n) < 0.9]),
        cost=cost,
        cost_unit="tokens",
        samples=np.ones((n, 2), int),
        groups=groups,
    )


def table_of(accuracy, cost, *, groups=None, questions=None, halves=None):
    """Outcomes of these cells, on questions without a meaning unless some are given."""
    accuracy, cost = np.asarray(accuracy, float), np.asarray(cost, float)
    n, k = accuracy.shape
    return Outcomes(
        question_ids=[f"q{i}" for i in range(n)],
        questions=questions or [f"question {i}" for i in range(n)],
        actions=tuple("abcdef"[:k]),
        accuracy=accuracy,
        cost=cost,
        cost_unit="tokens",
        samples=np.ones((n, k), int),
        groups=groups,
        halves=halves,
    )


def samples(n=60, *, seed=0, sources=("cot",)):
    rng, hard, texts, _ = questions(n, seed=seed)
    return Samples.from_rows(
        {
            "question_id": f"q{i}",
            "question": texts[i],
            "source": source,
            "sample": number,
            "answer": "right" if right else f"wrong {rng.integers(3)}",
            "correct": float(right),
            "cost": 10.0,
            "cost_unit": "tokens",
            "completion_tokens": 10,
        }
        for i in range(n)
        for source in sources
        for number, right in enumerate(rng.random(12) < (0.55 if hard[i] else 0.95))
    )


def run(table, **options):
    return backtest(table, **{"encoder": WordEncoder(), "splits": 1, "draws": 500} | options)
