"""What is asked of each provider package, read off the payload it builds; nothing is sent."""

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableBinding
from langchain_openai import AzureChatOpenAI

from adaptive_reasoner.models.providers import open_to_thinking, provider_kwargs
from adaptive_reasoner.models.source import Source

MESSAGES = [HumanMessage("5 + 9?")]


def openai(name="gpt-5-mini", **fields):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=name, api_key="none", **fields)


def anthropic(name, **fields):
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=name, api_key="none", **fields)


def gemini(name, **fields):
    from langchain_google_genai import ChatGoogleGenerativeAI

    return ChatGoogleGenerativeAI(model=name, api_key="none", **fields)


def ollama(name, **fields):
    from langchain_ollama import ChatOllama

    return ChatOllama(model=name, **fields)


def groq(name, **fields):
    from langchain_groq import ChatGroq

    return ChatGroq(model=name, api_key="none", **fields)


def deepseek(**fields):
    from langchain_deepseek import ChatDeepSeek

    return ChatDeepSeek(model="deepseek-reasoner", api_key="none", **fields)


def xai(**fields):
    from langchain_xai import ChatXAI

    return ChatXAI(model="grok-3-mini", api_key="none", **fields)


def payload(model, settings, **asked):
    words = provider_kwargs(model, settings, **asked)
    if hasattr(model, "_get_request_payload"):
        return model._get_request_payload(MESSAGES, **words)
    if hasattr(model, "_chat_params"):
        return model._chat_params(MESSAGES, **words)
    if hasattr(model, "_prepare_request"):
        return model._prepare_request(MESSAGES, **words)["config"].model_dump(exclude_none=True)
    return {**model._default_params, **words}  # as ChatGroq._generate puts it together


LOCAL = {"base_url": "http://localhost:8000/v1"}


@pytest.mark.parametrize(
    ("model", "thinking", "sent"),
    [
        (openai, "low", {"reasoning_effort": "low", "max_completion_tokens": 5000}),
        (openai, 900, {"reasoning_effort": "low"}),
        (openai, 9000, {"reasoning_effort": "high"}),
        (
            lambda: openai(use_responses_api=True),
            "high",
            {"reasoning": {"effort": "high"}, "max_output_tokens": 5000},
        ),
        (lambda: openai("gpt-oss-20b", **LOCAL), "low", {"reasoning_effort": "low"}),
        (
            lambda: openai("Qwen/Qwen3-8B", extra_body={"top_k": 20}, **LOCAL),
            "none",
            {"extra_body": {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}},
        ),
        (
            lambda: openai("ibm-granite/granite-3.2-8b", **LOCAL),
            "high",
            {"extra_body": {"chat_template_kwargs": {"thinking": True}}},
        ),
        (deepseek, "high", {"reasoning_effort": "high", "max_tokens": 5000}),
        (xai, "low", {"extra_body": {"reasoning_effort": "low"}}),
        (
            lambda: anthropic("claude-opus-5-5"),
            "high",
            {"output_config": {"effort": "high"}, "thinking": {"type": "adaptive", "display": "summarized"}},
        ),
        (lambda: anthropic("claude-opus-5-5"), 2000, {"output_config": {"effort": "medium"}}),
        (
            lambda: anthropic("claude-haiku-4-5"),
            "low",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 5000},
        ),
        (
            lambda: anthropic("claude-haiku-4-5"),
            2048,
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        ),
        (
            lambda: anthropic("claude-opus-4-5"),
            "low",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"}},
        ),
        (lambda: anthropic("claude-haiku-4-5"), "none", {"thinking": {"type": "disabled"}}),
        (
            lambda: gemini("gemini-2.5-flash"),
            "medium",
            {"thinking_config": {"thinking_budget": 8192}, "max_output_tokens": 5000},
        ),
        (lambda: gemini("gemini-2.5-flash"), 0, {"thinking_config": {"thinking_budget": 0}}),
        (lambda: gemini("gemini-3-pro-preview"), "low", {"thinking_config": {"thinking_level": "LOW"}}),
        (lambda: gemini("gemini-3-pro-preview"), 30000, {"thinking_config": {"thinking_level": "HIGH"}}),
        (
            lambda: ollama("qwen3", temperature=0.5),
            "high",
            {"think": True, "options": {"temperature": 0.5, "num_predict": 5000}},
        ),
        (lambda: ollama("qwen3"), 0, {"think": False}),
        (lambda: ollama("gpt-oss:20b"), "low", {"think": "low"}),
        (lambda: groq("openai/gpt-oss-20b"), "low", {"reasoning_effort": "low", "max_tokens": 5000}),
        (lambda: groq("qwen/qwen3-32b"), "high", {"reasoning_effort": "default"}),
        (lambda: groq("qwen/qwen3-32b"), "none", {"reasoning_effort": "none"}),
    ],
)
def test_thinking_and_room_for_it_reach_the_provider_in_its_own_words(model, thinking, sent):
    built = payload(model(), {"max_tokens": 5000}, thinking=thinking)
    assert {name: built.get(name) for name in sent} == sent


