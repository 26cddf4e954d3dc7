"""What all tests share."""

import gc
import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_openai.chat_models import _client_utils

for _name in ("COLUMNS", "LINES"):  # a console keeps the size that it found when it was made
    os.environ.pop(_name, None)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing it asks the internet

# The same examples in every run, so that a red one is the doing of the change. To search for new ones:
# pytest --hypothesis-profile=searching
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # tests measure no time
settings.register_profile("repeatable", untimed, derandomize=True)
settings.register_profile("searching", untimed, derandomize=False)
settings.load_profile("repeatable")

# langchain_openai caches 128 HTTP clients by address and does not close those that it drops. Every stub
# server has an address of its own, so a long run drops some, and any test may then find their open sockets.
for _name in ("_cached_sync_httpx_client", "_cached_async_httpx_client"):
    setattr(_client_utils, _name, cache(getattr(_client_utils, _name).__wrapped__))

PROJECT = Path(__file__).resolve().parents[1]


@given(st.none())
def _first_example(_):
    """With its first example Hypothesis looks for what refers to its generator, which must not be frozen."""


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What collection imports stays: it is searched for garbage neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        _first_example()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real outcome tables of other models, which are not part of the project."""
    folder = PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"the tables of other models are not here ({folder.parent.name}/{folder.name} beside the project)"
        )
    return folder
