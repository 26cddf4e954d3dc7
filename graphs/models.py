"""The chat model of the graphs that need one: any OpenAI-compatible endpoint, chosen by the environment.

`OPENAI_API_KEY` and `OPENAI_BASE_URL` say where it is, `ADAPTIVE_REASONER_MODEL` which it is. Nothing is
needed until the first question comes.
"""

import os

from langchain_openai import ChatOpenAI
from pydantic import SecretStr


def chat_model(max_tokens: int | None = None) -> ChatOpenAI:
    """The model, made without a key where there is none.

    Args:
        max_tokens: The most tokens of a reply; the model's own maximum where not given.
    """
    return ChatOpenAI(
        model=os.environ.get("ADAPTIVE_REASONER_MODEL", "gpt-5-mini"),
        api_key=SecretStr(os.environ.get("OPENAI_API_KEY", "none")),
        max_tokens=max_tokens,  # type: ignore[call-arg]  # the alias of a field
        stream_usage=True,  # a streamed reply without usage has no known cost
    )
