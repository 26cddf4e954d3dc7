"""The container and compose files, as far as no engine is needed to read them."""

import re
import shlex
from pathlib import Path

import yaml
from typer.main import get_command

from adaptive_reasoner.cli import app

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
CONTAINER = (DEPLOY / "Containerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_the_container_starts_the_command_with_options_that_it_has():
    known = {option for param in get_command(app).commands["serve"].params for option in param.opts}
    words = re.findall(r'"(--[\w-]+)', CONTAINER) + [
        word.partition("=")[0] for word in COMPOSE["services"]["server"]["command"]
    ]
    assert len(words) > 6
    assert set(words) <= known


def test_the_container_runs_as_nobody_in_particular_and_holds_no_tools():
    last = CONTAINER.rpartition("FROM ")[2]
    assert "USER 10001" in last
    assert "pip install" not in last


def test_every_file_that_the_container_copies_is_there():
    copied = re.findall(r"^COPY (?!--from)(.+)$", CONTAINER, re.M)
    assert copied
    for line in copied:
        *sources, _ = shlex.split(line)
        assert all((DEPLOY.parent / source).exists() for source in sources)


def test_the_server_waits_for_the_database_and_has_time_to_drain():
    server, database = COMPOSE["services"]["server"], COMPOSE["services"]["database"]
    assert server["depends_on"]["database"]["condition"] == "service_healthy"
    assert "healthcheck" in database
    assert int(server["stop_grace_period"].removesuffix("s")) > 60
    assert server["ports"] == ["127.0.0.1:8000:8000"]
