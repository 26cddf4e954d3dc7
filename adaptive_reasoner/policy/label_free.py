"""What to do before anything was collected: a vote under the ledger's price, which needs no labels.

A vote needs replies that can be compared. Where a question, its tools and its response format let expect
none, as for a poem, one pass answers, and streams.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan
from typing import Self

from langchain_core.messages import HumanMessage

from adaptive_reasoner.amounts import written
from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.answers.grouping import auto
from adaptive_reasoner.errors import BudgetExceededError, InfeasibleBudgetError
from adaptive_reasoner.models.dollars import for_models
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import CallBound, Decision, Reason
from adaptive_reasoner.policy.expectations import AskedFor, Kind, OfferedReplies
from adaptive_reasoner.strategies.flow import Flow, check_samples
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.voting import adaptive_consistency, single_pass

SAMPLES = 9
"""The most samples of a vote."""

_WORTH = 0.1  # accuracy that one budget's worth of compute has to bring: where a ledger without labels begins


_FEWEST = 3  # samples of a vote that can decide anything: two that differ leave the first
_LIKELY = 0.5  # share of replies that offer something to compare from which a vote is begun


class LabelFreePolicy:
    """Sample until agreement makes a further sample not worth its price, where replies can be compared.

    The difference between questions is made inside the vote, by the answers themselves, under a Beta
    posterior; the ledger's price makes it hold the budget. Where three samples of a vote no longer fit, one
    pass answers, and so it does where free text is expected: it streams, which the samples of a vote never
    do. If some samples fit and not all, no worst case is given: each round is held before it is sent. In
    doubt the vote is begun, and ends with its first sample where that offers nothing to compare. What the
    replies of each kind have offered so far corrects the expectation.

    Args:
        source: What is sampled; bounds the worst case of a call.
        meter: What a call costs.
        budget: Mean cost per question, which a reservation expects; None without a budget.
        samples: The most samples of a vote.
        key: When two replies say the same. One that is not `"auto"` lets expect that replies can be compared.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import SampleMeter
        >>> policy = LabelFreePolicy(Source(FakeListChatModel(responses=["7"])), SampleMeter(), budget=3.0)
        >>> policy.decide("What is 3 + 4?").action, policy.decide("What is 3 + 4?", max_cost=2.0).action
        ('adaptive_vote', 'single_pass')
        >>> policy.decide("Write a poem about autumn.").action
        'single_pass'
    """

    actions = ("adaptive_vote", "single_pass")
    slope: float | None = None
    policy_id = "label_free"
    non_blocking = True  # decides without computing anything, so in no thread of its own

    def __init__(
        self,
        source: Source,
        meter: Meter,
        *,
        budget: float | None = None,
        samples: int = SAMPLES,
        key: Comparison = auto,
    ) -> None:
        check_samples(samples)
        self.source, self.meter, self.budget, self.samples = source, meter, budget, samples
        self.key, self.offered = key, OfferedReplies()
        self._call: CallBound | None = None
        self._asked: AskedFor | None = None
        self.cost_unit = meter.cost_unit
        self.price = _WORTH / budget if budget else 0.0

    def __repr__(self) -> str:
        return f"LabelFreePolicy(a vote of at most {self.samples}, price {written(self.price, 3)})"

    def at(self, *, budget: float) -> Self:
        """The same policy at another mean cost per question."""
        moved = copy.copy(self)
        moved.budget, moved.price = budget, _WORTH / budget
        return moved

    def with_worst_case_of(self, call: CallBound) -> Self:
        """The same policy, whose worst case is that of calls on one very conversation."""
        bounded = copy.copy(self)
        bounded._call = call
        return bounded

    def expecting(self, asked: AskedFor) -> Self:
        """The same policy, for one reply that is asked for; what it learns is learned by all."""
        aware = copy.copy(self)
        aware._asked = asked
        return aware

    def learn(self, *, offered: bool) -> None:
        """Take note of whether that reply offered something to compare."""
        if self._asked is not None:
            self.offered.add(self._asked, self._kind(self._asked), offered=offered)

    def _kind(self, asked: AskedFor) -> Kind:
        return asked.kind if self.key is auto or asked.structured else "key"

    def decide(
        self, question: str, *, price: float | None = None, max_cost: float = inf, key: str | None = None
    ) -> Decision:
        """A vote, or one pass where free text is expected or `max_cost` has no room for three samples."""
        del key
        call = self._most_of_call(question)
        if call > max_cost:
            raise BudgetExceededError(call, max_cost, self.cost_unit)
        asked = self._asked or AskedFor(question=question)
        wanted = self.offered.expected(asked, self._kind(asked)) >= _LIKELY
        votes = wanted and min(self.samples, _FEWEST) * call <= max_cost
        reason: Reason = "policy" if votes else "budget" if wanted else "nothing to compare"
        price = self.price if price is None else price
        decision = self._decision(self.actions[0 if votes else 1], call, price, reason)
        if decision.worst_cost <= max_cost:
            return decision
        return replace(decision, expected_cost=min(decision.expected_cost, max_cost), worst_cost=inf)

    def decision_for(self, action: str, *, price: float) -> Decision:
        """The decision for a vote or for one pass; its worst case is that of the question it is bound to."""
        return self._decision(action, self._most_of_call(""), price, "explored")

    def _most_of_call(self, question: str) -> float:
        if self._call is not None:
            return self._call("single_pass")
        meter = for_models(self.meter, *self.source.called({}))
        return meter.worst_cost([HumanMessage(question)], self.source.most_tokens)

    def _decision(self, action: str, call: float, price: float, reason: Reason) -> Decision:
        worst = self.samples * call if action == self.actions[0] else call
        return Decision(
            action=action,
            expected_cost=min(self.budget or 0.0, worst),
            worst_cost=worst,
            expected_accuracy=nan,
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
        """The choice for each, at the price of `budget`; see `Policy.decide_batch`.

        Without labels no accuracy can be promised: a target is refused.
        """
        if budget is None or target_accuracy is not None:
            raise ValueError(
                "a policy without labels knows no accuracies and can promise none: give a budget alone"
            )
        if not budget > 0:
            raise InfeasibleBudgetError(budget, 0.0, self.cost_unit)
        return [self.at(budget=budget).decide(question) for question in questions]


def label_free_actions(samples: int = SAMPLES) -> dict[str, Flow]:
    """The strategies that a `LabelFreePolicy` names.

    Example:
        >>> sorted(label_free_actions())
        ['adaptive_vote', 'single_pass']
    """
    return {"adaptive_vote": adaptive_consistency(samples, Priced()), "single_pass": single_pass()}
