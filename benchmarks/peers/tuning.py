"""From a dial to a budget, in one way for all: by what each setting cost on the validation part."""

import numpy as np

from adaptive_reasoner.kit.backtesting.performance import Performance


def play_at(budget, variants, validation, test):
    """What a policy plays on the test part when its validation part may cost `budget`.

    Of each variant the two settings of its dial around the budget are mixed so that the validation cost meets
    it; a fixed action is a setting, too, so that every budget lies between two. Then the variant that was
    most accurate on the validation part is taken.

    Args:
        budget: Mean cost per question.
        variants: Choices at each setting on validation, then test questions, shape (settings, m), by name.
        validation: Outcomes of the validation part.
        test: Outcomes of the test part.

    Returns:
        The play on the test part, and the name of the variant.
    """
    best = None
    for name, choices in variants.items():
        fixed = np.repeat(np.arange(len(validation.actions))[:, None], choices.shape[1], axis=1)
        settings = np.concatenate([choices.astype(np.intp), fixed])
        seen, unseen = settings[:, : len(validation)], settings[:, len(validation) :]
        cost, accuracy = (
            np.take_along_axis(cells.T, seen, axis=0).mean(axis=1)
            for cells in (validation.cost, validation.accuracy)
        )
        low, high, share = around(budget, cost, accuracy)
        reached = (1 - share) * accuracy[low] + share * accuracy[high]
        if best is None or reached > best[0] + 1e-12:
            parts = [
                (1 - share) * np.take_along_axis(cells.T, unseen[[low]], axis=0)[0]
                + share * np.take_along_axis(cells.T, unseen[[high]], axis=0)[0]
                for cells in (test.accuracy, test.cost)
            ]
            best = reached, Performance(*parts), name
    return best[1:]


def around(budget, cost, accuracy):
    """The dearest setting within the budget, the cheapest beyond it, and the share of the latter.

    Of settings that cost the same the more accurate is taken. Beyond the dearest setting there is nothing to
    mix; a budget below the cheapest gets the cheapest.

    Example:
        >>> around(3.0, np.array([1.0, 5.0, 2.0]), np.array([0.1, 0.5, 0.2]))
        (2, 1, 0.3333333333333333)
    """
    order = np.lexsort((-accuracy, cost))
    within = np.flatnonzero(cost[order] <= budget + 1e-9)
    if not len(within):
        return int(order[0]), int(order[0]), 0.0
    reached = cost[order[within[-1]]]
    low = next(at for at in order if cost[at] == reached)
    if within[-1] + 1 == len(order):
        return int(low), int(low), 0.0
    high = order[within[-1] + 1]
    return int(low), int(high), float((budget - cost[low]) / (cost[high] - cost[low]))
