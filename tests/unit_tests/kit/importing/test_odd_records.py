"""Records of any shape are read, left out or refused; none ends in a traceback."""

import warnings
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.importer import import_samples

WORDS = [
    *(
        "inputs",
        "outputs",
        "extra",
        "metadata",
        "id",
        "run_type",
        "messages",
        "content",
        "role",
        "parts",
        "text",
    ),
    *(
        "request",
        "response",
        "body",
        "choices",
        "message",
        "output",
        "usage",
        "prompt_tokens",
        "completion_tokens",
    ),
    *(
        "custom_id",
        "error",
        "status_code",
        "model",
        "type",
        "kwargs",
        "lc",
        "data",
        "generations",
        "feedback_stats",
    ),
    *(
        "resourceSpans",
        "scopeSpans",
        "spans",
        "attributes",
        "events",
        "key",
        "value",
        "stringValue",
        "arrayValue",
    ),
    *(
        "values",
        "kvlistValue",
        "status",
        "code",
        "spanId",
        "context",
        "resourceLogs",
        "scopeLogs",
        "logRecords",
    ),
    *(
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt",
        "gen_ai.completion",
        "gen_ai.system",
    ),
    *("gen_ai.prompt.0.content", "gen_ai.completion.0.tool_calls.0.arguments", "gen_ai.usage.input_tokens"),
    *(
        "question",
        "answer",
        "gold",
        "cost",
        "tool_calls",
        "function",
        "arguments",
        "name",
        "input",
        "avg",
        "score",
    ),
    *(
        "feedback",
        "correction",
        "reference_outputs",
        "total_cost",
        "start_time",
        "end_time",
        "latency",
        "object",
    ),
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(),
    st.sampled_from(
        ["user", "assistant", "llm", "chat", "6 * 7?", "42", "[1]", '{"a": []}', "", "\ud800", *WORDS]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=25,
)
SHAPES = {
    "a run": ("langsmith", lambda value, other: {"id": 1, "inputs": value, "outputs": other}),
    "what is beside a run": (
        "langsmith",
        lambda value, other: {
            "id": 1,
            "inputs": "6 * 7?",
            "outputs": {"generations": [[{"text": "42", "message": value}]], "llm_output": other},
            **dict.fromkeys(
                ("extra", "feedback_stats", "feedback", "reference_outputs", "total_cost"), other
            ),
        },
    ),
    "a chat": (
        "openai",
        lambda value, other: {"request": {"messages": value, "model": "m"}, "response": other},
    ),
    "a reply": (
        "openai",
        lambda value, other: {
            "messages": "6 * 7?",
            "response": {"choices": value, "usage": other, "output": value},
        },
    ),
    "a batch": (
        "openai",
        lambda value, other: {
            "custom_id": 1,
            "body": {"messages": "6 * 7?"},
            "response": {"body": value},
            "error": other,
        },
    ),
    "a span": (
        "otel",
        lambda value, other: {
            "context": value,
            "attributes": {
                "gen_ai.system": "x",
                "gen_ai.prompt": value,
                "gen_ai.completion": other,
                "gen_ai.usage.input_tokens": other,
            },
            "events": other,
            "status": value,
        },
    ),
    "messages in a span": (
        "otel",
        lambda value, other: {
            "context": {},
            "attributes": {
                "gen_ai.system": "x",
                "gen_ai.input.messages": value,
                "gen_ai.output.messages": other,
            },
        },
    ),
    "events of a span": (
        "otel",
        lambda value, other: {
            "context": {},
            "attributes": {"gen_ai.system": "x"},
            "events": [
                {"name": "gen_ai.user.message", "attributes": {"content": value}},
                {"name": "gen_ai.choice", "attributes": {"message": other}},
                {"name": "gen_ai.evaluation.result", "attributes": other},
            ],
        },
    ),
    "a row": (
        "jsonl",
        lambda value, other: {"question": value, "answer": other, "gold": other, "prompt_tokens": value},
    ),
}


def check(record, from_):
    with warnings.catch_warnings(), suppress(OutcomesError):
        warnings.simplefilter("error")
        import_samples([record], from_=from_)


@pytest.mark.parametrize("from_", ["langsmith", "openai", "otel", "jsonl"])
@settings(max_examples=40)
@given(record=VALUES)
def test_any_record_is_read_or_refused(from_, record):
    check(record, from_)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=40)
@given(value=VALUES, other=VALUES)
def test_any_content_of_a_record_is_read_or_refused(shape, value, other):
    from_, record = SHAPES[shape]
    check(record(value, other), from_)
