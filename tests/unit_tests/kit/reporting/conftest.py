"""A policy with a report, and questions that it was not trained on."""

import pytest

from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.policy.features import EncoderSession
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.toys import toy_outcomes, write_toy_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return EncoderSession(write_toy_encoder(tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="module")
def policy_for(encoder, tmp_path_factory):
    def trained(table, **options):
        folder = tmp_path_factory.mktemp("policy") / "policy"
        options = {"budget": 20.0, "cache": VectorCache(encoder, encoder.folder)} | options
        return LearnedPolicy.load(train(table, encoder=encoder, **options).save(folder))

    return trained


@pytest.fixture(scope="module")
def policy(policy_for):
    return policy_for(toy_outcomes(300))


@pytest.fixture(scope="module")
def fresh():
    return toy_outcomes(300, seed=1)
