"""The best mixtures of fixed actions: of one table, without lucky actions, and of many tables at once."""

from collections.abc import Sequence

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.mixture import Mixture

_STANDS_OUT = 0.7  # standard errors


def steady_mixture(outcomes: Outcomes) -> Mixture:
    """Mixtures of the uniform hull's actions, less those that lie above it by less than their standard error.

    The hull of estimated means bulges wherever an action was lucky, and mixing through a lucky action loses
    on new questions. To leave out an action that truly stands out by so little costs next to nothing.

    Args:
        outcomes: Where the means are estimated.
    """
    vertices = [outcomes.actions.index(action) for action in uniform_hull(outcomes).actions]
    while len(vertices) > 2:
        standing = [_standing(outcomes, vertices[at - 1 : at + 2]) for at in range(1, len(vertices) - 1)]
        if min(standing) >= _STANDS_OUT:
            break
        del vertices[1 + int(np.argmin(standing))]
    return Mixture(outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0), among=np.array(vertices))


def _standing(outcomes: Outcomes, vertices: Sequence[int]) -> float:
    """How far the second of three vertices lies above the chord of the others, in standard errors."""
    accuracy, cost = outcomes.accuracy[:, vertices], outcomes.cost[:, vertices]
    (a0, _, a1), (c0, c, c1) = accuracy.mean(axis=0), cost.mean(axis=0)
    share, slope = (c - c0) / (c1 - c0), (a1 - a0) / (c1 - c0)
    # To first order the height is a mean over questions, of what each adds to it by accuracy and by cost.
    height = (accuracy - slope * cost) @ np.array([share - 1, 1, -share])
    error = float(height.std() / np.sqrt(len(height)))
    return float(height.mean()) / error if error > 0 else np.inf


def mixture_accuracy(accuracy: Floats, cost: Floats, budget: Floats) -> Floats:
    """Accuracy of the best mixture of k actions within a mean cost, for many tables at once.

    Args:
        accuracy: Mean accuracy of each action, shape (d, k).
        cost: Mean cost of each action, shape (d, k).
        budget: Mean costs allowed, shape (d, p); below the cheapest action's, that action's is allowed.

    Returns:
        Shape (d, p).

    Example:
        >>> mixture_accuracy(np.array([[0.2, 0.6]]), np.array([[1.0, 3.0]]), np.array([[0.5, 2.0, 9.0]]))
        array([[0.2, 0.4, 0.6]])
    """
    budget = np.maximum(budget, cost.min(axis=1, keepdims=True))
    best = np.full(budget.shape, -np.inf)
    for a, c in zip(accuracy.T[:, :, None], cost.T[:, :, None], strict=True):
        within = c <= budget
        np.maximum(best, np.where(within, a, -np.inf), out=best)
        for a_high, c_high in zip(accuracy.T[:, :, None], cost.T[:, :, None], strict=True):
            if (c_high > c).any() and (a_high > a).any():
                share = np.divide(
                    budget - c, c_high - c, out=np.zeros_like(best), where=within & (c_high > budget)
                )
                np.maximum(best, np.where(within, a + share * (a_high - a), -np.inf), out=best)
    return best


def path_accuracy(accuracy: Floats, cost: Floats, budget: Floats) -> Floats:
    """Accuracy along a path of mixtures that was chosen elsewhere, for many tables at once.

    Args:
        accuracy: Mean accuracy of the actions on the path, in its order, shape (d, v).
        cost: Mean cost of each, shape (d, v).
        budget: Mean costs, shape (d, p); outside the path its nearer end counts.

    Returns:
        Shape (d, p).

    Example:
        >>> path_accuracy(np.array([[0.2, 0.6]]), np.array([[1.0, 3.0]]), np.array([[0.5, 2.0, 9.0]]))
        array([[0.2, 0.4, 0.6]])
    """
    along = np.maximum.accumulate(cost, axis=1)
    found = np.repeat(accuracy[:, :1], budget.shape[1], axis=1)
    for at in range(1, along.shape[1]):
        left, right = along[:, at - 1 : at], along[:, at : at + 1]
        step = np.broadcast_to(right - left, budget.shape)
        share = np.divide(budget - left, step, out=np.ones_like(budget), where=step > 0)
        found += np.clip(share, 0.0, 1.0) * np.diff(accuracy, axis=1)[:, at - 1 : at]
    return found


def mixture_cost(accuracy: Floats, cost: Floats, wanted: Floats) -> Floats:
    """Mean cost of the cheapest mixture of k actions that is accurate enough, for many tables at once.

    Args:
        accuracy: Mean accuracy of each action, shape (d, k).
        cost: Mean cost of each action, shape (d, k).
        wanted: Accuracies wanted, shape (d, p); above the best action's, that action's is wanted.

    Returns:
        Shape (d, p).

    Example:
        >>> mixture_cost(np.array([[0.2, 0.6]]), np.array([[1.0, 3.0]]), np.array([[0.1, 0.4, 0.9]]))
        array([[1., 2., 3.]])
    """
    # The same problem with the axes exchanged and their signs turned.
    return -mixture_accuracy(-cost, -accuracy, -np.minimum(wanted, accuracy.max(axis=1, keepdims=True)))
