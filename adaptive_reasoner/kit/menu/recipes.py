"""How an action is carried out: a strategy by name, and its parameters."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adaptive_reasoner.action_names import vote_action
from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.models.providers import Thinking, thinking_tokens
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Flow
from adaptive_reasoner.strategies.modifiers import extended_thinking, on
from adaptive_reasoner.strategies.priced_stops import Priced, PricedRetries
from adaptive_reasoner.strategies.stop_rules import Beta, Lossless, Persistent, StopRule, Window
from adaptive_reasoner.strategies.verification import Checker, Judge, Score, best_of_n, cascade
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency, single_pass

DEFAULT_SAMPLES = 5
DEFAULT_VOTES = (3, 5)

_SUPPLIED = ("key", "sources")  # by the menu


@dataclass(frozen=True)
class Recipe:
    """How an action is carried out.

    Attributes:
        source: The source its calls go to, by name.
        strategy: One of the names below.
        parameters: The strategy's own.

    | strategy | parameters |
    |---|---|
    | `single_pass` | |
    | `self_consistency` | `samples` |
    | `adaptive_consistency` | `samples`; `stop`: lossless, beta (`confidence`), window (`window`) or priced |
    | `extended_thinking` | `effort`: a level or tokens; `max_tokens`, `samples`, `stop`, ... |
    | `best_of_n` | `samples`; a `judge` (a source), a `scorer` or a `checker` (functions); `stop`: priced |
    | `cascade` | `samples` of the source; `strong`, a source, asked where their agreement is below `accept` |
    """

    source: str
    strategy: str = "single_pass"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def votes(self) -> int:
        """The most calls it makes to its own source; where it does not say, as many as its strategy does."""
        make = _STRATEGIES.get(self.strategy, single_pass)
        samples = inspect.signature(make).parameters.get("samples")
        usual = 1 if samples is None or samples.default is samples.empty else samples.default
        return int(self.parameters.get("samples", usual))

    @property
    def calls(self) -> dict[str, int]:
        """The most calls it makes to each source, by name."""
        others = {"judge": self.votes, "strong": 1}
        calls = {self.source: self.votes}
        for role, most in others.items():
            if role in self.parameters:
                name = self.parameters[role]
                calls[name] = calls.get(name, 0) + most
        return calls

    @property
    def comparisons(self) -> int:
        """The most calls with which a model compares its replies: after each one but the first of a vote."""
        return 0 if self.strategy == "best_of_n" else self.votes - 1

    @property
    def thinking_tokens(self) -> int:
        """Room for thoughts that each call gets on top of its source's `max_tokens`."""
        if "effort" not in self.parameters or "max_tokens" in self.parameters:
            return 0
        return thinking_tokens(self.parameters["effort"])

    def flow(self, key: Key, sources: Mapping[str, Source]) -> Flow:
        """The strategy, counting votes by `key`; its own source is left to the caller.

        Raises:
            MenuError: There is no such strategy or source, or it does not take these parameters.
        """
        if self.strategy not in _STRATEGIES:
            raise MenuError(f"there is no strategy {self.strategy!r}; known are {', '.join(_STRATEGIES)}")
        make = _STRATEGIES[self.strategy]
        takes = inspect.signature(make).parameters
        known = [name for name in takes if name not in _SUPPLIED]
        for name in self.parameters:
            if name not in known:
                raise MenuError(
                    f"strategy {self.strategy!r} takes {', '.join(known) or 'no parameters'}, not {name!r}"
                )
        for name in self.calls:
            if name not in sources:
                raise MenuError(f"there is no source {name!r}; known are {', '.join(sources)}")
        missing = [
            name
            for name, given in takes.items()
            if given.default is given.empty and name not in (*self.parameters, *_SUPPLIED)
        ]
        if missing:
            raise MenuError(f"strategy {self.strategy!r} is missing {' and '.join(map(repr, missing))}")
        supplied = {"key": key, "sources": sources}
        try:
            return make(**self.parameters, **{name: supplied[name] for name in _SUPPLIED if name in takes})
        except (TypeError, ValueError) as error:
            raise MenuError(f"strategy {self.strategy!r}: {error}") from error


def single_and_votes(source: str, votes: Iterable[int]) -> dict[str, Recipe]:
    """A single call of a source, and votes of these sizes, under the names that `estimate` gives them."""
    sizes = {
        vote_action(source, size): Recipe(source, "self_consistency", {"samples": size}) for size in votes
    }
    return {source: Recipe(source), **sizes}


def _stop_rule(stop: str, confidence: float | None, window: int | None) -> StopRule:
    rules: dict[str, Callable[[], StopRule]] = {
        "lossless": Lossless,
        "beta": lambda: Beta() if confidence is None else Beta(confidence),
        "window": lambda: Window() if window is None else Window(window),
        "priced": Priced,
    }
    if stop not in rules:
        raise ValueError(f"there is no stop rule {stop!r}; known are {', '.join(rules)}")
    for name, value, own in (("confidence", confidence, "beta"), ("window", window, "window")):
        if value is not None and stop != own:
            raise ValueError(f"{name} belongs to the stop rule {own!r}, not to {stop!r}")
    return rules[stop]()


def _vote(
    samples: int = DEFAULT_SAMPLES,
    stop: str = "priced",
    confidence: float | None = None,
    window: int | None = None,
    *,
    key: Key = "auto",
) -> Flow:
    return adaptive_consistency(samples, _stop_rule(stop, confidence, window), key=key)


def _thinking(
    effort: Thinking,
    samples: int = 1,
    stop: str = "lossless",
    confidence: float | None = None,
    window: int | None = None,
    *,
    max_tokens: int | None = None,
    key: Key = "auto",
) -> Flow:
    flow = _vote(samples, stop, confidence, window, key=key) if samples > 1 else single_pass(key=key)
    return extended_thinking(effort, flow, max_tokens=max_tokens)


def _best(
    samples: int = DEFAULT_SAMPLES,
    judge: str | None = None,
    scorer: Score | None = None,
    checker: Callable[..., bool] | None = None,
    stop: str | None = None,
    *,
    key: Key = "auto",
    sources: Mapping[str, Source],
) -> Flow:
    if sum(given is not None for given in (judge, scorer, checker)) != 1:
        raise ValueError("one of judge, scorer and checker says which reply is best")
    if stop not in (None, "priced") or (stop and checker is None):
        raise ValueError(f"stop is 'priced' or not given, and needs a checker; it is {stop!r}")
    if checker is not None:
        return best_of_n(samples, Checker(checker, PricedRetries() if stop else Persistent()), key=key)
    return best_of_n(samples, Judge(sources[judge]) if judge is not None else scorer, key=key)  # type: ignore[arg-type]


def _cascade(
    strong: str,
    accept: float,
    samples: int = 1,
    *,
    key: Key = "auto",
    sources: Mapping[str, Source],
) -> Flow:
    if samples < 2:
        raise ValueError(f"samples is {samples}; a cascade decides by agreement, so it needs at least 2")
    return cascade(self_consistency(samples, key=key), on(sources[strong], single_pass(key=key)), accept)


_STRATEGIES: dict[str, Callable[..., Flow]] = {
    "single_pass": single_pass,
    "self_consistency": self_consistency,
    "adaptive_consistency": _vote,
    "extended_thinking": _thinking,
    "best_of_n": _best,
    "cascade": _cascade,
}
