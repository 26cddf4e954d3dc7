"""Cheap first, dear where it pays: on sources of which one knows what the other does not."""

import numpy as np
import pytest

from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.cascades import escalation_rules
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.samples import Samples

FIT, HELD_OUT = np.arange(0, 200, 2), np.arange(1, 200, 2)
CHEAP, DEAR = 1.0, 10.0


def two_sources(*, cheap_samples, questions=200, seed=0):
    """Half the questions are easy. On the others the cheap source guesses, and the dear one is right."""
    rng = np.random.default_rng(seed)
    rows = []
    for question in range(questions):
        easy = question % 4 < 2
        asked = {
            "question_id": f"q{question}",
            "question": f"question {question} {'easy' if easy else 'hard'}",
            "gold": "right",
            "cost_unit": "tokens",
        }
        for number in range(cheap_samples):
            answer = "right" if easy else f"wrong {rng.integers(9)}"
            rows.append(
                {**asked, "source": "cheap", "sample": number, "answer": answer, "cost": CHEAP}
                | {"correct": float(answer == "right")}
            )
        rows += [
            {**asked, "source": "dear", "sample": n, "answer": "right", "cost": DEAR, "correct": 0.9}
            for n in range(2)
        ]
    return Samples.from_rows(rows)


def rules_of(samples, features):
    return escalation_rules(samples, estimate(samples, votes=(1,)), features.astype(np.float32))


def features(informative):
    easy = np.arange(200) % 4 < 2
    noise = np.random.default_rng(1).normal(size=(200, 3))
    return np.column_stack([easy if informative else noise[:, 0], noise])


def test_disagreement_of_cheap_samples_escalates():
    samples = two_sources(cheap_samples=8)
    rules = rules_of(samples, features(informative=False))
    assert set(rules) == {"cascade_routing", "cascade_threshold", "one_price"}
    mixed = uniform_hull(estimate(samples, votes=(1,)).select(HELD_OUT))
    for name in ("one_price", "cascade_threshold"):
        played = rules[name].fit(FIT, HELD_OUT).at(7.0)
        # Two cheap samples tell nearly all: then easy ones cost 2, hard ones 2 + 10.
        assert played.cost.mean() == pytest.approx(7.0, abs=0.4)
        assert played.accuracy.mean() > (0.92 if name == "one_price" else 0.9)
        assert played.accuracy.mean() > mixed.accuracy_at(played.cost.mean()) + 0.15


def test_one_price_goes_straight_to_the_dear_source_where_the_cheap_one_is_worth_nothing():
    samples = two_sources(cheap_samples=8)
    rows = [row | ({"correct": 0.0} if row["source"] == "cheap" else {}) for row in samples.rows()]
    rule = rules_of(Samples.from_rows(rows), features(informative=False))["one_price"]
    played = rule.fit(FIT, HELD_OUT).at(DEAR)
    assert (played.cost.mean(), played.accuracy.mean()) == pytest.approx((DEAR, 0.9))


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
    rule = rules["one_price"].fit(FIT, HELD_OUT)
    played = [rule.at(budget) for budget in (2.0, 4.0, 7.0)]
    costs = [play.cost.mean() for play in played]
    assert costs == pytest.approx([2.0, 4.0, 7.0], rel=0.15)
    assert np.all(np.diff([play.accuracy.mean() for play in played]) > 0.1)


def test_with_one_source_there_is_nothing_to_escalate_to():
    samples = two_sources(cheap_samples=8)
    assert rules_of(samples.of_source("cheap"), features(informative=False)) == {}
