"""Exports of tools that watch models, in the shapes that they write."""

import csv
import json

import pytest

from adaptive_reasoner.errors import OutcomesError
from tests.unit_tests.kit.importing.logs import imported, of, write_lines

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "6 * 7?"}]
REPLY = {"role": "assistant", "content": "It is 42."}
COUNTS = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
REQUEST = {"model": "gpt-5-mini", "messages": ASKED}
RESPONSE = {
    "model": "gpt-5-mini",
    "choices": [{"index": 0, "message": REPLY, "finish_reason": "stop"}],
    "usage": COUNTS,
}
CLAUDE = {
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "thinking", "thinking": "6 * 7"}, {"type": "text", "text": "It is 42."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 4},
}
LANGFUSE = {
    "id": "o",
    "type": "GENERATION",
    "model": "gpt-5-mini",
    "input": ASKED,
    "output": REPLY,
    "usage": {"input": 10, "output": 4, "total": 14, "unit": "TOKENS"},
}
CALLS = {
    "langfuse": LANGFUSE,
    "langfuse, a page": {"data": [LANGFUSE], "meta": {"page": 1, "totalItems": 1}},
    "helicone": {"request_id": "r", "request_body": REQUEST, "response_body": RESPONSE, "costUSD": 1.0},
    "weave": {"id": "w", "op_name": "openai.create", "inputs": REQUEST, "output": RESPONSE},
    "braintrust": {"id": "b", "input": ASKED, "output": RESPONSE["choices"], "metrics": COUNTS},
    "vllm": {
        "prompt": "6 * 7?",
        "outputs": [{"text": "It is 42.", "finish_reason": "stop"}],
        "usage": COUNTS,
    },
    "anthropic": {"request": REQUEST, "response": CLAUDE},
}
NESTED = {
    "openinference": {"span": {"kind": "LLM"}},
    "llm": {
        "model_name": "gpt-5-mini",
        "input_messages": [{"message": each} for each in ASKED],
        "output_messages": [{"message": REPLY}],
        "token_count": {"prompt": 10, "completion": 4},
    },
}
COLUMNS = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-5-mini",
    "llm.input_messages": [{f"message.{name}": text for name, text in each.items()} for each in ASKED],
    "llm.output_messages": [{f"message.{name}": text for name, text in REPLY.items()}],
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 4,
}
MLFLOW = {
    "mlflow.spanType": json.dumps("CHAT_MODEL"),
    "mlflow.spanInputs": json.dumps(REQUEST),
    "mlflow.spanOutputs": json.dumps(RESPONSE),
    "mlflow.chat.tokenUsage": json.dumps({"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}),
}
SPAN = {"context": {"trace_id": "t", "span_id": "s"}, "status_code": "OK"}
SPANS = {
    "phoenix": {**SPAN, "attributes": NESTED},
    "phoenix, a page": {"data": [{**SPAN, "attributes": NESTED}], "next_cursor": None},
    "phoenix, a table": {
        "context.span_id": "s",
        **{f"attributes.{name}": each for name, each in COLUMNS.items()},
    },
    "mlflow": {
        "info": {"trace_id": "tr"},
        "data": {
            "spans": [
                {"span_id": "r", "attributes": {"mlflow.spanType": json.dumps("AGENT")}},
                {"span_id": "s", "attributes": MLFLOW},
            ]
        },
    },
}


@pytest.mark.parametrize("tool", [*CALLS, *SPANS])
def test_the_calls_that_a_tool_has_recorded_are_samples(tmp_path, tool):
    value, from_ = (CALLS[tool], "openai") if tool in CALLS else (SPANS[tool], "otel")
    _, rows = imported(write_lines(tmp_path / "log.jsonl", [value]), from_, tmp_path)
    assert of(rows, "question", "answer", "prompt_tokens", "completion_tokens") == [("6 * 7?", "42", 10, 4)]


def test_batches_of_anthropic_are_brought_together(tmp_path):
    lines = [
        {"custom_id": name, "params": {"model": "claude-sonnet-4-5", "messages": ASKED}}
        for name in ("a", "b")
    ]
    failed = {"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}
    lines += [
        {"custom_id": "a", "result": {"type": "succeeded", "message": CLAUDE}},
        {"custom_id": "b", "result": {"type": "errored", "error": failed}},
    ]
    _, rows = imported(write_lines(tmp_path / "batch.jsonl", lines), "openai", tmp_path)
    assert of(rows, "question", "answer", "cached_tokens", "error") == [
        ("6 * 7?", "42", 6, None),
        ("6 * 7?", None, None, "invalid_request_error: too long"),
    ]
    assert rows[0]["batch_discount"] == pytest.approx(rows[0]["cost"] / 2)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_conversations_and_responses_in_cells_are_read_as_what_they_ask_and_answer(tmp_path, form):
    rows = [
        {"input": ASKED, "output": REPLY, "promptTokens": 10, "completionTokens": 4},
        {"input": REQUEST, "output": RESPONSE, "promptTokens": 10, "completionTokens": 4},
        {
            "input": {"messages": ASKED},
            "output": RESPONSE["choices"][0],
            "promptTokens": 9,
            "completionTokens": 4,
        },
        {"input": "6 * 7?", "output": {"total": 42}, "promptTokens": 10, "completionTokens": 4},
    ]
    log = tmp_path / f"log.{form}"
    if form == "csv":
        with log.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(
                {
                    name: json.dumps(cell) if isinstance(cell, dict | list) else cell
                    for name, cell in row.items()
                }
                for row in rows
            )
    else:
        write_lines(log, rows)
    _, samples = imported(log, form, tmp_path, columns={"question": "input", "answer": "output"})
    assert of(samples, "question", "answer", "completion_tokens")[:3] == [("6 * 7?", "42", 4)] * 3
    assert "total" in samples[3]["answer"]  # an answer that is JSON itself stays


@pytest.mark.parametrize(
    "answer",
    [
        '{"name": "Ada", "role": "admin"}',
        '[{"message": "hello"}]',
        '{"message": "hello"}',
        '{"choices": ["red", "blue"]}',
    ],
)
def test_an_answer_that_is_json_with_fields_of_a_message_stays_as_it_is(tmp_path, answer):
    row = {"question": "Answer in JSON.", "answer": answer, "source": "json", "data": [{"at": 1}]}
    log = write_lines(tmp_path / "log.jsonl", [row, row | {"question": answer}])
    _, rows = imported(log, "jsonl", tmp_path, key="exact")
    assert of(rows, "question", "answer") == [("Answer in JSON.", answer), (answer, answer)]


def test_a_log_without_questions_says_how_to_name_them(tmp_path):
    log = write_lines(tmp_path / "log.jsonl", [{**RESPONSE, "asked": "6 * 7?"}])
    with pytest.raises(OutcomesError, match=r"no text of the question.*name the field .* --question-column"):
        imported(log, "openai", tmp_path)
    _, rows = imported(log, "openai", tmp_path, columns={"question": "asked"})
    assert of(rows, "question", "answer") == [("6 * 7?", "42")]


def test_lines_of_a_servers_log_are_not_taken_for_a_table(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("INFO 03-01 10:00:00 Received request c-1: prompt: '6 * 7?', params: n=1, t=1.0\n")
    with pytest.raises(OutcomesError, match="row 1: not a line of JSON"):
        imported(log, "openai", tmp_path)
