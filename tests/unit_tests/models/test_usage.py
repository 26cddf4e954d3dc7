"""What every provider package reports, and what it comes to: one reader, one table."""

import pytest
from langchain_core.messages import AIMessageChunk

from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.usage import Usage, readable_usage
from tests.fakes import joined
from tests.unit_tests.models.usages import PRICES, counts, message


def openai_chat(raw, tier=None):
    from langchain_openai.chat_models.base import _create_usage_metadata

    return message(_create_usage_metadata(raw, tier))


def openai_responses(raw):
    from langchain_openai.chat_models.base import _create_usage_metadata_responses

    return message(_create_usage_metadata_responses(raw))


def anthropic(raw):
    from anthropic.types import Usage as Reported
    from langchain_anthropic.chat_models import _create_usage_metadata

    return message(_create_usage_metadata(Reported.model_validate(raw)))


def groq(raw):
    from langchain_groq.chat_models import _create_usage_metadata

    return message(_create_usage_metadata(raw))


def ollama(raw):
    from langchain_ollama.chat_models import _get_usage_metadata_from_generation_info

    return message(_get_usage_metadata_from_generation_info(raw))


def completion(raw):
    from openai.types.chat import ChatCompletion

    said = {"index": 0, "message": {"role": "assistant", "content": "Answer: 14"}, "finish_reason": "stop"}
    whole = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [said],
        "usage": raw,
    }
    return ChatCompletion.model_validate(whole)


def xai(raw):
    from langchain_xai import ChatXAI

    made = ChatXAI(model="grok-4", api_key="none")._create_chat_result(completion(raw))
    return made.generations[0].message


def deepseek(raw):
    from langchain_deepseek import ChatDeepSeek

    made = ChatDeepSeek(model="deepseek-chat", api_key="none")._create_chat_result(completion(raw))
    return made.generations[0].message


def gemini(*raw):
    """A reply or, of several, the chunks of a stream: Gemini's counts grow from chunk to chunk."""
    from google.genai.types import GenerateContentResponse
    from langchain_core.messages.ai import add_usage
    from langchain_google_genai.chat_models import _response_to_result

    before, chunks = None, []
    for at, usage in enumerate(raw):
        last = at == len(raw) - 1
        part = {"content": {"role": "model", "parts": [{"text": "Answer: 14" if last else "So "}]}}
        candidate = {**part, "finish_reason": "STOP"} if last else part
        response = GenerateContentResponse.model_validate(
            {"candidates": [candidate], "usage_metadata": usage}
        )
        result = _response_to_result(response, stream=len(raw) > 1, prev_usage=before)
        chunks.append(result.generations[0].message)
        before = add_usage(before, chunks[-1].usage_metadata)
    return joined(chunks)


def openai_stream(*raw):
    """Content without usage, then chunks with nothing but usage."""
    from langchain_openai.chat_models.base import _create_usage_metadata

    told = [AIMessageChunk("", usage_metadata=_create_usage_metadata(usage)) for usage in raw]
    return joined([AIMessageChunk("Answer: "), AIMessageChunk("14"), *told])


XAI = {  # as its API reports, read by its own package and by the one for OpenAI
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"cached_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 94},
}

OPENAI = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}
REASONED = {
    **OPENAI,
    "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0},
}

