"""What each provider's chat model calls the things we ask for: thinking, room for a reply, samples at once.

The provider is read off the class of the model object, so no provider package is imported here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from adaptive_reasoner.models.reply_bound import max_output_tokens
from adaptive_reasoner.models.wrapped_models import attribute_of, bound_settings, called_models, mapped

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
_HOW_HARD = ("effort", "max_tokens", "enabled")
_SMALLEST_CLAUDE_BUDGET = 1024
_SENT_BY_BEDROCK = "additional_model_request_fields"
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


def provider_kwargs(
    model: Runnable[Any, Any],
    settings: Mapping[str, Any],
    *,
    thinking: Thinking | None = None,
    samples: int = 1,
) -> _Settings:
    """Call-time arguments for `model`, in its provider's words.

    Args:
        model: A chat model, also with wrappers; of several models, the one that is called first.
        settings: Arguments in common words (`max_tokens`) or already in the provider's own.
        thinking: How hard to think; by default as the model does by itself.
        samples: Replies to ask for in one request.

    Raises:
        ValueError: The provider cannot do this.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> provider_kwargs(FakeListChatModel(responses=[""]), {"max_tokens": 9}, thinking="low")
        {'reasoning_effort': 'low', 'max_tokens': 9}
    """
    bound, model = bound_settings(model), unwrapped(model)
    dialect = _dialect_of(model)
    words = dict(settings)
    if thinking is not None:
        words = {**dialect.think(model, thinking, words), **words}
    if samples > 1:
        responses = _uses_responses(model, {**bound, **words})
        if dialect.samples is None or responses:
            endpoint = " at OpenAI's Responses API" if responses else ""
            way_out = ", or make the model with use_responses_api=False" if responses else ""
            raise ValueError(
                f"{type(model).__name__}{endpoint} draws one sample per request; "
                f"leave samples_per_request at 1{way_out}"
            )
        words[dialect.samples] = samples
    return dialect.rename(model, words, bound)


def unwrapped(model: Any) -> Any:
    """The chat model inside bindings, retries, fallbacks and the like; anything else as it is.

    A model whose fallbacks are of another provider stays as it is: the arguments have to suit them all.
    """
    called = [inner for inner, _ in called_models(model)]
    return called[0] if len({_dialect_of(inner) for inner in called}) == 1 else model


def open_to_thinking(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """`model`, without a setting of its own that would win over the thinking that a call asks for.

    ChatAnthropic sends the `thinking` it was made with, whatever a call says.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> model = FakeListChatModel(responses=[""])
        >>> open_to_thinking(model) is model
        True
    """

    def opened(inner: BaseChatModel) -> Runnable[Any, Any]:
        if _dialect_of(inner).think is _anthropic and _held_thinking(inner):
            return inner.model_copy(update={"thinking": None})
        return inner

    return mapped(model, opened)


def thinking_within(model: Any, settings: Mapping[str, Any]) -> int:
    """The tokens of thinking that a Claude is told to have in its reply, whose room has to exceed them.

    Example:
        >>> thinking_within(None, {"thinking": {"type": "enabled", "budget_tokens": 2048}})
        2048
    """
    fields = _SENT_BY_BEDROCK
    beside = settings[fields] if fields in settings else attribute_of(model, fields)
    told = [settings.get("thinking"), attribute_of(model, "thinking"), (beside or {}).get("thinking")]
    budgets = (each.get("budget_tokens") for each in told if isinstance(each, Mapping))
    return max((budget for budget in budgets if isinstance(budget, int)), default=0)


def _held_thinking(model: _Model) -> Any:
    return getattr(model, "thinking", None)


def _uses_responses(model: _Model, settings: Mapping[str, Any]) -> bool:
    """Whether a call goes to OpenAI's Responses API, which takes other arguments than chat completions."""
    decide = getattr(model, "_use_responses_api", None)
    if callable(decide):
        return bool(decide({**getattr(model, "_default_params", {}), **settings}))
    return bool(getattr(model, "use_responses_api", False))


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
        return _compatible(model, thinking, settings)
    body = _body(model, settings)
    settings.pop("extra_body", None)
    template = {**body.get("chat_template_kwargs", {}), switch: thinking_tokens(thinking) > 0}
    return {"extra_body": {**body, "chat_template_kwargs": template}}


