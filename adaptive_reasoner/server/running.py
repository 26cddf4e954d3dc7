"""Run the server until SIGTERM or Ctrl-C: then requests in flight come to their ends, and no others start."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from adaptive_reasoner.server.connections import patient_for
from adaptive_reasoner.server.limits import Gate, Limits

_BACKLOG = 2048
_KEEP_ALIVE = 75  # seconds; clients close idle connections earlier, so none asks on one that closes


class FramesOnly(logging.Formatter):
    """Formats an exception as its type and where it was raised: its message may hold a prompt."""

    @override
    def formatException(self, ei: Any) -> str:
        kind, _, trace = ei
        frames = []
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
            trace = trace.tb_next
        return "\n".join([str(getattr(kind, "__name__", kind)), *frames])


class _Server(uvicorn.Server):
    """Drains at the first signal; at the second, or after the grace, it cuts what is in flight."""

    def __init__(self, config: uvicorn.Config, gate: Gate, grace: float) -> None:
        super().__init__(config)
        self._gate, self._grace = gate, grace
        self._draining: asyncio.Task[None] | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())
        else:
            self._gate.cut.set()

    async def _drain(self) -> None:
        cutting = self._loop.call_later(self._grace, self._gate.cut.set)
        await self._gate.drained()
        cutting.cancel()
        self.should_exit = True


def run(
    served: FastAPI,
    *,
    host: str,
    port: int,
    limits: Limits,
    grace: float,
    log_level: str,
    ready: Callable[[str], None],
) -> None:
    """Serve an application until a signal ends it.

    Args:
        served: The application, as `app` makes it.
        host: The address to listen on.
        port: The port; a free one if 0.
        limits: Those of the application.
        grace: Seconds that requests in flight may take at the end.
        log_level: The lowest level that is logged, on stderr.
        ready: Called with the address once the server listens.

    Raises:
        OSError: The address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=_BACKLOG) as listening:
        config = uvicorn.Config(
            served,
            http=patient_for(limits.body_seconds),
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=_log(log_level),
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=int(limits.body_seconds) + 1,
        )
        gc.collect()
        gc.freeze()  # what stays to the end is not searched again, which would stop all answers each time
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        _Server(config, served.state.gate, grace).run([listening])


def _log(level: str) -> dict[str, Any]:
    """The log on stderr: no prompt, no answer, no key."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"()": FramesOnly, "format": "%(asctime)s %(levelname)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "loggers": {
            name: {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
            for name in ("uvicorn", "adaptive_reasoner.server")
        },
    }
