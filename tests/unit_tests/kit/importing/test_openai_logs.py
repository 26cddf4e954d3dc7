"""Logs of OpenAI's API, made by its own package."""

import json

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from adaptive_reasoner.errors import OutcomesError
from tests.batch_stub import BatchStub
from tests.stub_server import StubServer
from tests.unit_tests.kit.importing.logs import imported, of, write_lines


def right(prompt, number):
    """Answers every other call rightly."""
    return f"The answer is {eval(prompt.rstrip('?')) + number % 2}."


@pytest.fixture
def client():
    with StubServer(answer=right) as server, OpenAI(base_url=server.base_url, api_key="no-key") as made:
        yield made


def request_of(question, model="gpt-5-mini"):
    return {
        "model": model,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
    }


def test_requests_with_their_responses_are_samples(client, tmp_path):
    lines = []
    for question, model in [("6 * 7?", "gpt-5-mini"), ("6 * 7?", "gpt-5-mini"), ("6 * 8?", "gpt-5")]:
        request = request_of(question, model)
        response = client.chat.completions.create(**request)
        lines.append({"request": request, "response": response.to_dict(), "right": eval(question[:-1])})
    log = write_lines(tmp_path / "chats.jsonl", lines)
    done, rows = imported(log, "openai", tmp_path, columns={"gold": "right"})
    assert of(rows, "question", "source", "sample", "answer", "gold", "correct") == [
        ("6 * 7?", "gpt-5-mini", 0, "42", "42", 1.0),
        ("6 * 7?", "gpt-5-mini", 1, "43", "42", 0.0),
        ("6 * 8?", "gpt-5", 0, "48", "48", 1.0),
    ]
    usage = lines[0]["response"]["usage"]
    assert rows[0]["cost"] == pytest.approx(
        (usage["prompt_tokens"] * 0.25 + usage["completion_tokens"] * 2) / 1e6
    )
    assert rows[0]["completion_tokens"] == usage["completion_tokens"]
    assert len({row["question_id"] for row in rows}) == 2
    assert (done.added, done.cost_unit, done.left_out) == (3, "usd", {})


def test_responses_of_the_responses_api_are_samples(client, tmp_path):
    request = {"model": "gpt-5-mini", "input": "6 * 7?", "instructions": "Be brief."}
    response = client.responses.create(**request)
    log = write_lines(
        tmp_path / "log.jsonl", [{"body": request, "response": json.loads(response.model_dump_json())}]
    )
    _, rows = imported(log, "openai", tmp_path)
    assert of(rows, "question", "source", "answer") == [("6 * 7?", "gpt-5-mini", "42")]
    assert rows[0]["cached_tokens"] == response.usage.input_tokens_details.cached_tokens


def test_stored_completions_with_their_messages_are_samples(client, tmp_path):
    request = request_of("6 * 7?")
    stored = {
        **client.chat.completions.create(**request).to_dict(),
        "messages": request["messages"],
        "metadata": {"gold": "42"},
    }
    page = {"object": "list", "data": [stored], "has_more": False}
    for number, content in enumerate((stored, page)):
        (tmp_path / str(number)).mkdir()
        log = write_lines(tmp_path / "stored.jsonl", [content])
        _, rows = imported(
            log, "openai", tmp_path / str(number), columns={"gold": "metadata.gold"} if number == 0 else {}
        )
        assert of(rows, "question", "answer") == [("6 * 7?", "42")]


def test_chats_written_for_fine_tuning_are_samples_that_count_calls(tmp_path):
    chat = {"messages": [*request_of("6 * 7?")["messages"], {"role": "assistant", "content": "Answer: 42"}]}
    _, rows = imported(write_lines(tmp_path / "log.jsonl", [chat]), "openai", tmp_path, source="tuned")
    assert of(rows, "question", "source", "answer", "cost", "cost_unit") == [
        ("6 * 7?", "tuned", "42", 1.0, "samples")
    ]


