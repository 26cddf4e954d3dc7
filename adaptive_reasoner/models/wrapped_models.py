"""A chat model inside its wrappers: found there, and changed in place.

`bind`, `with_config`, `with_retry`, `with_fallbacks`, `configurable_fields`, `configurable_alternatives`, a
sequence, and `init_chat_model` with configurable fields put a Runnable around a chat model, in any order. The
model inside is still what is called.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import cached_property
from threading import RLock
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import (
    Runnable,
    RunnableAssign,
    RunnableConfig,
    RunnableParallel,
    RunnableSequence,
    RunnableSerializable,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.configurable import DynamicRunnable, RunnableConfigurableAlternatives
from pydantic import BaseModel
from typing_extensions import override

Change = Callable[[BaseChatModel], Runnable[Any, Any]]
"""What takes a chat model's place."""

_KEPT = 7
_changing = RLock()
_PYDANTICS = vars(BaseModel)["__getattr__"]


class DecidingChatModel(BaseChatModel):
    """A chat model that decides for each call how often it calls the model inside it."""

    @property
    @abstractmethod
    def called(self) -> Runnable[Any, Any]:
        """The model inside it, with the settings that it sends along."""

    @abstractmethod
    def decided(self) -> BaseChatModel:
        """The same where another one decides: it calls the model inside it once."""


def mapped(model: Runnable[Any, Any], change: Change) -> Runnable[Any, Any]:
    """`model` with every chat model inside it changed, and its wrappers made anew around them.

    Args:
        model: A chat model, a wrapper of one, or anything else, which stays as it is.
        change: From a chat model to what takes its place; the same object for no change.

    Returns:
        The same object where nothing changed.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> wrapped = FakeListChatModel(responses=["7"]).bind(stop=["."]).with_retry()
        >>> uncached = mapped(wrapped, lambda model: model.model_copy(update={"cache": False}))
        >>> [(model.cache, bound) for model, bound in models_in(uncached)]
        [(False, {'stop': ['.']})]
    """
    if isinstance(model, BaseChatModel):
        return change(model)
    if isinstance(model, RunnableBindingBase):
        inner = mapped(model.bound, change)
        return model if inner is model.bound else model.model_copy(update={"bound": inner})
    if isinstance(model, RunnableWithFallbacks):
        tried = [mapped(each, change) for each in model.runnables]
        if all(new is old for new, old in zip(tried, model.runnables, strict=True)):
            return model
        return model.model_copy(update={"runnable": tried[0], "fallbacks": tried[1:]})
    if isinstance(model, RunnableSequence):
        steps = [mapped(step, change) for step in model.steps]
        if all(new is old for new, old in zip(steps, model.steps, strict=True)):
            return model
        return RunnableSequence(*steps, name=model.name)
    if isinstance(model, RunnableAssign):
        mapper = mapped(model.mapper, change)
        return model if mapper is model.mapper else model.model_copy(update={"mapper": mapper})
    if isinstance(model, RunnableParallel):
        named = {name: mapped(step, change) for name, step in model.steps__.items()}
        if all(named[name] is step for name, step in model.steps__.items()):
            return model
        return RunnableParallel(named)
    if isinstance(model, Configured):
        return Configured(model.model, lambda chosen: mapped(model.change(chosen), change))
    if isinstance(model, DynamicRunnable):
        default = mapped(model.default, change)
        if not isinstance(default, RunnableSerializable):  # as it has to be, to be configured
            return Configured(model, change)
        return model.model_copy(update={"default": default, **_alternatives(model, change)})
    if _is_configurable(model):
        return Configured(model, change)
    return model


def _alternatives(model: DynamicRunnable[Any, Any], change: Change) -> dict[str, Any]:
    """The changed alternatives of a model that has some; those that are made late are changed then."""
    if not isinstance(model, RunnableConfigurableAlternatives):
        return {}

    def changed(each: Any) -> Any:
        return mapped(each, change) if isinstance(each, Runnable) else _made_late(each, change)

    return {"alternatives": {name: changed(each) for name, each in model.alternatives.items()}}


def _made_late(make: Callable[[], Runnable[Any, Any]], change: Change) -> Callable[[], Runnable[Any, Any]]:
    last: list[Runnable[Any, Any]] = []

    def made() -> Runnable[Any, Any]:
        with _changing:
            new = make()
            if not last or last[0] is not new:  # one that is made once is changed once
                last[:] = new, mapped(new, change)
            return last[1]

    return made


def models_in(
    model: Any, bound: Mapping[str, Any] | None = None
) -> Iterator[tuple[BaseChatModel, Mapping[str, Any]]]:
    """The chat models inside a Runnable, the one that is called first before its fallbacks and alternatives.

    Args:
        model: A Runnable; anything else has none inside.
        bound: Call-time arguments that are bound further out.

    Yields:
        Each model with the call-time arguments that its wrappers bind.
    """
    outer = dict(bound or {})
    if isinstance(model, BaseChatModel):
        yield model, outer
    elif isinstance(model, RunnableBindingBase):
        yield from models_in(model.bound, {**model.kwargs, **outer})
    elif isinstance(model, Configured):
        yield from ((inner, {**own, **outer}) for inner, own in model.inside)
    else:
        for inner in _inside(model):
            yield from models_in(inner, outer)


