"""How far accuracy and cost of an action have moved since its outcomes were collected, by a log of traffic.

Of each action the log tells what came of it where it was taken, in order, and the policy what was expected
there. Their ratio is the drift. How much of the past counts is chosen by what predicts the latest decisions
best: the old outcomes alone, or the log as well, all of it or its last half, quarter, eighth and so on.
"""

from dataclasses import asdict, dataclass
from math import hypot, log
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.off_policy.asked_again import Earlier
from adaptive_reasoner.kit.off_policy.estimators import error_of_ratio

_FEWEST = 20  # decisions from which a ratio is fitted
_FEWEST_TEXTS = 5  # different questions that count alike, likewise
_LATEST = 4  # one decision in so many is among the latest, by which memories are compared
_FOLDS = 5
_BETTER = 0.5  # standard errors by which a shorter memory must be better
_SURE = 2.24  # standard errors by which a ratio must differ from one to move outcomes: 2.5% for each of two
_LEAST = 0.25  # of what was expected, that earlier decisions must have come to, to be compared with
_NOTHING = 1e-12


@dataclass(frozen=True)
class Shift:
    """The change of an action's accuracy or cost, relative to what was expected.

    Attributes:
        factor: By which it is multiplied.
        low, high: The 95% interval of the ratio that the decisions show; None where too few show any.
        decisions: How many count.
        forgotten: How many earlier ones of the log do not.
        old_weight: The weight of the old outcomes in the level, from 0 to 1.
        error_old: Mean squared error on the latest decisions by the old outcomes alone, None with too few.
        error: The same with the memory that is chosen.
    """

    factor: float = 1.0
    low: float | None = None
    high: float | None = None
    decisions: int = 0
    forgotten: int = 0
    old_weight: float = 1.0
    error_old: float | None = None
    error: float | None = None

    @property
    def shows(self) -> bool:
        """Whether the latest decisions show more than chance that the old outcomes no longer hold."""
        return self.old_weight < 1

    def why(self, what: str) -> str:
        """What was found, in a sentence.

        Example:
            >>> Shift(2.0, 1.9, 2.1, 50, 50, 0.1, 4.0, 1.0).why("the cost of 'cot'")
            "the cost of 'cot' is 2.00 times the old one (1.90 to 2.10), by its last 50 decisions"
        """
        if self.decisions < _FEWEST:
            return f"{what} stays: {self.decisions} decisions are too few to tell, {_FEWEST} are needed"
        if self.low is None or self.high is None:
            few = f"on fewer than {_FEWEST_TEXTS} questions, or nothing was expected of them"
            return f"{what} stays: its {self.decisions} decisions are {few}"
        if not self.shows:
            return f"{what} stays: the old outcomes predict its latest decisions as well"
        span = f"({self.low:.2f} to {self.high:.2f}), by its last {self.decisions} decisions"
        return f"{what} is {self.factor:.2f} times the old one {span}"

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


