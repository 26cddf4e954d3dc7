"""The policy of a reasoner and the strategies behind its actions, as its arguments ask for them."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from adaptive_reasoner.action_names import vote_action
from adaptive_reasoner.amounts import enough, written
from adaptive_reasoner.answers.base import Comparison, LacksEncoder
from adaptive_reasoner.answers.grouping import Key, comparison
from adaptive_reasoner.errors import UnknownActionError
from adaptive_reasoner.models.metering import Meter, is_amount
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import KnowsCheapest, MovesToBudget, Policy
from adaptive_reasoner.policy.versions import version_of, with_its_looks
from adaptive_reasoner.reasoner.exploration import Exploration
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow, check_flow
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.voting import self_consistency, single_pass

_NEAR = 1e-3  # a ledger keeps no average closer than this, and its target is rounded


def vote_actions(sources: Mapping[str, Source], votes: Sequence[int] = (1, 3, 5)) -> dict[str, Flow]:
    """One action for each source and size of vote, named as `estimate` names them.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> list(vote_actions({"cot": Source(FakeListChatModel(responses=["7"]))}))
        ['cot', 'cot_vote_3', 'cot_vote_5']
    """
    return {
        vote_action(name, size): on(source, self_consistency(size) if size > 1 else single_pass())
        for name, source in sources.items()
        for size in votes
    }


def comparison_of(key: Key, policy: Policy | None) -> Comparison:
    """When two replies say the same; a key that lacks an encoder takes that of the policy.

    Of a policy that is watched, it is the encoder of the version at this time, which then stays: replies are
    compared in one way, however often the policy is trained again.

    Raises:
        ValueError: There is no such key, or no encoder for it.
        TypeError: It is no key.
    """
    if isinstance(key, LacksEncoder) and policy is not None:
        encoder = getattr(version_of(policy), "encoder", None)
        return comparison(key) if encoder is None else key.with_encoder(encoder)
    return comparison(key)


def resolve_policy(
    policy: Policy | None,
    actions: Mapping[str, Flow] | None,
    *,
    source: Source,
    meter: Meter,
    mean: float | None,
    bounded: bool,
    samples: int | None,
    key: Comparison,
    explore: float | None,
    shadow: Shadow | None,
) -> tuple[Policy, dict[str, Flow]]:
    """The policy, by default one that needs no labels, with the strategies behind all it can decide for.

    Args:
        policy: Chooses the action; None for a vote without labels.
        actions: The strategy behind each action.
        source: What a vote without labels samples.
        meter: What a call costs.
        mean: Allowed mean cost per question, where there is one.
        bounded: Whether anything limits what a vote may cost.
        samples: The most samples of a vote without labels.
        key: When two replies say the same.
        explore: Share of the questions whose action is drawn.
        shadow: Names the action that answers questions a second time.

    Raises:
        UnknownActionError: The policy can choose an action that `actions` lacks.
        ValueError: There is nothing to limit, to choose among or to explore.
        TypeError: An action is no strategy.
    """
    for action, flow in (actions or {}).items():
        check_flow(flow, f"action {action!r}")
    if policy is None:
        from adaptive_reasoner.policy.label_free import SAMPLES, LabelFreePolicy, label_free_actions

        samples = SAMPLES if samples is None else samples
        own = label_free_actions(samples)
        _check_label_free(own, actions or {}, bounded=bounded, taken=explore or shadow)
        policy = LabelFreePolicy(source, meter, budget=mean, samples=samples, key=key)
        actions = {**own, **(actions or {})}
    elif samples is not None:
        raise ValueError(
            f"samples={samples} is for the vote without a policy; a strategy has its own, as in "
            f"self_consistency({samples})"
        )
    strategies = dict(actions or {})
    for action in policy.actions:
        if action not in strategies:
            given = f"actions={{{action!r}: ...}}, the strategy behind each action that the policy can choose"
            raise UnknownActionError(action, strategies, f"give {given}")
    if Exploration.of(explore).share and len(strategies) < 2:
        raise ValueError(
            f"explore={explore} needs another action to take than {', '.join(strategies)}: give more "
            "actions=..., also such as the policy does not know"
        )
    return with_its_looks(policy), strategies


def check_reach(
    policy: Policy, *, budget: float | None = None, target: float | None = None, of: str = "ledger"
) -> None:
    """Refuse a budget that the policy has learnt to be out of reach; warn of other aims below its costs.

    What a fixed action costs is an estimate, and the target of a ledger can be raised at any time.

    Args:
        policy: Chooses the action.
        budget: Allowed mean cost per question.
        target: What a ledger that was given holds.
        of: Whose target that is.

    Raises:
        InfeasibleBudgetError: The cheapest choices cost more than `budget`.
    """
    decides, aim = version_of(policy), target if budget is None else budget
    if budget is not None and isinstance(decides, MovesToBudget):
        decides.at(budget=budget)
    cheapest: Any = decides.cheapest if isinstance(decides, KnowsCheapest) else None
    if aim is None or not is_amount(cheapest) or aim >= cheapest * (1.0 - _NEAR):
        return
    name = "budget" if budget is not None else f"target of the {of}"
    with suppress(UserWarning):  # where warnings are errors, questions are answered all the same
        warnings.warn(
            f"the {name}, {written(aim)} {policy.cost_unit} per question, cannot be held: the cheapest "
            f"choices of {policy!r} cost {enough(cheapest)} on average; raise it to that at least, "
            "or give the policy a cheaper action",
            stacklevel=4,
        )


def warn_of_limits(mean: float | None, unit: str, **limits: float | None) -> None:
    """Warn of a limit on one question or run below what these may cost on average: nothing can cost that."""
    for name, limit in limits.items():
        if limit is not None and mean is not None and limit < mean * (1.0 - _NEAR):
            with suppress(UserWarning):  # where warnings are errors, questions are answered all the same
                warnings.warn(
                    f"{name} of {written(limit)} {unit} is below the budget of {written(mean)}, the mean "
                    f"that is kept, so that no mean can reach it; raise {name}, or lower the budget",
                    stacklevel=4,
                )


def _check_label_free(
    own: Mapping[str, Flow], given: Mapping[str, Flow], *, bounded: bool, taken: object
) -> None:
    """Refuse actions that nothing would take, and a vote that could cost any amount."""
    if given and not taken:
        raise ValueError(
            f"actions need a policy that chooses among {', '.join(given)}: give policy=, or explore=0.02, "
            "which draws the action of 2% of the questions, or shadow=Shadow(...), which compares with one"
        )
    if same := sorted(own.keys() & given.keys()):
        raise ValueError(f"without a policy, {same[0]} is an action of its own: name yours differently")
    if not bounded:
        raise ValueError(
            "without a policy, a budget or a ledger, a vote could cost any amount: give "
            "budget=..., the allowed mean cost per question, a ledger, or a policy with its actions"
        )
