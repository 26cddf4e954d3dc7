"""Which action a question deserves, at a price of compute."""

import copy
from collections.abc import Sequence
from functools import cached_property
from math import exp, inf, isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.amounts import given, written
from adaptive_reasoner.arrays import Floats, Matrix
from adaptive_reasoner.errors import BudgetExceededError, PolicyFormatError
from adaptive_reasoner.policy.accuracy_curve import AccuracyCurve
from adaptive_reasoner.policy.base import CallBound, Decision, Reason, check_one_aim
from adaptive_reasoner.policy.draws import uniform_from_key
from adaptive_reasoner.policy.features import SURFACE_FEATURES, TRIAL_TEXT, EncoderSession
from adaptive_reasoner.policy.folder.fields import check_fields
from adaptive_reasoner.policy.folder.policy_folder import (
    CARD,
    PathLike,
    counts_of,
    current_folder,
    read_policy_folder,
)
from adaptive_reasoner.policy.folder.regular_files import Refusing
from adaptive_reasoner.policy.imitator_model import ImitatorSession
from adaptive_reasoner.policy.looks import Look, Looking, best_look
from adaptive_reasoner.policy.mixture import CostCurve, Mixture, reach, spend
from adaptive_reasoner.policy.trust import Trust
from adaptive_reasoner.policy.vote_tables import read_vote_models, source_of
from adaptive_reasoner.policy.watching import WatchedPolicy
from adaptive_reasoner.policy.worst_cases import WorstCases
from adaptive_reasoner.strategies.optimal_stopping import VoteModel


