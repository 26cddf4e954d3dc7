"""What the stub of an endpoint writes: completions and responses, whole and as streams."""

import json
import re

THINKING_TOKENS = {"low": 20, "medium": 80, "high": 300}


def text_of(content) -> str:
    """The text of a message, whether it is a string or a list of blocks."""
    return content if isinstance(content, str) else " ".join(block.get("text", "") for block in content or [])


def tool_call(body, prompt, number):
    functions = {tool["function"]["name"]: tool["function"] for tool in body["tools"]}
    choice = body.get("tool_choice")
    name = choice["function"]["name"] if isinstance(choice, dict) else next(iter(functions))
    arguments = json.dumps(filled(functions[name]["parameters"], prompt))
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def filled(schema, prompt):
    """A value for every field: numbers and quoted names from the prompt, where it has some."""
    numbers = iter([int(found) for found in re.findall(r"\d+", prompt)])
    quoted = re.search(r"'([^']*)'", prompt)
    filled = {}
    for name, field_schema in schema.get("properties", {}).items():
        kind = field_schema.get("type") or field_schema.get("anyOf", [{}])[0].get("type")
        plain = {"integer": 3, "number": 3.0, "boolean": True, "array": [], "object": {}}
        if kind in ("integer", "number"):
            filled[name] = next(numbers, plain[kind])
        else:
            filled[name] = plain.get(kind, quoted.group(1) if quoted else "a word")
    return filled


def as_chat(body):
    """A request of the Responses API as one for chat completions."""
    asked = body["input"]
    messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    effort = (body.get("reasoning") or {}).get("effort")
    return {
        "responds": True,
        "messages": [{"role": item.get("role", "tool"), "content": item.get("content")} for item in messages],
        "model": body["model"],
        "stream": body.get("stream"),
        **({"max_tokens": body["max_output_tokens"]} if body.get("max_output_tokens") else {}),
        **({"reasoning_effort": effort} if effort else {}),
    }


def response_of(whole, body):
    """A completion as the Responses API has it: one that fills its limit is incomplete."""
    message, usage = whole["choices"][0]["message"], whole.get("usage")
    part = {"type": "output_text", "text": message.get("content") or "", "annotations": []}
    if message.get("refusal"):
        part = {"type": "refusal", "refusal": message["refusal"]}
    full = len(part.get("text", "").split()) == body.get("max_tokens")
    output = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": "resp_stub",
        "object": "response",
        "created_at": 0,
        "model": body["model"],
        "status": "incomplete" if full else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if full else None,
        "output": [output],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **({"usage": _responses_usage(usage)} if usage else {}),
    }


def _responses_usage(usage):
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": usage["prompt_tokens"] // 2},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage["completion_tokens_details"],
        "total_tokens": usage["total_tokens"],
    }


async def stream_response(writer, whole, *, cut=False):
    """A response word by word as server-sent events; its usage comes with the last."""
    writer.write(b"HTTP/1.1 200 Told\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    (output,) = whole["output"]
    (part,) = output["content"]
    at = {"item_id": output["id"], "output_index": 0, "content_index": 0}
    began = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events = [
        {"type": "response.created", "response": began},
        {"type": "response.output_item.added", "output_index": 0, "item": {**output, "content": []}},
    ]
    if part["type"] == "refusal":
        events.append({"type": "response.refusal.done", **at, "refusal": part["refusal"]})
    delta = {"type": "response.output_text.delta", **at, "logprobs": []}
    events += [{**delta, "delta": piece} for piece in re.findall(r"\S+\s*", part.get("text", ""))]
    last = {"type": f"response.{whole['status']}", "response": whole}
    for number, event in enumerate(events[:3] if cut else [*events, last]):
        told = json.dumps({**event, "sequence_number": number})
        writer.write(f"event: {event['type']}\ndata: {told}\n\n".encode())
        await writer.drain()


async def stream_completion(writer, body, whole, *, cut=False):
    """The reply word by word as server-sent events; usage only where it was asked for."""
    writer.write(b"HTTP/1.1 200 Told\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    message, reason = whole["choices"][0]["message"], whole["choices"][0]["finish_reason"]
    probable = whole["choices"][0].get("logprobs")
    deltas = [{"role": "assistant", "content": ""}]
    if message.get("tool_calls"):
        deltas += [{"tool_calls": [{"index": at, **call}]} for at, call in enumerate(message["tool_calls"])]
    else:
        deltas += [{"content": piece} for piece in re.findall(r"\S+\s*", message["content"])]
    shared = {**whole, "object": "chat.completion.chunk", "usage": None}
    events = [
        {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    if probable:
        for event, token in zip(events[1:], probable["content"], strict=True):
            event["choices"][0]["logprobs"] = {"content": [token]}
    if cut:
        events = events[:2]
    else:
        events.append({**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append({**shared, "choices": [], "usage": whole["usage"]})
    for event in events:
        writer.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        await writer.drain()
    writer.write(b"" if cut else b"data: [DONE]\n\n")
    await writer.drain()


def send(writer, content, *, status=200, header="", cut=False):
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    retry = f"{header}\r\n" if status >= 429 else ""
    length = f"content-length: {len(payload)}\r\n"
    head = f"HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\n{retry}{length}\r\n"
    writer.write(head.encode() + (payload[: len(payload) // 2] if cut else payload))


def logprob_of(word):
    return {"token": word, "logprob": -0.5, "bytes": None, "top_logprobs": []}


def completion_of(body, prompt, message, tokens, finish="stop"):
    words = max(1, len(prompt.split()))
    reason = "tool_calls" if message.get("tool_calls") else finish
    probable = {"content": [logprob_of(word) for word in (message["content"] or "").split()]}
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [
            {"index": 0, "message": message, "finish_reason": reason}
            | ({"logprobs": probable} if body.get("logprobs") else {})
        ],
        "usage": {
            "prompt_tokens": words,
            "completion_tokens": tokens,
            "total_tokens": words + tokens,
            "completion_tokens_details": {
                "reasoning_tokens": THINKING_TOKENS.get(body.get("reasoning_effort"), 0)
            },
        },
    }
