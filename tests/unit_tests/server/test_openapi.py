"""No request brings the server down: whatever stands where, the answer is one of those that are described."""

import copy

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VALID = {
    "/v1/chat/completions": {
        "model": "single_pass",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is 3 + 4?"}]},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "add", "parameters": {"type": "object"}, "strict": True},
            }
        ],
        "tool_choice": "auto",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}},
        },
        "metadata": {"adaptive_price": "0.1"},
        "n": 1,
        "stream": False,
        "stream_options": {"include_usage": True},
        "stop": ["a"],
        "temperature": 0.5,
        "logit_bias": {"1": 2},
    },
    "/v1/responses": {
        "model": "single_pass",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "What is 3 + 4?"}]},
            {"type": "function_call", "call_id": "1", "name": "add", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "7"},
        ],
        "tools": [{"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}],
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low"},
        "max_output_tokens": 50,
        "stream": True,
    },
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def places(value, path=()):
    """The path to every value inside a body."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*path, key))


@st.composite
def spoilt(draw, path):
    """A valid body with something else in up to two places, or without what stands there."""
    body = copy.deepcopy(VALID[path])
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([place for place in places(body) if place]))
        inside = body
        for key in way:
            inside = inside[key]
        if draw(st.booleans()):
            inside[last] = draw(ANYTHING)
        else:
            del inside[last]
    return body


@pytest.mark.slow
@pytest.mark.parametrize("path", VALID)
def test_no_request_is_a_fault_of_the_server(shared, path):
    with httpx.Client(base_url=shared.url, timeout=30.0) as client:

        @settings(max_examples=300, suppress_health_check=list(HealthCheck))
        @given(body=spoilt(path))
        def check(body):
            answer = client.post(path, json=body)
            assert answer.status_code in (200, 400, 404)
            if answer.status_code != 200:
                assert answer.json()["error"].keys() == {"message", "type", "param", "code"}

        check()
    shared.settled()


@pytest.mark.parametrize("path", VALID)
def test_the_request_that_is_spoilt_is_a_good_one(shared, path):
    assert shared.post(path, **VALID[path]).status_code == 200


def test_every_error_that_is_documented_is_described(shared):
    described = shared.get("/openapi.json").json()["paths"]
    for path in VALID:
        statuses = set(described[path]["post"]["responses"])
        assert {"200", "400", "401", "402", "404", "413", "429", "502", "503", "504"} <= statuses