def test_without_thinking_nothing_is_said_of_it():
    assert provider_kwargs(openai(), {"max_tokens": 9}) == {"max_tokens": 9}
    assert payload(gemini("gemini-2.5-flash"), {"max_tokens": 9})["max_output_tokens"] == 9


def test_what_the_settings_say_themselves_comes_first():
    assert provider_kwargs(openai(), {"reasoning_effort": "low"}, thinking="high") == {
        "reasoning_effort": "low"
    }


def test_several_samples_at_once_where_the_provider_has_them():
    assert payload(openai(), {}, samples=3)["n"] == 3
    assert payload(gemini("gemini-2.5-flash"), {}, samples=3)["candidate_count"] == 3
    with pytest.raises(ValueError, match="ChatAnthropic draws one sample"):
        provider_kwargs(anthropic("claude-haiku-4-5"), {}, samples=2)


def test_a_budget_that_leaves_no_room_for_the_reply_is_refused():
    with pytest.raises(ValueError, match="no room"):
        provider_kwargs(anthropic("claude-haiku-4-5"), {"max_tokens": 100}, thinking="low")


def test_a_binding_speaks_the_dialect_of_the_model_in_it():
    bound = RunnableBinding(bound=ollama("qwen3"), kwargs={})
    assert provider_kwargs(bound, {}, thinking="low") == {"reasoning": True}


def test_a_budget_beyond_the_models_own_limit_is_refused_before_the_call():
    anthropic = pytest.importorskip("langchain_anthropic")
    model = anthropic.ChatAnthropic(model="claude-haiku-4-5", api_key="none", max_tokens=2000)
    with pytest.raises(ValueError, match=r"leaves no room .* in max_tokens=2000"):
        provider_kwargs(model, {}, thinking="high")
    assert provider_kwargs(model, {"max_tokens": 30_000}, thinking="high")["max_tokens"] == 30_000


ENABLED = {"type": "enabled", "budget_tokens": 1024}
THINKING_HELD = [
    # What a model holds of its own gives way to what an action asks for.
    (lambda: openai(reasoning={"effort": "low"}), "high", {"reasoning": {"effort": "high"}}),
    (
        lambda: openai(reasoning={"effort": "low", "summary": "auto"}),
        9000,
        {"reasoning": {"effort": "high", "summary": "auto"}},
    ),
    (lambda: openai(use_responses_api=True), "none", {"reasoning": {"effort": "none"}}),
    (
        lambda: openai(use_responses_api=True, reasoning_effort="low"),
        "high",
        {"reasoning": {"effort": "high"}},
    ),
    (lambda: openai(output_version="responses/v1"), "low", {"reasoning": {"effort": "low"}}),
    (lambda: openai(reasoning_effort="low"), "high", {"reasoning_effort": "high"}),
    (
        lambda: openai("gpt-oss-20b", extra_body={"reasoning_effort": "low", "top_k": 5}, **LOCAL),
        "high",
        {"extra_body": {"reasoning_effort": "high", "top_k": 5}},
    ),
    (
        lambda: openai("some/model", extra_body={"reasoning": {"max_tokens": 99, "exclude": True}}, **LOCAL),
        "low",
        {"extra_body": {"reasoning": {"exclude": True, "effort": "low"}}},
    ),
    (
        lambda: openai("some-model", extra_body={"enable_thinking": True}, **LOCAL),
        "none",
        {"extra_body": {"enable_thinking": False}},
    ),
    (
        lambda: deepseek(extra_body={"thinking": {"type": "enabled"}}),
        "none",
        {"extra_body": {"thinking": {"type": "disabled"}}},
    ),
    (
        lambda: anthropic("claude-haiku-4-5", thinking=ENABLED),
        3000,
        {"thinking": {"type": "enabled", "budget_tokens": 3000}},
    ),
    (lambda: anthropic("claude-haiku-4-5", thinking=ENABLED), "none", {"thinking": {"type": "disabled"}}),
    (
        lambda: anthropic("claude-opus-5-5", thinking={"type": "adaptive"}, reasoning_effort="low"),
        "high",
        {"output_config": {"effort": "high"}, "thinking": {"type": "adaptive", "display": "summarized"}},
    ),
    (
        lambda: gemini("gemini-2.5-flash", thinking_level="low"),
        2000,
        {"thinking_config": {"thinking_budget": 2000}},
    ),
    (
        lambda: gemini("gemini-3-pro-preview", thinking_budget=99),
        "high",
        {"thinking_config": {"thinking_level": "HIGH"}},
    ),
    (
        lambda: gemini(
            "gemini-2.5-flash", thinking_config={"thinking_level": "low", "include_thoughts": True}
        ),
        2000,
        {"thinking_config": {"thinking_budget": 2000, "include_thoughts": True}},
    ),
    (lambda: ollama("qwen3", reasoning=False), "high", {"think": True}),
    (lambda: groq("openai/gpt-oss-20b", reasoning_effort="low"), "high", {"reasoning_effort": "high"}),
    (lambda: xai(reasoning_effort="low"), "high", {"extra_body": {"reasoning_effort": "high"}}),
    (
        lambda: xai(extra_body={"reasoning_effort": "low"}),
        "high",
        {"extra_body": {"reasoning_effort": "high"}},
    ),
]


