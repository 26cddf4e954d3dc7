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
_PRIOR = 10.0  # degrees of freedom that an expected variance counts as


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


@dataclass(frozen=True, eq=False)
class Added:
    """What each of n decisions adds to an estimate, and how far that is expected to vary.

    Attributes:
        values: Their mean is the estimate, shape (n,).
        base: What they are expected to be, whatever comes of the action that was taken, shape (n,).
        weights: How often the outcome of that action counts, shape (n,).
        spread: Expected square of what it misses its prediction by, shape (n,); NaN where it is not known.
    """

    values: Floats
    base: Floats
    weights: Floats
    spread: Floats

    def __sub__(self, other: "Added") -> "Added":
        weights = self.weights - other.weights
        return Added(self.values - other.values, self.base - other.base, weights, self.spread)

    def interval(self) -> Interval:
        """The estimate with its 95% interval."""
        counted = self.weights != 0
        noise = self.weights[counted] ** 2 * self.spread[counted]
        if not np.isfinite(noise).all():
            return interval_of_mean(self.values)
        return interval_of_mean(self.values, expected=float(noise.sum() / len(self.values) + self.base.var()))


def interval_of_mean(values: Floats, *, expected: float | None = None) -> Interval:
    """The mean of independent values with a 95% interval that holds where a few of them weigh most.

    The deviation of such values is itself uncertain. Its variance follows from their kurtosis, so that the
    quantile is that of Student's t with 2 n / (kurtosis - 1) degrees of freedom (Satterthwaite, 1946):
    hundreds where all count alike, and few where an action was rarely explored. So few may show nothing of a
    long tail, and then what they add is low and seems certain. What was expected of their variance before
    counts as ten further degrees of freedom (a moderated t: Smyth, Statistical Applications in Genetics and
    Molecular Biology 3, 2004).

    Args:
        values: Shape (n,).
        expected: Their variance, as far as one knows it without them.

    Example:
        >>> alike, rare = np.tile([0.0, 1.0], 200), np.append(np.zeros(396), [100.0, 60.0, 90.0, 110.0])
        >>> [round(float(interval_of_mean(each).high - each.mean()), 3) for each in (alike, rare)]
        [0.049, 1.075]
    """
    from scipy.stats import t

    mean = float(values.mean())
    squares = (values - mean) ** 2
    if not squares.any() and not expected:
        return Interval(mean, mean, mean)
    variance, freedom = float(squares.mean()), 1.0
    if variance:
        excess = float((squares**2).mean()) / variance**2 - 1  # kurtosis - 1
        freedom = max(1.0, min(2 * len(values) / max(excess, 1e-9), 1e9))
    if expected is not None:
        variance = (freedom * variance + _PRIOR * expected) / (freedom + _PRIOR)
        freedom += _PRIOR
    half = float((variance / len(values)) ** 0.5 * t.ppf(_LEVEL, freedom))
    return Interval(mean, mean - half, mean + half)


def error_of_ratio(expected: Floats, missed: Floats, spread: Floats) -> float:
    """The standard error of a ratio of sums, so that 1.96 of it are a 95% interval.

    An entry that is most of the sum draws the ratio to itself and hardly misses it. What entries miss is
    therefore taken from the ratio of the others (jackknife), and the quantile is that of Student's t, with
    one degree of freedom less than there are entries, if they all counted alike. A few entries may show
    nothing of a long tail: the variance is at least the one that is expected.

    Args:
        expected: The entries of the denominator, shape (n,).
        missed: What those of the numerator miss the ratio by, shape (n,).
        spread: Expected squares of what they miss it by, 0 where that is not known, shape (n,).

    Example:
        >>> even, one = np.full(10, 1.0), np.append(np.full(9, 0.5), 5.5)
        >>> missed = np.tile([0.1, -0.1], 5)
        >>> [round(error_of_ratio(each, missed, np.zeros(10)), 3) for each in (even, one)]
        [0.041, 0.082]
    """
    from scipy.stats import t

    total = float(expected.sum())
    apart = missed * total / np.maximum(total - expected, 1e-12 * total)
    variance = max(float(apart @ apart), float(spread.sum()))
    freedom = max(total**2 / float(expected @ expected) - 1, 1.0)
    return float(variance**0.5 / total * t.ppf(_LEVEL, freedom) / 1.96)
