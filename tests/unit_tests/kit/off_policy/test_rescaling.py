from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_reasoner.kit.off_policy.rescaling import rescaled_outcomes, rescaled_samples
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.toys import toy_outcomes

TABLE = toy_outcomes(2_000)


@settings(max_examples=25)
@given(st.floats(0.0, 1.3), st.floats(0.1, 5.0))
def test_means_are_multiplied_and_answers_stay_right_or_wrong(accuracy, cost):
    moved = rescaled_outcomes(TABLE, np.array([1.0, accuracy]), np.array([1.0, cost]))
    before, after = TABLE.accuracy.mean(axis=0), moved.accuracy.mean(axis=0)
    assert after[0] == before[0]
    assert after[1] == pytest.approx(min(1.0, accuracy * before[1]), abs=0.04)
    assert set(np.unique(moved.accuracy)) <= {0.0, 1.0}
    assert moved.cost.mean(axis=0) == pytest.approx(TABLE.cost.mean(axis=0) * [1.0, cost])


def test_cells_of_several_samples_and_estimates_are_scaled():
    table = toy_outcomes(500)
    several = replace(table, accuracy=0.25 + table.accuracy / 2, samples=np.full((500, 2), 4))
    moved = rescaled_outcomes(several, np.array([0.5, 1.0]), np.ones(2))
    assert moved.accuracy[:, 0].mean() == pytest.approx(several.accuracy[:, 0].mean() / 2, abs=0.03)
    assert set(np.unique(moved.accuracy * 4)) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    odd = replace(several, accuracy=several.accuracy * 0.9)
    scaled = rescaled_outcomes(odd, np.array([0.5, 1.0]), np.ones(2))
    assert scaled.accuracy[:, 0] == pytest.approx(odd.accuracy[:, 0] / 2)


def test_samples_cost_what_the_action_of_their_source_costs():
    row = {"question_id": "q", "question": "?", "gold": "1", "answer": "1", "correct": 1, "cost_unit": "usd"}
    samples = Samples.from_rows(
        row | {"source": source, "sample": at, "cost": 2.0} for source in ("direct", "cot") for at in (0, 1)
    )
    moved = rescaled_samples(samples, ("direct", "cot_vote_3"), np.array([1.0, 3.0]))
    assert [reply.cost for reply in moved.of("q", "cot")] == [6.0, 6.0]
    assert [reply.cost for reply in moved.of("q", "direct")] == [2.0, 2.0]
