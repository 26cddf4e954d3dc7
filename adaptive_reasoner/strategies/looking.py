"""A vote that may be left: after its samples it stops, samples again, or hands the question over.

What it does in which state is a `LookPlan`, which a policy makes for one question at one price.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from adaptive_reasoner.models.source import Request
from adaptive_reasoner.strategies.flow import Answer, Flow, NothingArrivedError, Steps, Task
from adaptive_reasoner.strategies.stop_rules import SamplePrice
from adaptive_reasoner.strategies.vote_state import VoteState
from adaptive_reasoner.strategies.voting import adaptive_consistency

if TYPE_CHECKING:
    from adaptive_reasoner.strategies.look_plans import LookPlan


@dataclass
class _Following:
    """The stop rule of a vote on a plan, which remembers where the vote ended."""

    plan: "LookPlan"
    ended: VoteState = field(default_factory=lambda: VoteState(0, 0, 0, 1))

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        self.ended = state
        return self.plan.wave(state) if state.drawn == 0 or terms.in_time else 0


def look(flows: Mapping[str, Flow]) -> Flow:
    """A vote on the plan of its task, and what the plan hands the question over to.

    The samples are those of the plan's `sample`, so they go to its source. A sample that fails is drawn, and
    does not vote. Where the action that takes over brings no usable reply, the leading answer stands.

    Args:
        flows: The strategies of the actions by name, those of the plan among them.

    Raises:
        ValueError: The task has no plan, or the strategy that samples asks for several calls at once.
    """

    def flow(task: Task) -> Steps:
        plan = task.plan
        if plan is None:
            raise ValueError("a look follows the plan that a policy made for the question: there is none")
        rule = _Following(plan)
        votes = adaptive_consistency(plan.limit, rule)(task)
        sample = _single_request(flows[plan.sample], plan.sample, task)
        found: Answer
        try:
            wanted = next(votes)
            while True:
                wanted = votes.send((yield [sample] * len(wanted)))
        except StopIteration as end:
            found = end.value
        successor = plan.successor(rule.ended)
        if successor is None:
            return found
        try:
            return (yield from flows[successor](task))
        except NothingArrivedError:
            return found

    return flow


def _single_request(flow: Flow, action: str, task: Task) -> Request:
    requests = next(flow(task))
    if len(requests) != 1:
        raise ValueError(
            f"a look samples the action {action!r} once, and its strategy asks for {len(requests)} calls at "
            "once: give it a single pass, or train without samples"
        )
    return replace(requests[0], hidden_sample=True)
