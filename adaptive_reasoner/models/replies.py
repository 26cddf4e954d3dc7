"""What came back from a call: a usable reply, a refusal, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.models.finish_reasons import was_filtered


class LostReplyError(AdaptiveReasonerError):
    """A call ended without a usable reply."""


class EmptyReplyError(LostReplyError):
    """A reply came, at a known cost, and says nothing."""


class MalformedToolCallError(LostReplyError):
    """A reply came, at a known cost, with a tool call that cannot be read."""


@dataclass(frozen=True)
class Reply:
    """What came back from a call, and what it cost.

    Attributes:
        message: The reply; None where there is none that can be used.
        error: Why there is no usable reply; None where there is one.
        cost: In the meter's unit. A refused call (429, 5xx) costs nothing.
        seconds: From start to end.
        estimated: The reply was lost after the call started, or reports usage that cannot be, so the cost is
            its worst case.
        samples: How many replies the call brought, among which its cost is divided.
        samples_per_request: How many such a call may bring.
        prompt_cost: What the call's prompt cost, where it may bring several.
        faulty: A reply that came whole and cannot be used: empty, with a tool call that cannot be read, or
            written by a middleware in place of one that failed. It votes for nothing, and is the answer only
            where nothing better came, as it is of the bare model.
        auxiliary: It is no sample but serves one, as what a judge says.
        final: The call was refused for what it asks, so that another one would be refused, too.
        requests: How often a call that fails is sent, with the client's own retries.
    """

    message: AIMessage | None
    error: BaseException | None
    cost: float
    seconds: float
    estimated: bool = False
    samples: int = 1
    samples_per_request: int = 1
    prompt_cost: float = 0.0
    faulty: AIMessage | None = None
    auxiliary: bool = False
    final: bool = False
    requests: int = 1

    @property
    def received(self) -> AIMessage | None:
        """What came back, of use or not."""
        return self.faulty if self.message is None else self.message


def from_cache(message: AIMessage) -> bool:
    """Whether a reply came out of LangChain's cache, which puts its cost at 0: no call was made for it."""
    usage: Any = message.usage_metadata
    return isinstance(usage, Mapping) and usage.get("total_cost") == 0


def refused(message: AIMessage) -> bool:
    """Whether the model declined to answer, or its provider's filter did.

    Example:
        >>> refused(AIMessage("", additional_kwargs={"refusal": "I cannot help with that."}))
        True
    """
    blocks = () if isinstance(message.content, str) else message.content
    declined = message.additional_kwargs.get("refusal") or any(
        isinstance(block, dict) and block.get("type") == "refusal" for block in blocks
    )
    return bool(declined) or was_filtered(message)
