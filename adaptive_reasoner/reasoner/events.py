"""Tell callback handlers and tracers what was decided and what it cost."""

from typing import Any

from langchain_core.callbacks import BaseCallbackManager, adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from adaptive_reasoner.reasoner.run import QuestionRun

EVENT = "adaptive_reasoner"
"""Name of the custom events that callback handlers receive: each is a decision, a settlement or a failure."""


def send_event(charge: QuestionRun, event: dict[str, Any] | None) -> None:
    """Send an event to whoever asked for it, and to the callback handlers of the run."""
    if event is None:
        return
    if charge.on_event is not None:
        charge.on_event(event)
    if has_listener(charge.config):
        config = marked_config(charge, event)
        mark_run(config)
        dispatch_custom_event(EVENT, event, config=config)


async def asend_event(charge: QuestionRun, event: dict[str, Any] | None) -> None:
    """Like `send_event`, without blocking the loop."""
    if event is None:
        return
    if charge.on_event is not None:
        charge.on_event(event)
    if has_listener(charge.config):
        config = marked_config(charge, event)
        mark_run(config)
        await adispatch_custom_event(EVENT, event, config=config)


def marked_config(charge: QuestionRun, event: dict[str, Any]) -> RunnableConfig:
    """The run's config, marked with the decision as its calls are and, once it is known, with the cost."""
    if "cost" not in event:
        return charge.caller.config
    return merge_configs(charge.caller.config, {"metadata": {"adaptive_cost": event["cost"]}})


def mark_run(config: RunnableConfig) -> None:
    """Put the marks on the run itself, which began before there was a decision, where a tracer keeps it."""
    callbacks = config["callbacks"]
    assert isinstance(callbacks, BaseCallbackManager)
    marks = {
        name: value for name, value in config.get("metadata", {}).items() if name.startswith("adaptive_")
    }
    actions = [tag for tag in config.get("tags", []) if tag.startswith("action:")]
    for tracer in callbacks.handlers:
        run = getattr(tracer, "run_map", {}).get(str(callbacks.parent_run_id))
        if run is not None:  # its metadata may be shared with its parents: replaced, never changed
            run.extra = {**run.extra, "metadata": {**run.extra.get("metadata", {}), **marks}}
            run.tags = list(dict.fromkeys([*(run.tags or []), *actions]))


def has_listener(config: RunnableConfig) -> bool:
    """Whether there is a run that the event belongs to, and a handler."""
    callbacks = config.get("callbacks")
    return isinstance(callbacks, BaseCallbackManager) and bool(callbacks.parent_run_id and callbacks.handlers)
