"""Serve a page on 127.0.0.1 with the standard library: this machine alone, a handful of viewers."""

import io
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any, Self

from typing_extensions import override

PATIENCE = 10.0  # seconds in which a whole request must arrive, and in which an answer must be taken
LONGEST = 16_384  # bytes of a request
VIEWERS = 64  # connections at once; beyond that one is closed at once

HOST = "127.0.0.1"
"""The address that is served."""

_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "json": "application/json"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LoopbackServer(ThreadingHTTPServer):
    """A server for this machine alone.

    Args:
        handler: Answers requests.
        port: Of 127.0.0.1; a free one if 0.

    Attributes:
        names: What this server is called in the `Host` of a request.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True
    request_queue_size = VIEWERS

    def __init__(self, handler: type["LoopbackHandler"], port: int) -> None:
        super().__init__((HOST, port), handler)
        self.names = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
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


class LoopbackPage:
    """A page that a server shows until it is stopped; leaving its context frees the port.

    Args:
        server: Serves it.
        path: Where it is, without the first slash.

    Attributes:
        url: Its address.
    """

    def __init__(self, server: LoopbackServer, path: str = "") -> None:
        self._server = server
        self.url = f"http://{HOST}:{server.server_port}/{path}"

    def run(self) -> None:
        """Serve until `stop`, or Ctrl-C."""
        with suppress(KeyboardInterrupt):
            self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End `run` in another thread."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.server_close()


class LoopbackHandler(BaseHTTPRequestHandler):
    """Answers requests that arrive in time, are short, and name this server as it is named.

    A page of the web that points its own name here is refused.
    """

    server: LoopbackServer
    policy = "default-src 'self'; img-src data:; style-src 'self' 'unsafe-inline'"
    """What a page may load: the content security policy."""

    @override
    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Request(self.connection))

    def is_misdirected(self) -> bool:
        """Whether the request names another server; it has its answer then."""
        if self.headers.get("Host") in self.server.names:
            return False
        self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        return True

    def send(self, body: str, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Answer.

        Args:
            body: The text.
            kind: `css`, `html`, `js` or `json`.
            status: Of the answer.
        """
        content = body.encode(errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{_TYPES[kind]}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", self.policy)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.connection.settimeout(PATIENCE)
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""


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
