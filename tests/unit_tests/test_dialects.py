"""What is asked of each provider package, read off the payload it builds; nothing is sent."""

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableBinding

from adaptive_reasoner.dialects import spelled

MESSAGES = [HumanMessage("5 + 9?")]


def openai(name="gpt-5-mini", **fields):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=name, api_key="none", **fields)


def anthropic(name):
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=name, api_key="none")


def gemini(name):
    from langchain_google_genai import ChatGoogleGenerativeAI

    return ChatGoogleGenerativeAI(model=name, api_key="none")


def ollama(name, **fields):
    from langchain_ollama import ChatOllama

    return ChatOllama(model=name, **fields)


def groq(name):
    from langchain_groq import ChatGroq

    return ChatGroq(model=name, api_key="none")


def deepseek():
    from langchain_deepseek import ChatDeepSeek

    return ChatDeepSeek(model="deepseek-reasoner", api_key="none")


def xai():
    from langchain_xai import ChatXAI

    return ChatXAI(model="grok-3-mini", api_key="none")


def payload(model, settings, **asked):
    words = spelled(model, settings, **asked)
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
    assert spelled(openai(), {"max_tokens": 9}) == {"max_tokens": 9}
    assert payload(gemini("gemini-2.5-flash"), {"max_tokens": 9})["max_output_tokens"] == 9


def test_what_the_settings_say_themselves_comes_first():
    assert spelled(openai(), {"reasoning_effort": "low"}, thinking="high") == {"reasoning_effort": "low"}


def test_several_samples_at_once_where_the_provider_has_them():
    assert payload(openai(), {}, samples=3)["n"] == 3
    assert payload(gemini("gemini-2.5-flash"), {}, samples=3)["candidate_count"] == 3
    with pytest.raises(ValueError, match="ChatAnthropic draws one sample"):
        spelled(anthropic("claude-haiku-4-5"), {}, samples=2)


def test_a_budget_that_leaves_no_room_for_the_reply_is_refused():
    with pytest.raises(ValueError, match="no room"):
        spelled(anthropic("claude-haiku-4-5"), {"max_tokens": 100}, thinking="low")


def test_a_binding_speaks_the_dialect_of_the_model_in_it():
    bound = RunnableBinding(bound=ollama("qwen3"), kwargs={})
    assert spelled(bound, {}, thinking="low") == {"reasoning": True}


def test_a_budget_beyond_the_models_own_limit_is_refused_before_the_call():
    anthropic = pytest.importorskip("langchain_anthropic")
    model = anthropic.ChatAnthropic(model="claude-haiku-4-5", api_key="none", max_tokens=2000)
    with pytest.raises(ValueError, match=r"leaves no room .* in max_tokens=2000"):
        spelled(model, {}, thinking="high")
    assert spelled(model, {"max_tokens": 30_000}, thinking="high")["max_tokens"] == 30_000
