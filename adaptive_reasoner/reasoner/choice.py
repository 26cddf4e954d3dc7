"""Which action a question gets, among those whose worst case fits; and what to say where none does."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, nan

from langchain_core.messages import SystemMessage, ToolMessage

from adaptive_reasoner.amounts import enough, written
from adaptive_reasoner.errors import BudgetExceededError, UnknownActionError
from adaptive_reasoner.ledger.refusals import beyond_cap, without_bound
from adaptive_reasoner.models.executor import Bound, CallExecutor
from adaptive_reasoner.models.messages import decision_text
from adaptive_reasoner.models.prompt_bound import SchemaText
from adaptive_reasoner.models.source import Request
from adaptive_reasoner.policy.base import (
    BoundedByQuestion,
    Decision,
    DescribesActions,
    ExpectsReplies,
    Policy,
)
from adaptive_reasoner.policy.expectations import AskedFor, is_structured
from adaptive_reasoner.policy.versions import comparable
from adaptive_reasoner.reasoner.options import AskedQuestion, Components, Limits
from adaptive_reasoner.strategies.flow import Answer, Flow, FlowRunner, Task
from adaptive_reasoner.strategies.looking import look

ROUNDING = 1e-9  # a policy may have computed a worst cost another way than the limit it is held to


class Choice:
    """Chooses the action of one question.

    Args:
        components: The policy that chooses, the actions, and the ledger with its price and hard cap.
        limits: The price, where it takes the place of the ledger's.
        question: What is decided on.
        caller: Bounds the calls of the actions.
    """

    def __init__(
        self, components: Components, limits: Limits, question: AskedQuestion, caller: CallExecutor
    ) -> None:
        self._policy, self._actions, self._ledger = components.policy, components.actions, components.ledger
        self._exploration = components.exploration
        self._question, self._caller, self._set_price = question, caller, limits.price
        self._expecting: ExpectsReplies | None = None
        self._known = {} if question.vector is None else {"vector": question.vector}

    def decide(self, most: float, full: BudgetExceededError | None, *, key: str) -> Decision:
        """What the policy chooses, or what is drawn in its place.

        Args:
            most: What the action may cost at worst.
            full: How the hard cap has refused a more expensive action, where it has.
            key: The identity of the question, for draws.

        Raises:
            BudgetExceededError: No action fits, or the policy does not keep to `most`.
            UnknownActionError: The action is one that nobody supplied.
        """
        policy = self._policy
        if isinstance(policy, ExpectsReplies):
            self._expecting = policy = policy.expecting(self._asked_for())
        if isinstance(policy, BoundedByQuestion):
            policy = policy.with_worst_case_of(self.most_of_call)
        about = self._question.about or decision_text(self._question.messages)
        try:
            decision = policy.decide(about, price=self._price, max_cost=most, key=key, **self._known)
        except BudgetExceededError as over:
            if over.wanted < inf:
                raise self._refusal(over, most, full) from over
            decision = policy.decide(about, price=self._price, max_cost=inf, key=key, **self._known)
        if decision.action not in self._actions and decision.plan is None:
            raise UnknownActionError(decision.action, self._actions)
        if decision.worst_cost == inf > most:
            decision = self._without_worst_cost(policy, decision, most, full)
        elif decision.worst_cost > most * (1.0 + ROUNDING):
            wanted, unit = decision.worst_cost, policy.cost_unit
            raise BudgetExceededError(
                wanted,
                most,
                unit,
                f"policy {policy.policy_id!r} chose {decision.action!r}, which can cost {written(wanted)} "
                f"{unit}, where max_cost is {written(most)}: its decide has to keep to max_cost",
            )
        others = self._admissible(policy, decision, most) if self._exploration.share else ()
        return self._exploration.decide(decision, others, key=key)

    def _without_worst_cost(
        self, policy: Policy, own: Decision, most: float, full: BudgetExceededError | None
    ) -> Decision:
        """The choice of a policy that knows no worst costs: the best action whose first calls fit.

        Later rounds are held before they are sent. One that does not fit ends the vote with its samples.
        """
        wanted = self._held_at_first(own)
        if wanted <= most:
            return own
        fitting = []
        if isinstance(policy, DescribesActions):
            for action in filter(self._actions.__contains__, policy.actions):
                other = replace(policy.decision_for(action, price=own.price), reason="budget")
                held = self._held_at_first(other)
                wanted = min(wanted, held)
                if held <= most:
                    fitting.append(other)
        if not fitting:
            raise self._refusal(BudgetExceededError(wanted, most, policy.cost_unit), most, full)

        def worth(decision: Decision) -> float:
            return decision.expected_accuracy - own.price * decision.expected_cost

        return max(sorted(fitting, key=lambda decision: decision.expected_cost), key=worth)

    def _held_at_first(self, decision: Decision) -> float:
        """What has to be held before the first calls of an action; infinite if no length is declared."""
        task = Task(self._question.messages, price=self._price, plan=decision.plan)
        bound = self._caller.bound(FlowRunner(self.flow_of(decision), task).requests)
        return held_for(decision, bound.cost) if bound.declared else inf

    def _admissible(self, policy: Policy, own: Decision, most: float) -> Iterator[Decision]:
        """The decisions for the other actions that could be held as the policy's own would be."""
        cap = self._ledger.hard_cap
        room = inf if cap is None else cap - self._ledger.spent
        described = policy.actions if isinstance(policy, DescribesActions) else ()
        for action in tuple(self._actions):  # one may be added meanwhile
            if action == own.action:
                continue
            bound = self._caller.bound(self._first_requests(action))
            if isinstance(policy, DescribesActions) and action in described:
                decision = policy.decision_for(action, price=own.price)
            else:  # planned as the policy's own, until the ledger has seen what such actions cost
                decision = replace(
                    own,
                    action=action,
                    expected_cost=min(own.expected_cost, bound.cost),
                    worst_cost=bound.cost if bound.declared else inf,
                    expected_accuracy=nan,
                    reason="explored",
                    plan=None,
                )
            fits = decision.worst_cost <= most and held_for(decision, bound.cost) <= room
            if fits and self.admits(bound):
                yield decision

    def flow_of(self, decision: Decision) -> Flow:
        """The strategy behind a decision; a look is made of the strategies of the actions."""
        return look(self._actions) if decision.plan else self._actions[decision.action]

    def _first_requests(self, action: str) -> Sequence[Request]:
        return FlowRunner(self._actions[action], Task(self._question.messages, price=self._price)).requests

    def learn(self, answer: Answer) -> None:
        """Tell a policy that wants to know whether the reply offered something to compare."""
        offered = comparable(answer)
        if self._expecting is not None and offered is not None:
            self._expecting.learn(offered=offered)

    def _asked_for(self) -> AskedFor:
        """What is known of the reply before it is there."""
        source, messages = self._caller.source, self._question.messages
        sent, settings = source.messages(messages), source.call_settings(self._caller.settings)
        around = [*source.preamble, *sent]
        schemas = any(isinstance(message, SchemaText) for message in source.preamble)
        callable_tools = schemas or bool(settings.get("tools") or settings.get("functions"))
        system = [m.text for m in around if isinstance(m, SystemMessage) and not isinstance(m, SchemaText)]
        return AskedFor(
            question=Task(sent).question,
            instructions="\n".join(system),
            structured=self._question.structured or is_structured(settings),
            tools="called"
            if messages and isinstance(messages[-1], ToolMessage)
            else "callable"
            if callable_tools
            else "none",
        )

    def admits(self, bound: Bound) -> bool:
        """Whether calls may be made at all: under a hard cap, the length of a reply has to be declared."""
        return bound.declared or self._ledger.hard_cap is None

    def bound(self, requests: Sequence[Request]) -> float:
        """The most that calls can cost.

        Raises:
            BudgetExceededError: There is a hard cap, and nobody declared how long a reply can be.
        """
        bound = self._caller.bound(requests)
        if not self.admits(bound):
            raise without_bound(
                self._ledger,
                "a reply can be of any length, so its cost cannot be held under the hard cap: "
                "declare max_tokens, as Source(model, max_tokens=...) or on the model",
            )
        return bound.cost

    def most_of_call(self, action: str) -> float:
        """The most that one call of an action can cost on this conversation; infinite if it is not known."""
        if action not in self._actions:
            raise UnknownActionError(action, self._actions)
        different = {id(request): request for request in self._first_requests(action)}.values()
        bounds = [self._caller.bound([request]) for request in different]
        return max((bound.cost if self.admits(bound) else inf for bound in bounds), default=0.0)

    @property
    def _price(self) -> float:
        return self._ledger.price if self._set_price is None else self._set_price

    def _refusal(
        self, over: BudgetExceededError, most: float, full: BudgetExceededError | None
    ) -> BudgetExceededError:
        """What to say where no action fits, and the ways out."""
        if full is not None and over.wanted == inf:
            return full
        if full is not None:
            cap = self._ledger.hard_cap or 0.0
            reason = beyond_cap(over.wanted, most, cap, over.unit)
        else:
            way_out = f"declare a smaller max_tokens, or raise max_cost to {enough(over.wanted)}"
            if over.wanted == inf:
                way_out = "declare max_tokens, or give the policy's actions a worst_cost"
            can_cost = f"the cheapest action can cost {written(over.wanted)} {over.unit}"
            reason = f"{can_cost}, and max_cost allows {written(most)}; {way_out}"
        return BudgetExceededError(over.wanted, most, over.unit, reason)


def held_for(decision: Decision, bound: float) -> float:
    """What is held for an action before its first calls, which can cost up to `bound`."""
    declared = decision.worst_cost if decision.worst_cost < inf else decision.expected_cost
    return max(bound, declared)
