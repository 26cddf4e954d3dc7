"""Serve the page on 127.0.0.1 with the standard library: one reader of a ledger, a handful of viewers."""

import html
import io
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socket import socket
from string import Template
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from adaptive_reasoner import pages
from adaptive_reasoner.console import to_json
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.watch.looks import Poller

PATIENCE = 10.0  # seconds in which a whole request must arrive, and in which an answer must be taken
LONGEST = 16_384  # bytes of a request
VIEWERS = 64  # connections at once; beyond that one is closed at once

_HOST = "127.0.0.1"
_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "json": "application/json"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src data:; style-src 'self' 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class WatchServer:
    """The live page of a ledger, and its JSON beside it.

    `/` is the page, `/ledger.json` what was seen so far (`?since=SECONDS` for the news alone). Only this
    machine is served, under its own name: a page of the web that points its own name here is refused.

    Args:
        reader: The ledger.
        port: Of 127.0.0.1; a free one if 0.
        every: Seconds between two looks.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, reader: LedgerReader, *, port: int = 0, every: float = 1.0) -> None:
        self.looks = Poller(reader, every=every)
        self._server = _Server((_HOST, port), self.looks)
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._keep_looking, name="ledger-watch", daemon=True)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{_HOST}:{self._server.server_port}/"

    def run(self) -> None:
        """Serve until `stop`, or Ctrl-C."""
        self._looking.start()
        try:
            self._server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
        finally:
            self._ended.set()
            self._looking.join()

    def stop(self) -> None:
        """End `run` in another thread."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.server_close()

    def _keep_looking(self) -> None:
        while not self._ended.is_set():
            self.looks.take()
            self._ended.wait(self.looks.every)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = VIEWERS

    def __init__(self, address: tuple[str, int], looks: Poller) -> None:
        super().__init__(address, _Handler)
        self.looks = looks
        self.names = {f"{name}:{self.server_port}" for name in (_HOST, "localhost")}
        self._places = threading.Semaphore(VIEWERS)

    @override
    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self._places.acquire(blocking=False)

    @override
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that went away, or does not take its answer, is not worth a traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Request(io.RawIOBase):
    """What a viewer sends: an end to both its length and its time."""

    def __init__(self, connection: socket) -> None:
        self._connection, self._left = connection, LONGEST
        self._until = time.monotonic() + PATIENCE

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any, /) -> int:
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the request did not arrive in time")
        self._connection.settimeout(seconds)
        read = self._connection.recv_into(buffer, min(self._left, len(buffer))) if self._left else 0
        self._left -= read
        return read


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    @override
    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Request(self.connection))

    def do_GET(self) -> None:
        """Answer one of four addresses."""
        if self.headers.get("Host") not in self.server.names:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        asked = urlsplit(self.path)
        body = self._body(asked.path, asked.query)
        if body is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind = asked.path.rpartition(".")[2] if "." in asked.path else "html"
        content = body.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{_TYPES[kind]}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.connection.settimeout(PATIENCE)
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""

    def _body(self, path: str, query: str) -> str | None:
        looks = self.server.looks
        if path == "/ledger.json":
            looks.take()
            return to_json(looks.since(_moment(query)))
        if path == "/":
            looks.take()
            return page(looks)
        scripts = {"/watch.js": lambda: pages.theme_script() + _asset("watch.js")}
        styles = {"/watch.css": lambda: pages.style() + _asset("watch.css")}
        found = (scripts | styles).get(path)
        return found() if found else None


def page(looks: Poller) -> str:
    """The page as it stands, with the latest figures in it for readers without JavaScript."""
    seen = looks.since()
    latest = seen["looks"][-1] if seen["looks"] else {}
    cells = {
        html.escape(name.replace("_", " ")): html.escape(_shown(value)) for name, value in latest.items()
    }
    cells.pop("at", None)
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in cells.items())
    return Template(_asset("watch.html")).substitute(
        ledger=html.escape(str(seen["ledger"])),
        every=f"{looks.every:g}",
        rows=rows,
        error=html.escape(seen["error"] or ""),
    )


def _moment(query: str) -> float:
    try:
        return float(parse_qs(query)["since"][0])
    except (KeyError, ValueError):
        return float("-inf")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {share:.0%}" for name, share in value.items()) or "-"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