@pytest.mark.parametrize(("model", "thinking", "sent"), THINKING_HELD)
def test_thinking_that_a_model_was_made_with_gives_way_to_what_is_asked(model, thinking, sent):
    built = payload(open_to_thinking(model()), {"max_tokens": 5000}, thinking=thinking)
    assert {name: built.get(name) for name in sent} == sent
    assert not {"reasoning", "reasoning_effort"} <= set(built)


def test_thinking_that_cannot_be_sent_is_refused():
    model = anthropic("claude-haiku-4-5", thinking=ENABLED)
    with pytest.raises(ValueError, match=r"made with thinking=.*1024.*make it without"):
        provider_kwargs(model, {"max_tokens": 5000}, thinking=3000)
    assert provider_kwargs(model, {"max_tokens": 9}) == {"max_tokens": 9}


def test_a_model_in_bindings_is_opened_to_thinking_where_it_is():
    model = anthropic("claude-haiku-4-5", thinking=ENABLED)
    bound = model.bind(stop=["x"]).with_retry()
    opened = open_to_thinking(bound)
    assert (opened.kwargs, opened.bound.bound.thinking) == ({"stop": ["x"]}, None)
    assert model.thinking == ENABLED
    plain = anthropic("claude-haiku-4-5").bind(stop=["x"])
    assert open_to_thinking(plain) is plain


def test_a_model_in_fallbacks_is_opened_to_thinking_and_spoken_to_in_its_words():
    model = anthropic("claude-haiku-4-5", thinking=ENABLED)
    either = model.with_fallbacks([anthropic("claude-opus-4-5", thinking=ENABLED)])
    with pytest.raises(ValueError, match="make it without"):
        provider_kwargs(either, {"max_tokens": 5000}, thinking=3000)
    opened = open_to_thinking(either)
    assert [each.thinking for each in opened.runnables] == [None, None]
    assert provider_kwargs(opened, {"max_tokens": 5000}, thinking=3000)["thinking"]["budget_tokens"] == 3000
    mixed = model.with_fallbacks([openai()])
    assert provider_kwargs(mixed, {}, thinking="low") == {"reasoning_effort": "low"}
    assert open_to_thinking(mixed).runnable.thinking is None


def test_an_effort_joins_the_reasoning_that_is_bound_or_given():
    bound = openai().bind(reasoning={"summary": "auto"})
    assert provider_kwargs(bound, {}, thinking="low") == {"reasoning": {"summary": "auto", "effort": "low"}}
    given = {"reasoning": {"effort": "high", "summary": "auto"}}
    assert provider_kwargs(openai(use_responses_api=True), given, thinking="low") == given
    held = openai(reasoning={"summary": "auto"})
    assert provider_kwargs(held, {"reasoning_effort": "low"}) == {
        "reasoning": {"summary": "auto", "effort": "low"}
    }


def test_azure_is_told_of_one_room_only():
    azure = {"azure_endpoint": "http://localhost", "api_key": "none", "api_version": "2025-01-01"}
    model = AzureChatOpenAI(model="gpt-5-mini", max_tokens=30_000, **azure)
    sent = model._get_request_payload(MESSAGES, **provider_kwargs(model, {"max_tokens": 50}))
    assert {name: most for name, most in sent.items() if "max" in name} == {"max_completion_tokens": 50}


def test_several_samples_at_once_are_refused_where_the_endpoint_has_none():
    for model in (
        openai(use_responses_api=True),
        openai(reasoning={"effort": "low"}),
        openai().bind(reasoning={"effort": "low"}),
        anthropic("claude-haiku-4-5"),
    ):
        with pytest.raises(ValueError, match="one sample per request; leave samples_per_request at 1"):
            Source(model, samples_per_request=3)
    assert Source(openai(), samples_per_request=3).samples_per_request == 3
