"""Files that version 0.1.0 wrote: each still opens, and says what it said then."""

import json
from math import inf
from pathlib import Path

import numpy as np
import pytest

from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.stop_rules import SamplePrice
from adaptive_reasoner.strategies.vote_state import VoteState

OLD = Path(__file__).parent / "data" / "v0_1_0"
VALUES = json.loads((OLD / "values.json").read_text())


@pytest.fixture(scope="module")
def policy():
    return LearnedPolicy.load(OLD / "policy")


@pytest.mark.parametrize("expected", VALUES["decisions"], ids=str)
def test_the_policy_decides_as_it_did(policy, expected):
    asked = {name: expected[name] for name in ("max_cost",) if name in expected}
    decision = policy.decide(expected["question"], price=expected["price"], **asked)
    state = decision.as_state()
    assert state.pop("policy_id") == VALUES["policy_id"]
    assert state.pop("propensity") == 1.0  # a field that version 0.1.0 did not have
    for name, value in state.items():
        assert value == (
            pytest.approx(expected[name], rel=1e-4) if isinstance(value, float) else expected[name]
        )


def test_the_policy_keeps_its_price_its_curve_and_its_batches(policy):
    assert (policy.policy_id, policy.verdict) == (VALUES["policy_id"], VALUES["verdict"])
    assert policy.price == pytest.approx(VALUES["price"])
    assert policy.at(budget=8.0).price == pytest.approx(VALUES["price_at_8"])
    assert policy.slope == pytest.approx(VALUES["slope"])
    questions = [row["question"] for row in VALUES["decisions"][:4]]
    assert [decision.action for decision in policy.decide_batch(questions, budget=20.0)] == VALUES["batch"]


def test_the_policy_knows_of_votes_what_it_knew(policy):
    known, expected = policy.prospects("cot", 0.9), VALUES["prospects"]
    assert (known.limit, known.cost) == (expected["limit"], expected["cost"])
    found = {"right": known.right[2, 2, 0], "top": known.top[2, 1, 1], "second": known.second[2, 1, 1]}
    for name, value in found.items():
        assert value == pytest.approx(expected[name], rel=1e-5)
    assert policy.decide(VALUES["decisions"][1]["question"]).worst_cost != inf


@pytest.mark.parametrize("price", [0.0, 1e-6, 1e-5])
def test_a_vote_draws_one_more_after_cut_replies_and_no_more_as_it_did(policy, price):
    known = policy.prospects("cot", 0.9)
    terms = SamplePrice(price=price, cost=known.cost, prospects=known)
    cut = [
        VoteState(0, 0, drawn, known.limit, waves=waves) for drawn, waves in ((1, 1), (2, 1), (2, 2), (3, 1))
    ]
    assert [Priced().wave(state, terms) for state in cut] == [1, 0, 0, 0]


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.parquet"])
def test_the_samples_are_read_as_they_were(name):
    samples = Samples.read(OLD / name)
    assert (len(samples), samples.sources, samples.cost_unit) == (3, ("cot",), "tokens")
    assert samples.groups == ("sum", "sum", "sum")
    replies = samples.of("q0", "cot")
    assert [reply.cost for reply in replies] == [10.0 + number for number in range(8)]
    assert (replies[5].answer, replies[5].error, replies[5].correct) == (None, "timed out", 0.0)
    assert (replies[7].answer, replies[7].score) == ("\u00bd \u2013 \u201cso\u201d", 0.25)
    assert (replies[0].prompt_tokens, replies[0].seconds, replies[0].prompt_sha) == (20.0, 0.5, None)


@pytest.mark.parametrize("name", ["outcomes.jsonl", "outcomes.parquet"])
def test_the_outcomes_are_read_as_they_were(name):
    outcomes = Outcomes.read(OLD / name)
    assert (outcomes.actions, outcomes.cost_unit, outcomes.accuracy_unit) == (
        ("direct", "cot"),
        "tokens",
        None,
    )
    assert list(outcomes.question_ids) == ["q0", "q1", "q2", "q3"]
    rows = [json.loads(line) for line in (OLD / "outcomes.jsonl").read_text().splitlines()]
    expected = np.array([[row["accuracy"], row["cost"]] for row in rows]).reshape(4, 2, 2)
    assert np.array_equal(np.stack([outcomes.accuracy, outcomes.cost], axis=-1), expected)
    assert set(outcomes.groups) <= {"sum", "story"}
