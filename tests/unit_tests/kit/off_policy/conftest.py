"""A policy on toy questions."""

import pytest

from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.toys import toy_encoder, toy_outcomes


@pytest.fixture(scope="package")
def policy(tmp_path_factory):
    encoder = toy_encoder()
    trained = train(
        toy_outcomes(200), budget=15.0, encoder=encoder, cache=VectorCache(encoder, encoder.folder)
    )
    return LearnedPolicy.load(trained.save(tmp_path_factory.mktemp("policy") / "policy"))


@pytest.fixture(scope="package", autouse=True)
def own_vectors(tmp_path_factory):
    """Vectors are kept in a folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPTIVE_REASONER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
