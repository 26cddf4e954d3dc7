"""Answer from samples collected earlier: real outcomes at real costs, without the model."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.samples import Sample, Samples
from adaptive_reasoner.models.source import Source, question_of


class RecordedModel(BaseChatModel):
    """A chat model that answers with the recorded replies of one source.

    The replies to a question are dealt from a shuffled pack; when it is empty a new one is shuffled. So
    the votes of a strategy are samples without replacement, as they were collected, and two runs with
    one seed are equal.

    Args:
        replies: The replies of the source to each question's text.
        seed: Shuffles the packs.
    """

    replies: Mapping[str, Sequence[Sample]] = Field(repr=False)
    seed: int = 0
    _packs: dict[str, Iterator[Sample]] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "recorded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        question = question_of(messages)
        if question not in self.replies:
            raise LookupError(
                f"no recorded reply to {question!r}; {len(self.replies)} questions were recorded"
            )
        if question not in self._packs:
            self._packs[question] = self._deal(question)
        return ChatResult(generations=[ChatGeneration(message=_message(next(self._packs[question])))])

    def _deal(self, question: str) -> Iterator[Sample]:
        order = random.Random(f"{self.seed} {question}")  # noqa: S311 - a replay, not a secret
        pack = list(self.replies[question])
        while True:
            order.shuffle(pack)
            yield from pack


def recorded_sources(samples: Samples, *, seed: int = 0) -> dict[str, Source]:
    """One source for each of the samples' sources, answering from the record.

    Args:
        samples: What was collected. Failed calls are left out.
        seed: Shuffles the replies.
    """
    check_argument(samples, "Samples", "recorded_sources")
    sources = {}
    for name in samples.sources:
        asked = zip(samples.question_ids, samples.questions, strict=True)
        replies = {text: samples.votes(question_id, name) for question_id, text in asked}
        usable = {text: votes for text, votes in replies.items() if votes}
        sources[name] = Source(RecordedModel(replies=usable, seed=seed))
    return sources


def _message(sample: Sample) -> AIMessage:
    """A reply that gives the recorded answer and reports the recorded usage."""
    completion = int(sample.completion_tokens if sample.completion_tokens is not None else sample.cost)
    prompt = int(sample.prompt_tokens or 0)
    usage = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
    if sample.answer is None:
        # A reply that gave no answer, and so never votes.
        return AIMessage("...", usage_metadata=usage, response_metadata={"finish_reason": "length"})
    return AIMessage(
        f"Answer: {sample.answer}", usage_metadata=usage, response_metadata={"finish_reason": "stop"}
    )
