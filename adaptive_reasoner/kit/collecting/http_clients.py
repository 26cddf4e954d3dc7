"""Clients for many calls: no hidden retries, and connections of the event loop that uses them."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableBinding

from adaptive_reasoner.kit.collecting.response_bodies import ENCODINGS, check_body
from adaptive_reasoner.kit.menu.hosted_model import HostedModel
from adaptive_reasoner.models.source import ChatModel, Source

LONGEST_CALL = 600.0
"""Seconds after which a call is given up whose source declares no timeout."""


class Connections:
    """Sources with dedicated clients, open while an `async with` block runs.

    A client that retries by itself hides calls which were billed, and one that was used elsewhere holds
    connections of another event loop, on which a call can hang. Models behind `langchain_openai` get a
    client without either fault, over aiohttp where it is installed, which takes less time a call; it reads
    replies up to a size, and gives errors under status 200 the status they stand for. One with an HTTP client
    or proxy of the user's keeps it. A model of another make is asked for no retries where the menu makes it,
    and is used as it is where it was given.

    Args:
        sources: The ways to call a model, by name.

    Attributes:
        sources: The same, to be used within the block.

    Raises:
        ImportError: The package that calls a model is not installed.
        MenuError: The variable that should hold its key is not set.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._clients: list[Any] = []
        self._owned: list[tuple[object, BaseChatModel]] = []  # what was given, and what stands for it
        self.sources = {name: self._connected(source) for name, source in sources.items()}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        async with AsyncExitStack() as closing:
            for client in self._clients:
                closing.push_async_callback(client.close)

    def _connected(self, source: Source) -> Source:
        source = replace(source, timeout=min(source.timeout, LONGEST_CALL))
        if isinstance(source.model, HostedModel):
            source = replace(source, model=replace(source.model, max_retries=0))
        given, model = source.model, source.runnable
        if isinstance(model, BaseChatModel):
            return replace(source, model=self._own(given, model))
        if isinstance(model, RunnableBinding) and isinstance(model.bound, BaseChatModel):
            bound: ChatModel = model.model_copy(update={"bound": self._own(model.bound, model.bound)})
            return replace(source, model=bound)
        return replace(source, model=model)

    def _own(self, given: object, model: BaseChatModel) -> BaseChatModel:
        """The model with a dedicated client, one for all sources to which the same model was given."""
        client: Any = getattr(model, "root_async_client", None)
        if client is None or not hasattr(client, "with_options"):
            return model
        for known, owned in self._owned:
            if known is given or (isinstance(given, HostedModel) and known == given):
                return owned
        if getattr(model, "http_async_client", None) or getattr(model, "openai_proxy", None):
            own = client.with_options(max_retries=0)  # the way to the endpoint is the user's
            completions = own.chat.completions
        else:
            http = _http_client()
            own = client.with_options(max_retries=0, http_client=http)
            completions = _completions(model, own, http)
            self._clients.append(own)
        owned = model.model_copy(update={"root_async_client": own, "async_client": completions})
        self._owned.append((given, owned))
        return owned


def _completions(model: BaseChatModel, client: Any, http: Any) -> Any:
    from adaptive_reasoner.kit.collecting.lean_completions import completions_of

    return completions_of(model, client, http)


def _http_client() -> Any:
    import openai

    bounded: Any = {"event_hooks": {"response": [check_body]}, "headers": {"accept-encoding": ENCODINGS}}
    try:
        return openai.DefaultAioHttpClient(**bounded)
    except RuntimeError:  # openai's way to say that aiohttp is not installed
        return openai.DefaultAsyncHttpxClient(**bounded)