def _compatible(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:
    """Effort, set in `extra_body` where that has one: it is sent over all other arguments."""
    body, effort, thinks = _body(model, settings), _effort(model, thinking), thinking_tokens(thinking) > 0
    fields: _Settings = {}
    if "reasoning_effort" in body:
        fields["reasoning_effort"] = effort
    if isinstance(body.get("reasoning"), Mapping):  # OpenRouter's
        kept = {name: value for name, value in body["reasoning"].items() if name not in _HOW_HARD}
        fields["reasoning"] = {**kept, "effort": effort}
    if isinstance(body.get("thinking"), Mapping):
        fields["thinking"] = {"type": "enabled" if thinks else "disabled"}
    if "enable_thinking" in body:
        fields["enable_thinking"] = thinks
    if not fields:
        return _by_effort(model, thinking, settings)
    settings.pop("extra_body", None)
    return {"extra_body": {**body, **fields}}


def _body(model: _Model, settings: _Settings) -> _Settings:
    """Fields of the request that the client does not know, of the model and of the call."""
    return {**(getattr(model, "extra_body", None) or {}), **(settings.get("extra_body") or {})}


def _room_words(model: _Model, settings: _Settings, bound: Mapping[str, Any]) -> _Settings:
    """The room of a reply under the name of the model's own.

    The client sends the model's own in place of any other to the Responses API, and beside it to Azure.
    """
    most = max_output_tokens(settings) or max_output_tokens(bound)
    responses = _uses_responses(model, {**bound, **settings})
    if most is None or "max_completion_tokens" not in getattr(model, "_default_params", {}):
        return settings
    if not responses and not hasattr(model, "azure_endpoint"):
        return settings
    words = {name: value for name, value in settings.items() if max_output_tokens({name: value}) is None}
    return {**words, "max_completion_tokens": most}


def _openai_words(model: _Model, settings: _Settings, bound: Mapping[str, Any]) -> _Settings:
    """The Responses API takes an effort as part of `reasoning`, and not beside one."""
    settings = _room_words(model, settings, bound)
    effort = settings.get("reasoning_effort")
    own = {
        "reasoning": getattr(model, "reasoning", None),
        **(getattr(model, "model_kwargs", None) or {}),
        **bound,
    }
    held = {**(own.get("reasoning") or {}), **(settings.get("reasoning") or {})}
    if effort is None or not (held or _uses_responses(model, {**bound, **settings})):
        return settings
    words = {name: value for name, value in settings.items() if name != "reasoning_effort"}
    if not held and (getattr(model, "reasoning_effort", None) or "reasoning_effort" in own):
        return settings  # takes the place of the model's own, which no other argument can
    chosen = (settings.get("reasoning") or {}).get("effort", effort)
    return {**words, "reasoning": {**held, "effort": chosen}}


def _anthropic(model: _Model, thinking: Thinking, settings: _Settings) -> _Settings:
    """Adaptive thinking where the model has it; else a budget, which the reply's room has to exceed."""
    held = _held_thinking(model)
    if held is not None:
        raise ValueError(
            f"{type(model).__name__} was made with thinking={held!r}, which it sends whatever a call asks "
            "for; make it without, and let the action say how hard to think"
        )
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
    """A budget up to Gemini 2.5, a level from 3 on; what the model has of the other is taken back."""
    budget = "gemini-2" in str(getattr(model, "model", ""))
    words: _Settings = (
        {"thinking_budget": thinking_tokens(thinking)}
        if budget
        else {"thinking_level": _effort(model, thinking)}
    )
    other = "thinking_level" if budget else "thinking_budget"
    if getattr(model, "reasoning_effort" if budget else "thinking_budget", None) is not None:
        words[other] = None
    config: Any = getattr(model, "thinking_config", None)
    if config is not None:
        given = config if isinstance(config, Mapping) else config.model_dump(exclude_none=True)
        kept = {
            name: value for name, value in given.items() if name not in ("thinking_level", "thinking_budget")
        }
        words["thinking_config"] = kept or None
    return words


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


def _as_given(model: _Model, settings: _Settings, bound: Mapping[str, Any]) -> _Settings:  # noqa: ARG001
    return settings


def _gemini_words(model: _Model, settings: _Settings, bound: Mapping[str, Any]) -> _Settings:  # noqa: ARG001
    return {{"max_tokens": "max_output_tokens"}.get(name, name): value for name, value in settings.items()}


def _ollama_words(model: _Model, settings: _Settings, bound: Mapping[str, Any]) -> _Settings:  # noqa: ARG001
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
    rename: Callable[[_Model, _Settings, Mapping[str, Any]], _Settings] = _as_given
    samples: str | None = "n"


_DIALECTS = {
    "langchain_anthropic": _Dialect(_anthropic, samples=None),
    "langchain_deepseek": _Dialect(_compatible, _openai_words),
    "langchain_google_genai": _Dialect(_gemini, _gemini_words, samples="candidate_count"),
    "langchain_groq": _Dialect(_groq, samples=None),  # its API takes n = 1 only
    "langchain_mistralai": _Dialect(_mistral),
    "langchain_ollama": _Dialect(_ollama, _ollama_words, samples=None),
    "langchain_openai": _Dialect(_openai, _openai_words),
    "langchain_xai": _Dialect(_by_effort, _openai_words),
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
