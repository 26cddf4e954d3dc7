"""What each provider's chat model calls the things we ask for: thinking, room for a reply, samples at once.

The provider is read off the class of the model object, so no provider package is imported here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable

from adaptive_reasoner.wrapped import main_model

Thinking = str | int
"""An effort ("none", "minimal", "low", "medium", "high", "xhigh", "max") or a number of tokens."""

_Settings = dict[str, Any]
_Model = Any

_BUDGETS = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 32768,
}
_SMALLEST_CLAUDE_BUDGET = 1024
_OLLAMA_OPTIONS = (
    *("mirostat", "mirostat_eta", "mirostat_tau", "num_ctx", "num_gpu", "num_thread", "num_predict"),
    *("repeat_last_n", "repeat_penalty", "temperature", "seed", "stop", "tfs_z", "top_k", "top_p"),
)
_SWITCHES = {
    "qwen3": "enable_thinking",
    "glm-4": "enable_thinking",
    "granite": "thinking",
    "deepseek-v3": "thinking",
}
"""Open models whose chat template turns thinking on and off, by a part of their name."""


def thinking_tokens(thinking: Thinking) -> int:
    """About how many tokens a thinking budget or effort comes to: the room to leave for it.

    Raises:
        ValueError: It is neither a number of tokens nor a known effort.

    Example:
        >>> thinking_tokens("low"), thinking_tokens(2000)
        (1024, 2000)
    """
    if isinstance(thinking, str):
        if thinking not in _BUDGETS:
            raise ValueError(f"there is no effort {thinking!r}; known are {', '.join(_BUDGETS)}, or tokens")
        return _BUDGETS[thinking]
    if thinking < 0:
        raise ValueError(f"a thinking budget is at least 0 tokens, not {thinking}")
    return thinking


def spelled(
    model: Runnable[Any, Any],
    settings: Mapping[str, Any],
    *,
    thinking: Thinking | None = None,
    samples: int = 1,
) -> _Settings:
    """Call-time arguments for `model`, in its provider's words.

    Args:
        model: A chat model, in whatever wrappers; of several the one that is called first.
        settings: Arguments in common words (`max_tokens`) or already in the provider's own.
        thinking: How hard to think; as the model does by itself where not given.
        samples: Replies to ask for in one request.

    Raises:
        ValueError: The provider cannot do this.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> spelled(FakeListChatModel(responses=[""]), {"max_tokens": 9}, thinking="low")
        {'reasoning_effort': 'low', 'max_tokens': 9}
    """
    model = main_model(model)
    dialect = _dialect_of(model)
    words = dict(settings)
    if thinking is not None:
        words = {**dialect.think(model, thinking, words), **words}
    if samples > 1:
        if dialect.samples is None:
            raise ValueError(
                f"{type(model).__name__} draws one sample a request; leave samples_per_request at 1"
            )
        words[dialect.samples] = samples
    return dialect.rename(model, words)


def _dialect_of(model: object) -> "_Dialect":
    packages = (base.__module__.split(".")[0] for base in type(model).__mro__)
    return next((_DIALECTS[package] for package in packages if package in _DIALECTS), _Dialect(_by_effort))


def _by_effort(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:  # noqa: ARG001
    return {"reasoning_effort": _effort(model, thinking)}


def _openai(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:
    """Effort; on a server of one's own (vLLM, SGLang) models with a switch in their template are switched."""
    name = str(getattr(model, "model_name", "")).casefold()
    hosted = "api.openai.com" in (getattr(model, "openai_api_base", None) or "api.openai.com")
    switch = next((word for part, word in _SWITCHES.items() if part in name), None)
    if hosted or switch is None:
        return _by_effort(model, thinking, settings)
    body = dict(getattr(model, "extra_body", None) or {}) | dict(settings.pop("extra_body", None) or {})
    template = {**body.get("chat_template_kwargs", {}), switch: thinking_tokens(thinking) > 0}
    return {"extra_body": {**body, "chat_template_kwargs": template}}


