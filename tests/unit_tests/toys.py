"""A small encoder and small tables, so that policies can be trained in a moment and without a model."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from adaptive_reasoner.kit.learning.encoders import VectorCache, feature_matrix
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.features import EncoderSession

WORDS = ["what", "is", "tom", "has", "apples", "and", "buys", "more", "how", "many", "now", *"0123456789+?"]
DIMENSION = 8


def write_toy_encoder(folder: Path, *, dimension: int = DIMENSION, max_length: int = 32) -> Path:
    """An encoder of the form the library ships: the mean of random word vectors, brought to length 1."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)]
    )
    tokenizer.enable_truncation(max_length)
    tokenizer.save(str(folder / "tokenizer.json"))
    words = np.random.default_rng(0).normal(size=(len(vocabulary), dimension)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["words", "input_ids"], ["each"]),
            helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["seen", "last"], ["column"]),
            helper.make_node("Mul", ["each", "column"], ["kept"]),
            helper.make_node("ReduceMean", ["kept"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("LpNormalization", ["mean"], ["vector"], axis=-1, p=2),
        ],
        "toy",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, [1, "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, dimension])],
        [numpy_helper.from_array(words, "words"), numpy_helper.from_array(np.array([-1]), "last")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "encoder.onnx"))
    return folder


@cache
def toy_encoder() -> EncoderSession:
    """The small encoder, written once."""
    return EncoderSession(write_toy_encoder(Path(mkdtemp())))


def features_of(table: Outcomes) -> np.ndarray:
    """What an imitator sees of the questions, by the small encoder."""
    encoder = toy_encoder()
    return feature_matrix(list(table.questions), encoder, cache=VectorCache(encoder, encoder.folder))


def toy_outcomes(questions: int, *, seed: int = 0, informative: bool = True) -> Outcomes:
    """Sums that "direct" can do, and stories that need "cot"; or outcomes dealt at random."""
    rng = np.random.default_rng(seed)
    story = rng.random(questions) < 0.5
    texts = [_text(rng, is_story) for is_story in story]
    deals = rng.permutation(story) if not informative else story
    direct = np.where(deals, 0.1, 0.9)
    accuracy = rng.random((questions, 2)) < np.column_stack([direct, np.full(questions, 0.85)])
    cost = np.column_stack([np.full(questions, 2.0), rng.integers(20, 40, questions) + 20 * deals])
    return Outcomes(
        question_ids=np.array([f"q{number}" for number in range(questions)], dtype=object),
        questions=np.array(texts, dtype=object),
        actions=("direct", "cot"),
        accuracy=accuracy.astype(float),
        cost=cost.astype(float),
        cost_unit="tokens",
        samples=np.ones((questions, 2), dtype=int),
        groups=np.where(story, "story", "sum").astype(object),
    )


def _text(rng: np.random.Generator, story: bool) -> str:
    a, b = rng.integers(1, 1000, 2)
    if story:
        return f"tom has {a} apples and buys {b} more . how many apples has tom now ?"
    return f"what is {a} + {b} ?"


def with_action(table: Outcomes, name: str, accuracy: ArrayLike, cost: ArrayLike, *, at: int = 1) -> Outcomes:
    """The table with one action more, at a position."""
    columns = {"accuracy": accuracy, "cost": cost, "samples": 1}
    cells = {
        key: np.insert(getattr(table, key).astype(float), at, value, axis=1) for key, value in columns.items()
    }
    actions = (*table.actions[:at], name, *table.actions[at:])
    return replace(table, actions=actions, **(cells | {"samples": cells["samples"].astype(int)}))


def wasteful_outcomes(questions: int = 400, *, seed: int = 0) -> Outcomes:
    """Sums and stories, and an action that is worse than "cot" everywhere and costs more."""
    table = toy_outcomes(questions, seed=seed)
    guesses = np.random.default_rng(seed + 7).random(questions) < 0.3
    return with_action(table, "guess", guesses.astype(float), 70.0)
