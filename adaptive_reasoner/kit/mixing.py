"""Mixtures of fixed actions to rely on: from a table's hull, without the vertices that may be mere luck."""

from collections.abc import Sequence

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.allocation import Hull, uniform_hull
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.mixture import Mixture

_STANDS_OUT = 0.7  # standard errors


def steady_hull(outcomes: Outcomes) -> Hull:
    """The uniform hull without the vertices that stand out of it by less than their own uncertainty.

    The hull of estimated means bulges wherever an action was lucky, and mixing through a lucky action loses
    on new questions. To leave out an action that truly stands out by so little costs next to nothing.

    Args:
        outcomes: Where the means are estimated.
    """
    hull = uniform_hull(outcomes)
    vertices = [outcomes.actions.index(action) for action in hull.actions]
    while len(vertices) > 2:
        standing = [_standing(outcomes, vertices[at - 1 : at + 2]) for at in range(1, len(vertices) - 1)]
        if min(standing) >= _STANDS_OUT:
            break
        del vertices[1 + int(np.argmin(standing))]
    return Hull(
        actions=tuple(outcomes.actions[vertex] for vertex in vertices),
        costs=outcomes.cost[:, vertices].mean(axis=0),
        accuracies=outcomes.accuracy[:, vertices].mean(axis=0),
        cost_unit=outcomes.cost_unit,
    )


def steady_mixture(outcomes: Outcomes) -> Mixture:
    """The same hull as a policy that answers at every price: what is shipped where nothing better is."""
    among = [outcomes.actions.index(action) for action in steady_hull(outcomes).actions]
    return Mixture(outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0), among=np.array(among))


def shares_at(hull: Hull, budget: float, actions: Sequence[str]) -> Floats:
    """Probability of each of `actions` in the hull's mixture that costs `budget`, shape (k,).

    A budget below the cheapest action's mean cost gets that action.
    """
    mixture = hull.mixture_at(max(budget, float(hull.costs[0])))
    return np.array([mixture.get(action, 0.0) for action in actions])


def _standing(outcomes: Outcomes, vertices: Sequence[int]) -> float:
    """How far the second of three vertices lies above the chord of the others, in standard errors."""
    accuracy, cost = outcomes.accuracy[:, vertices], outcomes.cost[:, vertices]
    (a0, _, a1), (c0, c, c1) = accuracy.mean(axis=0), cost.mean(axis=0)
    share, slope = (c - c0) / (c1 - c0), (a1 - a0) / (c1 - c0)
    # To first order the height is a mean over questions, of what each adds to it by accuracy and by cost.
    height = (accuracy - slope * cost) @ np.array([share - 1, 1, -share])
    error = float(height.std() / np.sqrt(len(height)))
    return float(height.mean()) / error if error > 0 else np.inf
