"""LiteLLM's SDK asks the server as it asks any OpenAI-compatible endpoint.

It runs in a process of its own: it leaves sockets and an event loop unclosed.
"""

import json
import subprocess
import sys

import pytest

pytest.importorskip("litellm", reason="litellm is not installed")

PROGRAM = """
import asyncio, json, sys
import litellm

NUMBERS = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
ADD = {"type": "function", "function": {"name": "add", "parameters": NUMBERS}}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}

def asked(model, **options):
    shared = {"api_base": sys.argv[1], "api_key": "none", "num_retries": 0}
    messages = [{"role": "user", "content": "What is 3 + 4?"}]
    return {"model": f"openai/{model}", "messages": messages, **shared, **options}

def built(**options):
    return litellm.stream_chunk_builder(list(litellm.completion(**asked("single_pass", **USAGE, **options))))

def refused(model, **options):
    try:
        litellm.completion(**asked(model, **options))
    except Exception as error:
        return type(error).__name__

terms = asked("vote_3")
question = terms.pop("messages")[0]["content"]
print(json.dumps({
    "whole": litellm.completion(**asked("vote_3")).model_dump(),
    "async": asyncio.run(litellm.acompletion(**asked("adaptive"))).model_dump(),
    "stream": built().model_dump(),
    "tool": litellm.completion(**asked("single_pass", tools=[ADD])).model_dump(),
    "streamed tool": built(tools=[ADD]).model_dump(),
    "response": litellm.responses(input=question, **terms).model_dump(mode="json"),
    "unknown": refused("unknown"),
    "negative": refused("single_pass", extra_headers={"x-adaptive-budget": "-1"}),
}, default=str))
"""


@pytest.fixture(scope="module")
def replies(shared):
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, f"{shared.url}/v1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_answer_carries_the_usage_of_all_calls_and_the_bill(replies):
    whole = replies["whole"]
    assert whole["choices"][0]["message"]["content"].startswith("Answer: ")
    assert whole["adaptive_reasoner"]["action"] == "vote_3"
    assert whole["usage"]["completion_tokens"] == whole["adaptive_reasoner"]["cost"] > 3


def test_the_policy_decides_for_the_async_client_too(replies):
    assert replies["async"]["adaptive_reasoner"]["decisions"][0]["reason"] == "policy"


def test_a_stream_adds_up_to_the_answer_and_its_usage(replies):
    stream = replies["stream"]
    assert stream["choices"][0]["message"]["content"].startswith("Answer: ")
    assert stream["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("reply", ["tool", "streamed tool"])
def test_a_tool_is_called(replies, reply):
    (choice,) = replies[reply]["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("add", {"a": 3, "b": 4})
    assert choice["finish_reason"] == "tool_calls"


def test_a_response_is_asked_for_by_its_own_api(replies):
    texts = [part["text"] for item in replies["response"]["output"] for part in item["content"]]
    assert texts[0].startswith("Answer: ")


@pytest.mark.parametrize(
    ("refused", "error"), [("unknown", "NotFoundError"), ("negative", "BadRequestError")]
)
def test_a_refusal_is_the_error_of_its_status(replies, refused, error):
    assert replies[refused] == error
