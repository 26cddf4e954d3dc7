"""OpenAI's Batch API for tests: files, batches, results and errors, on top of the stub of completions."""

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.stub_replies import completion_of
from tests.stub_server import StubServer


@dataclass
class BatchStub(StubServer):
    """Serves `/v1/files` and `/v1/batches` as well.

    Args:
        polls: How often a batch is still in progress before it has ended.
        ends: What a batch ends as, by its number from 0; `completed` where not given.
        refused: Custom ids, by number of the batch, whose requests end in an error.

    Attributes:
        batches: All batches so far, by id.
        files: The content of all files, by id.
    """

    polls: int = 1
    ends: dict[int, str] = field(default_factory=dict)
    refused: dict[int, dict[str, int]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        self._left: dict[str, int] = {}
        self._answers = itertools.count()

    def other(self, method, path, content):
        """Files and batches."""
        path = path.split("?")[0]
        if (method, path) == ("POST", "/files"):
            return 200, self._file(_file_in(content))
        if (method, path) == ("POST", "/batches"):
            return 200, self._create(json.loads(content))
        if (method, path) == ("GET", "/batches"):
            return 200, {"object": "list", "data": list(self.batches.values()), "has_more": False}
        if found := re.fullmatch(r"/batches/(\w+)", path):
            return 200, self._poll(found[1])
        if found := re.fullmatch(r"/files/(\w+)/content", path):
            return 200, self.files[found[1]].encode()
        return super().other(method, path, content)

    def _file(self, content):
        name = f"file{len(self.files)}"
        self.files[name] = content
        return {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": 0,
            "filename": "batch.jsonl",
            "purpose": "batch",
            "status": "processed",
        }

    def _create(self, body):
        name = f"batch{len(self.batches)}"
        self._left[name] = self.polls
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "created_at": 0,
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            **body,
        }
        return self.batches[name]

    def _poll(self, name):
        batch = self.batches[name]
        if self._left[name] > 0:
            self._left[name] -= 1
            batch["status"] = "in_progress"
        elif batch["status"] in ("validating", "in_progress"):
            self._finish(batch)
        return batch

    def _finish(self, batch):
        number = list(self.batches).index(batch["id"])
        batch["status"] = self.ends.get(number, "completed")
        if batch["status"] == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "x", "message": "too many tokens"}]}
            return
        done, errors = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            request = json.loads(line)
            status = self.refused.get(number, {}).get(request["custom_id"], 200)
            body = request["body"] if status == 200 else {"error": {"message": f"told to: {status}"}}
            if status == 200:
                prompt = body["messages"][-1]["content"]
                text, tokens = self._message(body, prompt, next(self._answers))
                self.bodies.append(body)
                self.billed += tokens
                body = completion_of(body, prompt, text, tokens)
            result = {"custom_id": request["custom_id"], "response": {"status_code": status, "body": body}}
            (done if status == 200 else errors).append(json.dumps(result))
        batch["output_file_id"] = self._file("\n".join(done))["id"] if done else None
        batch["error_file_id"] = self._file("\n".join(errors))["id"] if errors else None


def _file_in(content):
    """The file in a multipart body."""
    pieces = re.split(rb"\r\n\r\n|\r\n--", content)
    return next(after for before, after in itertools.pairwise(pieces) if b"filename=" in before).decode()
