"""Baselines that a policy should beat, and oracles that it cannot beat, each on held-out questions.

A baseline learns on the questions to fit on. Only the oracles see the outcomes that they are tested on.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.backtesting.performance import Key, Performance, affordable
from adaptive_reasoner.kit.outcomes import RECTIFIED, Outcomes

_AVERAGE_QUESTIONS = 5  # a key counts as if it had been seen with this many average questions more
_LENGTH_CLASSES = 10


def play_baselines(
    fit: Outcomes, test: Outcomes, budgets: Sequence[float]
) -> Iterator[tuple[Key, Performance]]:
    """Every baseline and oracle at every budget, by name; those by group only where there are groups."""
    learned: dict[str, Callable[[Outcomes, Outcomes, float], Performance]] = {
        "uniform": uniform,
        "length_rule": length_rule,
    }
    if test.groups is not None:
        learned["group_lookup"] = group_lookup
    for budget in budgets:
        for name, play in learned.items():
            yield (name, budget), play(fit, test, budget)
        if test.accuracy_unit != RECTIFIED:  # an oracle needs to know every answer
            crossfit = oracle_crossfit(test, budget)
            if crossfit is not None:
                yield ("oracle_crossfit", budget), crossfit
            yield ("oracle_in_sample", budget), oracle_in_sample(test, budget)
        for action in test.actions:
            yield (action, budget), fixed(test, action)


def fixed(test: Outcomes, action: str) -> Performance:
    """The same action for every question."""
    return Performance.of(test, np.array([name == action for name in test.actions], dtype=np.float64))


def uniform(fit: Outcomes, test: Outcomes, budget: float) -> Performance:
    """The best random mixture of fixed actions, at odds that ignore the question."""
    return Performance.of(test, fixed_mixture(fit).shares(budget))


def length_rule(fit: Outcomes, test: Outcomes, budget: float) -> Performance:
    """A look-up table of ten classes of length: what the length of the text alone is worth."""
    length, held_out = (np.array([len(text) for text in table.questions]) for table in (fit, test))
    edges = np.quantile(length, np.arange(1, _LENGTH_CLASSES) / _LENGTH_CLASSES)
    classes, wanted = (np.searchsorted(edges, lengths).tolist() for lengths in (length, held_out))
    return lookup(fit, test, classes, wanted, budget)


def group_lookup(fit: Outcomes, test: Outcomes, budget: float) -> Performance:
    """A look-up table of groups: what knowing the group is worth.

    Raises:
        ValueError: The tables have no groups.
    """
    if fit.groups is None or test.groups is None:
        raise ValueError("a look-up by group needs groups")
    return lookup(fit, test, fit.groups.tolist(), test.groups.tolist(), budget)


def lookup(
    fit: Outcomes, test: Outcomes, keys: Sequence[Hashable], wanted: Sequence[Hashable], budget: float
) -> Performance:
    """The best policy that sees nothing of a question but its key.

    Args:
        fit: Where each key's mean accuracy and cost are read, drawn a little towards the mean of all.
        test: Where the policy plays; a key that was never seen gets the best mixture of fixed actions.
        keys: Of the questions of `fit`.
        wanted: Of the questions of `test`.
        budget: Met on `fit`, where at most one question is mixed, so that one key is.
    """
    known = {key: at for at, key in enumerate(dict.fromkeys(keys))}
    index = np.array([known[key] for key in keys])
    predicted = replace(
        fit, accuracy=_key_means(fit.accuracy, index), cost=_key_means(fit.cost, index), halves=None
    )
    best = solve(predicted, affordable(predicted, budget)).probabilities()
    by_key = _sums_by_key(best, index) / np.bincount(index)[:, None]
    unseen = fixed_mixture(fit).shares(budget)
    return Performance.of(test, np.array([by_key[known[key]] if key in known else unseen for key in wanted]))


def oracle_in_sample(test: Outcomes, budget: float) -> Performance:
    """The oracle chosen and scored on the same samples, hence biased upwards."""
    return Performance.of(test, solve(test, affordable(test, budget)).probabilities())


def oracle_crossfit(test: Outcomes, budget: float) -> Performance | None:
    """The oracle chosen on one half of the samples and scored on the other, both ways: a little too low.

    Only actions that both halves of every question know are played; None where there are none.
    """
    halves = test.halves
    if halves is None:
        return None
    whole = np.isfinite(halves.accuracy_a + halves.accuracy_b).all(axis=0)
    if not whole.any():
        return None
    a, b = (
        replace(test.only(whole), accuracy=accuracy[:, whole], cost=cost[:, whole], halves=None)
        for accuracy, cost in ((halves.accuracy_a, halves.cost_a), (halves.accuracy_b, halves.cost_b))
    )
    plays = [
        Performance.of(scored, solve(chosen, affordable(chosen, budget)).probabilities())
        for chosen, scored in ((a, b), (b, a))
    ]
    return Performance(
        accuracy=np.mean([play.accuracy for play in plays], axis=0),
        cost=np.mean([play.cost for play in plays], axis=0),
    )


def _key_means(values: Floats, index: Ints) -> Floats:
    """For each question the mean of its key, shape as `values`."""
    count, totals = np.bincount(index)[:, None], _sums_by_key(values, index)
    means: Floats = (totals + _AVERAGE_QUESTIONS * values.mean(axis=0)) / (count + _AVERAGE_QUESTIONS)
    return means[index]


def _sums_by_key(values: Floats, index: Ints) -> Floats:
    return np.stack([np.bincount(index, weights=column) for column in values.T], axis=1)
