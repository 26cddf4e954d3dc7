"""What every action would score and cost on the questions of a log: predictions that it sets right."""

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints

_SHRUNK = 10.0  # effective decisions that count as much as the prediction before any of them


def recalibrated(
    predicted: Floats, values: Floats, taken: Ints, propensity: Floats, *, fold: Ints | None = None
) -> Floats:
    """Predictions of each action, moved and stretched to what its decisions came to.

    For each action two numbers are fitted to its decisions, weighted by the inverse of their propensity: its
    level, and the slope of its predictions. Both are shrunk towards what was predicted, the more the fewer
    decisions there are.

    Args:
        predicted: By a model that has seen no question of the log, shape (n, k).
        values: What came of the action taken; NaN where that is not known, shape (n,).
        taken: Position of the action that was taken, shape (n,).
        propensity: How likely it was, shape (n,).
        fold: Decisions of one fold do not set right their own predictions; None for no folds, shape (n,).

    Returns:
        Shape (n, k), between the least and the greatest value.

    Example:
        >>> doubled = recalibrated(
        ...     np.full((400, 1), 10.0), np.tile([15.0, 25.0], 200), np.zeros(400, dtype=int), np.ones(400)
        ... )
        >>> round(float(doubled[0, 0]), 2)
        19.76
    """
    known = np.isfinite(values)
    if not known.any():
        return predicted
    moved = predicted.copy()
    parts = [np.ones(len(values), dtype=bool)] if fold is None else [fold == each for each in np.unique(fold)]
    for part in parts:
        for action in range(predicted.shape[1]):
            of = known & (taken == action)
            if fold is not None:
                of &= ~part
            if of.any():
                level, slope, centre = _fitted(predicted[of, action], values[of], 1 / propensity[of])
                moved[part, action] += level + slope * (predicted[part, action] - centre)
    return np.clip(moved, values[known].min(), values[known].max())


def _fitted(predicted: Floats, values: Floats, weights: Floats) -> tuple[float, float, float]:
    """What is to be added to the level of predictions and to their slope, and where their centre lies."""
    share = weights / weights.sum()
    size = 1 / float((share**2).sum())
    missed, centre = values - predicted, float(share @ predicted)
    level = float(share @ missed)
    apart = predicted - centre
    spread = float(share @ apart**2)
    slope = float(share @ (apart * (missed - level))) / spread if spread > 1e-12 else 0.0
    kept = size / (size + _SHRUNK)
    return kept * level, kept * slope, centre
