"""A run of the agent that spends everywhere, in a process of its own: what it spends is written down at once.

python -m tests.unit_tests.integrations.bill_in_a_process FOLDER DIES_BEFORE RESUMES
"""

import os
import signal
import sys
import warnings
from pathlib import Path

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.priced_agents import MAIN, METER, SEARCH, PricedModel, Spent, steps, summariser, tools_of


class Written(Spent):
    """Writes each cost to a file before the reply is there, and dies before the call of a given number."""

    def __init__(self, path: Path, dies_before: int) -> None:
        super().__init__()
        self._path, self._dies_before = path, dies_before

    def add(self, name, cost):
        super().add(name, cost)
        with self._path.open("a") as file:
            file.write(f"{name} {cost!r}\n")
        if len(self.calls) == self._dies_before:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder, dies_before, resumes):
    warnings.simplefilter("error")
    spent = Written(Path(folder) / "spent", int(dies_before))
    ledger = open_ledger(f"sqlite:///{folder}/ledger.db", cost_unit="usd", reservation_ttl=3_600.0)
    ours = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=0.001, worst_cost=0.004, cost_unit="usd"),
        actions={"single_pass": single_pass()},
        ledger=ledger,
        meter=METER,
        tool_costs={"search": SEARCH},
        run_budget=0.05,
    )
    model = PricedModel(model="main", script=steps(*MAIN), spent=spent)
    with SqliteSaver.from_conn_string(f"{folder}/checkpoints.db") as saver:
        agent = create_agent(model, tools_of(spent), middleware=[ours, summariser(spent)], checkpointer=saver)
        given = None if resumes == "yes" else {"messages": [HumanMessage("What is it?")]}
        config = {"configurable": {"thread_id": "1"}}
        state = agent.invoke(given, config, durability="sync")
        print(state["messages"][-1].text)
        account = agent.get_state(config).values["adaptive_account"]
        print(account["run"], account["thread"], ledger.snapshot().spent)


if __name__ == "__main__":
    main(*sys.argv[1:])