def shift_of(
    expected: Floats,
    values: Floats,
    propensity: Floats,
    text: Ints | None = None,
    *,
    spread: Floats | None = None,
    old_error: float = 0.0,
) -> Shift:
    """The drift of one action, from its decisions in their order.

    Decisions count by the inverse of their propensity, as those that are explored stand for questions on
    which another action is the rule. These weights are cut (Ionides, "Truncated Importance Sampling", 2008)
    at the fourth root of their number: a drift is about the same on all questions, and a few must not decide.
    What is wrong about a question is wrong each time it is asked, so that the variance of the ratio is that
    over different questions, and a question that comes again is compared with its own earlier decisions. Most
    actions do not change, and several are looked at: a ratio within 2.24 standard errors of one moves
    nothing, and others are shrunk towards one the less the further they lie beyond (non-negative garrote;
    Breiman, "Better Subset Regression", 1995). So at most one action in twenty that does not change is moved.

    Args:
        expected: Of each decision, by a policy that had not seen it, shape (n,).
        values: What came of it, shape (n,).
        propensity: How likely it was, shape (n,).
        text: The question of each, equal numbers for equal texts; all differ when None, shape (n,).
        spread: Expected squares of what values miss expectations by, 0 where not known, shape (n,).
        old_error: The standard error of the level of what is expected, relative to it.

    Example:
        >>> cost = np.append(np.full(200, 10.0), np.full(200, 20.0))
        >>> shift = shift_of(np.full(400, 10.0), cost, np.ones(400))
        >>> round(shift.factor, 2), shift.decisions, shift.forgotten
        (2.0, 200, 200)
    """
    n = len(values)
    texts = np.arange(n) if text is None else np.unique(text, return_inverse=True)[1]
    weights = np.minimum(1 / propensity, n**0.25)
    if n < _FEWEST or _alike(texts, weights * expected) < _FEWEST_TEXTS:
        return Shift(decisions=n)
    latest = np.arange(n) >= n - max(_FEWEST, n // _LATEST)
    lengths = [n]
    while (half := lengths[-1] // 2) >= max(_FEWEST, int(latest.sum()) // 2):
        if _alike(texts[n - half :], (weights * expected)[n - half :]) < _FEWEST_TEXTS:
            break
        lengths.append(half)
    later = [np.arange(n) >= n - length for length in lengths]
    memories: list[Bools | None] = [None, *later]
    spread = np.zeros(n) if spread is None else spread
    known = [Earlier.none(expected), *(Earlier.of(expected, values, texts, ~each, spread) for each in later)]
    losses = [
        _losses(of.expected, values, weights, texts, latest, memory)
        for of, memory in zip(known, memories, strict=True)
    ]
    best = min(range(len(memories)), key=lambda at: float(losses[at].mean()))
    chosen = next(at for at in range(best + 1) if not _is_better(losses[best], losses[at], texts[latest]))
    memory, earlier = memories[chosen], known[chosen]
    counted = np.ones(n, dtype=bool) if memory is None else memory
    expects, before = ((weights * each)[counted].sum() for each in (earlier.expected, expected))
    if expects < _LEAST * before:  # a ratio to next to nothing
        earlier = Earlier.none(expected)
    since = _ratio(earlier.expected[counted], values[counted], weights[counted])
    first = ~np.isin(texts, texts[~counted] if earlier.error else [])  # of others the earlier decisions tell
    own, missed, apart = (
        np.bincount(texts[counted], weights=(weights * each)[counted]).astype(np.float64)
        for each in (
            earlier.expected,
            values - since * earlier.expected,
            np.where(first, np.sqrt(spread), 0.0),
        )
    )
    error = error_of_ratio(own, missed, apart**2)
    by_level = float((weights * earlier.by_level)[counted].sum() / own.sum()) * earlier.error
    level, ratio = earlier.level, earlier.level * since
    # since the old outcomes, and since the earlier decisions, whose own level may have changed before
    found = [(1.0, 1.0, ratio, hypot(level * error, ratio * (earlier.error - by_level), ratio * old_error))]
    if earlier.error:
        of_earlier = _kept(level, level * hypot(earlier.error, old_error))
        found.append((*of_earlier, since, hypot(error, since * by_level)))
    shifts = []
    for base, stays, each, its_error in found:
        factor, old = (1.0, 1.0) if memory is None else _kept(each, its_error)
        ends = (base * (each + side * its_error) for side in (-1.96, 1.96))
        shifts.append((base * factor, old * stays, *ends))
    factor, old, low, high = max(shifts, key=lambda each: abs(log(max(each[0], _NOTHING))))
    return Shift(
        factor=factor,
        low=max(0.0, low),
        high=high,
        decisions=int(counted.sum()),
        forgotten=n - int(counted.sum()) if old < 1 else 0,
        old_weight=old,
        error_old=float(losses[0].mean()),
        error=float(losses[chosen].mean()),
    )


def outdated(expected: Floats, values: Floats, before: float) -> int:
    """How many decisions of an action, from the first on, are from before a change that a policy knows.

    A log may begin before an earlier update, whose policy no longer expects what came then. The decisions up
    to where the log turns are left out if they clearly fit what was expected before that update, and those
    after it what is expected by now, each by 2.24 standard errors.

    Args:
        expected: Of each decision, by the policy, shape (n,).
        values: What came of it, shape (n,).
        before: By which the outcomes were scaled when the policy was made.

    Example:
        >>> cost = np.append(np.full(200, 10.0), np.full(300, 20.0))
        >>> outdated(np.full(500, 20.0), cost, 2.0), outdated(np.full(500, 20.0), cost, 1.0)
        (200, 0)
    """
    if before <= _NOTHING or before == 1 or not len(values):
        return 0
    earlier = np.minimum(expected / before, values.max())
    nearer = (values - expected) ** 2 - (values - earlier) ** 2
    turn = int(np.cumsum(nearer).argmax()) + 1
    then, now = nearer[:turn], nearer[turn:]
    clear = then.sum() > _SURE * np.linalg.norm(then) and -now.sum() > _SURE * np.linalg.norm(now)
    return turn if clear else 0


def _kept(ratio: float, error: float) -> tuple[float, float]:
    """A ratio as far as it is beyond chance, and the weight of one in that, which is 1 within chance."""
    old = 1.0 if _SURE * error >= abs(ratio - 1) else (_SURE * error / (ratio - 1)) ** 2
    return old + (1 - old) * ratio, old


def _alike(texts: Ints, weights: Floats) -> int:
    """About how many questions would tell as much, if they all counted alike; 0 if they count nothing."""
    own = np.bincount(texts, weights=weights)
    squares = float(own @ own)
    return round(float(own.sum()) ** 2 / squares) if squares > _NOTHING else 0


def _ratio(expected: Floats, values: Floats, weights: Floats) -> float:
    """What was realised over what was expected."""
    total = float(weights @ expected)
    return float(weights @ values) / total if total > _NOTHING else 1.0


def _losses(
    expected: Floats, values: Floats, weights: Floats, texts: Ints, latest: Bools, memory: Bools | None
) -> Floats:
    """Weighted squared errors on the latest decisions, each by those remembered on other questions."""
    rows = np.flatnonzero(latest)
    relative = weights[rows] / weights[rows].mean()
    if memory is None:
        return np.asarray(relative * (values[rows] - expected[rows]) ** 2)
    losses = np.empty(len(rows))
    for fold in range(_FOLDS):
        held, fit = texts[rows] % _FOLDS == fold, memory & (texts % _FOLDS != fold)
        ratio = _ratio(expected[fit], values[fit], weights[fit])
        losses[held] = (values[rows[held]] - ratio * expected[rows[held]]) ** 2
    return np.asarray(relative * losses)


def _is_better(losses: Floats, others: Floats, texts: Ints) -> bool:
    """Whether losses are lower than others by more than chance would have it, over different questions."""
    ahead = others - losses
    apart = np.bincount(texts, weights=ahead - ahead.mean())
    return bool(ahead.mean() > _BETTER * np.sqrt((apart**2).sum()) / len(ahead) + _NOTHING)
