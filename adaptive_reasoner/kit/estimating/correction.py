"""What labelled questions tell about estimates of the others: a correction, and values without its bias."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.outcomes import RECTIFIED, Outcomes

FEWEST_LABELS = 20
"""Right answers below which estimates are neither corrected nor verified."""

_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_NOTHING = 0.5  # the chance, before any label is seen, that estimates are off by nothing that features tell
_FOLDS = 5


def residual_weights(features: Floats, residual: Floats, penalties: Sequence[float]) -> Floats:
    """Weights of a ridge regression, averaged over its penalties by their marginal likelihood.

    Fifty labels cannot tell one penalty from another, and the one that looks best would mostly be too small:
    what is learnt then spoils good estimates. Among the penalties is the infinite one. The level of a
    question (its mean over the actions) and the contrasts between actions are weighed apart, since only the
    contrasts matter for choosing.

    Args:
        features: Rows of about length 1, shape (m, d).
        residual: What the estimates lack, shape (m, k).
        penalties: Those that are averaged, beside the infinite one.

    Returns:
        Shape (d, k).

    Source:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 2.7 and 5.2.
    """
    m, k = residual.shape
    left, values, right = np.linalg.svd(features, full_matrices=False)
    axes = np.linalg.qr(np.hstack([np.ones((k, 1)), np.eye(k)[:, : k - 1]]))[0]
    weights = np.zeros((features.shape[1], k))
    for part in (axes[:, :1], axes[:, 1:]):
        missing = residual @ part
        total = float((missing**2).sum())
        if total == 0:
            continue
        seen = left.T @ missing
        outputs = part.shape[1]
        chances = [np.log(_NOTHING) - m * outputs / 2 * np.log(total)]
        found = [np.zeros_like(seen)]
        for penalty in penalties:
            spread = 1 + values**2 / penalty
            unexplained = total - float((seen**2).sum()) + float((seen**2 / spread[:, None]).sum())
            likelihood = outputs * np.log(spread).sum() + m * outputs * np.log(unexplained)
            chances.append(np.log((1 - _NOTHING) / len(penalties)) - likelihood / 2)
            found.append(seen * (values / (values**2 + penalty))[:, None])
        shares = np.exp(np.array(chances) - max(chances))
        mean = np.tensordot(shares / shares.sum(), np.array(found), 1)
        weights += right.T @ mean @ part.T
    return weights


def corrected(estimate: Floats, truth: Floats, labelled: Bools, *, seed: int = 0) -> Floats:
    """Estimates of accuracy, corrected action by action by what labelled questions show.

    A consensus flatters the action that defines it, and doubts the one that differs from it. Labelled
    questions are corrected by what the others show, so that their own errors remain a fair measure.

    Args:
        estimate: Of all questions, shape (n, k).
        truth: Of labelled questions, shape (n, k); other rows are ignored.
        labelled: Which are labelled and were drawn at random, shape (n,).
        seed: Of the folds.

    Returns:
        Shape (n, k), in [0, 1].
    """
    features = np.hstack([np.ones((len(estimate), 1)), estimate - estimate.mean(axis=0)])
    result, rows = estimate.copy(), np.flatnonzero(labelled)
    if len(rows) < FEWEST_LABELS:
        return result

    def apply(to: Bools, learnt_from: Ints) -> None:
        missing = truth[learnt_from] - estimate[learnt_from]
        weights = residual_weights(features[learnt_from], missing, _PENALTIES)
        result[to] = np.clip(estimate[to] + features[to] @ weights, 0.0, 1.0)

    apply(~labelled, rows)
    fold = np.random.default_rng(seed).permutation(len(rows)) % _FOLDS
    for held in _masks(fold):
        own = np.zeros(len(estimate), dtype=bool)
        own[rows[held]] = True
        apply(own, rows[~held])
    return result


def rectified(outcomes: Outcomes) -> Outcomes:
    """The table whose means are unbiased although most questions have only estimates.

    Every question enters with its estimate; each labelled one also with the error of its estimate, as many
    times as there are questions a label. Means over questions of anything linear in accuracy (the value of
    a policy, of a mixture, a lift) are then prediction-powered estimates, and a bootstrap over questions
    gives their intervals. Of the labelled questions only those count that were drawn at random, and fewer
    than `FEWEST_LABELS` do not count: their errors would drown the estimates.

    Returns:
        A table of unit `RECTIFIED`; the same table where all questions are labelled, and the estimates
        where too few are.

    Source:
        Angelopoulos et al., Science 382 (2023); the weight of the estimates is tuned as in PPI++,
        arXiv:2311.01453.
    """
    if outcomes.estimated is None:
        return outcomes
    estimate, labelled = outcomes.estimated.accuracy, outcomes.estimated.at_random
    values = estimate.copy()
    if labelled.sum() >= FEWEST_LABELS:
        weight = _trust(outcomes.accuracy[labelled], estimate[labelled], len(outcomes))
        values = weight * estimate
        each = len(outcomes) / labelled.sum()
        values[labelled] += each * (outcomes.accuracy[labelled] - values[labelled])
    return replace(outcomes, accuracy=values, accuracy_unit=RECTIFIED, estimated=None, halves=None)


def by_estimates(outcomes: Outcomes) -> Outcomes | None:
    """The table in which the right answer of a question is not known; None where all are."""
    if outcomes.estimated is None:
        return None
    return replace(outcomes, accuracy=outcomes.estimated.accuracy, estimated=None, halves=None)


def _trust(truth: Floats, estimate: Floats, n: int) -> Floats:
    """By how much to weigh the estimates of each action: least variance of the mean, shape (k,)."""
    centred = estimate - estimate.mean(axis=0)
    spread = (centred**2).mean(axis=0) * (1 + len(truth) / n)
    shared = (centred * (truth - truth.mean(axis=0))).mean(axis=0)
    best = np.divide(shared, spread, out=np.ones_like(shared), where=spread > 0)
    return np.asarray(np.clip(best, 0.0, 1.0))


def _masks(fold: Ints) -> Iterator[Bools]:
    return (fold == number for number in np.unique(fold))
