"""The best mixtures of fixed actions: of one table, and of many tables at once."""

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.mixture import Mixture


def fixed_mixture(outcomes: Outcomes) -> Mixture:
    """The best mixtures of fixed actions by their means in a table: its uniform hull as a policy.

    An action that stands on the hull by little is kept: on new questions to leave it out costs more, where
    there are many actions, than its luck.
    """
    return Mixture(outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0))


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
