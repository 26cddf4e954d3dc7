"""Outcomes and samples brought to another level of accuracy and cost, action by action."""

from dataclasses import replace

import numpy as np

from adaptive_reasoner.action_names import source_of_action
from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples

_WHOLE = 1e-9
_STREAM = 7  # of random numbers: not the one that drew a table of the same seed


def rescaled_outcomes(outcomes: Outcomes, accuracy: Floats, cost: Floats, *, seed: int = 0) -> Outcomes:
    """The table at another level: costs are multiplied, and answers become wrong, or right, at random.

    A cell of one sample stays 0 or 1, so that it is as uncertain as a collected one.

    Args:
        outcomes: The table.
        accuracy: What the mean accuracy of each action is multiplied by, at most to 1, shape (k,).
        cost: What costs are multiplied by, shape (k,).
        seed: Decides which answers change.

    Example:
        >>> row = dict(question="q", action="cot", accuracy=1.0, cost=8.0, cost_unit="tokens")
        >>> table = Outcomes.from_rows(row | {"question_id": str(name)} for name in range(1000))
        >>> moved = rescaled_outcomes(table, np.array([0.8]), np.array([2.0]))
        >>> round(float(moved.accuracy.mean()), 1), float(moved.cost.mean()), set(moved.accuracy.ravel())
        (0.8, 16.0, {np.float64(0.0), np.float64(1.0)})
    """
    rng = np.random.default_rng([seed, _STREAM])
    columns = [
        _rescaled(cells, samples, factor, rng)
        for cells, samples, factor in zip(
            outcomes.accuracy.T, outcomes.samples.T, accuracy.tolist(), strict=True
        )
    ]
    estimated = outcomes.estimated
    if estimated is not None:
        scaled = [
            _scaled(cells, factor)
            for cells, factor in zip(estimated.accuracy.T, accuracy.tolist(), strict=True)
        ]
        estimated = replace(estimated, accuracy=np.stack(scaled, axis=1))
    return replace(
        outcomes,
        accuracy=np.stack(columns, axis=1),
        cost=outcomes.cost * cost,
        halves=None,
        estimated=estimated,
    )


def rescaled_samples(samples: Samples, actions: tuple[str, ...], cost: Floats) -> Samples:
    """The samples with their costs multiplied like those of the first action that each source is sampled for.

    Args:
        samples: The table.
        actions: The actions, k of them.
        cost: What the costs of each are multiplied by, shape (k,).
    """
    factors: dict[str, float] = {}
    for action, factor in zip(actions, cost.tolist(), strict=True):
        source = source_of_action(action, samples.sources)
        if source is not None:
            factors.setdefault(source, factor)
    replies = {
        (name, source): tuple(
            replace(
                reply,
                cost=reply.cost * factors.get(source, 1.0),
                prompt_cost=None
                if reply.prompt_cost is None
                else reply.prompt_cost * factors.get(source, 1.0),
            )
            for reply in several
        )
        for (name, source), several in samples.replies.items()
    }
    return replace(samples, replies=replies)


def _rescaled(cells: Floats, samples: Ints, factor: float, rng: np.random.Generator) -> Floats:
    """Accuracies of one action whose mean is multiplied, each as uncertain as its samples make it."""
    if factor == 1:
        return cells
    mean = float(cells.mean())
    if factor > 1 and mean < 1:  # wrong answers become right as right ones became wrong
        return 1 - _rescaled(1 - cells, samples, max(0.0, 1 - factor * mean) / (1 - mean), rng)
    kept = min(factor, 1.0)
    right = cells * samples
    whole = np.abs(right - right.round()) < _WHOLE
    drawn = rng.binomial(np.where(whole, right.round(), 0).astype(int), kept) / samples
    return np.asarray(np.where(whole, drawn, cells * kept))


def _scaled(cells: Floats, factor: float) -> Floats:
    """Estimates of one action whose mean is multiplied, in [0, 1]."""
    mean = float(cells.mean())
    if factor > 1 and mean < 1:
        return np.asarray(1 - (1 - cells) * max(0.0, 1 - factor * mean) / (1 - mean))
    return cells * min(factor, 1.0)
