"""The graphs as they are served: by `langgraph dev`, through its SDK."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from langgraph_sdk import get_client

from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel
from tests.serving import free_port
from tests.stub_server import StubServer
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
NAMES = sorted(json.loads((PROJECT / "langgraph.json").read_text())["graphs"])


@pytest.fixture(scope="module")
def endpoint():
    with StubServer(answer=lambda prompt, number: "So it is. Answer: 14") as server:
        yield server


@pytest.fixture(scope="module")
def served(endpoint, tmp_path_factory):
    """The URL of `langgraph dev`, which stops with the tests."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()  # it keeps its state where it runs
    shutil.copytree(PROJECT / "graphs", folder / "graphs")
    shutil.copy(PROJECT / "langgraph.json", folder)
    log = folder / "log"
    command = [Path(sys.executable).with_name("langgraph"), "dev", "--no-browser", "--no-reload"]
    options = ["--port", str(port), "--n-jobs-per-worker", "4"]
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": endpoint.base_url,
        "OPENAI_API_KEY": "none",
        "PYTHONPATH": str(PROJECT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: _answers(f"{url}/ok") or server.poll() is not None)
        finally:
            print(log.read_text()[-4000:])  # pytest shows it where the test fails
        assert server.poll() is None
        yield url
    finally:
        server.terminate()
        try:
            server.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


INPUTS = {
    "agent": {"messages": [{"role": "user", "content": "What is 5 + 9?"}]},
    "math_qa": {"question": "5 + 9 ="},
    "multi_node": {"question": "What is 5 + 9?"},
    "research": {"messages": [{"role": "user", "content": "What is 5 + 9?"}]},
    "routed": {"question": "What is 5 + 9?"},
}
AGENTS = ("agent", "research")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_a_served_graph_streams_keeps_its_thread_and_takes_context(served, name):
    async with get_client(url=served) as client:
        thread = (await client.threads.create())["thread_id"]
        run = {"input": INPUTS[name], "context": {"price": 0.125}}
        modes = ["custom", "updates", "messages-tuple"]
        stream = client.runs.stream(thread, name, **run, stream_mode=modes, stream_subgraphs=True)
        events = [part async for part in stream]
        state = (await client.threads.get_state(thread))["values"]
    assert not [part for part in events if part.event == "error"], events[-1]
    told = [part.data for part in events if part.event.startswith("custom")]
    assert {event["event"] for event in told} >= {"decision", "sample", "settled"}
    text = state["messages"][-1]["content"] if name in AGENTS else state["reply"]
    assert text
    if name != "math_qa":
        assert "14" in text
    assert min(event["price"] for event in told if event["event"] == "decision") == 0.125
    if name == "agent":
        said = [part.data[0] for part in events if part.event.startswith("messages")]
        said = [message["content"] for message in said if message["type"].lower().startswith("ai")]
        assert "".join(said) == text  # of a vote the winner alone, of a single pass its tokens
    if name == "multi_node":
        assert len(state["decision"]) == 2
        assert state["budget"]["spent"] == sum(decision["cost"] for decision in state["decision"])


def test_the_graphs_import_without_a_key():
    program = "import graphs.agent, graphs.math_qa, graphs.multi_node, graphs.research, graphs.routed"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_routed_question_goes_to_the_subgraph_of_its_action():
    from graphs.routed import LongerIsHarder, routed

    ledger = open_ledger("memory://", target=20.0)
    builder = routed(
        Source(ScriptedModel(answers=("Answer: 14",)), max_tokens=50),
        policy=LongerIsHarder(words=3, dearest=1.0),
        actions={"single_pass": single_pass(), "vote_5": self_consistency(5)},
        ledger=ledger,
    )
    graph = builder.compile()
    short, long = (graph.invoke({"question": text}) for text in ("5 + 9?", "what is five plus nine then?"))
    assert (short["decision"]["action"], short["decision"]["samples"]) == ("single_pass", 1)
    assert (long["decision"]["action"], long["decision"]["samples"]) == ("vote_5", 3)
    assert (ledger.snapshot().questions, ledger.snapshot().spent) == (2, 8.0)
    dear = graph.invoke({"question": "what is five plus nine then?"}, context={"price": 2.0})
    assert (dear["decision"]["action"], dear["decision"]["price"]) == ("single_pass", 2.0)


def printed_by(program, endpoint, monkeypatch):
    """What a program prints as JSON, whose models are those of an endpoint."""
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


TWO_GRAPHS = """
import json
from graphs import agent, multi_node
state = multi_node.graph.invoke({"question": "What is 5 + 9?"})
seen = multi_node.ledger.snapshot()
actions = [decision["action"] for decision in state["decision"]]
asked = {"messages": [("user", "What is 5 + 9?")]}
events = [event for _ in range(3) for event in agent.graph.stream(asked, stream_mode="custom")]
decided = [event["action"] for event in events if event["event"] == "decision"]
samples = [event["samples"] for event in events if event["event"] == "settled"]
print(json.dumps([[state["answer"], actions, seen.questions, seen.in_flight], [decided, samples]]))
"""


@pytest.fixture(scope="module")
def two_graphs(endpoint):
    """What two nodes under one budget and the agent did; the process imports LangChain once for both."""
    with pytest.MonkeyPatch.context() as patch:
        return printed_by(TWO_GRAPHS, endpoint, patch)


def test_two_nodes_under_one_budget_are_one_question(two_graphs):
    # A plan is free text, which is never voted on; its solution is.
    assert two_graphs[0] == ["14", ["single_pass", "adaptive_vote"], 1, 0]


def test_the_agent_votes(two_graphs):
    actions, samples = two_graphs[1]
    assert set(actions) == {"adaptive_vote"}
    assert max(samples) > 1


def test_two_subagents_and_a_paid_tool_are_on_one_bill_in_dollars(monkeypatch, endpoint):
    before = len(endpoint.bodies)
    program = """
import json
from graphs.research import TOOL_COSTS, budgeted, graph
state = graph.invoke({"messages": [("user", "What is 5 + 9?")]})
seen = budgeted.ledger.snapshot()
charges = budgeted.ledger.history()
tools = [charge.cost for charge in charges if ":tool:" in charge.key]
text = state["messages"][-1].text
print(json.dumps([text, seen.questions, seen.in_flight, seen.spent, tools, len(charges)]))
"""
    text, questions, in_flight, spent, tools, charges = printed_by(program, endpoint, monkeypatch)
    assert "14" in text
    assert (questions, in_flight, tools) == (1, 0, [0.005])
    assert 0.005 < spent < 0.5
    assert charges > 3
    assert len(endpoint.bodies) - before >= 4  # the agent twice, the researcher twice
