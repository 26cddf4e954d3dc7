"""Cross-validates several learners, and selects the one of highest lift around the budget."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints, Matrix, Texts
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.estimating.correction import by_estimates, rectified
from adaptive_reasoner.kit.learning.calibration import Calibration
from adaptive_reasoner.kit.learning.completion import Completion
from adaptive_reasoner.kit.learning.cost_response import Response, lift_by_question
from adaptive_reasoner.kit.learning.dominated import dominated_actions
from adaptive_reasoner.kit.learning.held_out_trust import ROUNDING, HeldOutTrust
from adaptive_reasoner.kit.learning.learners import Constant, Learner, Neighbours, Ridge, Trees
from adaptive_reasoner.kit.learning.novelty import Familiarity
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import text_index

CANDIDATES: Mapping[str, tuple[str, ...]] = {
    " + ".join(members): members
    for members in (
        ("constant",),
        ("ridge",),
        ("neighbours",),
        ("trees",),
        ("neighbours", "trees"),
        ("ridge", "neighbours", "trees"),
    )
}
"""The candidates: single learners and means of several, the mean of all last."""

FAR = ("ridge", "neighbours")
"""Their mean predicts questions unlike the training questions, whichever candidate predicts the others.

Trees are best on known topics, but do not extrapolate; these two do.
"""

_LEARNT_FROM = 8  # different questions; with fewer there is nothing to cross-validate
_BETTER = 0.5  # standard errors by which a candidate must beat the mean of all, to be taken instead
_MANY = 100  # questions from which five folds do; fewer questions get ten


def targets_of(outcomes: Outcomes) -> Floats:
    """Accuracy of all actions, then their cost, shape (n, 2k)."""
    return np.hstack([outcomes.accuracy, outcomes.cost])


def build(name: str, vector: int, seed: int) -> Learner:
    """A fresh single learner by its name; `vector` leading features are the unit vector."""
    learners: dict[str, Learner] = {
        "constant": Constant(),
        "ridge": Ridge(vector),
        "neighbours": Neighbours(vector, seed=seed),
        "trees": Trees(vector, seed=seed),
    }
    return learners[name]


def members_of(name: str) -> tuple[str, ...]:
    """The single learners that a candidate needs, including those for unfamiliar questions."""
    near = CANDIDATES[name]
    return near if near == ("constant",) else tuple(dict.fromkeys((*near, *FAR)))


def folds_of(texts: Texts, seed: int) -> Ints:
    """The fold of each question, equal texts in the same one; shape (n,)."""
    text = text_index(texts)
    count = int(text.max()) + 1
    folds = min(5 if count >= _MANY else 10, count)
    shuffled = np.random.default_rng(seed).permutation(count)
    return (shuffled % folds)[text]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Predictions of each learner for questions it has not seen, by cross-validation.

    Attributes:
        outcomes: The truth. Where right answers are missing it is filled in from the other folds. Learners
            are compared and calibrated by it.
        judged: What a policy is judged by: the truth, or the rectified table, which is unbiased but varies
            too much to choose a learner by a few labels.
        fold: The fold of each question, shape (n,).
        names: The candidates to choose from.
        raw: For each single learner its predictions, in true units, shape (n, 2k).
        trust: How familiar each question is to the other folds, in [0, 1], shape (n,).
        budget: The mean cost around which learners are compared; None compares them everywhere.
        fixed: The actions whose mixtures are to be beaten; another table than `outcomes` where deciding
            costs something, which fixed actions need not pay.
        columns: Positions of the actions that a policy chooses among, shape (c,). The learners predict, and
            prove that they can predict, all of them.
        labels: How many of the questions have a right answer; None where all have.
        estimates: The table by estimates alone; None where all have a right answer.
    """

    outcomes: Outcomes
    judged: Outcomes
    fold: Ints
    names: tuple[str, ...]
    raw: Mapping[str, Floats]
    trust: Floats
    budget: float | None
    fixed: Outcomes
    columns: Ints
    labels: int | None = None
    estimates: Outcomes | None = None
    # Kept when only the budget is replaced: what each candidate comes to, with or without a fold.
    _responses: dict[tuple[str, int | None], tuple[Response, Calibration]] = field(default_factory=dict)

    @classmethod
    def run(
        cls,
        X: Matrix,
        outcomes: Outcomes,
        *,
        names: tuple[str, ...],
        budget: float | None,
        vector: int,
        seed: int,
        fixed: Outcomes | None = None,
    ) -> "CrossFit":
        """Fit every single learner that the candidates in `names` are made of, once a fold."""
        fold, truth = folds_of(outcomes.questions, seed), targets_of(outcomes)
        single = tuple(dict.fromkeys(member for name in names for member in members_of(name)))
        raw = {name: np.empty_like(truth) for name in single}
        trust = np.ones(len(outcomes))
        for number in np.unique(fold):
            held = fold == number
            fit = ~held if not held.all() else held
            completion = Completion.fit(X[fit], outcomes.select(fit))
            learnt = targets_of(completion.of(X[fit], outcomes.select(fit)))
            truth[held] = targets_of(completion.of(X[held], outcomes.select(held)))
            mean, scale = standard(learnt)
            for name in single:
                learner = build(name, vector, seed).fit(X[fit], (learnt - mean) / scale)
                raw[name][held] = learner.predict(X[held]) * scale
            trust[held] = Familiarity.fit(X[fit, :vector], seed=seed).trust(X[held, :vector])
        centre = truth.mean(axis=0)  # of all folds: see `Calibration.fit`
        raw = {name: predicted + centre for name, predicted in raw.items()}
        k = len(outcomes.actions)
        known = outcomes
        if outcomes.estimated is not None:
            known = replace(outcomes, accuracy=truth[:, :k], estimated=None, halves=None)
        rivals = known if fixed is None else fixed
        judged, labels = rectified(outcomes), _labels_of(outcomes)
        estimates, columns = by_estimates(outcomes), np.arange(k)
        return cls(known, judged, fold, names, raw, trust, budget, rivals, columns, labels, estimates)

    def only(self, rows: Bools, outcomes: Outcomes) -> "CrossFit":
        """What this cross-validation predicted for some of its questions, as if they were all.

        Args:
            rows: Which, shape (n,).
            outcomes: The table that it was run on.
        """
        chosen = outcomes.select(rows)
        return replace(
            self,
            outcomes=self.outcomes.select(rows),
            judged=rectified(chosen),
            fold=self.fold[rows],
            raw={name: predicted[rows] for name, predicted in self.raw.items()},
            trust=self.trust[rows],
            fixed=self.fixed.select(rows),
            labels=_labels_of(chosen),
            estimates=by_estimates(chosen),
            _responses={},
        )

    def among(self, columns: Ints) -> "CrossFit":
        """The same for a policy that chooses among the actions at these positions."""
        return replace(self, columns=columns, _responses={})

    def dominated(self) -> Bools:
        """Which actions a policy can do without, whichever candidate it takes, shape (k,)."""
        candidates = (self._predictions(self.calibration(name).apply(self.of(name))) for name in self.names)
        return dominated_actions(self.outcomes, candidates)

    @cached_property
    def offered(self) -> Outcomes:
        """The truth of the actions that a policy chooses among."""
        return self.outcomes.only(self.columns)

    @cached_property
    def truth(self) -> Floats:
        """What predictions are calibrated to, shape (n, 2k): see `targets_of`."""
        return targets_of(self.outcomes)

    def of(self, name: str) -> Floats:
        """Held-out raw predictions of a candidate, shape (n, 2k)."""
        near: Floats = np.mean([self.raw[member] for member in CANDIDATES[name]], axis=0)
        if name == "constant":
            return near
        far = np.mean([self.raw[member] for member in FAR], axis=0)
        return np.asarray(far + self.trust[:, None] * (near - far))

    def lifts(self, without: int | None = None) -> dict[str, Floats]:
        """What each question, those of a fold left out, adds to the lift around the budget, by candidate."""
        fixed = self.fixed.select(self._rows(without))
        return {
            name: lift_by_question(*self._response(name, without)[0].around(self.budget), fixed)
            for name in self.names
        }

    def best(self, without: int | None = None) -> str:
        """The candidate to take, as the questions show it, those of a fold left out.

        That is the mean of all, unless others are ahead of it by half a standard error: among candidates of
        equal quality the best one in a sample is mostly lucky. `held_out_trust` says whether it gains.
        """
        lifts = {name: lift / self.outcomes.scale for name, lift in self.lifts(without).items()}
        default = self.names[-1]
        ahead = {name: lift - lifts[default] for name, lift in lifts.items()}
        better = [name for name in self.names if _is_clear(ahead[name], _BETTER)]
        return max(better, key=lambda name: float(ahead[name].mean()), default=default)

    def held_out(self, name: str) -> Predictions:
        """Calibrated predictions of a candidate for questions it has not seen, of the policy's actions."""
        return self._predictions(self.calibration(name).apply(self.of(name))).only(self.columns)

    def played(self, name: str, calibration: Calibration, asked: Ints) -> tuple[Predictions, Predictions]:
        """Held-out predictions of a candidate, and the truth, with each question as often as it is asked.

        Args:
            name: The candidate.
            calibration: Of its predictions.
            asked: How often, shape (n,).
        """
        rows = np.repeat(np.arange(len(asked)), asked)
        predicted = self._predictions(calibration.apply(self.of(name)[rows]))
        return predicted.only(self.columns), self._predictions(self.truth[rows]).only(self.columns)

    def calibration(self, name: str) -> Calibration:
        """The calibration of a candidate, fitted on its held-out predictions."""
        return self._response(name, None)[1]

    @cached_property
    def held_out_trust(self) -> HeldOutTrust:
        """How far predictions are trusted at each mean cost, and what that comes to on unseen questions."""
        rivals = self.fixed if self.labels is None else self.judged
        return HeldOutTrust.fit(
            self.nested(), self.judged, rivals, self.fold, estimates=self.estimates, columns=self.columns
        )

    def nested(self) -> Predictions:
        """Predictions in which also learner and calibration were chosen without the question's fold."""
        predicted = np.empty_like(self.truth)
        for number in np.unique(self.fold):
            held = self.fold == number
            name = self.best(int(number))
            _, calibration = self._response(name, int(number))
            predicted[held] = calibration.apply(self.of(name)[held])
        return self._predictions(predicted)

    def _response(self, name: str, without: int | None) -> tuple[Response, Calibration]:
        key = (name, without)
        if key not in self._responses:
            rows, raw = self._rows(without), self.of(name)
            calibration = Calibration.fit(raw, self.truth, rows)
            predicted = self._predictions(calibration.apply(raw[rows])).only(self.columns)
            self._responses[key] = Response.of(predicted, self.offered.select(rows)), calibration
        return self._responses[key]

    def _rows(self, without: int | None) -> Bools:
        rows = np.ones(len(self.fold), dtype=bool) if without is None else self.fold != without
        return rows if rows.any() else ~rows  # of one fold only there is nothing else to go by

    def _predictions(self, predicted: Floats) -> Predictions:
        k = len(self.outcomes.actions)
        return Predictions(self.outcomes.actions, predicted[:, :k], predicted[:, k:], self.outcomes.cost_unit)


def _labels_of(outcomes: Outcomes) -> int | None:
    """How many questions have a right answer and were drawn at random; None where all have one."""
    return None if outcomes.estimated is None else int(outcomes.estimated.at_random.sum())


def _is_clear(lifts: Floats, errors: float) -> bool:
    """Whether the mean lies above zero by more than so many standard errors, and more than rounding."""
    return bool(lifts.mean() > max(ROUNDING, errors * lifts.std() / np.sqrt(len(lifts))))


def candidates_for(outcomes: Outcomes) -> tuple[str, ...]:
    """The candidates worth trying on a table of this size."""
    texts = len(set(outcomes.questions))
    if texts < _LEARNT_FROM or len(outcomes.actions) == 1:
        return ("constant",)
    return tuple(name for name in CANDIDATES if name != "constant")


def standard(truth: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each target; 1 where it does not vary."""
    deviation = truth.std(axis=0)
    return truth.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
