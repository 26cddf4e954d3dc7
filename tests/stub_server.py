"""An OpenAI-compatible endpoint for tests: it answers, counts what it would bill, and misbehaves where told.

It speaks chat completions and responses. It streams, thinks where an effort says so, calls the first tool it
is offered, or the one it must, and fills in JSON schemas. It runs in a thread on a free loopback port, and
stops with its `with` block.
"""

import asyncio
import itertools
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from tests.stub_replies import (
    THINKING_TOKENS,
    as_chat,
    completion_of,
    filled,
    response_of,
    send,
    stream_completion,
    stream_response,
    text_of,
    tool_call,
)

REFUSALS = {"400": 400, "401": 401, "404": 404, "429": 429, "500": 500, "503": 503}
"""Faults that cost nothing: the model never worked."""

PAID_FAULTS = ("bad json", "cut", "reset", "hang", "drip", "no usage", "no finish", "empty")
"""Faults of which the provider has done the work, and bills it."""

UNDECLARED = 4096
"""What a lost call is priced at that asked for no limit."""


def three(prompt: str, number: int) -> str:
    """The default answer, of three tokens."""
    return f"Answer: {len(prompt) + number}"


_had: set[int] = set()
"""Ports of earlier stubs: clients kept by address still hold connections of closed loops to these."""


