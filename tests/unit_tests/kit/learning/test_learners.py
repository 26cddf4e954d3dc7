import numpy as np
import onnxruntime
import pytest
from sklearn.linear_model import RidgeCV

from adaptive_reasoner.kit.learning.learners import PENALTIES, Constant, Neighbours, Ridge, Trees, nearest
from adaptive_reasoner.kit.onnx_graph import INPUT, Graph

VECTOR, SURFACE, TARGETS = 12, 5, 4


def questions(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, VECTOR + SURFACE)).astype(np.float32)
    X[:, :VECTOR] /= np.linalg.norm(X[:, :VECTOR], axis=1, keepdims=True)
    Y = X[:, :TARGETS] + 0.5 * X[:, -TARGETS:] + 0.1 * rng.normal(size=(n, TARGETS))
    Y[:, -1] = 0.0  # a target that does not vary
    return X, Y


def learners():
    return {
        "constant": Constant(),
        "ridge": Ridge(VECTOR),
        "neighbours": Neighbours(VECTOR),
        "trees": Trees(VECTOR, trees=10),
    }


@pytest.mark.parametrize("name", learners())
@pytest.mark.parametrize("n", [2, 3, 15, 400])
def test_the_graph_predicts_what_the_learner_predicts(name, n):
    X, Y = questions(n)
    learner = learners()[name].fit(X, Y)
    graph = Graph(width=X.shape[1])
    model = graph.model({"expected": learner.draw_into(graph)})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    new, _ = questions(50, seed=1)
    (predicted,) = session.run(None, {INPUT: new})
    assert predicted.shape == (50, TARGETS)
    assert np.allclose(predicted, learner.predict(new), atol=1e-5)


@pytest.mark.parametrize("name", ["ridge", "neighbours", "trees"])
def test_learns_more_than_the_mean(name):
    (X, Y), (new, truth) = questions(500), questions(500, seed=1)
    learner = learners()[name].fit(X, Y)
    assert ((learner.predict(new) - truth) ** 2).mean() < 0.9 * truth.var(axis=0).mean()


@pytest.mark.parametrize("name", learners())
def test_a_target_that_does_not_vary_is_predicted_as_it_is(name):
    X, Y = questions(60)
    assert np.allclose(learners()[name].fit(X, Y).predict(X)[:, -1], 0.0, atol=1e-9)


@pytest.mark.parametrize("targets", [1, TARGETS])
@pytest.mark.parametrize("n", [3, 16, 17, 18, 400, 2500])
def test_a_ridge_takes_for_each_target_the_penalty_that_leaving_one_out_prefers(n, targets):
    X, Y = questions(n)
    X[:, -1] = 3.0  # a feature that does not vary
    ridge = Ridge(VECTOR).fit(X, Y[:, :targets])
    scaled = (X - ridge.mean_) / ridge.scale_
    expected = RidgeCV(alphas=PENALTIES, alpha_per_target=targets > 1).fit(scaled, Y[:, :targets])
    assert np.allclose(ridge.predict(X), expected.predict(scaled).reshape(n, targets), rtol=0, atol=1e-9)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_the_nearest_are_those_that_sorting_finds(count):
    vectors = np.random.default_rng(0).integers(-3, 4, (300, 4)).astype(np.float32)  # many ties
    found = nearest(vectors[:50], vectors, count)
    expected = np.argsort(-(vectors[:50] @ vectors.T), axis=1, kind="stable")[:, :count]
    assert np.array_equal(found, expected)


def test_the_nearest_come_first_and_none_is_its_own_neighbour():
    X, _ = questions(2000)
    vectors = X[:, :VECTOR]
    found = nearest(vectors, vectors, 3, skip_self=True)
    similar = vectors @ vectors.T - 9 * np.eye(len(vectors))
    expected = np.argsort(-similar, axis=1)[:, :3]
    assert np.allclose(np.take_along_axis(similar, found, 1), np.take_along_axis(similar, expected, 1))


def test_of_very_many_questions_some_are_remembered():
    X, Y = questions(300)
    few = Neighbours(VECTOR, most=50).fit(X, Y)
    assert few.vectors_.shape == (50, VECTOR)
    assert few.predict(X).shape == Y.shape


def test_the_same_seed_grows_the_same_trees():
    X, Y = questions(100)
    first, second = (Trees(VECTOR, trees=5, seed=3).fit(X, Y).predict(X) for _ in range(2))
    assert np.array_equal(first, second)
