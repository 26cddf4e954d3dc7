"""An agent that calls tools in rounds and then answers, and counts each call as one."""

from langchain.agents import create_agent
from langchain_core.messages import ToolMessage

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import SampleMeter
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel


class Caller(ScriptedModel):
    """Calls tools with each of its first replies, and then answers."""

    calls: tuple = ()

    def bind_tools(self, tools, **kwargs):
        return self

    def _reply(self, messages, kwargs):
        reply = super()._reply(messages, kwargs)
        number = len(self.requests) - 1
        wanted = self.calls[number] if number < len(self.calls) else ()
        made = [
            {"name": n, "args": a, "id": f"{number}-{i}", "type": "tool_call"}
            for i, (n, a) in enumerate(wanted)
        ]
        return reply.model_copy(update={"tool_calls": made})


def agent_of(tools, *rounds, middleware=(), checkpointer=None, ledger=None, **options):
    ours = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=1.0, worst_cost=1.0, cost_unit="samples"),
        actions={"single_pass": single_pass()},
        meter=SampleMeter(),
        ledger=ledger or open_ledger("memory://", cost_unit="samples"),
        **options,
    )
    model = Caller(calls=rounds)
    return create_agent(model, tools, middleware=[ours, *middleware], checkpointer=checkpointer), ours


def told(state):
    return [message for message in state["messages"] if isinstance(message, ToolMessage)]
