"""Which tests of integrations the installed LangChain can run, and the model and the tool of its agents."""

from importlib.util import find_spec

import pytest
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from tests.stub_server import StubServer

# Decision models and the routers that ask them came with langchain-core 1.8 and langchain 1.5.
collect_ignore = (
    []
    if find_spec("langchain_core.decisions")
    else [
        "asking_in_a_process.py",
        "bill_in_a_process.py",
        "billed_agents.py",
        "exhausted_agents.py",
        "test_agent_end.py",
        "test_agent_steps.py",
        "test_asking_for_more.py",
        "test_bill_after_a_crash.py",
        "test_bill_of_subagents.py",
        "test_decision_models.py",
        "test_deepagents.py",
        "test_one_bill.py",
        "test_with_langchains_middleware.py",
    ]
)


@pytest.fixture
def server():
    with StubServer(answer=lambda prompt, number: "The answer is 14") as running:
        yield running


@pytest.fixture
def model(server):
    return ChatOpenAI(model="stub", base_url=server.base_url, api_key="none", max_retries=0)


@pytest.fixture
def adder():
    runs = []

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        runs.append((a, b))
        return a + b

    add.metadata = {"runs": runs}
    return add
