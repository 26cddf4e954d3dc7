"""A model call as a callback handler sees it: what it can cost before it is sent, and what it cost."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.api_errors import is_unreachable, status_of, was_never_sent
from adaptive_reasoner.models.dollars import for_models
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS, Meter, cost_or_worst, counts_prompt
from adaptive_reasoner.models.prompt_bound import PromptBound, SchemaText, bounded, most_prompt_tokens
from adaptive_reasoner.models.replies import from_cache
from adaptive_reasoner.models.reply_bound import max_output_tokens, most_replies
from adaptive_reasoner.models.source import SCHEMAS, as_text


@dataclass(frozen=True)
class StartedCall:
    """A call of a chat model, a text model or a decision model.

    Attributes:
        model: Its name; empty where that is not seen.
        prompt: All that is billed as prompt, tools and formats as text.
        max_tokens: The most tokens of a reply; None where nobody declares it.
        replies: How many replies it asks for.
        settings: What it is called with.
    """

    model: str
    prompt: Sequence[BaseMessage]
    max_tokens: int | None
    replies: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    def of_start(
        cls,
        messages: Sequence[BaseMessage],
        metadata: Mapping[str, Any] | None,
        settings: Mapping[str, Any] | None,
    ) -> Self:
        """The call of a start event.

        Args:
            messages: What is sent.
            metadata: Of the run; LangChain's models name themselves and their `max_tokens` there.
            settings: Its `invocation_params`.

        Example:
            >>> sent = [HumanMessage("Hello")]
            >>> call = StartedCall.of_start(sent, {"ls_model_name": "small"}, {"max_tokens": 50})
            >>> call.model, call.max_tokens
            ('small', 50)
        """
        metadata, settings = metadata or {}, settings or {}
        named = (metadata.get("ls_model_name"), settings.get("model"), settings.get("model_name"))
        model = next((name for name in named if isinstance(name, str) and name), "")
        declared = {name: settings[name] for name in SCHEMAS if settings.get(name)}
        prompt = [*messages, SchemaText(content=as_text(declared))] if declared else list(messages)
        named_most = metadata.get("ls_max_tokens")
        of_model = named_most if isinstance(named_most, int) and named_most > 0 else None
        most = max_output_tokens(settings) or of_model
        return cls(model, prompt, most, most_replies(None, settings, {}), settings)

    @classmethod
    def of_decision(cls, request: Any, metadata: Mapping[str, Any] | None) -> Self:
        """The call of a decision model, whose reply is a choice and not a text."""
        asked = request if isinstance(request, Mapping) else {}
        text = json.dumps([asked.get("state"), asked.get("questions")], default=str)
        return cls(str((metadata or {}).get("ls_model_name") or ""), [HumanMessage(text)], None)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.began

    def declares(self, meter: Meter) -> bool:
        """Whether the most tokens of a reply are declared, or the meter does not count them."""
        meter = self._priced(meter)
        return self.max_tokens is not None or meter.worst_cost([], 1) == meter.worst_cost([], 2)

    def worst(self, meter: Meter) -> float:
        """The most that it can cost; infinite where its prompt holds what cannot be bounded."""
        if not counts_prompt(meter):
            return self._worst(meter, [])
        return self._worst(meter, self._prompt)

    def lost(self, meter: Meter) -> float:
        """What it is billed at where its reply is lost."""
        worst = self.worst(meter)
        return worst if isfinite(worst) else self._worst(meter, bounded(self.prompt))

    def cost(self, meter: Meter, message: AIMessage) -> float:
        """What a reply cost.

        Raises:
            UnpricedUsageError: The reply has no usage, or its model no price.
        """
        if from_cache(message):
            return 0.0
        return cost_or_worst(self._priced(meter), message, self.seconds, lambda: self.lost(meter))[0]

    def cost_of_failure(self, meter: Meter, error: BaseException) -> float:
        """What a call cost that raised: nothing where it was refused, its worst case where it was lost."""
        if status_of(error) is not None or is_unreachable(error) or was_never_sent(error, self.settings):
            return 0.0
        arrived = getattr(error, "ai_message", None)  # structured output that did not parse
        if isinstance(arrived, AIMessage) and arrived.usage_metadata:
            with suppress(UnpricedUsageError):
                return self.cost(meter, arrived)
        return self.lost(meter)

    @property
    def _prompt(self) -> Sequence[BaseMessage]:
        bound = most_prompt_tokens(self.prompt, model=self.model)
        return self.prompt if bound == most_prompt_tokens(self.prompt) else [*self.prompt, PromptBound(bound)]

    def _worst(self, meter: Meter, prompt: Sequence[BaseMessage]) -> float:
        return self._priced(meter).worst_cost(
            prompt, self.replies * (self.max_tokens or UNDECLARED_MAX_TOKENS)
        )

    def _priced(self, meter: Meter) -> Meter:
        return for_models(meter, [self.model], self.settings)


def reply_of(result: LLMResult) -> AIMessage | None:
    """The reply of an end event, with the usage of all replies to its request; None where there is none."""
    first = next((generation for each in result.generations for generation in each), None)
    if first is None:
        return None
    if isinstance(first, ChatGeneration):
        return first.message if isinstance(first.message, AIMessage) else None
    output = result.llm_output or {}
    counts = output.get("token_usage") or {}
    usage = None
    if counts.get("completion_tokens") is not None:
        given, answered = counts.get("prompt_tokens") or 0, counts["completion_tokens"]
        usage = UsageMetadata(input_tokens=given, output_tokens=answered, total_tokens=given + answered)
    return AIMessage(
        first.text, usage_metadata=usage, response_metadata={"model_name": output.get("model_name")}
    )
