# %% [markdown]
# # 01. A budget on your LangGraph agent, in ten lines
#
# No policy, no labels, no training: a model and a budget are enough. Every question gets a
# vote that goes on while a further sample is worth its price, and the ledger moves the price
# so that the average stays on target.

# %%
MODEL = None  # your model, such as "openai:gpt-5-mini"; None takes a recorded run

# %%
from adaptive_reasoner import Source
from adaptive_reasoner.kit import Samples, recorded_sources

samples = Samples.read("data/smollm2_arithmetic.samples.parquet")
questions = list(samples.questions)
if MODEL:
    from langchain.chat_models import init_chat_model

    model = Source(init_chat_model(MODEL), max_tokens=1024)
    budget, questions = 600.0, questions[:10]
else:
    model, budget = recorded_sources(samples)["direct"], 12.0

# %% [markdown]
# ## The ten lines

# %%
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner import AdaptiveComputeNode

node = AdaptiveComputeNode(model, budget=budget)  # generated tokens per question, on average
graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
reply = graph.invoke({"messages": [("user", "1 + 1")]})["messages"][-1]
print(reply.text)

# %% [markdown]
# What was decided, and what it cost, comes with the reply.

# %%
record = reply.response_metadata["adaptive_reasoner"]
{
    name: record[name]
    for name in ("action", "samples", "agreement", "cost", "cost_unit", "price")
}

# %% [markdown]
# ## The average holds
#
# Many questions later. The ledger pulls the running average to the target; it settles as
# questions go by.

# %%
averages, drawn = [], []
for question in questions:
    reply = graph.invoke({"messages": [("user", question)]})["messages"][-1]
    drawn.append(reply.response_metadata["adaptive_reasoner"]["samples"])
    averages.append(node.reasoner.ledger.average)

# %%
import matplotlib.pyplot as plt

plt.plot(averages, label="average so far")
plt.axhline(budget, color="gray", linestyle="--", label="budget")
plt.xlabel("questions")
plt.ylabel("tokens per question")
plt.legend()
plt.show()
# %% [markdown]
# Some questions got one sample, others many. The difference was made by the answers
# themselves: where the first samples agree, more of them would change nothing.

# %%
plt.hist(drawn, bins=range(1, max(drawn) + 2), align="left", rwidth=0.8)
plt.xlabel("samples drawn")
plt.ylabel("questions")
plt.show()
# %% [markdown]
# ## In an agent
#
# For `create_agent` there is a middleware. All model calls of a run are one question to the
# ledger, and tools run once, whatever the size of the vote.

# %%
from langchain.agents import create_agent

from adaptive_reasoner import AdaptiveComputeMiddleware

budgeted = AdaptiveComputeMiddleware(budget=budget)
agent = create_agent(model.runnable, middleware=[budgeted])
agent.invoke({"messages": [("user", "1 + 1")]})["messages"][-1].text

# %% [markdown]
# `AdaptiveChatModel(model, budget=...)` is the same as a chat model, wherever one is
# expected. Next: notebook 02 learns from labelled questions when thinking harder pays.
