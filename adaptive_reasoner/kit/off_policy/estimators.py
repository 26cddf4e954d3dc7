"""The mean value of a policy from decisions that another policy made, with its interval.

A log says of each question x which action a it got, how likely that was, p, and what came of it, y: a score
or a cost. A policy takes action b with probability s(b | x). Its mean value is estimated from the weights
w = s(a | x) / p of the questions:

- inverse propensity: the mean of w y;
- self-normalised: the sum of w y over the sum of w (Swaminathan and Joachims, NeurIPS 2015);
- doubly robust: the mean of sum_b s(b | x) q(x, b) + w (y - q(x, a)), with predictions q of y (Dudik,
  Langford and Li, arXiv:1103.4601). Unbiased however wrong q is, and the closer q, the narrower its interval.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.tables.bootstrap import Interval

_LEVEL = 0.975


@dataclass(frozen=True, eq=False)
class Weighted:
    """n decisions, weighted for a policy that did not make them.

    Attributes:
        shares: Probability of each action under the policy, shape (n, k).
        taken: Position of the action that was taken, shape (n,).
        propensity: How likely it was to be taken, in (0, 1], shape (n,).
    """

    shares: Floats
    taken: Ints
    propensity: Floats

    @cached_property
    def weights(self) -> Floats:
        """How many questions of the policy each decision stands for, shape (n,)."""
        return np.asarray(self.shares[np.arange(len(self.taken)), self.taken] / self.propensity)

    @property
    def effective_size(self) -> float:
        """The number of decisions of equal weight that would tell as much; 0 if none tells anything.

        Example:
            >>> always = Weighted(np.array([[1.0, 0.0]] * 2), np.array([0, 0]), np.array([0.5, 0.5]))
            >>> always.effective_size
            2.0
        """
        squares = float((self.weights**2).sum())
        return float(self.weights.sum() ** 2 / squares) if squares else 0.0

    def doubly_robust(self, values: Floats, predicted: Floats) -> Floats:
        """What each decision adds to the doubly robust estimate, shape (n,): it is their mean.

        Args:
            values: What came of the action taken, shape (n,).
            predicted: What is expected of every action, by a model that has not seen the question, (n, k).
        """
        missed = values - predicted[np.arange(len(values)), self.taken]
        return np.asarray((self.shares * predicted).sum(axis=1) + self.weights * missed)

    def inverse_propensity(self, values: Floats) -> Floats:
        """What each decision adds to the inverse propensity estimate, shape (n,)."""
        return np.asarray(self.weights * values)

    def self_normalised(self, values: Floats) -> Floats:
        """What each decision adds to the self-normalised estimate, to first order, shape (n,)."""
        mean = float(self.weights @ values / self.weights.sum())
        return np.asarray(mean + self.weights * (values - mean) / self.weights.mean())


def interval_of_mean(values: Floats) -> Interval:
    """The mean of independent values with a 95% interval that holds where a few of them weigh most.

    The deviation of such values is itself uncertain. Its variance follows from their kurtosis, so that the
    quantile is that of Student's t with 2 n / (kurtosis - 1) degrees of freedom (Satterthwaite, 1946):
    hundreds where all count alike, and few where an action was rarely explored.

    Example:
        >>> alike, rare = np.tile([0.0, 1.0], 200), np.append(np.zeros(396), [100.0, 60.0, 90.0, 110.0])
        >>> [round(float(interval_of_mean(each).high - each.mean()), 3) for each in (alike, rare)]
        [0.049, 1.075]
    """
    from scipy.stats import t

    mean = float(values.mean())
    squares = (values - mean) ** 2
    if not squares.any():
        return Interval(mean, mean, mean)
    error = float(np.sqrt(squares.sum())) / len(values)
    excess = float(len(values) * (squares**2).sum() / squares.sum() ** 2) - 1  # kurtosis - 1
    half = error * float(t.ppf(_LEVEL, max(1.0, min(2 * len(values) / max(excess, 1e-9), 1e9))))
    return Interval(mean, mean - half, mean + half)
