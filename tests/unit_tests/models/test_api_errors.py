"""What an endpoint's errors say, of those that the clients of providers raise."""

import anthropic
import groq
import httpx
import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner.kit.menu.retries import worth_another
from adaptive_reasoner.models.api_errors import is_final, reported
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, run
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel, StatusError


def raised_by(client, error, status=400):
    """The error of a client for a response with this body."""
    response = httpx.Response(status, json={"error": error}, request=httpx.Request("POST", "http://model"))
    with client(api_key="key", base_url="http://model") as made:
        return made._make_status_error_from_response(response)


@pytest.mark.parametrize("status", [408, 409, 424, 425, 429, 498, 499, 500, 503, 529])
def test_a_refusal_that_may_pass_is_not_final(status):
    assert not is_final(StatusError(status))
    assert worth_another(StatusError(status))


@pytest.mark.parametrize(
    ("client", "error"),
    [
        (groq.Groq, {"message": "Failed to call a function.", "code": "tool_use_failed"}),
        (groq.Groq, {"message": "Failed to generate JSON.", "code": "json_validate_failed"}),
        (anthropic.Anthropic, {"message": "Output blocked by content filtering policy"}),
    ],
)
def test_a_refused_reply_is_no_final_refusal_and_is_not_collected_anew(client, error):
    found = raised_by(client, {"type": "invalid_request_error", **error})
    assert found.status_code == 400
    assert not is_final(found)
    assert not worth_another(found)  # what the model wrote is its sample


def test_a_refused_prompt_is_final():
    error = {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}
    assert is_final(raised_by(anthropic.Anthropic, error))


REFUSED = httpx.HTTPStatusError(
    "401 for https://m?key=sk-secret", request=httpx.Request("GET", "https://m"), response=httpx.Response(401)
)
"""As the package of Mistral raises it."""


class NoCredentialsError(Exception):
    """As botocore raises it, without a status, where it is to sign a request."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (REFUSED, "401 for https://m?key=***; check the key"),
        (NoCredentialsError("Unable to locate credentials"), "Unable to locate credentials"),
        (TimeoutError(), "TimeoutError"),
        (StatusError(500), "status 500; try again later"),
        (ValueError("no such region"), "no such region"),
        (KeyError("text"), None),
        (TypeError("expected str"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_client_reports_of_a_call_is_told_apart_from_a_mistake_in_code(monkeypatch, error, told):
    monkeypatch.setenv("MISTRAL_API_KEY", "sk-secret")
    model = ScriptedModel(failures=dict.fromkeys(range(9), error))
    with pytest.raises(type(error)) as raised:
        run(single_pass(), Task([HumanMessage("5 + 9?")]), CallExecutor(Source(model), TokenMeter()))
    said = reported(raised.value)
    assert said == told if told is None else told in said
    assert "sk-secret" not in (said or "")


def test_what_was_not_raised_by_a_call_is_no_report():
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("broken here")
    assert reported(raised.value) is None
