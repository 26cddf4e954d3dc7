"""What is expected of questions that a log has more than once, by their own earlier decisions."""

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints

_FEWEST = 20  # decisions beyond the first on their text, from which their noise can be estimated
_ROUNDS = 3  # between the level of all texts and how far they lie off it
_NOTHING = 1e-12


def expected_given_earlier(
    expected: Floats, values: Floats, texts: Ints, earlier: Bools
) -> tuple[Floats, float]:
    """What is expected of decisions of one action, once the earlier ones on the same texts are known.

    A policy that has learnt from a question takes the action where it did well. So the action does better
    than was expected there, and a fall of its accuracy does not show. How far a text lies off the level of
    all texts in its earlier decisions is therefore expected to stay: the mean of its errors, shrunk as a
    random effect of the text (Laird and Ware, "Random-Effects Models for Longitudinal Data", 1982). As the
    choice went by what the log has, the likelihood of all of the log is not biased by it.

    Args:
        expected: Without the log, shape (n,).
        values: What came of the decisions, shape (n,).
        texts: The question of each, equal numbers for equal texts, shape (n,).
        earlier: Which decisions are the earlier ones, shape (n,).

    Returns:
        What is expected, shape (n,), relative to the level of the earlier decisions, and the standard error
        of this level. Without enough texts that come again: as before, and 0.

    Example:
        >>> texts, values = np.tile([0, 1], 30), np.tile([1.0, 0.0], 30)
        >>> now, _ = expected_given_earlier(np.full(60, 0.5), values, texts, np.arange(60) < 50)
        >>> now[-2:].round(2).tolist()
        [1.0, 0.0]
    """
    asked, text = np.unique(texts[earlier], return_inverse=True)
    if len(text) - len(asked) < _FEWEST:
        return expected, 0.0
    count = np.bincount(text)
    seen, known = (np.bincount(text, weights=each[earlier]) / count for each in (values, expected))
    within = values[earlier] - expected[earlier] - (seen - known)[text]
    noise = float((within**2).sum()) / (len(text) - len(asked))
    precision = count.astype(np.float64)
    for _ in range(_ROUNDS):
        level = float(precision @ seen) / max(float(precision @ known), _NOTHING)
        between = (float(count @ (seen - level * known) ** 2) - noise * len(asked)) / len(text)
        if between <= _NOTHING or level <= _NOTHING:
            return expected, 0.0
        precision = 1 / (between + noise / count)
    own = np.zeros(int(texts.max()) + 1)
    own[asked] = (seen / level - known) * between * precision
    error = float(precision.sum()) ** 0.5 / max(float(precision @ known), _NOTHING)
    return np.maximum(expected + own[texts], 0.0), error
