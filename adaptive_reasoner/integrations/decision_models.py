"""LangChain's decision models as a policy, and our policy as a decision model."""

import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
from langchain_core.messages import BaseMessage
from pydantic import ConfigDict, SkipValidation
from typing_extensions import override

from adaptive_reasoner.errors import BudgetExceededError, InfeasibleBudgetError, UnknownActionError
from adaptive_reasoner.integrations.billing_callbacks import OUR_DECISIONS, blocks, listen_to_calls
from adaptive_reasoner.integrations.langgraph_runtime import run_of
from adaptive_reasoner.integrations.run_bills import bills_here, open_bill
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.runs import charges
from adaptive_reasoner.models.messages import decision_text
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.policy.base import (
    Decision,
    FixedPolicy,
    Policy,
    Reason,
    check_one_aim,
    never_blocks,
)
from adaptive_reasoner.policy.mixture import reach

try:
    from langchain_core.decisions import BaseDecisionModel, Choice, ClassifierResponse
except ModuleNotFoundError as error:
    raise ImportError('decision models need langchain-core 1.8: pip install "langchain-core>=1.8"') from error

REMEMBERED = 1_024  # texts that a decision model was asked about, the latest ones
_WORTH = 0.1  # accuracy that one budget's worth of compute has to bring: where a ledger without labels begins
_QUESTION = "action"
_ENOUGH = "Which of these is the least that suffices to answer correctly?"


class DecisionModelPolicy:
    """Chooses by a decision model that says which action is the least that suffices for a question.

    The actions stand in the order of their costs. The probability that an action suffices, which is that of
    it and of all cheaper ones, is taken as its accuracy, and the action is chosen whose accuracy less its
    cost at the ledger's price is highest. In an agent the model's own calls are on the bill of the run. It is
    asked once for a text.

    Args:
        model: The decision model.
        actions: The actions with their costs.
        criteria: What each action is for, by name, as the model is told.
        instructions: What the model is asked.
        budget: Mean cost per question, at which the ledger's price begins.

    Raises:
        UnknownActionError: A criterion is missing, or belongs to no action.

    Example:
        >>> from langchain_core.decisions import BaseDecisionModel
        >>> class Careful(BaseDecisionModel):
        ...     model: str = "careful"
        ...     @property
        ...     def _provider(self):
        ...         return "example"
        ...     def _classify(self, state, questions):
        ...         answer = {"type": "choice", "choice": "vote_5", "confidence": 0.6}
        ...         answer["probabilities"] = {"single_pass": 0.4, "vote_5": 0.6}
        ...         return ClassifierResponse(model="careful", answers={"action": answer})
        >>> once = FixedPolicy("single_pass", expected_cost=1.0)
        >>> vote = FixedPolicy("vote_5", expected_cost=5.0)
        >>> criteria = {"single_pass": "Plain questions.", "vote_5": "Questions with a catch."}
        >>> policy = DecisionModelPolicy(Careful(), [once, vote], criteria=criteria)
        >>> [policy.decide("What is 3 + 4?", price=price).action for price in (0.1, 0.2)]
        ['vote_5', 'single_pass']
    """

    slope: float | None = None

    def __init__(
        self,
        model: BaseDecisionModel,
        actions: Sequence[FixedPolicy],
        *,
        criteria: Mapping[str, str],
        instructions: str = _ENOUGH,
        budget: float | None = None,
    ) -> None:
        self.model, self.instructions, self.budget = model, instructions, budget
        self._actions = sorted(actions, key=lambda action: action.expected_cost)
        self.actions = tuple(action.action for action in self._actions)
        for name in {*criteria, *self.actions}:
            if name not in criteria or name not in self.actions:
                raise UnknownActionError(name, set(criteria) & set(self.actions))
        self.criteria = {name: criteria[name] for name in self.actions}
        self.cost_unit = self._actions[0].cost_unit
        self.price = _WORTH / budget if budget else 0.0
        self.policy_id = f"decision_model:{model.model}"
        self._known: OrderedDict[str, list[float]] = OrderedDict()
        self._asking = threading.Lock()

    @property
    def cheapest(self) -> float:
        """What its cheapest action is expected to cost."""
        return self._actions[0].expected_cost

    def decide(
        self, question: str, *, price: float | None = None, max_cost: float = inf, key: str | None = None
    ) -> Decision:
        """The action that is worth most at the price; see `Policy.decide`."""
        del key
        price = self.price if price is None else price
        fits = [action.worst_cost <= max_cost for action in self._actions]
        if not any(fits):
            cheapest = min(action.worst_cost for action in self._actions)
            raise BudgetExceededError(cheapest, max_cost, self.cost_unit)
        accuracy = self._accuracy(question)
        worth = [
            accuracy[number] - price * action.expected_cost for number, action in enumerate(self._actions)
        ]
        best = max((number for number, fit in enumerate(fits) if fit), key=lambda number: worth[number])
        reason: Reason = "policy" if worth[best] >= max(worth) else "budget"
        action = self._actions[best]
        return Decision(
            action=action.action,
            expected_cost=action.expected_cost,
            worst_cost=action.worst_cost,
            expected_accuracy=accuracy[best],
            price=price,
            reason=reason,
            policy_id=self.policy_id,
        )

    def decide_batch(
        self,
        questions: Sequence[str],
        *,
        budget: float | None = None,
        target_accuracy: float | None = None,
    ) -> list[Decision]:
        """All at the lowest price that keeps the budget, or the cheapest that reach the target.

        See `Policy.decide_batch`.
        """
        check_one_aim(budget, target_accuracy)
        if budget is None:
            return self._reaching(questions, target_accuracy or 0.0)
        if self.cheapest > budget:
            raise InfeasibleBudgetError(budget, self.cheapest, self.cost_unit)

        def decided(price: float) -> list[Decision]:
            return [self.decide(question, price=price) for question in questions]

        def cost(decisions: list[Decision]) -> float:
            return sum(decision.expected_cost for decision in decisions) / max(1, len(decisions))

        costs = [action.expected_cost for action in self._actions]
        gaps = [more - less for less, more in pairwise(costs)]
        low, high = 0.0, 2.0 / min((gap for gap in gaps if gap > 0), default=max(costs[-1], 1.0))
        if cost(decided(low)) <= budget:
            return decided(low)
        for _ in range(50):
            middle = (low + high) / 2.0
            low, high = (low, middle) if cost(decided(middle)) <= budget else (middle, high)
        return decided(high)

    def _reaching(self, questions: Sequence[str], target: float) -> list[Decision]:
        """The cheapest actions whose mean accuracy is at least the target."""
        if not questions:
            return []
        accuracy = np.array([self._accuracy(question) for question in questions])
        cost = np.tile([action.expected_cost for action in self._actions], (len(questions), 1))
        choice, price = reach(accuracy, cost, target)
        return [
            Decision(
                action=self._actions[at].action,
                expected_cost=self._actions[at].expected_cost,
                worst_cost=self._actions[at].worst_cost,
                expected_accuracy=float(row[at]),
                price=price,
                reason="policy",
                policy_id=self.policy_id,
            )
            for at, row in zip(choice.tolist(), accuracy, strict=True)
        ]

    def _accuracy(self, question: str) -> list[float]:
        """By action, the probability that it suffices."""
        known = self._known.get(question)
        if known is None:
            asked = Choice(instructions=self.instructions, criteria={**self.criteria})
            answer = self.model.invoke({"state": question, "questions": {_QUESTION: asked}})
            least = answer.choices[_QUESTION].probabilities
            chances = [float(least.get(name, 0.0)) for name in self.actions]
            known = [min(1.0, sum(chances[: number + 1])) for number in range(len(chances))]
            with self._asking:
                self._known[question] = known
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return known


