"""What a log of traffic shows of all actions of a table: their drift, which decisions count, and outcomes.

Of each action the log tells what came of it where it was taken, and the policy what was expected there. How
that has moved, by `shifts`, scales the old outcomes; what is remembered of the log becomes further ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints, Texts
from adaptive_reasoner.kit.learning.policy_card import digest_of
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.shifts import Shift, outdated, shift_of
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import text_index
from adaptive_reasoner.policy.learned import LearnedPolicy

_NOTHING = 1e-12


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
        scaled = policy.card.get("drift", {}) if same else {}
        before, old, together, shifts = {}, {}, {}, {}
        for name, cells in (("accuracy", outcomes.accuracy), ("cost", outcomes.cost)):
            before[name] = np.array([scaled.get(action, {}).get(name, 1.0) for action in actions])
            old[name] = cells * before[name]
        expected, known = (
            _expected(policy, actions, old, texts, same) for texts in (log.questions, outcomes.questions)
        )
        spread = _spread(policy, actions, old["cost"], known["cost"])
        text, chance = text_index(log.questions), np.nan_to_num(log.propensity, nan=1.0)
        for name, values, counts in (
            ("accuracy", log.score, log.graded),
            ("cost", log.cost, np.ones(len(log), dtype=bool)),
        ):
            together[name] = np.atleast_2d(np.cov(old[name] - known[name], rowvar=False, bias=True))
            # As if so many questions without any such relation were added: few tell little of many actions.
            together[name] += np.diag(np.diag(together[name])) * len(actions) / len(outcomes)
            missed, varies = (
                np.clip(of * (1 - of), 0.0, None) if name == "accuracy" else spread * of**2
                for of in (known[name], expected[name])
            )
            errors = np.sqrt(missed.mean(axis=0) / len(outcomes)) / np.maximum(
                known[name].mean(axis=0), _NOTHING
            )
            shifts[name] = tuple(
                shift_of(
                    expected[name][rows, at],
                    values[rows],
                    chance[rows],
                    text[rows],
                    spread=varies[rows, at],
                    old_error=float(errors[at]),
                )
                for at in range(len(actions))
                for rows in [np.flatnonzero((taken == at) & counts)]
            )
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

    def completed(self, at_most: int) -> tuple[Outcomes, Ints, Bools] | None:
        """The latest questions of the log as outcomes: what was seen, and else what is expected given that.

        A question that was asked often is one row, with the mean of what was seen. Where its action did worse
        than expected, the others are expected to have done so, too.

        Returns:
            The questions; how many decisions since the last one that is forgotten each stands for, shape
            (m,): what is remembered of earlier traffic is not like it, as one action is missing; and which
            were asked more than once, shape (m,): a decision on them is on a question that is known.
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
        return table, np.rint(lately[latest] * left_out).astype(np.intp), asked[latest] > 1

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


def _expected(
    policy: LearnedPolicy, actions: tuple[str, ...], old: Mapping[str, Floats], questions: Texts, same: bool
) -> dict[str, Floats]:
    """Accuracy and cost of the actions of a table on questions, by a policy and else the means, (n, k) each.

    A policy that was trained on other outcomes tells questions apart; the level is that of these.
    """
    predicted = PolicyChoices.of(policy, questions.tolist()).predictions
    own = [actions.index(name) for name in policy.actions]
    expected = {}
    for name, table, mean in (
        ("accuracy", predicted.accuracy, policy.mixture.accuracy),
        ("cost", predicted.cost, policy.mixture.cost),
    ):
        levels = old[name].mean(axis=0)
        level = np.ones(len(own))
        if not same:
            np.divide(levels[own], mean, out=level, where=mean > 0)
        expected[name] = np.tile(levels, (len(questions), 1))
        expected[name][:, own] = table * level
    return expected


def _spread(policy: LearnedPolicy, actions: tuple[str, ...], cost: Floats, known: Floats) -> Floats:
    """How far costs lie from predictions, relative to these, shape (k,); see `cost_spread`."""
    held_out = policy.card.get("report", {}).get("calibration", {}).get("cost_spread", {})
    missed = ((cost - known) ** 2).mean(axis=0) / np.maximum((known**2).mean(axis=0), _NOTHING)
    return np.array([held_out.get(*each) for each in zip(actions, missed.tolist(), strict=True)])


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
