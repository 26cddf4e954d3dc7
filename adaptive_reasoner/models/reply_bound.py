"""The most that can come back from one request: tokens of a reply, and replies."""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from adaptive_reasoner.models.wrapped_models import attribute_of

_ROOM = (
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"),
    *("max_new_tokens", "max_tokens_to_sample", "maxTokens"),
)
"""What the providers' chat models call the most tokens of a reply."""

_REPLIES = ("n", "candidate_count", "best_of")
"""What they call the replies to one request, all of which are billed."""

_SENT_OVER = ("extra_body", "options", "generation_config")
"""Arguments with fields of the request, which win over the arguments beside them."""


def max_output_tokens(settings: Mapping[str, Any]) -> int | None:
    """The most tokens of a reply that call-time arguments allow, whatever their provider calls it.

    Example:
        >>> max_output_tokens({"max_output_tokens": 64}), max_output_tokens({"temperature": 0.7})
        (64, None)
    """
    declared = (settings.get(name) for name in _ROOM)
    return next((int(most) for most in declared if isinstance(most, int | float) and 0 < most < inf), None)


def most_room(model: Any, settings: Mapping[str, Any], bound: Mapping[str, Any]) -> int | None:
    """The most tokens of a reply of a model; None where nobody declares it.

    Args:
        model: The chat model, which may declare it, or have a profile; None where it is not known yet.
        settings: Call-time arguments.
        bound: Those that wrappers of the model bind.

    Example:
        >>> most_room(None, {"max_tokens": 64, "extra_body": {"max_completion_tokens": 512}}, {})
        512
    """
    declared = max_output_tokens(settings) or max_output_tokens(bound) or _room_on(model)
    sent_over = [max_output_tokens(fields) for fields in _sent_over(model, {**bound, **settings})]
    return max((most for most in (declared, *sent_over) if most), default=None)


def most_replies(model: Any, settings: Mapping[str, Any], bound: Mapping[str, Any]) -> int:
    """How many replies a model gives to one request, whoever asks for them.

    Example:
        >>> most_replies(None, {"n": 3}, {}), most_replies(None, {}, {})
        (3, 1)
    """
    given = {**(attribute_of(model, "model_kwargs") or {}), **bound, **settings}
    declared = [given[name] if name in given else attribute_of(model, name) for name in _REPLIES]
    declared += [fields.get(name) for fields in _sent_over(model, given) for name in _REPLIES]
    return max((count for count in declared if isinstance(count, int)), default=1) or 1


def _room_on(model: Any) -> int | None:
    """What a model itself declares, or its profile."""
    own = {name: attribute_of(model, name) for name in _ROOM}
    return max_output_tokens(own) or max_output_tokens(attribute_of(model, "profile") or {})


def _sent_over(model: Any, given: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _SENT_OVER:
        fields = given[name] if name in given else attribute_of(model, name)
        if isinstance(fields, Mapping):
            yield fields
