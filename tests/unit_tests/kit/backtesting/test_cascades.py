"""Cheap first, dear where it pays: on sources of which one knows what the other does not."""

import numpy as np
import pytest

from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.cascades import escalation_rules
from adaptive_reasoner.kit.estimating.estimation import estimate
from tests.unit_tests.kit.backtesting.two_sources import FIT, HELD_OUT, features, two_sources


def rules_of(samples, features):
    return escalation_rules(samples, estimate(samples, votes=(1,)), features.astype(np.float32))


def test_disagreement_of_cheap_samples_escalates():
    samples = two_sources(cheap_samples=8)
    rules = rules_of(samples, features(informative=False))
    assert set(rules) == {"cascade_routing", "cascade_threshold"}
    mixed = uniform_hull(estimate(samples, votes=(1,)).select(HELD_OUT))
    played = rules["cascade_threshold"].fit(FIT, HELD_OUT).at(7.0)
    # Two cheap samples tell nearly all: then easy ones cost 2, hard ones 2 + 10.
    assert played.cost.mean() == pytest.approx(7.0, abs=0.4)
    assert played.accuracy.mean() > 0.9
    assert played.accuracy.mean() > mixed.accuracy_at(played.cost.mean()) + 0.15


def test_routing_sees_the_question_and_skips_the_cheap_call():
    rules = rules_of(two_sources(cheap_samples=1), features(informative=True))
    assert set(rules) == {"cascade_routing", "cascade_threshold"}
    routed = rules["cascade_routing"].fit(FIT, HELD_OUT).at(5.5)
    assert routed.cost.mean() == pytest.approx(5.5, abs=0.3)
    assert routed.accuracy.mean() == pytest.approx(0.95, abs=0.02)
    cascaded = rules["cascade_threshold"].fit(FIT, HELD_OUT).at(6.0)
    assert cascaded.accuracy.mean() == pytest.approx(0.95, abs=0.02)  # a cheap call more for each question


def test_a_lower_budget_escalates_less():
    rules = rules_of(two_sources(cheap_samples=8), features(informative=False))
    rule = rules["cascade_threshold"].fit(FIT, HELD_OUT)
    played = [rule.at(budget) for budget in (2.0, 4.0, 7.0)]
    costs = [play.cost.mean() for play in played]
    assert costs == pytest.approx([2.0, 4.0, 7.0], rel=0.15)
    assert np.all(np.diff([play.accuracy.mean() for play in played]) > 0.1)


def test_with_one_source_there_is_nothing_to_escalate_to():
    samples = two_sources(cheap_samples=8)
    assert rules_of(samples.of_source("cheap"), features(informative=False)) == {}