@dataclass
class StubServer:
    """Serves `/v1/chat/completions` and `/v1/responses`.

    Args:
        answer: Makes the reply from the prompt and the number of the call, from 0; a word is a token, and
            one more ends it.
        faults: Makes the fault of a call from its number: a key of `REFUSALS`, one of `PAID_FAULTS`, or None.
        latency: Seconds a reply takes.
        drip: Seconds between the bytes of a reply that drips.
        asks_pause: The header with which a refusal asks for a pause.
        finish: The reason with which a text ends.
        replies: How many calls get a reply, in order of arrival; the others are held until it is raised.

    Attributes:
        bodies: What was asked, in order of arrival.
        headers: By their names in lower case, in the same order.
        ports: Those of the clients that asked, in the same order.
        billed: Completion tokens of the calls the model worked on, those included that were lost afterwards.
        priced: What a client must count: completion tokens of the replies that left whole, and the tokens
            that the others could have had at most.
        peak: The most calls that were in flight at once.
    """

    answer: Callable[[str, int], str] = three
    faults: Callable[[int], str | None] | Mapping[int, str] = field(default_factory=dict)
    latency: float = 0.0
    drip: float = 0.05
    asks_pause: str = "retry-after-ms: 1"
    finish: str = "stop"
    replies: float = inf
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    billed: int = 0
    priced: int = 0
    peak: int = 0
    in_flight: int = 0

    def __post_init__(self):
        self._numbers = itertools.count()
        self._started = threading.Event()

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *exc):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def restart(self, pause: float = 0.1):
        """Go away, with the calls that are under way, and come back at the same address.

        Connections are refused meanwhile. What is sent on those from before is read, counted and lost: a call
        that this end never saw is a loss that only the client could count.
        """
        asyncio.run_coroutine_threadsafe(self._restart(pause), self._loop).result()

    async def _serve(self):
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._connections: dict[asyncio.Task, bool] = {}  # and whether a call is under way
        self._life, self._gate = 0, asyncio.Event()
        self._gate.set()
        await self._listen(0)
        self._started.set()
        await self._stopping.wait()
        self._server.close()
        await self._end(self._connections)

    async def _listen(self, port):
        while True:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, backlog=512)
            self._port = self._server.sockets[0].getsockname()[1]
            if port or self._port not in _had:
                break
            self._server.close()
        _had.add(self._port)

    async def _restart(self, pause):
        self._gate.clear()
        await asyncio.sleep(pause)  # who connects comes as far as the gate: nobody is half-way when it closes
        self._server.close()
        self._life += 1
        await self._end([connection for connection, busy in self._connections.items() if busy])
        self._gate.set()
        await asyncio.sleep(pause)
        await self._listen(self._port)

    async def _end(self, connections):
        ending = list(connections)
        for connection in ending:
            connection.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _connected(self, reader, writer):
        connection = asyncio.current_task()
        self._connections[connection] = False
        life = self._life
        try:
            await self._gate.wait()
            while await self._exchange(reader, writer, connection, life):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            del self._connections[connection]
            writer.close()

    async def _exchange(self, reader, writer, connection, life) -> bool:
        """One request and its reply; False where the connection ends with it."""
        head = await reader.readuntil(b"\r\n\r\n")
        headers = dict(
            line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line
        )
        if headers.get("transfer-encoding") == "chunked":
            content = await _chunked(reader)
        else:
            content = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = head.decode("latin-1").split(" ", 2)
        if not path.endswith(("/chat/completions", "/responses")):
            status, found = self.other(method, path.removeprefix("/v1"), content)
            send(writer, found, status=status, header=self.asks_pause)
            return True
        body = json.loads(content or b"{}")
        number = next(self._numbers)
        self.bodies.append(body)
        self.headers.append(headers)
        self.ports.append(writer.get_extra_info("peername")[1])
        body = as_chat(body) if path.endswith("/responses") else body
        self._connections[connection] = True
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            return await self._reply(writer, body, number, lost=life < self._life)
        finally:
            self.in_flight -= 1
            self._connections[connection] = False

    def other(self, method: str, path: str, content: bytes) -> tuple[int, Any]:
        """Status and content for what is no completion."""
        return 404, {"error": {"message": f"there is no {method} {path}"}}

    async def _reply(self, writer, body, number, *, lost) -> bool:
        worst = body.get("max_completion_tokens") or body.get("max_tokens") or UNDECLARED
        if lost:
            self.priced += worst
            return False
        fault = self.faults.get(number) if isinstance(self.faults, Mapping) else self.faults(number)
        if fault in REFUSALS:
            refusal = {"error": {"message": f"told to: {fault}"}}
            send(writer, refusal, status=REFUSALS[fault], header=self.asks_pause)
            return True
        prompt = text_of(body["messages"][-1]["content"])
        try:
            message, tokens = self._message(body, prompt, number)
        except (AttributeError, KeyError, TypeError):  # a schema that is none
            send(writer, {"error": {"message": "invalid schema"}}, status=400, header=self.asks_pause)
            return True
        if fault == "empty":
            message = {"role": "assistant", "content": ""}
        if fault == "refusal":
            message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
        self.billed += tokens
        self.priced += worst
        await asyncio.sleep(3600 if fault == "hang" else self.latency)
        while number >= self.replies:
            await asyncio.sleep(0.005)
        if fault == "bad json":
            send(writer, b'{"id": "x", "choices": [')
            return True
        if body.get("stream"):
            whole, cut = completion_of(body, prompt, message, tokens, self.finish), fault == "cut"
            if "responds" in body:
                await stream_response(writer, response_of(whole, body), cut=cut)
            else:
                await stream_completion(writer, body, whole, cut=cut)
            self.priced += 0 if cut else tokens - worst
            return False
        reply = completion_of(body, prompt, message, tokens, self.finish)
        if fault == "no usage":
            del reply["usage"]
        if fault == "no finish":
            reply["choices"][0]["finish_reason"] = None
        if "responds" in body:
            reply = response_of(reply, body)
        if fault == "cut":
            send(writer, reply, cut=True)
            return False
        if fault == "drip":
            await self._drip(writer, json.dumps(reply).encode())
            return False
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return False
        send(writer, reply)
        if "usage" in reply:
            self.priced += tokens - worst  # no await since it left: nothing can cut it off
        return True

    def _message(self, body, prompt, number):
        """The reply and its tokens: a word each, one that ends it, and those of its thoughts."""
        thinking = THINKING_TOKENS.get(body.get("reasoning_effort"), 0)
        if body.get("tools") and body["messages"][-1]["role"] != "tool" and body.get("tool_choice") != "none":
            return {
                "role": "assistant",
                "content": None,
                "tool_calls": [tool_call(body, prompt, number)],
            }, 5 + thinking
        wanted = body.get("response_format") or {}
        if wanted.get("type") == "json_schema":
            text = json.dumps(filled(wanted["json_schema"]["schema"], prompt))
        elif wanted.get("type") == "json_object":
            text = json.dumps(dict.fromkeys(re.findall(r"'(\w+)'", prompt), "a reply"))
        else:
            limit = body.get("max_tokens") or body.get("max_completion_tokens")
            text = " ".join(self.answer(prompt, number).split()[:limit])
        return {"role": "assistant", "content": text}, len(text.split()) + 1 + thinking

    async def _drip(self, writer, payload):
        writer.write(f"HTTP/1.1 200 Told\r\ncontent-length: {len(payload)}\r\n\r\n".encode())
        for byte in payload:
            await asyncio.sleep(self.drip)
            writer.write(bytes([byte]))
            await writer.drain()


async def _chunked(reader) -> bytes:
    content = b""
    while size := int(await reader.readline(), 16):
        content += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return content
