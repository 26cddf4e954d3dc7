"""How far accuracy and cost of an action have moved since its outcomes were collected, by a log of traffic.

Of each action the log tells what came of it where it was taken, in order, and the policy what was expected
there. Their ratio is the drift. How much of the past counts is chosen by what predicts the latest decisions
best: the old outcomes alone, or the log as well, all of it or its last half, quarter, eighth and so on.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import hypot
from typing import Any, Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints, Texts
from adaptive_reasoner.kit.learning.policy_card import digest_of
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.asked_again import expected_given_earlier
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.estimators import interval_of_mean
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import text_index
from adaptive_reasoner.policy.learned import LearnedPolicy

_FEWEST = 20  # decisions from which a ratio is fitted
_FEWEST_TEXTS = 5  # different questions that count alike, likewise
_LATEST = 4  # one decision in so many is among the latest, by which memories are compared
_FOLDS = 5
_BETTER = 0.5  # standard errors by which a shorter memory must be better
_SURE = 2.0  # standard errors by which a ratio must differ from one to move outcomes
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


def shift_of(expected: Floats, values: Floats, propensity: Floats, text: Ints | None = None) -> Shift:
    """The drift of one action, from its decisions in their order.

    Decisions count by the inverse of their propensity, as those that are explored stand for questions on
    which another action is the rule. These weights are cut (Ionides, "Truncated Importance Sampling", 2008)
    at the fourth root of their number: a drift is about the same on all questions, and a few must not decide.
    What is wrong about a question is wrong each time it is asked, so that the variance of the ratio is that
    over different questions, and a question that comes again is compared with its own earlier decisions. Most
    actions do not change, and several are looked at: a ratio within two standard errors of one moves nothing,
    and others are shrunk towards one the less the further they lie beyond (non-negative garrote; Breiman,
    "Better Subset Regression", 1995).

    Args:
        expected: Of each decision, by a policy that had not seen it, shape (n,).
        values: What came of it, shape (n,).
        propensity: How likely it was, shape (n,).
        text: The question of each, equal numbers for equal texts; all differ when None, shape (n,).

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
    known = [(expected, 0.0), *(expected_given_earlier(expected, values, texts, ~memory) for memory in later)]
    losses = [
        _losses(of, values, weights, texts, latest, memory)
        for (of, _), memory in zip(known, memories, strict=True)
    ]
    best = min(range(len(memories)), key=lambda at: float(losses[at].mean()))
    chosen = next(at for at in range(best + 1) if not _is_better(losses[best], losses[at], texts[latest]))
    memory, (expected, level_error) = memories[chosen], known[chosen]
    counted = np.ones(n, dtype=bool) if memory is None else memory
    ratio = _ratio(expected[counted], values[counted], weights[counted])
    missed = weights[counted] * (values[counted] - ratio * expected[counted])
    spread = interval_of_mean(np.asarray(np.bincount(texts[counted], weights=missed), dtype=np.float64))
    scale = float(weights[counted] @ expected[counted]) / (int(texts.max()) + 1)
    error = hypot((spread.high - spread.low) / (2 * 1.96 * scale), level_error)
    stays = memory is None or _SURE * error >= abs(ratio - 1)
    old = 1.0 if stays else (_SURE * error / (ratio - 1)) ** 2
    return Shift(
        factor=old + (1 - old) * ratio,
        low=max(0.0, ratio - 1.96 * error),
        high=ratio + 1.96 * error,
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
    after it what is expected by now, each by two standard errors.

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


@dataclass(frozen=True, eq=False)
class Drift:
    """What a log shows of the actions of a table of outcomes.

    Attributes:
        actions: Those of the table, k of them.
        log: The decisions.
        taken: Position in `actions` of the action that each question got, -1 for others, shape (n,).
        expected: Accuracy and cost of every action by the old outcomes, by measure, each of shape (n, k).
        shifts: Of each action, by measure.
        before: By which the outcomes were scaled already when the policy was made, by measure, shape (k,).
        together: How errors of the policy on the outcomes vary together, by measure, shape (k, k): a question
            that one action fails is harder for the others than the policy expects.
    """

    actions: tuple[str, ...]
    log: Decisions
    taken: Ints
    expected: Mapping[str, Floats]
    shifts: Mapping[str, tuple[Shift, ...]]
    before: Mapping[str, Floats]
    together: Mapping[str, Floats]

    @classmethod
    def between(cls, policy: LearnedPolicy, outcomes: Outcomes, log: Decisions) -> Self:
        """Compare what a log shows with what a policy, trained on the outcomes, expects."""
        actions = outcomes.actions
        taken = log.among(actions)
        same = policy.card.get("data", {}).get("digest") == digest_of(outcomes)
        expected = _expected(policy, outcomes, log.questions, same)
        scaled = policy.card.get("drift", {}) if same else {}
        before, together = {}, {}
        known = _expected(policy, outcomes, outcomes.questions, same)
        for name, cells in (("accuracy", outcomes.accuracy), ("cost", outcomes.cost)):
            before[name] = np.array([scaled.get(action, {}).get(name, 1.0) for action in actions])
            together[name] = np.atleast_2d(
                np.cov(cells * before[name] - known[name], rowvar=False, bias=True)
            )
            # As if so many questions without any such relation were added: few tell little of many actions.
            together[name] += np.diag(np.diag(together[name])) * len(actions) / len(outcomes)
        text, chance = text_index(log.questions), np.nan_to_num(log.propensity, nan=1.0)
        shifts = {
            name: tuple(
                shift_of(expected[name][rows, at], values[rows], chance[rows], text[rows])
                for at in range(len(actions))
                for rows in [np.flatnonzero((taken == at) & known)]
            )
            for name, values, known in (
                ("accuracy", log.score, log.graded),
                ("cost", log.cost, np.ones(len(log), dtype=bool)),
            )
        }
        return cls(actions, log, taken, expected, shifts, before, together)

    def factors(self, measure: str) -> Floats:
        """By which the outcomes of each action are scaled, shape (k,)."""
        return np.asarray(self.before[measure] * [shift.factor for shift in self.shifts[measure]])

    def remembered(self) -> Bools:
        """Which decisions are graded and count, by the drift of their action, shape (n,)."""
        rows = self.log.graded & (self.taken >= 0)
        for measure, values, known in (
            ("accuracy", self.log.score, self.log.graded),
            ("cost", self.log.cost, np.ones(len(rows), dtype=bool)),
        ):
            for at, shift in enumerate(self.shifts[measure]):
                own = np.flatnonzero(known & (self.taken == at))
                old = outdated(self.expected[measure][own, at], values[own], self.before[measure][at])
                rows[own[: max(old, shift.forgotten)]] = False
        return rows

    def completed(self, at_most: int) -> tuple[Outcomes, Ints] | None:
        """The latest questions of the log as outcomes: what was seen, and else what is expected given that.

        A question that was asked often is one row, with the mean of what was seen. Where its action did worse
        than expected, the others are expected to have done so, too.

        Returns:
            The questions, and how many decisions since the last one that is forgotten each stands for, shape
            (m,): what is remembered of earlier traffic is not like it, as one action is missing.
        """
        remembered = self.remembered()
        rows = np.flatnonzero(remembered)
        if not len(rows):
            return None
        log, taken = self.log.select(rows), self.taken[rows]
        text = text_index(log.questions)
        asked = np.bincount(text)
        seen = np.zeros((len(asked), len(self.actions)))
        np.add.at(seen, (text, taken), 1.0)
        cells = {}
        for measure, values in (("accuracy", log.score), ("cost", log.cost)):
            factors = np.array([shift.factor for shift in self.shifts[measure]])
            known, predicted = np.zeros_like(seen), np.zeros_like(seen)
            np.add.at(known, (text, taken), values)
            np.add.at(predicted, text, self.expected[measure][rows] * factors)
            known, predicted = known / np.maximum(seen, 1), predicted / asked[:, None]
            together = self.together[measure] * np.outer(factors, factors)
            cells[measure] = _given(known, seen > 0, predicted, together)
        last = np.zeros(len(asked), dtype=np.intp)
        last[text] = np.arange(len(text))  # the latest decision on each text
        latest = np.argsort(last)[-at_most:]
        table = Outcomes(
            question_ids=log.question_ids[last[latest]],
            questions=log.questions[last[latest]],
            actions=self.actions,
            accuracy=np.clip(cells["accuracy"], 0.0, 1.0)[latest],
            cost=np.maximum(cells["cost"], 0.0)[latest],
            cost_unit=log.cost_unit,
            samples=np.maximum(seen, 1)[latest].astype(np.intp),
        )
        forgotten = np.flatnonzero(self.log.graded & (self.taken >= 0) & ~remembered)
        since = int(forgotten[-1]) + 1 if len(forgotten) else 0
        lately = np.bincount(text[rows >= since], minlength=len(asked))
        left_out = lately.sum() / max(1, lately[latest].sum())  # those kept stand for the others
        return table, np.rint(lately[latest] * left_out).astype(np.intp)

    def as_dict(self) -> dict[str, Any]:
        """What was forgotten and why, as plain JSON values."""
        others = {
            name: count for name, count in self.log.counts().items() if name not in self.actions and count
        }
        return {
            "log": {
                "questions": len(self.log),
                "graded": int(self.log.graded.sum()),
                "explored": int(self.log.explored.sum()),
            },
            "actions": {
                action: {measure: self.shifts[measure][at].as_dict() for measure in self.shifts}
                for at, action in enumerate(self.actions)
            },
            "why": [
                self.shifts[measure][at].why(f"the {measure} of {action!r}")
                for at, action in enumerate(self.actions)
                for measure in self.shifts
            ],
            "not_learnt": others,
        }


def _expected(policy: LearnedPolicy, outcomes: Outcomes, questions: Texts, same: bool) -> dict[str, Floats]:
    """Accuracy and cost of the actions of a table on questions, by a policy and else the means, (n, k) each.

    A policy that was trained on other outcomes tells questions apart; the level is that of these.
    """
    predicted = PolicyChoices.of(policy, questions.tolist()).predictions
    own = [outcomes.actions.index(name) for name in policy.actions]
    expected = {}
    for name, table, cells, mean in (
        ("accuracy", predicted.accuracy, outcomes.accuracy, policy.mixture.accuracy),
        ("cost", predicted.cost, outcomes.cost, policy.mixture.cost),
    ):
        level = np.ones(len(own))
        if not same:
            np.divide(cells.mean(axis=0)[own], mean, out=level, where=mean > 0)
        expected[name] = np.tile(cells.mean(axis=0), (len(questions), 1))
        expected[name][:, own] = table * level
    return expected


def _given(known: Floats, seen: Bools, predicted: Floats, together: Floats) -> Floats:
    """What is known, and else what is predicted, moved by what the known cells missed, shape (n, k).

    These are the conditional means of normal errors.

    Args:
        known: What came of actions, shape (n, k).
        seen: Of which it did, shape (n, k).
        predicted: What was expected, shape (n, k).
        together: The covariance of errors, shape (k, k).
    """
    cells = predicted.copy()
    for pattern in np.unique(seen, axis=0):
        rows, at = (seen == pattern).all(axis=1), np.flatnonzero(pattern)
        share = np.linalg.pinv(together[np.ix_(at, at)]) @ together[at]
        cells[rows] += (known[rows][:, at] - predicted[rows][:, at]) @ share
    return np.where(seen, known, cells)


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
