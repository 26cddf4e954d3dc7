"""All replies to one request, which only a chat model's `generate` returns."""

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableConfig
from typing_extensions import override


class AllAtOnce(Runnable[Any, list[AIMessage]]):
    """A chat model that returns all replies to one request: only its `generate` does.

    Args:
        model: The chat model.
    """

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> list[AIMessage]:
        return first_counts(self._model.generate([list(input)], **kwargs, **_run(config)).generations[0])

    @override
    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[AIMessage]:
        result = await self._model.agenerate([list(input)], **kwargs, **_run(config))
        return first_counts(result.generations[0])


def _run(config: RunnableConfig | None) -> dict[str, Any]:
    """What of a config `generate` takes."""
    config = config or RunnableConfig()
    return {name: config.get(name) for name in ("callbacks", "tags", "metadata")}


def first_counts(generations: Sequence[Generation]) -> list[AIMessage]:
    """The messages of one request. Each reports the usage of all: the first keeps it, the others lose it."""
    messages = [generation.message for generation in generations if isinstance(generation, ChatGeneration)]
    first, *others = [message for message in messages if isinstance(message, AIMessage)]
    return [first, *(message.model_copy(update={"usage_metadata": None}) for message in others)]
