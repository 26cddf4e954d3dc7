"""Tables of accuracy and cost to solve: small ones drawn with many ties, and large ones."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass
class Table:
    accuracy: np.ndarray
    cost: np.ndarray
    cost_unit: str = "tokens"

    def __post_init__(self):
        self.accuracy, self.cost = np.array(self.accuracy, float), np.array(self.cost, float)
        self.actions = tuple(f"action_{a}" for a in range(self.accuracy.shape[1]))

    def __len__(self):
        return len(self.accuracy)


VALUES = {
    "binary": st.sampled_from([0.0, 1.0]),
    "few samples": st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0]),
    "tenths": st.integers(0, 10).map(lambda i: i / 10),
    "any": st.floats(0, 1, allow_subnormal=False),
}
COSTS = {
    "few": st.sampled_from([0.0, 1.0, 2.0, 5.0]),
    "tenths": st.integers(0, 10).map(lambda i: i / 10),
    "any": st.floats(1e-3, 1e3),
}


@st.composite
def tables(draw, most_questions=5, most_actions=4):
    n, k = draw(st.integers(1, most_questions)), draw(st.integers(1, most_actions))
    values, costs = VALUES[draw(st.sampled_from(sorted(VALUES)))], COSTS[draw(st.sampled_from(sorted(COSTS)))]
    row = st.lists(values, min_size=k, max_size=k)
    accuracy = draw(st.lists(row, min_size=n, max_size=n))
    if draw(st.booleans()):  # one price list for all questions, as with models of fixed prices
        cost = [draw(st.lists(costs, min_size=k, max_size=k))] * n
    else:
        cost = draw(st.lists(st.lists(costs, min_size=k, max_size=k), min_size=n, max_size=n))
    if draw(st.booleans()):  # every question twice
        accuracy, cost = accuracy * 2, cost * 2
    return Table(accuracy, cost)


def large_tables():
    rng = np.random.default_rng(7)
    n, k = 50_000, 6
    prices = np.tile([1.0, 2, 3, 5, 8, 13], (n, 1))
    yield "all different", Table(rng.random((n, k)), 100 * rng.random((n, k)))
    yield "tied", Table(rng.random((n, k)) < np.linspace(0.3, 0.8, k), prices)
    yield "all flip at once", Table(np.tile([0.0, 0, 0, 0, 0, 1], (n, 1)), prices)
    rare = np.where(np.arange(n) < 5, 1e6, 1.0)[:, None]  # rows no sample will see
    yield "heavy tail", Table(np.sort(rng.random((n, k)), axis=1), prices * rare)
