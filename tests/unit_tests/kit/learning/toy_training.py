"""Training on toy outcomes."""

from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from tests.unit_tests.toys import toy_encoder

BUDGET = 15.0


def trained(table, **options):
    encoder = toy_encoder()
    options = {"budget": BUDGET, "cache": VectorCache(encoder, encoder.folder)} | options
    return train(table, encoder=encoder, **options)
