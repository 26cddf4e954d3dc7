"""Replies that a careful person has labelled: `same_answers_a.jsonl` and `same_answers_b.jsonl`.

Each line is one case: a question, replies to it, and a label for each reply, equal where a person calls the
replies equal. The label null marks a reply that offers nothing to compare: empty, cut, a refusal, a question
back. A case is `free` where no reply offers anything to compare. A reply that is JSON of the form
`[["tool", {arguments}], ...]` stands for calls of tools. `weights` say how often each reply is drawn.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

FILES = ("same_answers_a.jsonl", "same_answers_b.jsonl")


@cache
def cases(file: str) -> list[dict[str, Any]]:
    """The cases of one file."""
    lines = Path(__file__).with_name(file).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def message(reply: str) -> AIMessage:
    """A reply as a model returns it."""
    try:
        content = json.loads(reply)
    except ValueError:
        return AIMessage(reply)
    match content:
        case [[str(), dict()], *_]:
            calls = [{"name": n, "args": a, "id": f"call_{i}"} for i, (n, a) in enumerate(content)]
            return AIMessage("", tool_calls=calls)
    return AIMessage(reply)
