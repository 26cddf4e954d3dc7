"""`serve` and `serve-key`, as the shell sees them."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from math import inf

import httpx
import pytest

from adaptive_reasoner import open_ledger
from tests.stub_server import StubServer
from tests.unit_tests.policy.forged_folders import GOOD
from tests.waiting import PATIENCE, wait_until

MENU = """
[sources.direct]
base_url = "{url}"
model = "stub"
max_tokens = 100
"""
ASKED = {"model": "direct", "messages": [{"role": "user", "content": "What is 3 + 4?"}]}


@pytest.fixture
def upstream():
    with StubServer() as stub:
        yield stub


@pytest.fixture
def menu(tmp_path, upstream):
    path = tmp_path / "menu.toml"
    path.write_text(MENU.format(url=upstream.base_url))
    return path


@pytest.fixture
def start(menu):
    """Starts the command; it has ended at the end of the test."""
    started = []

    def run(*options):
        program = "from adaptive_reasoner.cli import main; main()"
        command = [
            sys.executable,
            "-c",
            program,
            "serve",
            "--config",
            menu,
            "--port",
            "0",
            "--json",
            *options,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process, json.loads(process.stdout.readline())

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_at_sigterm_what_is_in_flight_is_answered_and_nothing_else(start, tmp_path, upstream):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    process, served = start("--budget", "30", "--ledger", url)
    assert served["models"] == [
        "adaptive",
        "adaptive_vote",
        "single_pass",
        "direct",
        "direct_vote_3",
        "direct_vote_5",
    ]
    with (
        httpx.Client(base_url=f"{served['url']}/", timeout=PATIENCE) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        upstream.replies = 0
        asked = pool.submit(httpx.post, f"{served['url']}/chat/completions", json=ASKED, timeout=PATIENCE)
        wait_until(lambda: upstream.bodies)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: client.get(served["url"].replace("/v1", "/healthz")).status_code == 503)
        late = client.post("chat/completions", json=ASKED)
        assert (late.status_code, late.json()["error"]["code"]) == (503, "shutting_down")
        upstream.replies = inf
        assert asked.result().status_code == 200
    assert process.wait(timeout=PATIENCE) == 0
    assert process.stderr.read() == ""
    with open_ledger(url) as ledger:
        state = ledger.snapshot()
    assert (state.spent, state.in_flight) == (3.0, 0)


@pytest.mark.slow
def test_a_call_that_is_lost_is_not_made_again_unseen(start, tmp_path, upstream):
    upstream.faults = {0: "reset"}
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    _, served = start("--budget", "30", "--ledger", url)
    assert httpx.post(f"{served['url']}/chat/completions", json=ASKED, timeout=PATIENCE).status_code == 502
    with open_ledger(url) as ledger:
        assert ledger.snapshot().spent == upstream.priced == 100.0


@pytest.mark.slow
def test_what_does_not_end_within_the_grace_is_cut_and_billed(start, tmp_path, upstream):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    upstream.replies = 0
    process, served = start("--budget", "30", "--ledger", url, "--grace", "0.2")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.post, f"{served['url']}/chat/completions", json=ASKED, timeout=PATIENCE)
        wait_until(lambda: upstream.bodies)
        process.send_signal(signal.SIGTERM)
        assert asked.result().status_code == 503
    assert process.wait(timeout=PATIENCE) == 0
    with open_ledger(url) as ledger:
        state = ledger.snapshot()
    assert (state.spent, state.in_flight) == (100.0, 0)


@pytest.mark.slow
def test_a_tenant_of_the_key_file_has_a_ledger_in_the_same_database(command, start, tmp_path):
    url, keys = f"sqlite:///{tmp_path}/ledger.sqlite", tmp_path / "keys.toml"
    made = command("serve-key", "--keys", keys, "--name", "a", "--tenant", "acme", "--budget", "20", "--json")
    key = json.loads(made[1])["key"]
    process, served = start("--budget", "30", "--ledger", url, "--keys", keys)
    answer = httpx.post(
        f"{served['url']}/chat/completions", json=ASKED, headers={"authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200
    assert httpx.post(f"{served['url']}/chat/completions", json=ASKED).status_code == 401
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 0
    with open_ledger(url, name="tenant acme") as ledger:
        assert (ledger.target, ledger.snapshot().spent) == (20.0, 3.0)


@pytest.mark.slow
def test_a_tenant_whose_budget_is_below_the_cheapest_choices_is_named(command, start, menu, tmp_path):
    menu.write_text(menu.read_text() + menu.read_text().replace("direct", "cot"))
    keys = tmp_path / "keys.toml"
    command("serve-key", "--keys", keys, "--name", "a", "--tenant", "acme", "--budget", "0.5")
    process, _ = start("--policy", GOOD, "--budget", "30", "--keys", keys)
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE)
    assert "the target of the tenant 'acme', 0.5 tokens per question, cannot be held" in said


def test_other_machines_are_not_served_without_keys_unasked(command, menu):
    code, _, complaint = command("serve", "--config", menu, "--budget", 30, "--host", "0.0.0.0")
    assert code == 2
    assert "give --keys, or --no-keys" in complaint


def test_without_policy_and_budget_the_command_says_what_is_missing(command, menu):
    code, _, complaint = command("serve", "--config", menu)
    assert code == 2
    assert "say what a question may cost" in complaint


def test_a_menu_whose_key_is_not_set_ends_the_command(command, menu):
    menu.write_text(menu.read_text() + 'api_key_env = "NO_SUCH_KEY"\n')
    assert "NO_SUCH_KEY" not in os.environ
    code, _, complaint = command("serve", "--config", menu, "--budget", 30)
    assert code == 2
    assert "NO_SUCH_KEY, which is not set" in complaint


def test_a_key_is_printed_once_and_a_budget_belongs_to_a_tenant(command, tmp_path):
    keys = tmp_path / "keys.toml"
    code, key, said = command("serve-key", "--keys", keys, "--name", "ops")
    assert (code, key.startswith("ar-")) == (0, True)
    assert "ops" in said
    code, _, complaint = command("serve-key", "--keys", keys, "--name", "b", "--budget", 3)
    assert code == 2
    assert "give --tenant" in complaint