class PolicyDecisionModel(BaseDecisionModel):
    """A policy as a decision model: it chooses among the options of a `Choice` that are its actions.

    In `ModelRouterMiddleware` it routes each run at the ledger's price, and all calls of the run are charged
    to the ledger, so that the price holds the average. A `LearnedPolicy` whose actions are the routes brings
    what was learned from collected samples. `confidence` is the accuracy that the policy expects, or 1 where
    it expects none. Its own decisions cost nothing.

    Args:
        policy: Chooses.
        ledger: Keeps the average.
        meter: What a call costs, in the ledger's unit.

    Example:
        >>> from adaptive_reasoner import SampleMeter, open_ledger
        >>> router = PolicyDecisionModel(
        ...     policy=FixedPolicy("small", expected_cost=1.0, cost_unit="samples"),
        ...     ledger=open_ledger("memory://", target=2.0, cost_unit="samples"),
        ...     meter=SampleMeter(),
        ... )
        >>> asked = Choice(instructions="Which model?", criteria={"small": "Plain.", "large": "Hard."})
        >>> router.invoke({"state": "5 + 9?", "questions": {"route": asked}}).choices["route"].choice
        'small'
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: str = "adaptive_reasoner"
    policy: SkipValidation[Policy]
    ledger: SkipValidation[Ledger]
    meter: SkipValidation[Meter]

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        listen_to_calls()
        if not never_blocks(self.ledger):
            blocks()

    @property
    @override
    def _provider(self) -> str:
        return OUR_DECISIONS

    @override
    def _classify(self, state: Any, questions: Mapping[str, Any]) -> ClassifierResponse:
        self._open_bill()
        answers = {name: self._answer(_text_of(state), question) for name, question in questions.items()}
        return ClassifierResponse.model_validate({"model": self.model, "answers": answers})

    def _answer(self, text: str, question: Any) -> dict[str, Any]:
        if not isinstance(question, Choice):
            raise TypeError(f"a policy chooses among actions; it cannot answer a {question.type!r} question")
        decision = self.policy.decide(text, price=self.ledger.price)
        if decision.action not in question.criteria:
            raise UnknownActionError(decision.action, question.criteria)
        accuracy = float(decision.expected_accuracy)
        return {
            "type": "choice",
            "choice": decision.action,
            "probabilities": {name: float(name == decision.action) for name in question.criteria},
            "confidence": accuracy if 0 <= accuracy <= 1 else 1.0,
        }

    def _open_bill(self) -> None:
        """Put the calls of the run on the ledger, unless they are already."""
        if any(charges(bill.ledger, self.ledger) for bill in bills_here()):
            return
        bill, early = open_bill(self.ledger, self.meter, run_of({}) or uuid.uuid4().hex)
        for call in early:
            call.charge_late(bill)


def _text_of(state: Any) -> str:
    """What is decided on: a text, the question of a conversation, or else the state as JSON."""
    if isinstance(state, str):
        return state
    if isinstance(state, BaseMessage):
        return decision_text([state])
    if isinstance(state, Sequence) and state and all(isinstance(each, BaseMessage) for each in state):
        return decision_text(state)
    return json.dumps(state, default=str)
