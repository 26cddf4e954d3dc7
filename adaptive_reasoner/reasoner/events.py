"""Tell callback handlers and tracers what was decided and what it cost."""

import warnings
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.callbacks import BaseCallbackManager, adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from adaptive_reasoner.amounts import written
from adaptive_reasoner.ledger.base import Ledger, Snapshot
from adaptive_reasoner.ledger.runs import charged_ledger
from adaptive_reasoner.reasoner.run import QuestionRun

_announced: WeakKeyDictionary[Ledger, tuple[bool, str | None]] = WeakKeyDictionary()  # of each ledger's floor

EVENT = "adaptive_reasoner"
"""Name of the custom events that callback handlers receive: each is a decision, a settlement or a failure."""


def send_event(run: QuestionRun, event: dict[str, Any] | None) -> None:
    """Send an event to its listener, and to the callback handlers of the run; None is no event."""
    config = _config_of_handlers(run, event)
    if config is not None:
        dispatch_custom_event(EVENT, event, config=config)


async def asend_event(run: QuestionRun, event: dict[str, Any] | None) -> None:
    """Like `send_event`, without blocking the loop."""
    config = _config_of_handlers(run, event)
    if config is not None:
        await adispatch_custom_event(EVENT, event, config=config)


def send_closed(run: QuestionRun) -> None:
    """Send the events of a question that is over."""
    for event in _at_the_end(run):
        send_event(run, event)


async def asend_closed(run: QuestionRun) -> None:
    """Like `send_closed`, without blocking the loop."""
    for event in _at_the_end(run):
        await asend_event(run, event)


def send_run_event(event: dict[str, Any], config: RunnableConfig) -> None:
    """Send an event of a whole run, which is no question's, to the callback handlers of its config."""
    if _has_handler(config):
        dispatch_custom_event(EVENT, event, config=config)


async def asend_run_event(event: dict[str, Any], config: RunnableConfig) -> None:
    """Like `send_run_event`, without blocking the loop."""
    if _has_handler(config):
        await adispatch_custom_event(EVENT, event, config=config)


def warn_of_same(copies: int) -> None:
    """Say that samples at temperature 0 are copies; where warnings are errors, the answer stands."""
    with suppress(UserWarning):
        warnings.warn(
            f"{copies} samples of a vote are the same, word for word, at temperature=0: a vote pays for "
            "samples that can differ. Set a temperature above 0, such as 0.7, on the model or its Source, or "
            "take samples=1 or single_pass() to pay for one call",
            stacklevel=2,
        )


def warn_of_overspending(seen: Snapshot) -> None:
    """Say that a ledger is in debt beyond chance; where warnings are errors, no harm.

    The debt leaves out what was spent under another target, or under a question's own budget.
    """
    by_chance = seen.questions * (seen.average - seen.average_low)
    if seen.target is None or -seen.credit * seen.target <= by_chance:
        return
    average, target = written(seen.average, 3), written(seen.target, 3)
    with suppress(UserWarning):
        warnings.warn(
            f"{seen.questions} questions have cost {average} {seen.cost_unit} on average, and the budget is "
            f"{target}: even the cheapest choices may cost more. Raise the budget, or choose a cheaper model "
            "or shorter prompts and replies",
            stacklevel=2,
        )


def _at_the_end(run: QuestionRun) -> list[dict[str, Any]]:
    """The settlement or the failure, what the policy has to tell, and what is new of the accuracy floor."""
    closed = run.closed()
    if closed is None:
        return []
    named = {name: closed[name] for name in ("key", "run_id", "cost_unit")}
    events = [closed, *({**named, **event} for event in run.policy_events)]
    quality = getattr(run.ledger, "quality", None)  # a ledger that others wrote may not know of grades
    if quality is None or quality.target is None:
        return events
    ledger = charged_ledger(run.ledger)
    if _announced.get(ledger) == (quality.blind, quality.limit):
        return events
    _announced[ledger] = quality.blind, quality.limit
    seen = asdict(quality)
    return [*events, {"event": "quality", **named, "target_accuracy": seen.pop("target"), **seen}]


def _config_of_handlers(run: QuestionRun, event: dict[str, Any] | None) -> RunnableConfig | None:
    """The config to dispatch an event under, once its listener has it; None where there is no handler.

    It is marked with the decision, as that of calls is, and with the cost once it is known.
    """
    if event is None:
        return None
    if run.on_event is not None:
        run.on_event(event)
    if not _has_handler(run.config):
        return None
    config = run.caller.config
    if "cost" in event:
        config = merge_configs(config, {"metadata": {"adaptive_cost": event["cost"]}})
    _mark_run(config)
    return config


def _mark_run(config: RunnableConfig) -> None:
    """Put the marks on the run itself, which began before there was a decision, where a tracer keeps it."""
    callbacks = config["callbacks"]
    assert isinstance(callbacks, BaseCallbackManager)
    marks = {
        name: value for name, value in config.get("metadata", {}).items() if name.startswith("adaptive_")
    }
    actions = [tag for tag in config.get("tags", []) if tag.startswith("action:")]
    for tracer in callbacks.handlers:
        traced = getattr(tracer, "run_map", {}).get(str(callbacks.parent_run_id))
        if traced is not None:  # its metadata may be shared with its parents: replaced, never changed
            traced.extra = {**traced.extra, "metadata": {**traced.extra.get("metadata", {}), **marks}}
            traced.tags = list(dict.fromkeys([*(traced.tags or []), *actions]))


def _has_handler(config: RunnableConfig) -> bool:
    """Whether there is a run that the event belongs to, and a handler."""
    callbacks = config.get("callbacks")
    return isinstance(callbacks, BaseCallbackManager) and bool(callbacks.parent_run_id and callbacks.handlers)
