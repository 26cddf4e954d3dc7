"""Change how a strategy's calls are made: another source, another model, more thinking."""

from dataclasses import replace
from typing import Any

from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.models.providers import Thinking, thinking_tokens
from adaptive_reasoner.models.source import ChatModel, Source
from adaptive_reasoner.strategies.flow import Flow, each_request
from adaptive_reasoner.strategies.voting import single_pass


def extended_thinking(
    effort: Thinking,
    flow: Flow | None = None,
    *,
    max_tokens: int | None = None,
    key: Key | None = None,
) -> Flow:
    """Let every call of `flow` think, by the parameter of the model's provider.

    Args:
        effort: "none", "minimal", "low", "medium", "high", "xhigh" or "max"; or a budget in tokens, for
            which providers that know efforts only get the least effort that allows as much.
        flow: The strategy whose calls think; by default one call.
        max_tokens: Room for the thoughts and the reply; by default the source's for the reply and
            about what the effort takes for the thoughts.
        key: Finds the answer in a reply, if there is no `flow`; by default that of the question.
    """
    room = thinking_tokens(effort)
    if flow is not None and key is not None:
        raise ValueError("the flow that thinks has a key of its own: give it there, not to extended_thinking")
    if max_tokens is not None and max_tokens <= room and not isinstance(effort, str):
        raise ValueError(f"max_tokens={max_tokens} leaves no room beside {room} tokens of thinking")
    settings: dict[str, Any] = {} if max_tokens is None else {"max_tokens": max_tokens}
    return each_request(
        flow or single_pass(key=key),
        lambda request: replace(
            request,
            thinking=effort if request.thinking is None else request.thinking,
            settings={**settings, **request.settings},
        ),
    )


def on(source: Source, flow: Flow | None = None) -> Flow:
    """Send the calls of `flow` to `source`: another model, another prompt, other settings.

    Calls that a flow inside has already directed to a source of their own stay there.
    """
    return each_request(
        flow or single_pass(), lambda request: request if request.source else replace(request, source=source)
    )


def switch_model(model: ChatModel | str, flow: Flow | None = None) -> Flow:
    """Send the calls of `flow` to `model`, with their own prompt and settings.

    Calls that a flow inside has already directed to a source or model of their own stay there.
    """
    named: Any = Source(model).model  # refuses what is no model, before any call
    return each_request(
        flow or single_pass(),
        lambda request: request if request.source or request.model else replace(request, model=named),
    )
