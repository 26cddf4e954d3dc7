"""The menu: ways to call a model, the actions built on them, how answers are graded and what calls cost."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from types import FunctionType
from typing import Any, Literal, Self, TypeVar

from langchain_core.messages import HumanMessage

from adaptive_reasoner.amounts import given
from adaptive_reasoner.answers.base import Comparison, Grader, LacksEncoder
from adaptive_reasoner.answers.free_text.judgement import Judged
from adaptive_reasoner.answers.grouping import Key, comparison, exact
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.hosted_model import HostedModel
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.preference import Preference, whole_text
from adaptive_reasoner.kit.menu.recipes import DEFAULT_SAMPLES, DEFAULT_VOTES, Recipe, single_and_votes
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.kit.menu.toml_code import CodeUse
from adaptive_reasoner.kit.menu.toml_file import read_menu
from adaptive_reasoner.kit.tables.files import PathLike
from adaptive_reasoner.models.metering import Meter, PriceTable, TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Flow
from adaptive_reasoner.strategies.modifiers import on

Each = TypeVar("Each")

Judge = Referee | Preference
"""A grader that asks a model."""

MOST_SAMPLES = 100_000
"""The most samples of a question and source, or of an action: more is a slip of the keyboard."""

_PROBES = ("How many are 5 and 9?", "5 + 9", "5 * 9")


@dataclass(frozen=True)
class Menu:
    r"""The sources, the actions built on them, the grader and the prices.

    Args:
        sources: The ways to call a model, by name.
        samples: How many replies to collect per question, for all sources or by source; 0 for sources that
            are only there to judge, or for actions to call.
        recipes: The actions; by default each source once and as votes of 3 and 5, as far as there are
            samples, under the names that `estimate` gives them.
        grader: Scores an answer against the gold one, in [0, 1]; a comparison, a function, or a `Referee`.
            A `Preference` compares replies with each other.
        key: When two replies say the same, and so which answer is found in a reply: a name such as
            `"numeric"`, a comparison or a function of the message. Where not given, the grader decides where
            it is a comparison, so that what it calls right is never two votes; beside a `Referee` it is
            `"auto"`, beside a `Preference` the whole text, and beside a function `"exact"`, whose answers
            are as replies state them.
        meters: What a call costs, for all sources or by source.
        max_cost: The most that a samples file may cost.
        concurrency: The most calls in flight.
        requests_per_minute, tokens_per_minute: The pace of collection, all sources together.
        retries: How often collection makes a failed call again.

    Raises:
        MenuError: Something refers to a source or strategy that is not there, or a number makes no sense.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> model = FakeListChatModel(responses=["14"])
        >>> menu = Menu({"direct": Source(model, max_tokens=8), "cot": Source(model, max_tokens=64)})
        >>> list(menu.actions)
        ['direct', 'direct_vote_3', 'direct_vote_5', 'cot', 'cot_vote_3', 'cot_vote_5']
        >>> menu.specs()["actions"]["cot_vote_3"]["worst_cost"]
        192.0
    """

    sources: Mapping[str, Source]
    samples: int | Mapping[str, int] = DEFAULT_SAMPLES
    recipes: Mapping[str, Recipe] | None = None
    grader: Grader | Comparison | Judge = exact
    key: Key | None = None
    meters: Meter | Mapping[str, Meter] = field(default_factory=TokenMeter)
    max_cost: float | None = None
    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    retries: Retries = field(default_factory=Retries)

    def __post_init__(self) -> None:
        if not self.sources:
            raise MenuError("a menu needs at least one source")
        for name in self.sources:
            if not 0 <= self.samples_of(name) <= MOST_SAMPLES:
                raise MenuError(
                    f"source {name!r} cannot have {self.samples_of(name)} samples per question; "
                    f"from 0 to {MOST_SAMPLES} are possible"
                )
        for name, recipe in (self.recipes or {}).items():
            if recipe.votes > MOST_SAMPLES:
                raise MenuError(
                    f"action {name!r} cannot take {recipe.votes} samples; at most {MOST_SAMPLES} are possible"
                )
        if not self.sampled:
            raise MenuError("at least one source needs at least 1 sample")
        if isinstance(self.grader, Judge) and self.grader.source not in self.sources:
            raise MenuError(
                f"[grader] there is no source {self.grader.source!r}; known are {', '.join(self.sources)}"
            )
        units = dict.fromkeys(self.meter_of(name).cost_unit for name in self.sources)
        if len(units) > 1:
            raise MenuError(f"costs must be in one unit, but there are {' and '.join(units)}")
        if self.concurrency is not None and self.concurrency < 1:
            raise MenuError(f"concurrency must be at least 1, not {self.concurrency}")
        for name in ("max_cost", "requests_per_minute", "tokens_per_minute"):
            limit = getattr(self, name)
            if limit is not None and not 0 < limit < float("inf"):
                raise MenuError(f"{name} must be above 0, not {given(limit)}")
        grader: object = self.grader
        try:
            if isinstance(grader, LacksEncoder):
                comparison(grader)  # which refuses it
            self.comparison  # noqa: B018 - refuses what is none
        except (TypeError, ValueError) as error:
            raise MenuError(str(error)) from error
        self.actions  # noqa: B018 - refuses now what could not be carried out later

    @classmethod
    def load(cls, path: PathLike, *, code: CodeUse = "run") -> Self:
        """Read a menu from a TOML file; `adaptive_reasoner.kit.menu.toml_file` shows one.

        No model is made yet, so no key is needed and nothing is called. A menu that names functions is a
        program, and loading it imports the modules that its `[code]` names.

        Args:
            path: The file.
            code: `"run"` loads the functions; `"leave"` keeps their names, and calling one is an error;
                `"refuse"` refuses a menu that names any.

        Raises:
            MenuError: The file cannot be read, or has an unknown or wrong entry; it names file and entry.
        """
        try:
            return cls(**read_menu(path, code))
        except MenuError as error:
            raise MenuError(f"{path}: {error}") from error

    @cached_property
    def actions(self) -> dict[str, Flow]:
        """The flow behind each action, directed to its source."""
        flows = {}
        for name, recipe in self.all_recipes.items():
            try:
                flow = recipe.flow(self.comparison, self.sources)
                flows[name] = on(self.sources[recipe.source], flow)
            except MenuError as error:
                raise MenuError(f"action {name!r}: {error}") from error
        return flows

    @property
    def meter(self) -> Meter:
        """The meter of all sources; if prices differ, it goes by the model that answers.

        Raises:
            MenuError: Two sources have different prices and the same model, or one that has no name.
        """
        meters = {name: self.meter_of(name) for name in self.sources}
        first, *others = meters.values()
        if all(meter == first for meter in others):
            return first
        by_model: dict[str, Meter] = {}
        for name, meter in meters.items():
            if by_model.setdefault(self._model_name(name), meter) != meter:
                raise MenuError(
                    f"source {name!r} has another price than an earlier one of its model; "
                    "ask for the meter of one source"
                )
        return PriceTable(by_model)

    def _model_name(self, source: str) -> str:
        """The model name in the replies of a source."""
        model = self.sources[source].model
        name = model_name(model)
        if name is None:
            raise MenuError(f"the prices differ and source {source!r} names no model to tell them apart by")
        with_provider = isinstance(model, HostedModel) and model.base_url is None
        return (name.partition(":")[2] or name) if with_provider else name

    @property
    def comparison(self) -> Comparison:
        """When two replies say the same."""
        if self.key is not None:
            return comparison(self.key)
        if isinstance(self.grader, Comparison):
            return self.grader
        if isinstance(self.grader, Preference):
            return whole_text
        return comparison("auto" if isinstance(self.grader, Referee) else "exact")

    @property
    def cost_unit(self) -> str:
        """The unit of all costs."""
        return self.meter_of(next(iter(self.sources))).cost_unit

    @property
    def counts(self) -> Literal["completion", "total"] | None:
        """Which tokens a cost in tokens counts; None in other units, or where sources differ."""
        counted = {getattr(self.meter_of(name), "counts", None) for name in self.sources}
        return counted.pop() if len(counted) == 1 else None

    @cached_property
    def graded_by(self) -> str:
        """The name of the grader in rows of samples; of a judge with a digest of its model and request."""
        if isinstance(self.grader, Judge):
            ask = self.grader.prompt("", "", "")
            return f"judge {self.grader.source} {self.prompt_sha(self.grader.source, ask)}"
        return grader_name(self.grader)

    @property
    def keys(self) -> dict[str, list[str]]:
        """The environment variables that hold keys, each with the hosts that get it."""
        keys: dict[str, list[str]] = {}
        for source in self.sources.values():
            model = source.model
            if isinstance(model, HostedModel) and model.api_key_env is not None:
                hosts = keys.setdefault(model.api_key_env, [])
                hosts += [model.host] if model.host not in hosts else []
        return keys

    @property
    def sampled(self) -> list[str]:
        """The sources of which samples are collected."""
        return [name for name in self.sources if self.samples_of(name) > 0]

    def samples_of(self, source: str) -> int:
        """How many replies of a source to collect a question."""
        return _of(self.samples, source, "number of samples")

    def meter_of(self, source: str) -> Meter:
        """The meter of a source."""
        return _of(self.meters, source, "price")

    def most_calls(self, action: str) -> int:
        """The most calls of an action, those to its judge, stronger source and comparing model included."""
        recipe = self.all_recipes[action]
        return sum(recipe.calls.values()) + self._comparisons(recipe)

    def _comparisons(self, recipe: Recipe) -> int:
        """The most calls of a model that compares the replies of an action."""
        return recipe.comparisons if isinstance(self.comparison, Judged) else 0

    def prompt_sha(self, source: str, question: str) -> str:
        """A digest of the request of a source for a question: model, messages, settings, `max_tokens`."""
        way = self.sources[source]
        sent = {
            "model": model_name(way.model),
            "messages": [
                [message.type, message.content] for message in way.messages([HumanMessage(question)])
            ],
            "settings": dict(way.settings),
            "max_tokens": way.max_tokens,
        }
        return hashlib.sha256(json.dumps(sent, sort_keys=True, default=repr).encode()).hexdigest()[:16]

    def specs(self) -> dict[str, Any]:
        """The part of the menu that a policy keeps: plain JSON values, no code.

        An action's `worst_cost` is None where it depends on the question, because prompts are billed too, or
        where a model compares its replies that is no source of the menu. `comparisons` counts the calls of a
        model that does.
        `prompt_sha` is that of the prompts for three fixed questions.
        """
        return {
            "cost_unit": self.cost_unit,
            "counts": self.counts,
            "meters": {name: repr(self.meter_of(name)) for name in self.sources},
            "samples": {name: self.samples_of(name) for name in self.sources},
            "actions": {name: self._spec(recipe) for name, recipe in self.all_recipes.items()},
        }

    def _spec(self, recipe: Recipe) -> dict[str, Any]:
        source = self.sources[recipe.source]
        most_tokens = recipe.parameters.get("max_tokens") or source.most_tokens + recipe.thinking_tokens
        short, long = (self._worst_cost(recipe, most_tokens, HumanMessage("x" * size)) for size in (1, 1000))
        return {
            "source": recipe.source,
            "strategy": recipe.strategy,
            "parameters": {name: _plain(value) for name, value in recipe.parameters.items()},
            "settings": {name: str(value) for name, value in source.settings.items()},
            "votes": recipe.votes,
            **({"comparisons": comparisons} if (comparisons := self._comparisons(recipe)) else {}),
            "max_tokens": most_tokens,
            "worst_cost": short if short == long < inf else None,
            "prompt_sha": "-".join(self.prompt_sha(recipe.source, probe) for probe in _PROBES),
        }

    def _worst_cost(self, recipe: Recipe, most_tokens: int, message: HumanMessage) -> float:
        """The most that an action can cost, its judge, stronger source and comparing model included."""
        asked = [
            (name, calls, most_tokens if name == recipe.source else self.sources[name].most_tokens)
            for name, calls in recipe.calls.items()
        ]
        if isinstance(self.comparison, Judged) and (comparisons := self._comparisons(recipe)):
            own = {id(source): name for name, source in self.sources.items()}
            comparing = self.comparison.source
            if id(comparing) not in own:
                return inf  # at a price that the menu does not know
            asked += [(own[id(comparing)], comparisons, comparing.most_tokens)]
        return sum(calls * self.meter_of(name).worst_cost([message], tokens) for name, calls, tokens in asked)

    @property
    def all_recipes(self) -> Mapping[str, Recipe]:
        """The actions, or the default ones if the menu names none."""
        if self.recipes is not None:
            return self.recipes
        recipes: dict[str, Recipe] = {}
        for name in self.sampled:
            most = 0 if self.comparison is whole_text else self.samples_of(name)
            votes = (size for size in DEFAULT_VOTES if size <= most)
            recipes |= single_and_votes(name, votes)
        return recipes


def model_name(model: object) -> str | None:
    """The name of a chat model, None if it has none."""
    model = getattr(model, "bound", model)
    name = getattr(model, "model_name", None) or getattr(model, "model", None)
    return name if isinstance(name, str) and name else None


def grader_name(grader: Grader | Comparison) -> str:
    """The name of a function that grades, as it stands in the rows of samples.

    Example:
        >>> grader_name(exact)
        'exact'
    """
    if isinstance(grader, Comparison):
        return grader.name
    named = grader if hasattr(grader, "__qualname__") else type(grader)
    return f"{named.__module__}:{named.__qualname__}"


def _plain(value: object) -> object:
    """A parameter as a policy may keep it: a function by its name."""
    return f"{value.__module__}:{value.__qualname__}" if isinstance(value, FunctionType) else value


def _of(given: Each | Mapping[str, Each], source: str, what: str) -> Each:
    """The value for a source: its own, or the one for all sources."""
    if not isinstance(given, Mapping):
        return given
    if source not in given:
        raise MenuError(f"source {source!r} has no {what}; there is one for {', '.join(given)}")
    return given[source]
