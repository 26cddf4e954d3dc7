"""Calibrates predictions: shrinks them towards the mean by what held-out questions show."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptive_reasoner.action_names import vote_of_action
from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.outcomes import Outcomes

_MOST = 1.5  # times a prediction may be stretched, if it varies too little
_BINS = 10
_FEWEST = 10  # questions in a class of predictions


@dataclass(frozen=True, eq=False)
class Calibration:
    """An affine map of raw predictions (k accuracies, then k costs), cut to what was observed.

    The level of a question (its mean accuracy over the actions) and the contrasts between actions are shrunk
    apart, since only the contrasts matter for choosing and they are harder to predict.

    Attributes:
        weights: Shape (2k, 2k); (2k, 2c) where it maps to `only` c of the actions, as the next three.
        offset: Shape (2k,).
        low: Least value observed, shape (2k,).
        high: Greatest value observed, shape (2k,).
        slopes: What the level, the contrasts and each cost were shrunk by, shape (2 + k,).
    """

    weights: Floats
    offset: Floats
    low: Floats
    high: Floats
    slopes: Floats

    @classmethod
    def fit(cls, raw: Floats, truth: Floats, rows: Bools | None = None) -> "Calibration":
        """The map that brings held-out predictions closest to the truth.

        Each slope is a least-squares estimate, itself shrunk by its variance (positive-part
        James-Stein), so that predictions without evidence become the mean.

        Args:
            raw: Held-out predictions, shape (n, 2k).
            truth: Shape (n, 2k).
            rows: Where slopes are estimated, shape (n,); everywhere when None. The mean and the range are
                always those of all rows: a mean without the rows it is applied to would lean away from them,
                and on small tables turn every constant prediction into a bad one.
        """
        k = raw.shape[1] // 2
        centre, mean = raw.mean(axis=0), truth.mean(axis=0)
        x, y = raw - centre, truth - mean
        if rows is not None:
            x, y = x[rows], y[rows]
        average = np.full((k, k), 1 / k)
        level = _slope(x[:, :k] @ average, y[:, :k] @ average)
        contrast = _slope(x[:, :k] - x[:, :k] @ average, y[:, :k] - y[:, :k] @ average)
        costs = [_slope(x[:, [column]], y[:, [column]]) for column in range(k, 2 * k)]
        weights = np.zeros((2 * k, 2 * k))
        weights[:k, :k] = level * average + contrast * (np.eye(k) - average)
        weights[k:, k:] = np.diag(costs)
        return cls(
            weights=weights,
            offset=mean - centre @ weights,
            low=truth.min(axis=0),
            high=truth.max(axis=0),
            slopes=np.array([level, contrast, *costs]),
        )

    def only(self, columns: Ints) -> "Calibration":
        """The map to the accuracies, then the costs, of the actions at some positions."""
        kept = np.append(columns, len(self.offset) // 2 + columns)
        weights = self.weights[:, kept]
        return Calibration(weights, self.offset[kept], self.low[kept], self.high[kept], self.slopes)

    def apply(self, raw: Floats) -> Floats:
        """Calibrated predictions, shape (n, 2k)."""
        return np.clip(raw @ self.weights + self.offset, self.low, self.high)


def calibration_error(predicted: Floats, observed: Floats) -> float:
    """Mean distance between predicted and observed accuracy over ten equally filled bins of the predictions.

    Args:
        predicted: Any shape.
        observed: The same shape.
    """
    order = np.argsort(predicted, axis=None, kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    gaps = [abs(predicted.ravel()[rows].mean() - observed.ravel()[rows].mean()) * len(rows) for rows in bins]
    return float(sum(gaps) / len(order))


def cost_spread(predicted: Floats, table: Outcomes) -> Floats:
    """How far the cost of one reply lies from what is predicted, shape (k,).

    It is the mean square of the difference over that of the prediction. What replies to one question differ
    among themselves is read off the halves of their samples, where a table has these.

    Args:
        predicted: For questions that were not learned from, shape (n, k).
        table: What was observed.

    Example:
        >>> table = Outcomes.from_rows(
        ...     dict(question_id=q, question=q, action="a", accuracy=1.0, cost=11.0, cost_unit="usd")
        ...     for q in ("q1", "q2")
        ... )
        >>> cost_spread(np.array([[10.0], [10.0]]), table).round(4).tolist()
        [0.01]
    """
    missed = (table.cost - predicted) ** 2
    if table.halves is not None:
        votes = np.array([(vote_of_action(action) or (action, 1))[1] for action in table.actions])
        replies = np.maximum(table.samples / votes, 1)
        apart = (table.halves.cost_a - table.halves.cost_b) ** 2 / 4  # variance of the mean of all replies
        missed = missed + np.nan_to_num(apart) * (replies - 1)
    return np.asarray(missed.mean(axis=0) / np.maximum((predicted**2).mean(axis=0), 1e-300))


def reliability(predicted: Floats, table: Outcomes) -> list[dict[str, Any]]:
    """Predicted against observed accuracy in classes of about equally many questions, for each action.

    Args:
        predicted: Shape (n, k).
        table: What was observed.

    Returns:
        Rows of `action` (cheapest first), `predicted`, `observed`, the 95% interval `low` and `high` of the
        observed mean, and `questions`.
    """
    rows = []
    for action in np.argsort(table.cost.mean(axis=0), kind="stable"):
        order = np.argsort(predicted[:, action], kind="stable")
        for at in np.array_split(order, max(1, min(_BINS, len(table) // _FEWEST))):
            observed = table.accuracy[at, action]
            mean, spread = float(observed.mean()), 1.96 * float(observed.std()) / np.sqrt(len(at))
            rows.append(
                {
                    "action": table.actions[action],
                    "predicted": float(predicted[at, action].mean()),
                    "observed": mean,
                    "low": max(0.0, mean - spread),
                    "high": min(1.0, mean + spread),
                    "questions": len(at),
                }
            )
    return rows


def _slope(x: Floats, y: Floats) -> float:
    """Least-squares slope of y on x over questions (rows), less what chance alone would give."""
    size = float((x**2).sum())
    if size <= 1e-12 * max(float((y**2).sum()), 1e-300):
        return 0.0
    slope = float((x * y).sum()) / size
    chance = float(((x * (y - slope * x)).sum(axis=1) ** 2).sum()) / size**2
    if slope <= 0:
        return 0.0
    return min(slope * max(0.0, 1 - chance / slope**2), _MOST)
