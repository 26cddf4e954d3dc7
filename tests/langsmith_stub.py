"""LangSmith's API for tests, as far as its client needs it: runs, feedback, datasets, examples and projects.

What is posted is kept, and handed out as the service does: with the tokens, the costs and the feedback of a
run beside it. It runs in a thread on a free loopback port, and stops with its `with` block.
"""

import json
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "a-key"


@dataclass
class LangSmithStub:
    """Serves the API.

    Args:
        page: Runs that a page of a query has.

    Attributes:
        runs, feedback, datasets, examples, projects: What was posted, by id.
        requests: Method and path of every request.
    """

    page: int = 2
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    feedback: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self):
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def _answer(self):
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                where = urlsplit(self.path)
                stub.requests.append((self.command, where.path))
                if self.headers.get("x-api-key") != KEY:
                    status, found = 401, {"detail": "Invalid token"}
                else:
                    body = content if "multipart" in str(self.headers.get("content-type")) else _json(content)
                    status, found = stub.answer(self.command, where.path, parse_qs(where.query), body)
                payload = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def client(self, **settings):
        """A client of the real package, which sends everything at once."""
        from langsmith import Client

        return Client(self.url, api_key=KEY, **{"auto_batch_tracing": False, **settings})

    def exported(self, **wanted):
        """All runs as an export has them, the latest first."""
        found = [self.run(run) for run in reversed(self.runs.values())]
        return [run for run in found if all(run.get(name) == value for name, value in wanted.items())]

    def run(self, run):
        """A run with what the service adds to it."""
        metadata = (run.get("extra") or {}).get("metadata") or {}
        usage = metadata.get("usage_metadata") or {}
        inner = [self.run(each) for each in self.runs.values() if each.get("parent_run_id") == run["id"]]
        tokens = {
            f"{kind}_tokens": sum(each[f"{kind}_tokens"] or 0 for each in inner)
            or usage.get(f"{word}_tokens")
            for kind, word in (("prompt", "input"), ("completion", "output"), ("total", "total"))
        }
        cost = sum(float(each["total_cost"] or 0) for each in inner)
        if not inner and usage and metadata.get("ls_model_name") == "priced":
            cost = usage["input_tokens"] * 1e-6 + usage["output_tokens"] * 4e-6
        given = {}
        for each in self.feedback.values():
            if each.get("run_id") == run["id"] and isinstance(each.get("score"), int | float):
                given.setdefault(each["key"], []).append(each["score"])
        return {
            "status": "error" if run.get("error") else "success",
            **{name: value for name, value in run.items() if name != "attachments"},
            **tokens,
            "total_cost": f"{cost:.9f}" if cost else None,
            "feedback_stats": {
                key: {"n": len(each), "avg": sum(each) / len(each)} for key, each in given.items()
            },
        }

    def answer(self, method, path, query, body):
        """Status and content."""
        match method, path.strip("/").split("/"):
            case "GET", ["info"]:
                return 200, {"version": "0", "instance_flags": {"dataset_examples_multipart_enabled": False}}
            case "POST", ["runs"]:
                self.runs[body["id"]] = body
                return 202, {}
            case "POST", ["runs", "batch"]:
                for run in body.get("post") or []:
                    self.runs[run["id"]] = run
                for run in body.get("patch") or []:
                    self.answer("PATCH", f"/runs/{run['id']}", query, run)
                return 202, {}
            case "PATCH", ["runs", name]:
                known = {key: value for key, value in body.items() if value is not None}
                self.runs.setdefault(name, {"id": name}).update(known)
                return 202, {}
            case "POST", ["runs", "query"]:
                return 200, self._query(body)
            case "GET", ["sessions"]:
                found = [
                    each
                    for each in self.projects.values()
                    if each["name"] in query.get("name", [each["name"]])
                ]
                return 200, found
            case "POST", ["sessions"]:
                usual = {
                    "tenant_id": str(uuid.UUID(int=1)),
                    "start_time": _now(),
                    "reference_dataset_id": None,
                }
                return 200, self._new(self.projects, {**usual, **body})
            case (("GET" | "PATCH"), ["sessions", name]):
                self.projects[name].update(body or {})
                return 200, self.projects[name]
            case "POST", ["feedback"]:
                return 200, self._new(self.feedback, body)
            case "POST", ["datasets"]:
                return 200, self._new(self.datasets, {"data_type": "kv", **body})
            case "GET", ["datasets"]:
                found = [
                    each
                    for each in self.datasets.values()
                    if each["name"] in query.get("name", [each["name"]])
                ]
                return 200, found
            case "GET", ["datasets", name]:
                return 200, self.datasets[name]
            case "POST", ["examples", "bulk"]:
                return 200, [self._new(self.examples, each) for each in body]
            case "POST", ["examples"]:
                return 200, self._new(self.examples, body)
            case "GET", ["examples"]:
                first, ids = int(query.get("offset", ["0"])[0]), query.get("dataset")
                wanted = [each for each in self.examples.values() if not ids or each["dataset_id"] in ids]
                return 200, wanted[first : first + int(query.get("limit", ["100"])[0])]
            case "GET", ["examples", name]:
                return 200, self.examples[name]
        return 404, {"detail": f"there is no {method} {path}"}

    def _new(self, kind, body):
        made = {"id": str(uuid.uuid4()), "created_at": _now(), "modified_at": _now(), **body}
        kind[made["id"]] = made
        return made

    def _query(self, body):
        wanted = [
            run
            for run in self.exported()
            if (not body.get("is_root") or run.get("parent_run_id") is None)
            and (not body.get("run_type") or run["run_type"] == body["run_type"])
        ]
        first = int(body.get("cursor") or 0)
        more = first + self.page < len(wanted)
        return {
            "runs": wanted[first : first + self.page],
            "cursors": {"next": str(first + self.page) if more else None},
        }


def _json(content):
    return json.loads(content) if content else None


def _now():
    return datetime.now(UTC).isoformat()
