"""Why a reply ended, in whatever words its provider says so."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.lazy_pattern import pattern

_FIELDS = ("finish_reason", "stop_reason", "done_reason", "stopReason", "finishReason")

_NAME_A_REASON = frozenset({"openai", "google_genai", "groq", "deepseek", "xai"})
"""Providers of which every whole reply says why it ended; OpenAI's Responses call it a status."""

_CUT = {
    *("length", "maxtokens", "maxoutputtokens", "maxcompletiontokens", "tokenlimit", "maxlength", "toolong"),
    *("modellength", "modelcontextwindowexceeded", "contextlengthexceeded", "contextwindowexceeded"),
    *("insufficientsystemresource", "incomplete", "inprogress", "queued", "pauseturn", "load", "unload"),
    *("error", "failed", "abort", "aborted", "cancelled", "canceled", "timeout", "networkerror", "timelimit"),
    *("malformedfunctioncall", "malformedtooluse", "malformedmodeloutput", "unexpectedtoolcall"),
}
_FILTERED = {
    *("contentfilter", "contentfiltered", "refusal", "safety", "imagesafety", "prohibitedcontent", "blocked"),
    *("imageprohibitedcontent", "blocklist", "recitation", "imagerecitation", "spii", "language"),
    *("modelarmor", "guardrailintervened", "guardrails", "guardrail", "sensitive", "errortoxic"),
    *("moderation", "policyviolation"),
}
_WHOLE = {
    *("stop", "endturn", "stopsequence", "tooluse", "toolcalls", "toolcall", "functioncall", "completed"),
    *("complete", "eos", "eostoken", "end", "finish", "finished", "success", "done", "stopsequences"),
}
_WORDS = "|".join(sorted(_CUT | _FILTERED | _WHOLE, key=len, reverse=True))
_SEVERAL = pattern(f"(?:{_WORDS})+")
_ONE = pattern(_WORDS)
_REPEATED = pattern(r"^(.+?)\1+$")


def finish_reason(message: AIMessage) -> str | None:
    """Why the model stopped, in its provider's word; None where the reply does not say.

    Example:
        >>> cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        >>> finish_reason(AIMessage("7", response_metadata=cut))
        'max_output_tokens'
    """
    return next(_reasons(message.response_metadata), None)


def was_cut(message: AIMessage) -> bool:
    """Whether a reply ended before the model was done: at its limit, or because the provider gave up.

    Example:
        >>> was_cut(AIMessage("7", response_metadata={"stopReason": "max_tokens"}))
        True
        >>> was_cut(AIMessage("7", response_metadata={"stopReason": "end_turn"}))
        False
    """
    return not _CUT.isdisjoint(_meanings(message))


def was_filtered(message: AIMessage) -> bool:
    """Whether the provider's filter, or the model's own refusal, ended a reply.

    Example:
        >>> was_filtered(AIMessage("", response_metadata={"finish_reason": "SAFETY"}))
        True
    """
    return not _FILTERED.isdisjoint(_meanings(message))


def names_reason(message: AIMessage) -> bool:
    """Whether a whole reply of this make says why it ended, so that one which does not was cut off."""
    provider = message.response_metadata.get("model_provider")
    if provider == "anthropic":  # in a stream it comes with the usage, which may be switched off
        return bool(message.usage_metadata)
    return "finish_reason" in message.response_metadata or provider in _NAME_A_REASON


def _reasons(metadata: Mapping[str, Any]) -> Iterator[str]:
    """What a reply gives as the reason, its own word before the status of OpenAI's Responses."""
    for field in _FIELDS:
        if metadata.get(field):
            yield _word(metadata[field])
    details = metadata.get("incomplete_details")
    if isinstance(details, Mapping) and details.get("reason"):
        yield _word(details["reason"])
    if isinstance(metadata.get("status"), str) and metadata["status"]:
        yield _word(metadata["status"])


def _word(reason: Any) -> str:
    """A reason as text; some packages hand on an enumeration's member."""
    return without_repeats(str(getattr(reason, "name", reason)))


@lru_cache(maxsize=256)
def without_repeats(word: str) -> str:
    """A word once; the chunks of some streams each bring it, and add up to `stopstop`.

    Example:
        >>> without_repeats("stopstop")
        'stop'
    """
    return _REPEATED.sub(r"\1", word)


def _meanings(message: AIMessage) -> frozenset[str]:
    """The words of the reason, in one spelling. The chunks of a stream may each bring one: `stopstop`."""
    return _spelled(tuple(_reasons(message.response_metadata)))


@lru_cache(maxsize=256)  # providers have few words, and a reply is asked for its own again and again
def _spelled(reasons: tuple[str, ...]) -> frozenset[str]:
    meanings = set[str]()
    for reason in reasons:
        letters = re.sub(r"[^a-z]", "", reason.rpartition(".")[2].casefold().removeprefix("finish_reason_"))
        meanings |= set(_ONE.findall(letters)) if _SEVERAL.fullmatch(letters) else {letters}
    # An incomplete status whose reason is known is no further reason: a filter is no cut.
    return frozenset(meanings - {"incomplete"} if meanings & _FILTERED else meanings)
