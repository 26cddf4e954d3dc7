"""A run that asks for more budget, in a process of its own.

python -m tests.unit_tests.integrations.asking_in_a_process FOLDER ask|resume [ANSWER]
"""

import json
import sys
import warnings
from pathlib import Path

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.priced_agents import METER, PricedModel, Searches, Spent, look


class Written(Spent):
    """Writes each cost to a file before the reply is there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def add(self, name, cost):
        super().add(name, cost)
        with self._path.open("a") as file:
            file.write(f"{cost!r}\n")


def main(folder, what, answer="null"):
    warnings.simplefilter("error")
    ledger = open_ledger(f"sqlite:///{folder}/ledger.db", cost_unit="usd")
    ours = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=0.001, worst_cost=0.01, cost_unit="usd"),
        actions={"single_pass": single_pass()},
        ledger=ledger,
        meter=METER,
        run_budget=0.0125,
        on_exhausted="ask",
    )
    model = PricedModel(model="main", script=Searches(9), spent=Written(Path(folder) / "spent"))
    with SqliteSaver.from_conn_string(f"{folder}/checkpoints.db") as saver:
        agent = create_agent(model, [look], middleware=[ours], checkpointer=saver)
        config = {"configurable": {"thread_id": "1"}}
        asked = {"messages": [HumanMessage("What is it?")]}
        state = agent.invoke(asked if what == "ask" else Command(resume=json.loads(answer)), config)
        print("asks" if "__interrupt__" in state else state["messages"][-1].text)
        account = agent.get_state(config).values["adaptive_account"]
        print(account["run"], account.get("run_budget", 0.0), ledger.snapshot().spent)


if __name__ == "__main__":
    main(*sys.argv[1:])
