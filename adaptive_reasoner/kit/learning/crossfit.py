"""Held-out predictions of several learners, and which of them earns most around the budget."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from adaptive_reasoner.kit.learning.calibration import Calibration
from adaptive_reasoner.kit.learning.learners import Constant, Learner, Matrix, Mean, Neighbours, Ridge, Trees
from adaptive_reasoner.kit.learning.response import lift_by_question, realised
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.splits import text_index

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

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
"""What is tried: single learners and means of several; of equals the first is taken."""

_LEARNT_FROM = 8  # different questions; with fewer there is nothing to cross-validate
_CLEAR = 1.5  # standard errors a lift must lie above zero; the gate asks for more
_MANY = 100  # questions from which five folds do; fewer questions get ten


@dataclass(frozen=True, eq=False)
class Predictions:
    """Expected accuracy and cost of every action, for m questions.

    Attributes:
        actions: Names of the k actions.
        accuracy: Shape (m, k).
        cost: Shape (m, k), in `cost_unit`.
        cost_unit: What a cost counts.
    """

    actions: tuple[str, ...]
    accuracy: Floats
    cost: Floats
    cost_unit: str


def targets_of(outcomes: Outcomes) -> Floats:
    """Accuracy of all actions, then their cost, shape (n, 2k)."""
    return np.hstack([outcomes.accuracy, outcomes.cost])


def build(name: str, vector: int, seed: int) -> Learner:
    """A fresh learner for a candidate's name; `vector` leading features are the unit vector."""
    makers: dict[str, Callable[[], Learner]] = {
        "constant": Constant,
        "ridge": lambda: Ridge(vector),
        "neighbours": lambda: Neighbours(vector, seed=seed),
        "trees": lambda: Trees(vector, seed=seed),
    }
    members = [makers[member]() for member in CANDIDATES[name]]
    return members[0] if len(members) == 1 else Mean(members)


def folds_of(texts: NDArray[np.object_], seed: int) -> Ints:
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
        outcomes: The truth.
        fold: The fold of each question, shape (n,).
        names: The candidates to choose from.
        raw: For each single learner its predictions, in true units, shape (n, 2k).
        budget: The mean cost around which learners are compared; None compares them everywhere.
    """

    outcomes: Outcomes
    fold: Ints
    names: tuple[str, ...]
    raw: Mapping[str, Floats]
    budget: float | None

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
    ) -> "CrossFit":
        """Fit every single learner that the candidates in `names` are made of, once a fold."""
        fold, truth = folds_of(outcomes.questions, seed), targets_of(outcomes)
        centre = truth.mean(axis=0)  # of all folds: see `Calibration.fit`
        single = tuple(dict.fromkeys(member for name in names for member in CANDIDATES[name]))
        raw = {name: np.empty_like(truth) for name in single}
        for number in np.unique(fold):
            held = fold == number
            fit = ~held if not held.all() else held
            mean, scale = standard(truth[fit])
            for name in single:
                learner = build(name, vector, seed).fit(X[fit], (truth[fit] - mean) / scale)
                raw[name][held] = learner.predict(X[held]) * scale + centre
        return cls(outcomes, fold, names, raw, budget)

    def of(self, name: str) -> Floats:
        """Held-out raw predictions of a candidate, shape (n, 2k)."""
        predicted: Floats = np.mean([self.raw[member] for member in CANDIDATES[name]], axis=0)
        return predicted

    @cached_property
    def truth(self) -> Floats:
        """See `targets_of`."""
        return targets_of(self.outcomes)

    def lifts(self, rows: NDArray[np.bool_] | None = None) -> dict[str, Floats]:
        """For each candidate what each question of `rows` adds to its lift around the budget."""
        return {name: self._lifts(name, rows) for name in self.names}

    def best(self, rows: NDArray[np.bool_] | None = None) -> str:
        """The candidate of highest lift on `rows`; the constant one unless the lift is clear of chance."""
        lifts = self.lifts(rows)
        best = max(lifts, key=lambda name: float(lifts[name].mean()))
        if best == "constant" or "constant" not in lifts:
            return best
        ahead = lifts[best]
        return best if ahead.mean() * np.sqrt(len(ahead)) > _CLEAR * ahead.std() else "constant"

    def held_out(self, name: str) -> Predictions:
        """Calibrated predictions of a candidate for questions it has not seen."""
        raw = self.of(name)
        return self._predictions(Calibration.fit(raw, self.truth).apply(raw))

    def nested(self) -> Predictions:
        """Predictions in which also learner and calibration were chosen without the question's fold."""
        predicted = np.empty_like(self.truth)
        for number in np.unique(self.fold):
            held = self.fold == number
            others = ~held if not held.all() else held
            raw = self.of(self.best(others))
            predicted[held] = Calibration.fit(raw, self.truth, others).apply(raw[held])
        return self._predictions(predicted)

    def _lifts(self, name: str, rows: NDArray[np.bool_] | None) -> Floats:
        raw = self.of(name)
        part = self.outcomes if rows is None else self.outcomes.select(rows)
        predicted = Calibration.fit(raw, self.truth, rows).apply(raw if rows is None else raw[rows])
        return lift_by_question(*realised(self._predictions(predicted), part, self.budget), part)

    def _predictions(self, predicted: Floats) -> Predictions:
        k = len(self.outcomes.actions)
        return Predictions(self.outcomes.actions, predicted[:, :k], predicted[:, k:], self.outcomes.cost_unit)


def candidates_for(outcomes: Outcomes) -> tuple[str, ...]:
    """The candidates worth trying on a table of this size."""
    texts = len(set(outcomes.questions))
    if texts < _LEARNT_FROM or len(outcomes.actions) == 1:
        return ("constant",)
    return tuple(CANDIDATES)


def standard(truth: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each target; 1 where it does not vary."""
    deviation = truth.std(axis=0)
    return truth.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