def _anthropic(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:
    """Adaptive thinking where the model has it; else a budget, which the reply's room has to exceed."""
    levels = _levels(model)
    if thinking_tokens(thinking) == 0:
        return {"thinking": {"type": "disabled"}}
    if "xhigh" in levels:
        return {"reasoning_effort": _effort(model, thinking)}
    budget = max(thinking_tokens(thinking), _SMALLEST_CLAUDE_BUDGET)
    most = settings.get("max_tokens") or getattr(model, "max_tokens", None)
    if most is not None and most <= budget:
        raise ValueError(
            f"a thinking budget of {budget} tokens leaves no room for a reply of {type(model).__name__} "
            f"in max_tokens={most}; allow more than {budget}"
        )
    words: _Settings = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return {**words, "reasoning_effort": thinking} if thinking in levels else words


def _gemini(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:  # noqa: ARG001
    """A budget up to Gemini 2.5, a level from 3 on."""
    if "gemini-2" in str(getattr(model, "model", "")):
        return {"thinking_budget": thinking_tokens(thinking)}
    return {"thinking_level": _effort(model, thinking)}


def _ollama(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:  # noqa: ARG001
    """On or off; a level for gpt-oss, which alone has levels."""
    if "gpt-oss" in str(getattr(model, "model", "")):
        return {"reasoning": _effort(model, thinking)}
    return {"reasoning": thinking_tokens(thinking) > 0}


def _groq(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:
    """Levels for gpt-oss; Qwen knows "none" and "default" only."""
    if "qwen" in str(getattr(model, "model_name", "")).casefold():
        return {"reasoning_effort": "default" if thinking_tokens(thinking) else "none"}
    return _by_effort(model, thinking, settings)


def _mistral(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:  # noqa: ARG001
    raise ValueError(
        f"{type(model).__name__} has no setting for thinking; choose a model that thinks by itself"
    )


def _as_given(model: _Model, settings: _Settings) -> _Settings:  # noqa: ARG001
    return settings


def _gemini_words(model: _Model, settings: _Settings) -> _Settings:  # noqa: ARG001
    return {{"max_tokens": "max_output_tokens"}.get(name, name): value for name, value in settings.items()}


def _ollama_words(model: _Model, settings: _Settings) -> _Settings:
    """Sampling settings go into `options`, which replace all that the model object says of them."""
    words = {{"max_tokens": "num_predict"}.get(name, name): value for name, value in settings.items()}
    given = {name: words.pop(name) for name in _OLLAMA_OPTIONS if name in words}
    if not given:
        return words
    own = {name: getattr(model, name, None) for name in _OLLAMA_OPTIONS}
    options = {name: value for name, value in own.items() if value is not None}
    return {**words, "options": {**options, **given, **words.get("options", {})}}


@dataclass(frozen=True)
class _Dialect:
    """How one provider package is asked: to think, in its own words, and for several samples at once."""

    think: Callable[[_Model, Thinking, _Settings], _Settings]
    rename: Callable[[_Model, _Settings], _Settings] = _as_given
    samples: str | None = "n"


_DIALECTS = {
    "langchain_anthropic": _Dialect(_anthropic, samples=None),
    "langchain_deepseek": _Dialect(_by_effort),
    "langchain_google_genai": _Dialect(_gemini, _gemini_words, samples="candidate_count"),
    "langchain_groq": _Dialect(_groq, samples=None),  # its API takes n = 1 only
    "langchain_mistralai": _Dialect(_mistral),
    "langchain_ollama": _Dialect(_ollama, _ollama_words, samples=None),
    "langchain_openai": _Dialect(_openai),
    "langchain_xai": _Dialect(_by_effort),
}


def _levels(model: object) -> tuple[str, ...]:
    """The efforts that the model's profile lists; none where there is no profile."""
    return tuple((getattr(model, "profile", None) or {}).get("reasoning_effort_levels") or ())


def _effort(model: object, thinking: Thinking) -> str:
    """An effort as it is; tokens as the least effort that allows as many."""
    tokens = thinking_tokens(thinking)
    if isinstance(thinking, str):
        return thinking
    levels = [level for level in _levels(model) if level in _BUDGETS] or ["none", "low", "medium", "high"]
    levels.sort(key=_BUDGETS.__getitem__)
    return next((level for level in levels if _BUDGETS[level] >= tokens), levels[-1])
