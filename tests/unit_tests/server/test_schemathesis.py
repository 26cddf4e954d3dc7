"""Requests made from the server's own OpenAPI description, right ones and wrong ones: none is its fault.

A schemathesis for the hypothesis of the tests needs a jsonschema-rs which langgraph-api refuses, so
it is in no extra. In a folder of its own it takes part:

    pip install --target apart schemathesis
    PYTHONPATH=apart python -m pytest tests/unit_tests/server/test_schemathesis.py

For longer, `benchmarks/server_schemathesis.py` asks in the same way.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

from schemathesis.generation import GenerationMode  # noqa: E402

EXAMPLES = 100  # of each operation and mode

WITH_BODY = [("POST", "/v1/chat/completions"), ("POST", "/v1/responses")]
WITHOUT = [("GET", path) for path in ("/v1/models", "/v1/models/{name}", "/healthz", "/metrics")]
RUNS = [
    *((*operation, GenerationMode.POSITIVE) for operation in (*WITH_BODY, *WITHOUT)),
    *((*operation, GenerationMode.NEGATIVE) for operation in WITH_BODY),  # others hold nothing to get wrong
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "mode"), RUNS)
def test_no_described_request_is_a_fault_of_the_server(shared, method, path, mode):
    schema = schemathesis.openapi.from_url(f"{shared.url}/openapi.json")

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def check(case):
        if method == "POST" and mode is GenerationMode.POSITIVE:
            case.body["model"] = "single_pass"  # most names that are made up are of no model
        answer = case.call()
        assert answer.status_code < 500
        if answer.status_code >= 400:
            assert answer.json()["error"].keys() == {"message", "type", "param", "code"}

    check()
    shared.settled()


def test_every_described_operation_is_asked(shared):
    described = shared.get("/openapi.json").json()["paths"]
    found = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert found == {*WITH_BODY, *WITHOUT}
