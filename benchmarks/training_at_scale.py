"""How long does training on many questions take, how much memory, and what does a decision by it cost?

    python benchmarks/training_at_scale.py [--questions 100000] [--out FILE]

The questions are made up: topics in an embedding space of 384 dimensions, a difficulty that a part of the
vector and the length of the text tell, three actions. The vectors are given, so that no encoder runs in
training; the policy folder gets the default one, and decisions are timed with it. On a busy machine the
seconds of the processor are a measure, those of the wall are not: `load` is the mean number of processes that
ran or waited in the last quarter of an hour.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from provenance import made_with

from adaptive_reasoner.kit.learning.encoders import VectorCache, open_encoder
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.learned import LearnedPolicy

ROOT = Path(__file__).resolve().parents[1]
DIMENSION, TOPICS = 384, 200
PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnxruntime")


class Given:
    """The default encoder, which takes the vectors of the questions as given."""

    dimension = DIMENSION

    def __init__(self, texts, vectors):
        self.session = open_encoder()
        self.folder, self.identity = self.session.folder, "given"
        self.known = dict(zip(texts, vectors, strict=True))

    def encode(self, texts):
        """Vectors of texts."""
        return np.stack([self.known[text] for text in texts])

    def count_tokens(self, text):
        """Words, which take no tokenizer."""
        return len(text.split())


def made_up(n, seed=0):
    """Outcomes of n questions, and their vectors."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(TOPICS, size=n)
    vectors = rng.normal(size=(TOPICS, DIMENSION))[topic] + 0.7 * rng.normal(size=(n, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    words = rng.integers(5, 60, size=n)
    level = 30 * (vectors @ rng.normal(size=DIMENSION) / np.sqrt(DIMENSION)) - (words - 30) / 20
    rates = 1 / (1 + np.exp(-(level[:, None] + np.array([-0.5, 0.7, 1.5]))))
    accuracy = (rng.random((n, 3)) < rates).astype(float)
    cost = np.column_stack([np.full(n, 5.0), 60 + words, 300 + 4 * words * rng.random(n)])
    table = Outcomes(
        question_ids=[f"q{row}" for row in range(n)],
        questions=[f"question {row} {'word ' * words[row]}" for row in range(n)],
        actions=("direct", "cot", "thinking"),
        accuracy=accuracy,
        cost=cost,
        cost_unit="tokens",
        samples=np.ones((n, 3), int),
        groups=[f"topic {each}" for each in topic],
    )
    return table, vectors


def peak():
    """The most memory this process has held so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def decisions(folder, texts, rounds=200):
    """Milliseconds of single decisions by a policy folder, on the wall and of the processor."""
    policy = LearnedPolicy.load(folder)
    taken = []
    for number in range(rounds):
        start = time.perf_counter(), time.process_time()
        policy.decide(texts[number % len(texts)])
        taken.append([time.perf_counter() - start[0], time.process_time() - start[1]])
    wall, processor = 1000 * np.array(taken).T
    return {
        "median": round(float(np.median(wall)), 2),
        "p95": round(float(np.quantile(wall, 0.95)), 2),
        "processor_median": round(float(np.median(processor)), 2),
        "processor_p95": round(float(np.quantile(processor, 0.95)), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "training_at_scale.json"
    )
    options = parser.parse_args()
    table, vectors = made_up(options.questions)
    texts = table.questions.tolist()
    encoder = Given(texts, vectors)
    before, wall, processor = peak(), time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        cache = VectorCache(encoder, Path(scratch))
        policy = train(table, budget=120.0, encoder=encoder, cache=cache)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        most = peak()
        folder = policy.save(Path(scratch) / "policy")
        sizes = {path.name: round(path.stat().st_size / 1e6, 1) for path in sorted(folder.iterdir())}
        latency = decisions(folder, texts)
    result = {
        "command": f"python benchmarks/training_at_scale.py --questions {options.questions}",
        **made_with(*PACKAGES),
        "load": round(os.getloadavg()[2], 1),
        "questions": options.questions,
        "actions": len(table.actions),
        "learner": policy.imitator.learner_,
        "verdict": policy.gate.answer,
        "seconds": round(wall, 1),
        "processor_seconds": round(processor, 1),
        "peak_gigabytes": round(most, 2),
        "gigabytes_before_training": round(before, 2),
        "folder_megabytes": sizes | {"total": round(sum(sizes.values()), 1)},
        "decision_milliseconds": latency,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
