"""Chat completions, as OpenAI's own client drives them."""

import json

import pytest
from pydantic import BaseModel

from tests.stub_server import StubServer

ASKED = [{"role": "user", "content": "What is 3 + 4?"}]
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    },
}


def test_an_answer_carries_its_decision_its_bill_and_the_usage_of_all_calls(shared):
    answer = shared.client().chat.completions.with_raw_response.create(model="vote_3", messages=ASKED)
    completion = answer.parse()
    assert completion.choices[0].message.content.startswith("Answer: ")
    assert completion.choices[0].finish_reason == "stop"
    record = completion.model_extra["adaptive_reasoner"]
    assert (record["action"], record["cost"], record["cost_unit"]) == ("vote_3", 9.0, "tokens")
    assert record["decisions"][0]["samples"] == 3
    assert completion.usage.completion_tokens == 9
    assert answer.headers["x-adaptive-action"] == "vote_3"
    assert float(answer.headers["x-adaptive-cost"]) == 9.0
    shared.settled()


def test_the_policy_decides_for_the_model_adaptive(shared):
    said = shared.client().chat.completions.create(model="adaptive", messages=ASKED)
    poem = [{"role": "user", "content": "Write a poem about autumn."}]
    written = shared.client().chat.completions.create(model="adaptive", messages=poem)
    actions = [each.model_extra["adaptive_reasoner"]["action"] for each in (said, written)]
    assert actions == ["adaptive_vote", "single_pass"]


async def test_the_async_client_is_answered_too(shared):
    async with shared.aclient() as client:
        said = await client.chat.completions.create(model="single_pass", messages=ASKED)
    assert said.choices[0].message.content


def test_n_answers_are_as_many_decisions_and_one_bill(shared):
    said = shared.client().chat.completions.create(model="single_pass", messages=ASKED, n=3)
    assert [choice.index for choice in said.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in said.choices}) == 3
    record = said.model_extra["adaptive_reasoner"]
    assert (record["cost"], len(record["decisions"]), said.usage.completion_tokens) == (9.0, 3, 9)


@pytest.mark.parametrize("model", ["single_pass", "vote_3"])
def test_a_stream_adds_up_to_the_answer_and_ends_with_usage_and_bill(shared, model):
    chunks = list(
        shared.client().chat.completions.create(
            model=model, messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas).startswith("Answer: ")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    cost = {"single_pass": 3, "vote_3": 9}[model]
    assert chunks[-1].usage.completion_tokens == cost
    assert chunks[-1].model_extra["adaptive_reasoner"]["cost"] == cost
    shared.settled()


def test_a_single_call_streams_word_by_word(shared):
    stream = shared.client().chat.completions.create(model="single_pass", messages=ASKED, stream=True)
    said = [chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content]
    assert len(said) == 2


def test_no_usage_is_streamed_unless_it_is_asked_for(shared):
    stream = shared.client().chat.completions.create(model="single_pass", messages=ASKED, stream=True)
    chunks = list(stream)
    assert len(chunks) > 1
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_several_answers_are_streamed_side_by_side(shared):
    stream = shared.client().chat.completions.create(model="single_pass", messages=ASKED, stream=True, n=2)
    said = {0: "", 1: ""}
    for chunk in stream:
        said[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert all(text.startswith("Answer: ") for text in said.values())
    assert said[0] != said[1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["single_pass", "vote_3"])
def test_a_tool_is_called(shared, model, stream):
    asked = {"model": model, "messages": ASKED, "tools": [ADD], "stream": stream}
    chosen = {"type": "function", "function": {"name": "add"}}
    said = shared.client().chat.completions.create(**asked, tool_choice=chosen, parallel_tool_calls=False)
    if stream:
        chunks = list(said)
        calls = [part for chunk in chunks for part in chunk.choices[0].delta.tool_calls or []]
        assert {part.index for part in calls} == {0}
        name, reason = calls[0].function.name, chunks[-1].choices[0].finish_reason
        arguments = "".join(part.function.arguments for part in calls)
    else:
        (call,), reason = said.choices[0].message.tool_calls, said.choices[0].finish_reason
        name, arguments = call.function.name, call.function.arguments
    assert (name, json.loads(arguments), reason) == ("add", {"a": 3, "b": 4}, "tool_calls")
    sent = shared.upstream.bodies[-1]
    assert sent["tool_choice"] == chosen
    assert sent["parallel_tool_calls"] is False


def test_what_a_tool_returned_is_sent_on(shared):
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 3}'}}
    turns = [
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "7"},
    ]
    said = shared.client().chat.completions.create(model="single_pass", messages=turns, tools=[ADD])
    assert said.choices[0].message.content
    assert [turn["role"] for turn in shared.upstream.bodies[-1]["messages"]] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("dump", ["model_dump", "to_dict"])
