"""What a question may have of its own: price, limits, source, policy, ledger."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from langchain_core.runnables import RunnableConfig

from adaptive_reasoner.amounts import given
from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.answers.grouping import auto
from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.models.metering import Meter, is_amount
from adaptive_reasoner.models.source import Messages, ModelResolver, Source, default_resolver
from adaptive_reasoner.policy.base import Policy
from adaptive_reasoner.policy.versions import version_of
from adaptive_reasoner.reasoner.exploration import NONE, Exploration
from adaptive_reasoner.shadow.comparing import SecondCall
from adaptive_reasoner.shadow.runner import ShadowRunner
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class AnswerOptions(TypedDict, total=False):
    """Settings of one question, in place of those of the reasoner.

    Attributes:
        key: Names the charge in the ledger, which bills a key once; by default a new key.
        run_id: The question in the ledger's sense, if several charges belong to one; by default `key`.
        draw: The identity of the question for the draws of mixtures and exploration, by default `run_id`; one
            that outlives a crash lets an attempt that goes on take the same action.
        resumes: The key names a task that may run again: every attempt has a charge of its own, of the same
            question. A charge that a dead attempt left open expires at its worst case; see `hold`.
        saved: By the key of a dead attempt, the part of its worst case that is known not to have been spent.
            It is read at the end, when the calls have reported.
        price: The price of compute, in place of the ledger's.
        budget: What the ledger compares the cost with, in place of its target; give `price` too.
        max_cost: Only actions whose worst case is at most this may be chosen.
        deadline: Seconds that the answer may take.
        second_price: The accuracy that a second of waiting must buy, for votes that draw in rounds.
        about: The text that is decided on; by default the last human turn, in its context.
        vector: The embedding of `about`, if it is known.
        second: How a shadow asks the question a second time, if not like the first time; False: the answer
            is not compared.
        structured: The reply has a declared structure, such as a response format, that no setting shows.
        settings: Arguments of every call except those of a judge.
        source, policy, actions, ledger, meter: In place of the reasoner's.
        resolve_model: Returns the model that a source calls.
        payer: What the calls are charged to, as others see them, if it is not the ledger.
        on_event: Called with the decision, every reply and the settlement, as plain dicts.
    """

    key: str | None
    run_id: str | None
    draw: str | None
    resumes: bool
    saved: Mapping[str, float]
    price: float | None
    budget: float | None
    max_cost: float | None
    deadline: float | None
    second_price: float | None
    about: str | None
    vector: "ArrayLike | None"
    second: Callable[[], SecondCall] | Literal[False] | None
    structured: bool
    settings: Mapping[str, Any] | None
    source: Source | None
    policy: Policy | None
    actions: Mapping[str, Flow] | None
    ledger: Ledger | None
    meter: Meter | Literal["usd"] | None
    resolve_model: ModelResolver | None
    payer: Any
    on_event: Callable[[dict[str, Any]], None] | None


class _FromOptions:
    """A part of the options as a value whose fields have their names."""

    @classmethod
    def of(cls, options: AnswerOptions, **defaults: Any) -> Self:
        """The value that options ask for; an option that is missing or None leaves the default."""
        given: Mapping[str, Any] = options
        own = {name: given[name] for name in cls.__annotations__ if given.get(name) is not None}
        return cls(**{**defaults, **own})


@dataclass(frozen=True, kw_only=True)
class Components(_FromOptions):
    """What answers a question; costs are in one unit.

    Attributes:
        source: How calls are made where an action does not say.
        policy: Chooses the action.
        actions: The strategy behind each action.
        ledger: Keeps the average.
        meter: What a call costs.
        comparison: When two replies say the same, for strategies that were given no `key`.
        exploration: The questions whose action is drawn.
        shadow: The questions that are answered a second time, to compare the answers.
    """

    source: Source
    policy: Policy
    actions: Mapping[str, Flow]
    ledger: Ledger
    meter: Meter
    comparison: Comparison = auto
    exploration: Exploration = NONE
    shadow: ShadowRunner | None = None

    def __post_init__(self) -> None:
        check_units(meter=self.meter, policy=self.policy, ledger=self.ledger)

    def of_version(self) -> Self:
        """The same, with the version of the policy that decides a question which begins now."""
        version = version_of(self.policy, self.actions)
        return self if version is self.policy else replace(self, policy=version)


@dataclass(frozen=True, kw_only=True)
class Limits(_FromOptions):
    """What an answer may cost and how long it may take; see `AnswerOptions`.

    Raises:
        ValueError: The price or the most cost is negative, or no number.
    """

    price: float | None = None
    max_cost: float = inf
    deadline: float = inf
    second_price: float = 0.0
    budget: float | None = None

    def __post_init__(self) -> None:
        for name, amount in (("price", self.price), ("max_cost", self.max_cost)):
            if amount is not None and not is_amount(amount):
                raise ValueError(f"{name} is a number of at least 0, not {given(amount)}")


@dataclass(frozen=True, kw_only=True)
class AskedQuestion(_FromOptions):
    """Which question it is, for the policy and for the ledger; see `AnswerOptions`."""

    messages: Messages
    about: str | None = None
    vector: "ArrayLike | None" = None
    second: Callable[[], SecondCall] | Literal[False] | None = None
    structured: bool = False
    key: str | None = None
    run_id: str | None = None
    draw: str | None = None
    resumes: bool = False
    saved: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CallOptions(_FromOptions):
    """What every call of a question is sent, and who is told of it; see `AnswerOptions`."""

    config: RunnableConfig = field(default_factory=RunnableConfig)
    settings: Mapping[str, Any] = field(default_factory=dict)
    resolve_model: ModelResolver = default_resolver
    payer: Any = None
    on_event: Callable[[dict[str, Any]], None] | None = None


def check_opened(*, policy: object, ledger: object, shadow: object = None) -> None:
    """Refuse a path, a URL or a name in place of a policy, a ledger or a shadow.

    Raises:
        TypeError: One is a path, a URL or a name.
    """
    if not (shadow is None or isinstance(shadow, Shadow | ShadowRunner)):
        raise TypeError(f"shadow is Shadow('ACTION', judge=..., max_cost=...), not {shadow!r}")
    if isinstance(policy, str | os.PathLike):
        raise TypeError(f"a policy is read from its folder by LearnedPolicy.load({os.fspath(policy)!r})")
    if isinstance(ledger, str):
        raise TypeError(f"a ledger is opened by open_ledger({ledger!r}, target=...)")


def check_units(**parts: Any) -> None:
    """Refuse parts that do not count in the same unit.

    Raises:
        LedgerError: There is more than one unit, or tokens are counted in two ways.
    """
    units = {name: part.cost_unit for name, part in parts.items()}
    if len(set(units.values())) > 1:
        raise LedgerError(f"costs must be in one unit, but there are {units}")
    declared = {name: getattr(part, "counts", None) for name, part in parts.items()}
    counts = {name: which for name, which in declared.items() if isinstance(which, str)}
    if len(set(counts.values())) > 1:
        raise LedgerError(
            f"costs must count the same tokens, but there are {counts}; take TokenMeter(counts=...) as the "
            "policy was trained, or train again with the menu or with counts=..."
        )
