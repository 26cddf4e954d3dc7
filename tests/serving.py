"""Servers on loopback, each in a thread of its own, and ports for those in other processes."""

import asyncio
import random
import socket
import threading
from contextlib import contextmanager, suppress

import uvicorn

from adaptive_reasoner.server.connections import patient_for


def free_port():
    """A port below those that the system gives to clients: none takes it while the server starts."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def serving(served, *, patience=30.0):
    """Serve an application on a free port; its address, while the block lasts."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        config = uvicorn.Config(
            served,
            http=patient_for(patience),
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def running(page):
    """Run a server of a page while the block lasts."""
    thread = threading.Thread(target=page.run)
    thread.start()
    try:
        yield
    finally:
        page.stop()
        thread.join()