SHAPES = {
    "openai chat": (openai_chat(REASONED), (100, 60, 0, 40, 30)),
    "openai chat, flexible tier": (openai_chat(REASONED, "flex"), (100, 60, 0, 40, 30)),
    "openai chat, streamed": (openai_stream(REASONED), (100, 60, 0, 40, 30)),
    "openai responses": (
        openai_responses(
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 60},
                "output_tokens": 40,
                "output_tokens_details": {"reasoning_tokens": 30},
                "total_tokens": 140,
            }
        ),
        (100, 60, 0, 40, 30),
    ),
    "anthropic": (
        anthropic(
            {
                "input_tokens": 30,
                "output_tokens": 40,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0},
                "output_tokens_details": {"thinking_tokens": 30},
            }
        ),
        (100, 60, 10, 40, 30),
    ),
    "anthropic without a cache": (anthropic({"input_tokens": 100, "output_tokens": 40}), (100, 0, 0, 40, 0)),
    "gemini": (
        gemini(
            {
                "prompt_token_count": 100,
                "candidates_token_count": 10,
                "thoughts_token_count": 30,
                "cached_content_token_count": 60,
                "total_token_count": 140,
            }
        ),
        (100, 60, 0, 40, 30),
    ),
    "gemini, streamed": (
        gemini(
            {"prompt_token_count": 100, "thoughts_token_count": 30, "total_token_count": 130},
            {
                "prompt_token_count": 100,
                "thoughts_token_count": 30,
                "candidates_token_count": 10,
                "total_token_count": 140,
            },
        ),
        (100, 0, 0, 40, 30),
    ),
    "gemini behind a gateway": (
        openai_chat({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}),
        (20, 0, 0, 603, 0),
    ),
    "bedrock, cached tokens in the input": (
        message(counts(7520, 5, 7525, input={"cache_read": 7502, "cache_creation": 0})),
        (7520, 7502, 0, 5, 0),
    ),
    "bedrock, cached tokens beside the input": (
        message(counts(18, 5, 7525, input={"cache_read": 7502})),
        (7520, 7502, 0, 5, 0),
    ),
    "bedrock, fewer cached tokens beside the input": (
        message(counts(900, 5, 1005, input={"cache_read": 60, "cache_creation": 40})),
        (1000, 60, 40, 5, 0),
    ),
    "cached tokens that the total leaves out": (
        message(counts(18, 5, 23, input={"cache_read": 7502})),
        (7520, 7502, 0, 5, 0),
    ),
    "mistral": (message(counts(100, 40, 140)), (100, 0, 0, 40, 0)),
    "groq": (
        groq({**OPENAI, "completion_tokens_details": {"reasoning_tokens": 30}}),
        (100, 0, 0, 40, 30),
    ),
    "xai": (
        xai(XAI),
        (32, 6, 0, 103, 94),
    ),
    "xai behind a base_url": (
        openai_chat(XAI),
        (32, 6, 0, 103, 94),
    ),
    "reasoning beside the output, without a total": (
        openai_chat(
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 94},
            }
        ),
        (32, 0, 0, 103, 94),
    ),
    "deepseek": (
        deepseek({**OPENAI, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40}),
        (100, 60, 0, 40, 0),
    ),
    "ollama": (ollama({"prompt_eval_count": 100, "eval_count": 40}), (100, 0, 0, 40, 0)),
    "litellm": (
        message(
            counts(100, 40, 140, input={"cache_read": 60, "cache_creation": 10}, output={"reasoning": 30})
        ),
        (100, 60, 10, 40, 30),
    ),
    "completion_tokens of null": (
        openai_chat({"prompt_tokens": 21, "completion_tokens": None, "total_tokens": 81}),
        (21, 0, 0, 60, 0),
    ),
    "no completion_tokens": (openai_chat({"prompt_tokens": 10, "total_tokens": 15}), (10, 0, 0, 5, 0)),
}


@pytest.mark.parametrize(("made", "expected"), SHAPES.values(), ids=SHAPES)
def test_what_a_package_reports_comes_to_what_its_provider_bills(made, expected):
    prompt, cached, written, answered, reasoning = expected
    assert Usage.of(made) == Usage(prompt, answered, reasoning, cached, written)
    plain = prompt - cached - written
    dollars = (plain * 1.0 + cached * 0.1 + written * 1.25 + answered * 10.0) / 1e6
    assert PRICES.cost(made, 0.0) == pytest.approx(dollars)
    assert (TokenMeter().cost(made, 0.0), TokenMeter("total").cost(made, 0.0)) == (
        answered,
        prompt + answered,
    )
    read = readable_usage(made)
    assert (read["input_tokens"], read["output_tokens"], read["total_tokens"]) == (
        prompt,
        answered,
        prompt + answered,
    )
