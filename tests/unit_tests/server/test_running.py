import gc
import logging

import pytest
from fastapi import FastAPI

from adaptive_reasoner.server.limits import Limits
from adaptive_reasoner.server.running import run


class ReadyError(Exception):
    """Ends the server before it answers."""


def test_what_was_loaded_at_the_start_is_left_out_of_garbage_collections():
    def ready(url):
        raise ReadyError(url)

    before = gc.get_freeze_count()
    options = {"port": 0, "limits": Limits(), "grace": 1.0, "log_level": "error", "ready": ready}
    try:
        with pytest.raises(ReadyError, match="http://127"):
            run(FastAPI(), host="127.0.0.1", **options)
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()
        for name in ("uvicorn", "adaptive_reasoner.server"):  # as before, for the tests that read the log
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.NOTSET)