class LearnedPolicy:
    """Predicts accuracy and cost of every action for a question, and takes the best at the price of compute.

    It follows its predictions as far as the gate trusts them at the price. Where it does not, or a question
    is unlike all it was trained on, it draws from the best mixture of fixed actions at the price instead, and
    says so in `Decision.reason`.

    Args:
        folder: A policy folder, as `adaptive_reasoner.kit.train(...).save(folder)` writes it, or a policy
            store, whose current policy is opened.

    Attributes:
        card: What `policy.json` says: menu, data, versions, held-out report.
        verdict: What the gate said: `"ship"`, `"ship in part"`, `"unverified"`, `"do not ship"` or
            `"not enough questions"`.
        curve: Mean cost against price, with its interval.
        cheapest: The mean cost of its cheapest choices.
        accuracy_curve: Mean accuracy against price, on questions held out in training; of a folder that was
            written without it, that of the mixture of fixed actions that costs as much.
        mixture: The best mixtures of fixed actions.

    Raises:
        PolicyFormatError: A file is missing, changed or of a newer format.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = current_folder(folder)
        self.card = read_policy_folder(self.folder)
        check_fields(self.card, self.folder / CARD)
        with Refusing(self.folder / CARD, "its numbers make no policy"), np.errstate(all="raise"):
            self._read(self.card)
        if self._learned:
            _ = self.encoder, self._imitator
        _ = self._votes

    def _read(self, card: dict[str, Any]) -> None:
        names = tuple(card["features"]["surface"])
        if names != SURFACE_FEATURES:
            unknown = sorted(set(names) ^ set(SURFACE_FEATURES)) or ["their order"]
            raise PolicyFormatError(
                f"{self.folder}: fitted on other surface features than this version has "
                f"({', '.join(unknown)}); train again"
            )
        self.actions = tuple(card["actions"])
        self.cost_unit: str = card["cost_unit"]
        self.policy_id: str = card["digest"][:16]
        self.verdict: str = card["verdict"]
        self.mixture = Mixture(
            accuracy=np.array(card["mean_accuracy"]),
            cost=np.array(card["mean_cost"]),
            among=np.array([self.actions.index(action) for action in card["mixture"]]),
        )
        self.curve = CostCurve.of(*(card["frontier"][name] for name in ("price", "cost", "low", "high")))
        self.cheapest = self.curve.cheapest
        self.accuracy_curve = self._accuracy_curve(card["frontier"].get("accuracy"))
        self._costs = self.curve  # what it costs: with looks, once whoever runs them asks for them
        self._learned = card["ships"] == "imitator"
        self._looking = Looking.of(card)
        self._looks: tuple[Look, ...] = ()
        self._trust = Trust.from_card(card.get("trust"))
        self._spread = float(card["spread"])
        self._familiar = float(card["familiarity"]["at_least"])
        self.counts = counts_of(card)  # which tokens its costs count: completion or total
        # Bounds of completions alone are none for all tokens.
        declared = card["worst_cost"] if self.counts == card["counts"] else [None] * len(self.actions)
        self._worst = WorstCases(self.actions, declared, card.get("menu") or {})
        self._bounded = card["accuracy_unit"] is None
        self.budget: float | None = card["budget"]
        self.price: float = card["price"]

    def __repr__(self) -> str:
        shipped, price = "imitator" if self._learned else "mixture", written(self.price, 3)
        return f"LearnedPolicy({str(self.folder)!r}, {shipped} of {len(self.actions)} actions, price {price})"

    @classmethod
    def load(cls, folder: PathLike) -> Self:
        """Open a policy folder, or the current one of a policy store.

        It runs no pickle and needs numpy, onnxruntime and tokenizers only.
        """
        return cls(folder)

    @classmethod
    def watch(cls, folder: PathLike, *, every: float = 5.0) -> WatchedPolicy:
        """Open a policy that is read again, between two questions, when its folder changes.

        Args:
            folder: A policy folder, or a policy store, whose current policy is followed.
            every: Seconds from one look at the folder to the next, at least. A question that finds a look
                due has a thread take it, and does not wait for it.
        """
        return WatchedPolicy(folder, cls, every=every)

    @property
    def trust(self) -> Trust:
        """How far predictions are followed at each mean cost."""
        return self._trust if self._learned else Trust.none()

    @property
    def slope(self) -> float | None:
        """`|d mean cost / d log price|` at the policy's price."""
        return self._costs.slope_at(self.price)

    def at(
        self,
        *,
        budget: float | None = None,
        price: float | None = None,
        target_accuracy: float | None = None,
    ) -> Self:
        """The same policy at another mean cost per question, at another price, or at a mean accuracy.

        Args:
            budget: Allowed mean cost per question.
            price: Accuracy given up per unit of cost.
            target_accuracy: Mean accuracy to reach at the least cost; the budget is what that is expected to
                cost.

        Raises:
            InfeasibleBudgetError: The cheapest choices cost more than `budget`.
            InfeasibleAccuracyError: The policy never expects to reach `target_accuracy`.
        """
        if sum(aim is not None for aim in (budget, price, target_accuracy)) != 1:
            raise ValueError("give either a budget, a price or a target accuracy")
        moved = copy.copy(self)
        if target_accuracy is not None:
            moved.price = self.accuracy_curve.price_at(target_accuracy)
            moved.budget = self.curve.cost_at(moved.price)
            return moved
        moved.budget = budget
        moved.price = (
            self._costs.price_at(budget, unit=self.cost_unit) if budget is not None else _checked(price)
        )
        return moved

    @property
    def looks(self) -> tuple[str, ...]:
        """The looks it knows, by name: votes that may be left, found to pay on the samples it was trained on.

        They are made of the strategies of its actions, by `AdaptiveReasoner` or `look`.
        """
        return tuple(look.name for look in self._looking.looks)

    def with_looks(self) -> Self:
        """The same policy, which also decides for looks: `Decision.plan` says what to do in each."""
        moved = copy.copy(self)
        moved._looks, moved._costs = self._looking.looks, self._looking.curve
        if self.budget is not None:
            moved.price = moved._costs.price_at(max(self.budget, moved._costs.cheapest))
        return moved

    def by_mixture(self) -> Self:
        """The same policy, where the best mixture of fixed actions at the price decides every question."""
        moved = copy.copy(self)
        moved._learned, moved._looks, moved._costs = False, (), self.curve
        return moved

    def with_worst_case_of(self, call: CallBound) -> Self:
        """The same policy for one question, of whose prompt the worst costs depend.

        Args:
            call: The most that one call of an action, by name, can cost on this question.
        """
        if not self._worst.depend_on_question:
            return self
        if self._learned:  # opened once, here, not again by every copy
            _ = self._imitator, self.encoder
        moved = copy.copy(self)
        moved._worst = self._worst.on_question(call)
        return moved

    def decide(
        self,
        question: str,
        *,
        price: float | None = None,
        max_cost: float = inf,
        key: str | None = None,
        vector: ArrayLike | None = None,
    ) -> Decision:
        """The best action for `question` at the price; see `Policy.decide`.

        Args:
            question: The text to decide on.
            price: Accuracy given up per unit of cost; the policy's own price when None.
            max_cost: Only actions whose worst cost is at most this may be chosen.
            key: The identity of the question, for draws; the text when None.
            vector: The question's unit vector, where it is already known; shape (d,).

        Raises:
            BudgetExceededError: No action fits under `max_cost`.
        """
        price = self.price if price is None else _checked(price)
        at = uniform_from_key(question if key is None else key)
        spent = self.curve.cost_at(price)
        step = int(self.trust.draw(spent, at))
        accuracy, cost, reason = self._expectations(question, vector, step)
        followed = self.trust.price_at(step, price, self.curve) if reason == "policy" else price
        jitter = exp(self._spread * (2 * at - 1))
        paid = followed * jitter
        if self._looks and reason != "fallback":
            asked = price, price * jitter
            look = self._look(accuracy, cost, paid, asked=asked, reason=reason, max_cost=max_cost)
            if look is not None:
                return look
        mixed = self.mixture.choose_for(spent, at)  # costs what the policy's choices cost
        action = _best(accuracy, cost, paid) if reason == "policy" else mixed
        if self._worst[action] > max_cost:
            action, reason = self._best_within(accuracy, cost, price, max_cost), "budget"
        return self._decision(action, accuracy, cost, price, reason)

    def decide_batch(
        self, questions: Sequence[str], *, budget: float | None = None, target_accuracy: float | None = None
    ) -> list[Decision]:
        """The best actions for a whole batch, by mean expected cost or accuracy; see `Policy.decide_batch`.

        It never decides for a look, whose cost is known only when its samples are there: a batch could not be
        kept within its budget beforehand. To look, decide one question at a time, by a ledger's price.
        """
        check_one_aim(budget, target_accuracy)
        if not questions:
            return []
        spent = budget or 0.0
        if target_accuracy is not None:
            within = min(target_accuracy, self.accuracy_curve.highest)
            spent = self.curve.cost_at(self.accuracy_curve.price_at(within))
        steps = self.trust.draw(spent, [uniform_from_key(question) for question in questions])
        expected = [
            self._expectations(question, None, int(step))
            for question, step in zip(questions, steps, strict=True)
        ]
        accuracy, cost = (np.stack([row[part] for row in expected]) for part in (0, 1))
        mixed = np.array([reason != "policy" for *_, reason in expected])
        others = np.delete(np.arange(len(self.actions)), self.mixture.vertices)
        offered = accuracy.copy(), cost.copy()  # where a mixture decides, its own actions only
        offered[0][np.ix_(mixed, others)], offered[1][np.ix_(mixed, others)] = -inf, inf
        if target_accuracy is None:
            choice, price = spend(*offered, spent, unit=self.cost_unit)
        else:
            choice, price = reach(*offered, target_accuracy)
        return [
            self._decision(int(action), a, c, price, reason)
            for action, (a, c, reason) in zip(choice, expected, strict=True)
        ]

    def decision_for(self, action: str, *, price: float) -> Decision:
        """The decision for one of its actions, with the mean accuracy and cost of all training questions."""
        number = self.actions.index(action)
        return self._decision(number, self.mixture.accuracy, self.mixture.cost, price, "explored")

    def predict(self, features: Matrix) -> tuple[Floats, Floats, Floats]:
        """Expected accuracy (m, k), expected cost (m, k) and familiarity (m,) for features of m questions."""
        return self._imitator.predict(features)

    def prospects(self, action: str, expected_accuracy: float | None = None) -> VoteModel | None:
        """What collected samples say of votes of `action`; None where the policy was trained without them.

        Args:
            action: The action, by name.
            expected_accuracy: Of the action on the question, as decided. Default: that of the mean question.
        """
        source = source_of(action, self.card.get("menu", {}), self._votes)
        if source is None:
            return None
        mean = float(self.mixture.accuracy[self.actions.index(action)]) if action in self.actions else None
        if expected_accuracy is None or mean is None:
            return self._votes[source]
        return self._votes[source].of_question(expected_accuracy - mean)

    def _accuracy_curve(self, accuracy: ArrayLike | None) -> AccuracyCurve:
        if accuracy is None:
            accuracy = self.mixture.accuracy_for(self.curve.cost)
        return AccuracyCurve.of(self.curve.price, accuracy)

    @cached_property
    def _votes(self) -> dict[str, VoteModel]:
        sources = self.card.get("stopping", {})
        return read_vote_models(self.folder, sources) if sources else {}

    @cached_property
    def encoder(self) -> EncoderSession:
        """The encoder the policy was trained with."""
        return EncoderSession(self.folder)

    @cached_property
    def _imitator(self) -> ImitatorSession:
        features = self.encoder.features(TRIAL_TEXT)
        return ImitatorSession(self.folder, actions=len(self.actions), features=features)

    def _expectations(
        self, question: str, vector: ArrayLike | None, step: int
    ) -> tuple[Floats, Floats, Reason]:
        """Accuracy and cost of each action as they are trusted at a level, and what decides by them."""
        mean_accuracy, mean_cost = self.mixture.accuracy, self.mixture.cost
        if step == 0:
            return mean_accuracy, mean_cost, "mixture"
        accuracy, cost, familiarity = self.predict(self.encoder.features(question, vector)[None])
        if familiarity[0] < self._familiar:
            return mean_accuracy, mean_cost, "fallback"
        accuracy = self.trust.shrunk(step, accuracy[0], mean_accuracy)
        return accuracy, self.trust.shrunk(step, cost[0], mean_cost), "policy"

    def _look(
        self,
        accuracy: Floats,
        cost: Floats,
        paid: float,
        *,
        asked: tuple[float, float],
        reason: Reason,
        max_cost: float,
    ) -> Decision | None:
        """The look that is worth more than any action that may be chosen, where there is one that fits."""
        offered = slice(None) if reason == "policy" else self.mixture.vertices
        than = float((accuracy - paid * cost)[offered].max())
        price, jittered = asked
        chosen = best_look(self._looks, accuracy, cost, paid, than=than, asked=jittered)
        if chosen is None or (worst := chosen.worst(self._worst.all())) > max_cost:
            return None
        return Decision(
            action=chosen.look.name,
            expected_cost=chosen.cost,
            worst_cost=worst,
            expected_accuracy=chosen.accuracy,
            price=price,
            reason=reason,
            policy_id=self.policy_id,
            plan=chosen.plan(self.actions),
        )

    def _best_within(self, accuracy: Floats, cost: Floats, price: float, max_cost: float) -> int:
        worst = self._worst.all()
        fits = np.flatnonzero(worst <= max_cost)
        if not len(fits):
            raise BudgetExceededError(float(worst.min()), max_cost, self.cost_unit)
        return int(fits[_best(accuracy[fits], cost[fits], price)])

    def _decision(
        self, action: int, accuracy: Floats, cost: Floats, price: float, reason: Reason
    ) -> Decision:
        expected = float(accuracy[action])
        return Decision(
            action=self.actions[action],
            expected_cost=float(cost[action]),
            worst_cost=self._worst[action],
            expected_accuracy=min(max(expected, 0.0), 1.0) if self._bounded else expected,
            price=price,
            reason=reason,
            policy_id=self.policy_id,
        )


def _best(accuracy: Floats, cost: Floats, price: float) -> int:
    """Argmax of accuracy - price * cost, ties to the cheaper action."""
    return int(np.lexsort((cost, price * cost - accuracy))[0])


def _checked(price: float | None) -> float:
    if price is None or not (isfinite(price) and price >= 0):
        raise ValueError(f"a price of compute is finite and not negative, not {given(price)}")
    return float(price)
