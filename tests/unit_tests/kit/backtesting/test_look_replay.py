"""The policy that may look, on held-out questions: it contains the one that does not."""

import numpy as np
import pytest

from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.imitators import Split, fitted_imitator, value_shares
from adaptive_reasoner.kit.backtesting.look_replay import LookReplay
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.kit.backtesting.two_sources import FIT, HELD_OUT, features, two_sources


def played(samples, known, budgets):
    """What the policy does with looks and without on the questions held out, at each budget."""
    table = estimate(samples, votes=(1,))
    split = Split.of(table, known.astype(np.float32), FIT, HELD_OUT)
    imitator = fitted_imitator(split, budgets, seed=0)
    looked = list(LookReplay(samples, table).plays(imitator, split, FIT, HELD_OUT, budgets))
    shares = [each.shipped for each in value_shares(imitator, split, budgets)]
    plain = [(split.held_out.accuracy * share).sum(axis=1).mean() for share in shares]
    return split, looked, plain


def test_it_looks_where_only_samples_tell():
    split, (looked,), (plain,) = played(two_sources(cheap_samples=8), features(informative=False), [7.0])
    assert looked.cost.mean() == pytest.approx(7.0, rel=0.05)
    assert looked.accuracy.mean() > plain + 0.15
    assert looked.accuracy.mean() > uniform_hull(split.held_out).accuracy_at(looked.cost.mean()) + 0.15


@pytest.mark.parametrize("budget", [3.0, 5.5])
def test_it_does_what_the_question_says_where_the_question_tells_all(budget):
    _, (looked,), (plain,) = played(two_sources(cheap_samples=8), features(informative=True), [budget])
    assert looked.accuracy.mean() >= plain - 0.003


def test_it_goes_straight_to_the_dear_source_where_the_cheap_one_is_worth_nothing():
    rows = [
        row | ({"correct": 0.0} if row["source"] == "cheap" else {})
        for row in two_sources(cheap_samples=8).rows()
    ]
    _, (looked,), _ = played(Samples.from_rows(rows), features(informative=False), [10.0])
    assert (looked.cost.mean(), looked.accuracy.mean()) == pytest.approx((10.0, 0.9))