def test_an_answer_can_be_sent_back_as_its_client_writes_it(shared, dump):
    client, asked = shared.client(), {"model": "single_pass", "tools": [ADD]}
    called = client.chat.completions.create(messages=ASKED, **asked).choices[0].message
    returned = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "7"}
    turns = [*ASKED, getattr(called, dump)() | {"annotations": []}, returned]
    assert client.chat.completions.create(messages=turns, **asked).choices[0].message.content
    (sent,) = shared.upstream.bodies[-1]["messages"][1]["tool_calls"]
    assert sent["function"] == {"name": "add", "arguments": '{"a": 3, "b": 4}'}


@pytest.mark.parametrize(("written", "sent"), [("{a: 3", "{a: 3"), ("[3]", "[3]"), ("", "{}")])
def test_arguments_that_a_model_wrote_wrongly_are_sent_on_as_they_are(shared, written, sent):
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": written}}
    returned = {"role": "tool", "tool_call_id": "call_1", "content": "These are no arguments."}
    turns = [*ASKED, {"role": "assistant", "tool_calls": [call]}, returned]
    shared.client().chat.completions.create(model="single_pass", messages=turns)
    (found,) = shared.upstream.bodies[-1]["messages"][1]["tool_calls"]
    assert found["function"]["arguments"] == sent


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["single_pass", "vote_3"])
def test_log_probabilities_come_with_the_answer(shared, model, stream):
    said = shared.client().chat.completions.create(
        model=model, messages=ASKED, logprobs=True, top_logprobs=2, stream=stream
    )
    found = [choice.logprobs for part in (said if stream else [said]) for choice in part.choices]
    tokens = [token.token for logprobs in found if logprobs for token in logprobs.content]
    assert tokens[0] == "Answer:"
    assert len(tokens) == 2
    assert shared.upstream.bodies[-1]["top_logprobs"] == 2


def test_tools_that_must_not_be_called_are_not_sent(shared):
    said = shared.client().chat.completions.create(
        model="single_pass", messages=ASKED, tools=[ADD], tool_choice="none"
    )
    assert said.choices[0].message.tool_calls is None
    assert "tools" not in shared.upstream.bodies[-1]


class Total(BaseModel):
    total: int


def test_a_structured_answer_is_parsed_by_the_client(shared):
    said = shared.client().chat.completions.parse(model="vote_3", messages=ASKED, response_format=Total)
    assert said.choices[0].message.parsed == Total(total=3)


def test_settings_reach_the_model(shared):
    settings = {"temperature": 0.3, "top_p": 0.9, "seed": 5, "stop": ["END"], "max_completion_tokens": 7}
    shared.client().chat.completions.create(
        model="single_pass", messages=ASKED, reasoning_effort="low", user="me", **settings
    )
    sent = shared.upstream.bodies[-1]
    assert {name: sent[name] for name in settings} == settings
    assert (sent["reasoning_effort"], sent["user"]) == ("low", "me")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_cut_at_its_limit_says_so(serve, stream):
    served = serve(upstream=StubServer(finish="length"))
    said = served.client().chat.completions.create(model="single_pass", messages=ASKED, stream=stream)
    last = list(said)[-1] if stream else said
    assert last.choices[0].finish_reason == "length"


def test_the_models_are_adaptive_and_the_actions(shared):
    models = [model.id for model in shared.client().models.list()]
    assert models == ["adaptive", "single_pass", "vote_3"]
    assert shared.client().models.retrieve("vote_3").id == "vote_3"
