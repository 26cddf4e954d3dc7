"""What an endpoint's errors say, of those that the clients of providers raise."""

import anthropic
import groq
import httpx
import pytest

from adaptive_reasoner.kit.menu.retries import worth_another
from adaptive_reasoner.models.api_errors import is_final
from tests.fakes import StatusError


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
