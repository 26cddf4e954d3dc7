"""Looking first: what is paid, what is left to choose from, and what is seen."""

from itertools import combinations

import numpy as np
import pytest

from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.estimating.voting import vote_accuracy
from adaptive_reasoner.kit.learning.encoders import VectorCache, feature_matrix
from adaptive_reasoner.kit.learning.first_sample import SEEN, look_first
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.features import SURFACE_FEATURES
from tests.unit_tests.toys import DIMENSION, toy_encoder


def replies(answers, costs=None, **fields):
    """One row a sample of `direct`, and a dearer `cot`, for each question's answers; "7" is right."""
    rows = []
    for i, several in enumerate(answers):
        row = {"question_id": f"q{i}", "question": f"what is {i} + 7 ?", "cost_unit": "tokens", **fields}
        for number, answer in enumerate(several):
            cost = 2.0 + number if costs is None else costs[i][number]
            right = float(answer == "7")
            direct = {"source": "direct", "sample": number, "answer": answer, "correct": right, "cost": cost}
            cot = {"source": "cot", "sample": number, "answer": "7", "correct": 1.0, "cost": 90.0}
            rows += [row | direct, row | cot]
    return Samples.from_rows(rows)


def looked(samples, votes):
    encoder, outcomes = toy_encoder(), estimate(samples, votes=votes)
    cache = VectorCache(encoder, encoder.folder)
    features = feature_matrix(outcomes.questions.tolist(), encoder, cache=cache)
    return outcomes, features, look_first(samples, outcomes, features, encoder, cache=cache)


def test_to_stay_costs_the_look_and_to_go_on_costs_it_as_well():
    outcomes, _, look = looked(replies([["7", "1"], ["1", "7"]]), {"direct": (1,), "cot": (1,)})
    assert look.source == "direct"
    assert look.outcomes.actions == outcomes.actions
    stay, on = (outcomes.actions.index(name) for name in ("direct", "cot"))
    assert look.outcomes.accuracy[:, stay].tolist() == [1.0, 0.0]  # of the answer that was seen
    assert look.outcomes.cost[:, stay].tolist() == [2.0, 2.0]
    assert look.outcomes.cost[:, on] == pytest.approx(outcomes.cost[:, on] + 2.0)
    assert look.outcomes.accuracy[:, on].tolist() == outcomes.accuracy[:, on].tolist()


def test_a_vote_counts_the_answer_that_was_seen():
    answers = [["7", "1", "7", "2", "1"], ["1", "7", "7", "7", "3"], ["2", "1", None, "7", "7"]]
    outcomes, _, look = looked(replies(answers), {"direct": (1, 3, 5), "cot": (1,)})
    for size in (3, 5):
        column = outcomes.actions.index(f"direct_vote_{size}")
        for row, several in enumerate(answers):
            with_first = [
                vote_accuracy(vote, [float(answer == "7") for answer in vote], (size,))[0]
                for vote in ([several[0], *others] for others in combinations(several[1:], size - 1))
            ]
            assert look.outcomes.accuracy[row, column] == pytest.approx(np.mean(with_first))


def test_what_is_seen_has_its_place():
    samples = replies([["7", "7"], [None, "7"]], score=0.5, completion_tokens=4)
    _, features, look = looked(samples, {"direct": (1,), "cot": (1,)})
    assert look.vector == 2 * DIMENSION
    assert look.features.shape == (2, 2 * (DIMENSION + len(SURFACE_FEATURES)) + len(SEEN))
    assert np.linalg.norm(look.features[0, : look.vector]) == pytest.approx(1.0, abs=1e-6)
    assert np.allclose(look.features[:, :DIMENSION] * np.sqrt(2), features[:, :DIMENSION])
    seen = [dict(zip(SEEN, row[-len(SEEN) :].tolist(), strict=True)) for row in look.features]
    assert [each["unanswered"] for each in seen] == [0, 1]
    assert [each["repeated"] for each in seen] == [1, 0]
    assert seen[0]["score"] == 0.5
    assert np.expm1([each["cost"] for each in seen]) == pytest.approx([2.0, 2.0], rel=1e-5)


def test_there_is_nothing_to_see_where_the_cheapest_action_was_not_sampled():
    samples = replies([["7", "1"], ["1", "7"]])
    encoder, outcomes = toy_encoder(), estimate(samples, votes={"direct": (1,), "cot": (1,)})
    features = feature_matrix(
        outcomes.questions.tolist(), encoder, cache=VectorCache(encoder, encoder.folder)
    )
    assert look_first(samples.of_source("cot"), outcomes, features, encoder) is None
    assert look_first(samples.select([0]), outcomes, features, encoder) is None