def called_models(model: Any) -> Iterator[tuple[BaseChatModel, Mapping[str, Any]]]:
    """Those of `models_in`; in place of one that decides how often it calls others, these others."""
    for inner, bound in models_in(model):
        if isinstance(inner, DecidingChatModel):
            yield from ((each, {**own, **bound}) for each, own in called_models(inner.called))
        else:
            yield inner, bound


def attribute_of(model: Any, name: str) -> Any:
    """What a model has under a name; None where it has nothing.

    pydantic takes long to say that a model has nothing: it is asked only where the model could have more than
    its fields and what its classes define.
    """
    try:
        return object.__getattribute__(model, name)
    except AttributeError:
        asks = getattr(type(model), "__getattr__", None) is not _PYDANTICS or model.model_extra
        return getattr(model, name, None) if asks else None


def _inside(model: Any) -> list[Any]:
    if isinstance(model, RunnableWithFallbacks):
        return list(model.runnables)
    if isinstance(model, RunnableSequence):
        return model.steps
    if isinstance(model, RunnableConfigurableAlternatives):
        made = [each for each in model.alternatives.values() if isinstance(each, Runnable)]
        return [model.default, *made]
    if isinstance(model, DynamicRunnable):
        return [model.default]
    if _is_configurable(model) and model._default_config.get("model"):
        return [model._model()]
    return []


def main_model(model: Any) -> Any:
    """The chat model that a Runnable calls first; the Runnable itself where it has none inside.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> model = FakeListChatModel(responses=["7"])
        >>> main_model(model.with_retry().bind(stop=["."])) is model
        True
    """
    return next((inner for inner, _ in models_in(model)), model)


def bound_settings(model: Any) -> Mapping[str, Any]:
    """Call-time arguments that wrappers bind to the chat model which a Runnable calls first.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> bound_settings(FakeListChatModel(responses=["7"]).bind(stop=["."]).with_retry())
        {'stop': ['.']}
    """
    return next((bound for _, bound in called_models(model)), {})


class Configured(Runnable[Any, Any]):
    """A model that the configuration of a run chooses, with a change to whatever is chosen.

    Args:
        model: Made by `configurable_fields`, `configurable_alternatives` or `init_chat_model`.
        change: What takes the chosen chat model's place.
    """

    def __init__(self, model: Runnable[Any, Any], change: Change) -> None:
        self.model, self.change = model, change
        self._kept: list[tuple[Runnable[Any, Any], Runnable[Any, Any]]] = []

    @cached_property
    def inside(self) -> list[tuple[BaseChatModel, Mapping[str, Any]]]:
        """What `models_in` finds; looked up once, since the default model may be made for it."""
        return list(models_in(self.model))

    def chosen(self, config: RunnableConfig | None = None) -> tuple[Runnable[Any, Any], RunnableConfig]:
        """The model that a configuration chooses, changed, and what of the configuration is left for it."""
        config = ensure_config(config)
        if isinstance(self.model, DynamicRunnable):
            made, config = self.model.prepare(config)
        else:
            made = getattr(self.model, "_model")(config)  # noqa: B009 - private, and the one way to it
        return self._changed(made), config

    def _changed(self, made: Runnable[Any, Any]) -> Runnable[Any, Any]:
        """What was chosen, changed once: a default or an alternative is the same object at every call."""
        with _changing:
            for known, changed in self._kept:
                if known is made:
                    return changed
            self._kept = [*self._kept[-_KEPT:], (made, mapped(made, self.change))]
            return self._kept[-1][1]

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        model, config = self.chosen(config)
        return model.invoke(input, config, **kwargs)

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        model, config = self.chosen(config)
        return await model.ainvoke(input, config, **kwargs)

    @override
    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        model, config = self.chosen(config)
        yield from model.stream(input, config, **kwargs)

    @override
    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        model, config = self.chosen(config)
        async for chunk in model.astream(input, config, **kwargs):
            yield chunk

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, Any]:
        """The model that will be chosen, with tools bound to it."""
        return self._composed(lambda model: model.bind_tools(tools, **kwargs))

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        """The model that will be chosen, with its structured output."""
        return self._composed(lambda model: model.with_structured_output(schema, **kwargs))

    def _composed(self, compose: Callable[[Any], Runnable[Any, Any]]) -> Runnable[Any, Any]:
        return Configured(self.model, lambda chosen: compose(self.change(chosen)))

    def __getattr__(self, name: str) -> Any:
        # What is asked of a model, beside calling it, is asked of the default one.
        if name.startswith("__") or name in ("model", "change", "inside", "_kept"):
            raise AttributeError(name)
        return getattr(self.chosen()[0], name)


def _is_configurable(model: Any) -> bool:
    """Whether `init_chat_model` made it with fields to be configured; its class is private to `langchain`."""
    kind = type(model)
    return kind.__module__.startswith("langchain.") and callable(getattr(kind, "_model", None))
