"""The imitator: learns from outcomes what each action would score and cost, and takes the best at a price."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from onnx import ModelProto
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from adaptive_reasoner.arrays import Bools, Floats, Ints, Matrix
from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.allocation.solver import Predictions, Priced
from adaptive_reasoner.kit.learning.completion import Completion
from adaptive_reasoner.kit.learning.cost_response import Moves, even_draws, fit_cost_curve, lift_by_question
from adaptive_reasoner.kit.learning.crossfit import (
    CANDIDATES,
    FAR,
    CrossFit,
    build,
    candidates_for,
    members_of,
    standard,
    targets_of,
)
from adaptive_reasoner.kit.learning.first_sample import SEEN
from adaptive_reasoner.kit.learning.forecasts import PredictedOutcomes
from adaptive_reasoner.kit.learning.gate import Gate, judge
from adaptive_reasoner.kit.learning.learners import Learner, label_classifier
from adaptive_reasoner.kit.learning.novelty import Familiarity
from adaptive_reasoner.kit.onnx_graph import Graph
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.draws import uniform_from_key
from adaptive_reasoner.policy.features import SURFACE_FEATURES
from adaptive_reasoner.policy.mixture import CostCurve
from adaptive_reasoner.policy.trust import Trust

Objective = Literal["value", "labels"]
Observed = Literal["question", "first_sample"]


class Imitator(BaseEstimator):  # type: ignore[misc]
    """Chooses an action for a new question, learned from the outcomes of other questions.

    Args:
        objective: `"value"` predicts accuracy and cost of every action and then acts by the price, so that
            one fit serves every budget. `"labels"` imitates the oracle's choice for the budget
            (arXiv:2604.14853, section 4).
        observe: `"question"` decides by the question alone. `"first_sample"` also uses the first answer of
            the cheapest action, and pays for it with every question: fit it on the result of `look_first`.
        learner: One of `CANDIDATES`, or `"auto"` for the one of highest cross-validated lift.
        vector: How many leading features are the unit vector of the encoder; by default all but as many as
            there are features of other kinds.
        seed: Of folds and learners.
        threads: Threads that learning may use.

    Attributes:
        actions_: The actions it chooses among: those of the outcomes, but for `dropped_`.
        dropped_: The actions that cannot matter: see `dominated_actions`.
        columns_: Positions of `actions_` among the actions of the outcomes, shape (k,).
        learner_: The candidate that was chosen (objective `"value"`, as all that follow).
        lifts_: Cross-validated lift over mixtures of fixed actions of each candidate, around the budget.
        held_out_: Predictions for the training questions by learners that had not seen them.
        calibration_: Their calibration.
        curve_: Mean cost against price, fitted on those against realised cost.
        familiarity_: Measures how similar a question is to the training questions.
        mixture_: Mixtures of fixed actions, for dissimilar questions.
        cross_fit_: All of the cross-validation.
        trust_: How far predictions are followed at each mean cost; elsewhere the mixture decides.
    """

    def __init__(
        self,
        objective: Objective = "value",
        *,
        observe: Observed = "question",
        learner: str = "auto",
        vector: int | None = None,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self.objective, self.observe, self.learner, self.vector = objective, observe, learner, vector
        self.seed, self.threads = seed, threads

    def fit(
        self,
        X: ArrayLike,
        outcomes: Outcomes,
        budget: float | None = None,
        *,
        fixed: Outcomes | None = None,
    ) -> Self:
        """Learn from the outcomes of the questions that X describes.

        Args:
            X: Features, shape (n, width), as `feature_matrix` makes them.
            outcomes: What happened on the same questions, in the same order.
            budget: Mean cost per question around which the learner is chosen; classification needs it.
            fixed: The actions to compare with, where they do not pay for what is observed; else `outcomes`.

        Raises:
            ValueError: Shapes disagree, or an option is unknown.
            InfeasibleBudgetError: Even the cheapest actions cost more than `budget`.
        """
        features = _matrix(X)
        if len(features) != len(outcomes):
            raise ValueError(f"{len(features)} rows of features for {len(outcomes)} questions")
        self.cost_unit_, self.width_ = outcomes.cost_unit, features.shape[1]
        self._choose_among(outcomes, np.zeros(len(outcomes.actions), dtype=bool))
        with threadpool_limits(self.threads):
            if self.objective == "value":
                self._fit_value(features, outcomes, budget, outcomes if fixed is None else fixed)
            elif self.objective == "labels":
                if budget is None:
                    raise ValueError("objective 'labels' imitates choices at a budget: give one")
                self.classifier_ = label_classifier(features, outcomes, budget, seed=self.seed)
            else:
                raise ValueError(f"unknown objective {self.objective!r}; known are value, labels")
        return self

    def predict(self, X: ArrayLike) -> Predictions:
        """Expected accuracy and cost of every action."""
        accuracy, cost, _ = self._run(_matrix(X))
        return Predictions(self.actions_, accuracy, cost, self.cost_unit_)

    def choose(
        self,
        X: ArrayLike,
        *,
        price: float | None = None,
        budget: float | None = None,
        keys: Sequence[str] | None = None,
    ) -> Ints:
        """The position of the action to take for each question, in the outcomes, shape (m,).

        A question unlike all training questions gets the mixture of fixed actions that costs as much, and so
        does any question where predictions are not trusted.

        Args:
            X: Features, shape (m, width).
            price: Accuracy given up per unit of cost.
            budget: Mean cost per question to aim at, instead of a price.
            keys: Identities of the questions, from which the jitter of the price is drawn as it is online;
                evenly spread over the questions by default.

        Raises:
            InfeasibleBudgetError: The cheapest choices cost more than `budget`.
        """
        if self.objective != "value":
            return np.asarray(self.classifier_.predict(_matrix(X)), dtype=np.intp)
        if (price is None) == (budget is None):
            raise ValueError("give either a price or a budget")
        if price is None:
            price = self.curve_.price_at(float(budget or 0), unit=self.cost_unit_)
        return self.foresee(X, keys=keys).choose(price)

    def foresee(self, X: ArrayLike, *, keys: Sequence[str] | None = None) -> PredictedOutcomes:
        """Predictions for the questions, to choose for them at many prices (objective `"value"`).

        Args:
            X: Features, shape (m, width).
            keys: As for `choose`.
        """
        accuracy, cost, familiarity = self._run(_matrix(X))
        return PredictedOutcomes(
            accuracy=accuracy,
            cost=cost,
            unlike=familiarity < self.familiarity_.at_least,
            draws=even_draws(len(cost))
            if keys is None
            else np.array([uniform_from_key(key) for key in keys]),
            curve=self.curve_,
            mixture=self.mixture_,
            trust=self.trust_,
            columns=self.columns_,
            width=len(self.actions_) + len(self.dropped_),
        )

    @property
    def trust_(self) -> Trust:
        """How far its predictions are followed at each mean cost."""
        if self._ungated:
            return Trust.full()
        return self.cross_fit_.held_out_trust.along(*self._played)

    def ungated(self) -> Self:
        """The imitator that follows its predictions everywhere, whatever they gain."""
        moved = copy.copy(self)
        moved._ungated = True
        return moved

    def around(self, budget: float | None) -> Self:
        """The imitator as fitted for another budget; it reuses the learners that are already fitted."""
        moved = copy.copy(self)
        if budget == self.cross_fit_.budget:
            return moved
        moved.cross_fit_ = replace(self.cross_fit_, budget=budget)
        moved._settle()
        return moved

    def learnt_from(
        self,
        X: ArrayLike,
        outcomes: Outcomes,
        *,
        chosen_on: Bools,
        asked: Ints | None = None,
        again: Bools | None = None,
    ) -> Self:
        """An imitator of other questions that needs no cross-validation of its own.

        Learner, calibration, prices and gate come from what this one predicted, out of fold, for some of the
        questions it was fitted on; its learners are fitted to the questions that X describes.

        Args:
            X: Features, shape (m, width).
            outcomes: What happened on the same questions.
            chosen_on: For which of the n questions of `fit` the predictions count, shape (n,).
            asked: How often each of the n questions comes, where prices are to meet budgets on these; on
                those that count, once each, when None. Shape (n,).
            again: Which of these come again, and so are decided by learners that know them, shape (n,).
        """
        other = copy.copy(self)
        if asked is not None:
            known = np.zeros(len(asked), dtype=bool) if again is None else again
            other._traffic = self.cross_fit_, asked, known
        other.cross_fit_ = self.cross_fit_.only(chosen_on, self._table)
        with threadpool_limits(self.threads):
            other._learn_from(_matrix(X), outcomes, self._vector(self.width_))
        return other

    def gate(self, budget: float | None = None, *, draws: int = 2000) -> Gate:
        """Whether an imitator learnt like this one beats mixtures of fixed actions.

        Args:
            budget: Around which mean cost; the one it was fitted for when None.
            draws: Bootstrap draws over the questions.
        """
        fitted = self.cross_fit_ if budget is None else replace(self.cross_fit_, budget=budget)
        trust, estimated = fitted.held_out_trust, None
        if fitted.estimates is not None:
            guessed = trust.by(fitted.estimates).around(fitted.budget)
            estimated = lift_by_question(*guessed, fitted.estimates)
        return judge(
            *trust.around(fitted.budget),
            trust.rivals,
            trusted=trust.over(fitted.budget),
            labels=fitted.labels,
            estimated=estimated,
            draws=draws,
            seed=self.seed,
        )

    def graph(self) -> ModelProto:
        """The fitted predictor: features to `accuracy` (m, k), `cost` (m, k) and `familiarity` (m, 1)."""
        graph = Graph(width=self.width_)
        familiarity = self.familiarity_.draw_into(graph)
        members = {name: self._learnt(name).draw_into(graph) for name in members_of(self.learner_)}
        standardised = graph.mean([members[name] for name in CANDIDATES[self.learner_]])
        if self.learner_ != "constant":
            far = graph.mean([members[name] for name in FAR])
            trust = self.familiarity_.draw_trust(graph, familiarity)
            nearer = graph.node("Mul", trust, graph.node("Sub", standardised, far))
            standardised = graph.node("Add", far, nearer)
        mean, scale = self._standard
        calibration, k = self.calibration_.only(self.columns_), len(self.actions_)
        weights = scale[:, None] * calibration.weights
        outcome = graph.affine(standardised, weights, mean @ calibration.weights + calibration.offset)
        low, high = graph.constant(calibration.low), graph.constant(calibration.high)
        cut = graph.node("Min", graph.node("Max", outcome, low), high)
        return graph.model(
            {
                "accuracy": graph.columns(cut, 0, k),
                "cost": graph.columns(cut, k, 2 * k),
                "familiarity": familiarity,
            }
        )

    def _fit_value(self, X: Matrix, outcomes: Outcomes, budget: float | None, fixed: Outcomes) -> None:
        vector = self._vector(X.shape[1])
        if self.learner not in ("auto", *CANDIDATES):
            raise ValueError(f"unknown learner {self.learner!r}; known are auto, {', '.join(CANDIDATES)}")
        names = candidates_for(outcomes) if self.learner == "auto" else (self.learner,)
        self._traffic: tuple[CrossFit, Ints, Bools] | None = None
        self.cross_fit_ = CrossFit.run(
            X, outcomes, names=names, budget=budget, vector=vector, seed=self.seed, fixed=fixed
        )
        self._choose_among(outcomes, self.cross_fit_.dominated())
        if self.dropped_:
            self.cross_fit_ = self.cross_fit_.among(self.columns_)
        self._learn_from(X, outcomes, vector)

    def _choose_among(self, outcomes: Outcomes, dropped: Bools) -> None:
        self.columns_ = np.flatnonzero(~dropped)
        self.actions_ = tuple(outcomes.actions[column] for column in self.columns_)
        self.dropped_ = tuple(outcomes.actions[column] for column in np.flatnonzero(dropped))

    def _learn_from(self, X: Matrix, outcomes: Outcomes, vector: int) -> None:
        """Make ready to predict from these questions, by what the cross-validation chooses."""
        self._table = outcomes
        self.familiarity_ = Familiarity.fit(X[:, :vector], outcomes.groups, seed=self.seed)
        known = Completion.fit(X, outcomes).of(X, outcomes)
        self.mixture_ = fixed_mixture(known.only(self.columns_))
        self._standard = mean, scale = standard(targets_of(known))
        self._questions = X, (targets_of(known) - mean) / scale, vector
        self._members: dict[str, Learner] = {}
        self._ungated = False
        self._settle()

    def _vector(self, width: int) -> int:
        if self.observe not in ("question", "first_sample"):
            raise ValueError(f"unknown observe {self.observe!r}; known are question, first_sample")
        if self.vector is not None:
            return self.vector
        others = len(SURFACE_FEATURES)
        return max(width - (others if self.observe == "question" else 2 * others + len(SEEN)), 0)

    def _settle(self) -> None:
        """Take the learner that is best around the budget of the cross-validation."""
        fitted = self.cross_fit_
        self.lifts_ = {name: float(lifts.mean()) for name, lifts in fitted.lifts().items()}
        self.learner_ = fitted.best()
        self.calibration_ = fitted.calibration(self.learner_)
        self.held_out_ = fitted.held_out(self.learner_)
        self._played: tuple[Predictions, Priced] = self.held_out_, fitted.offered
        if self._traffic is not None:
            everything, asked, again = self._traffic
            self._played = everything.played(self.learner_, self.calibration_, asked)
            known = np.repeat(again, asked)
            if known.any():
                accuracy, cost, _ = self._run(
                    np.repeat(self._questions[0], np.where(again, asked, 0), axis=0)
                )
                self._played[0].accuracy[known], self._played[0].cost[known] = accuracy, cost
        predicted, true = self._played
        self.curve_: CostCurve = fit_cost_curve(Moves.of(predicted), true.cost)

    def _learnt(self, name: str) -> Learner:
        """A single learner of all questions, fitted when it is first asked for."""
        if name not in self._members:
            X, targets, vector = self._questions
            with threadpool_limits(self.threads):
                self._members[name] = build(name, vector, self.seed).fit(X, targets)
        return self._members[name]

    def _run(self, X: Matrix) -> tuple[Floats, ...]:
        """Accuracy (m, k), cost (m, k) and familiarity (m,), as `graph` computes them but for rounding."""
        with threadpool_limits(self.threads):
            familiarity = self.familiarity_.scores(X[:, : self._vector(self.width_)])
            members = {name: self._learnt(name).predict(X) for name in members_of(self.learner_)}
            standardised: Floats = np.mean([members[name] for name in CANDIDATES[self.learner_]], axis=0)
            if self.learner_ != "constant":
                far = np.mean([members[name] for name in FAR], axis=0)
                trust = self.familiarity_.trust_at(familiarity)
                standardised = far + trust[:, None] * (standardised - far)
        mean, scale = self._standard
        predicted = self.calibration_.apply(mean + scale * standardised)
        accuracy, cost = (half[:, self.columns_] for half in np.hsplit(predicted, 2))
        return accuracy, cost, familiarity


def _matrix(X: ArrayLike) -> Matrix:
    matrix = np.ascontiguousarray(X, dtype=np.float32)
    if matrix.ndim != 2:
        raise ValueError(f"features of shape (questions, width) are needed, not {matrix.shape}")
    return matrix