def test_several_choices_share_the_usage_of_their_request(tmp_path):
    choice = {"finish_reason": "stop", "index": 0, "logprobs": None}
    reply = ChatCompletion(
        id="c",
        object="chat.completion",
        created=0,
        model="gpt-5-mini",
        choices=[{**choice, "message": {"role": "assistant", "content": f"Answer: {n}"}} for n in (42, 43)],
        usage={"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18},
    )
    log = write_lines(
        tmp_path / "log.jsonl", [{"request": request_of("6 * 7?"), "response": reply.to_dict()}]
    )
    done, rows = imported(log, "openai", tmp_path)
    assert of(rows, "sample", "answer", "completion_tokens") == [(0, "42", 4), (1, "43", 4)]
    assert done.cost == pytest.approx((10 * 0.25 + 8 * 2) / 1e6)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_reply_that_was_cut_or_filtered_never_votes(client, tmp_path, reason):
    request = request_of("6 * 7?")
    response = client.chat.completions.create(**request).to_dict()
    response["choices"][0]["finish_reason"] = reason
    log = write_lines(tmp_path / "log.jsonl", [{"request": request, "response": response}])
    _, rows = imported(log, "openai", tmp_path)
    assert of(rows, "answer", "correct") == [(None, None)]
    assert rows[0]["cost"] > 0


def test_tool_calls_are_answers_and_the_steps_after_them_are_left_out(client, tmp_path):
    tool = {
        "type": "function",
        "function": {
            "name": "times",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
        },
    }
    request = {**request_of("6 * 7?"), "tools": [tool]}
    first = client.chat.completions.create(**request).to_dict()
    called = first["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "42"}
    after = {**request, "messages": [*request["messages"], called, result]}
    last = {
        "request": after,
        "response": client.chat.completions.create(**{**after, "tools": [tool]}).to_dict(),
    }
    log = write_lines(tmp_path / "log.jsonl", [{"request": request, "response": first}, last])
    done, rows = imported(log, "openai", tmp_path)
    assert [json.loads(row["answer"])[0][0] for row in rows] == ["times"]
    assert list(done.left_out.values()) == [1]
    assert "later step of an agent" in next(iter(done.left_out))


@pytest.fixture
def batch(tmp_path):
    """The files of a batch: its requests, its results and its errors."""
    requests = [
        {
            "custom_id": str(n),
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": request_of(f"6 * {n}?"),
        }
        for n in (7, 8, 9)
    ]
    asked = write_lines(tmp_path / "requests.jsonl", requests)
    done, failed = tmp_path / "done.jsonl", tmp_path / "failed.jsonl"
    stub = BatchStub(
        answer=lambda prompt, _: f"Answer: {eval(prompt[:-1])}", polls=0, refused={0: {"8": 400}}
    )
    with stub as server, OpenAI(base_url=server.base_url, api_key="no-key") as client:
        sent = client.files.create(file=asked, purpose="batch")
        window = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = client.batches.retrieve(client.batches.create(input_file_id=sent.id, **window).id)
        done.write_text(client.files.content(batch.output_file_id).text)
        failed.write_text(client.files.content(batch.error_file_id).text)
    return asked, done, failed


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_the_files_of_a_batch_are_brought_together_at_half_the_price(batch, tmp_path, order):
    done, rows = imported([batch[at] for at in order], "openai", tmp_path)
    rows = sorted(rows, key=lambda row: row["question"])
    assert of(rows, "question", "answer") == [("6 * 7?", "42"), ("6 * 8?", None), ("6 * 9?", "54")]
    assert ("told to: 400" in rows[1]["error"], rows[1]["cost"], done.failed) == (True, 0.0, 1)
    assert rows[0]["batch_discount"] == rows[0]["cost"] / 2 > 0
    assert done.cost == pytest.approx((rows[0]["cost"] + rows[2]["cost"]) / 2)
    assert imported([batch[at] for at in order], "openai", tmp_path)[0].added == 0


def test_results_of_a_batch_without_their_requests_are_left_out(batch, tmp_path):
    with pytest.raises(
        OutcomesError, match=r"no reply in it .2 left out: a response whose request is not in"
    ):
        imported(batch[1], "openai", tmp_path)
    with pytest.raises(OutcomesError, match=r"no reply in it .3 left out: a request without its response"):
        imported(batch[0], "openai", tmp_path)


def test_a_line_of_another_log_is_refused_with_its_fields(tmp_path):
    log = write_lines(
        tmp_path / "log.jsonl", [{"request": request_of("6 * 7?"), "response": "42"}, {"name": "x", "ts": 1}]
    )
    with pytest.raises(OutcomesError, match=r"log.jsonl: row 2: there is no response, .* there are name, ts"):
        imported(log, "openai", tmp_path)


def test_a_response_is_brought_together_with_the_items_it_was_asked_with(tmp_path):
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "6 * 7?"}]}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is 42."}]}
    response = {"id": "resp_1", "object": "response", "model": "small", "output": [said]}
    line = {"response": response, "input_items": {"object": "list", "data": [asked]}}
    _, rows = imported([line], "openai", tmp_path)
    assert of(rows, "question", "source", "answer") == [("6 * 7?", "small", "42")]
