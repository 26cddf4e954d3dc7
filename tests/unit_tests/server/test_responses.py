"""The Responses API, as OpenAI's own client drives it."""

import json

import pytest
from openai.types.responses import Response
from pydantic import BaseModel

ADD = {
    "type": "function",
    "name": "add",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
}


def asked(shared, **given):
    return shared.client().responses.create(**{"model": "single_pass", "input": "What is 3 + 4?", **given})


def test_a_response_carries_its_decision_its_bill_and_the_usage_of_all_calls(shared):
    said = asked(shared, model="vote_3", instructions="Be brief.")
    assert said.output_text.startswith("Answer: ")
    assert (said.status, said.usage.output_tokens) == ("completed", 9)
    assert said.model_extra["adaptive_reasoner"]["action"] == "vote_3"
    assert [turn["role"] for turn in shared.upstream.bodies[-1]["messages"]] == ["system", "user"]
    Response.model_validate(said.model_dump(), strict=False)
    shared.settled()


async def test_the_async_client_is_answered_too(shared):
    async with shared.aclient() as client:
        said = await client.responses.create(model="single_pass", input="What is 3 + 4?")
    assert said.output_text


@pytest.mark.parametrize("model", ["single_pass", "vote_3"])
def test_a_stream_adds_up_to_the_response_that_ends_it(shared, model):
    events = list(asked(shared, model=model, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == said
    assert last.response.usage.output_tokens == {"single_pass": 3, "vote_3": 9}[model]
    shared.settled()


def test_the_clients_own_stream_helper_reads_the_events(shared):
    with shared.client().responses.stream(model="single_pass", input="What is 3 + 4?") as stream:
        assert stream.get_final_response().output_text.startswith("Answer: ")


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_is_called_and_its_output_sent_on(shared, stream):
    chosen = {"type": "function", "name": "add"}
    said = asked(shared, tools=[ADD], tool_choice=chosen, stream=stream)
    response = list(said)[-1].response if stream else said
    (call,) = response.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "add", {"a": 3, "b": 4})
    turns = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is 3 + 4?"}]},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "7"},
    ]
    assert asked(shared, input=turns, tools=[ADD]).output_text
    sent = shared.upstream.bodies[-1]["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == call.call_id


class Total(BaseModel):
    total: int


def test_a_structured_response_is_parsed_by_the_client(shared):
    said = shared.client().responses.parse(model="vote_3", input="What is 3 + 4?", text_format=Total)
    assert said.output_parsed == Total(total=3)


def test_settings_reach_the_model(shared):
    asked(
        shared, temperature=0.3, max_output_tokens=7, reasoning={"effort": "low"}, text={"verbosity": "low"}
    )
    sent = shared.upstream.bodies[-1]
    assert (sent["temperature"], sent["max_completion_tokens"]) == (0.3, 7)
    assert (sent["reasoning_effort"], sent["verbosity"]) == ("low", "low")


def test_what_would_need_a_stored_response_is_refused_by_name(shared):
    refused = shared.post("/v1/responses", input="3 + 4?", previous_response_id="resp_1")
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "unknown_parameter"


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_come_with_the_text(shared, stream):
    said = asked(shared, include=["message.output_text.logprobs"], top_logprobs=2, stream=stream)
    events = list(said) if stream else []
    (part,) = (events[-1].response if stream else said).output[0].content
    assert [token.token for token in part.logprobs] == part.text.split()
    deltas = [event.logprobs for event in events if event.type == "response.output_text.delta"]
    assert [token.token for each in deltas for token in each] == (part.text.split() if stream else [])


def test_an_answer_can_be_sent_back_as_its_client_writes_it(shared):
    question = {"role": "user", "content": "What is 3 + 4?"}
    (call,) = asked(shared, input=[question], tools=[ADD]).output
    returned = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
    assert asked(shared, input=[question, call.model_dump(), returned], tools=[ADD]).output_text
