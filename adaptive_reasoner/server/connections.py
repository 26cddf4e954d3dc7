"""HTTP connections that do not wait for a client without end: for its request, or until it reads."""

import asyncio
import json

import h11
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from adaptive_reasoner.server.errors import Problem


def patient_for(seconds: float) -> type[H11Protocol]:
    """A connection that is cut where a client sends no whole head, or reads nothing, for so many seconds."""

    class Connection(H11Protocol):
        _unread = 0

        @override
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch = self.loop.call_later(seconds, self._look)

        @override
        def connection_lost(self, exc: Exception | None) -> None:
            self._watch.cancel()
            super().connection_lost(exc)

        @override
        def send_400_response(self, msg: str) -> None:
            body = json.dumps(Problem(400, "invalid_http", msg, "invalid_request_error").body).encode()
            headers = {
                "content-type": "application/json",
                "content-length": str(len(body)),
                "connection": "close",
            }
            answer = h11.Response(status_code=400, headers=list(headers.items()), reason="Bad Request")
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

        def _look(self) -> None:
            unread, before = self.transport.get_write_buffer_size(), self._unread
            if self.cycle is None or unread >= before > 0:
                self.transport.abort()
                return
            self._unread = unread
            self._watch = self.loop.call_later(seconds, self._look)

    return Connection
