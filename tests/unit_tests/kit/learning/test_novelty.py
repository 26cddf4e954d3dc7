import numpy as np
import onnxruntime
import pytest

from adaptive_reasoner.kit.learning.novelty import Familiarity
from adaptive_reasoner.kit.onnx_graph import INPUT, Graph

DIMENSION = 16


def around(centre, n, seed, *, spread=0.1):
    """Unit vectors near an axis."""
    rng = np.random.default_rng(seed)
    vectors = np.eye(DIMENSION)[centre] + spread * rng.normal(size=(n, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_what_is_like_the_training_questions_is_familiar_and_the_rest_is_not():
    known = Familiarity.fit(around(0, 300, seed=0))
    assert (known.scores(around(0, 300, seed=1)) >= known.at_least).all()
    assert (known.scores(around(5, 300, seed=2)) < known.at_least).all()


def test_new_topics_of_the_same_kind_are_not_strange():
    topics = np.repeat(np.arange(6), 50)
    shared = np.full(DIMENSION, 0.2)
    vectors = np.vstack([around(topic, 50, seed=topic) for topic in range(7)]) + shared
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    seen, new = vectors[:300], vectors[300:]
    auxiliary = Familiarity.fit(seen, topics.astype(str).astype(object))
    together = Familiarity.fit(seen)
    assert (together.scores(new) < together.at_least).mean() > 0.9
    assert (auxiliary.scores(new) < auxiliary.at_least).mean() < 0.2


def test_trust_is_whole_among_known_questions_and_gone_beyond_the_rarest():
    known = Familiarity.fit(around(0, 300, seed=0))
    assert known.trust(around(0, 300, seed=1)).mean() > 0.9
    assert (known.trust(around(5, 300, seed=2)) == 0).all()
    alone = Familiarity.fit(around(0, 1, seed=0))
    assert (alone.trust(-around(0, 5, seed=1)) == 1).all()


@pytest.mark.parametrize("questions", [1, 2, 3, 5000])
def test_the_graph_scores_as_the_kit_does(questions):
    known = Familiarity.fit(around(0, questions, seed=0))
    graph = Graph(width=DIMENSION)
    familiarity = known.draw_into(graph)
    model = graph.model({"familiarity": familiarity, "trust": known.draw_trust(graph, familiarity)})
    new = np.vstack([around(0, 10, seed=1), around(3, 10, seed=2)])
    scores, trust = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {INPUT: new})
    assert scores.shape == (20, 1)
    assert np.allclose(scores[:, 0], known.scores(new), atol=1e-6)
    assert np.allclose(trust[:, 0], known.trust(new), atol=1e-3)


def test_one_question_makes_nothing_strange():
    known = Familiarity.fit(around(0, 1, seed=0))
    assert (known.scores(-around(0, 5, seed=1)) >= known.at_least).all()
