"""Math QA under a budget: question -> adaptive compute, with a ledger -> answer.

Served by `langgraph dev` without a key: the built-in local model starts with the first question. Set
`ADAPTIVE_REASONER_POLICY` to a policy folder (the demo writes one) and the graph decides question by
question; without it every question gets a chain of thought.
"""

import os

from adaptive_reasoner import FixedPolicy, LearnedPolicy, Policy
from adaptive_reasoner.demo.math_qa import build_graph, local_sources

folder = os.environ.get("ADAPTIVE_REASONER_POLICY")
policy: Policy = FixedPolicy("cot", expected_cost=12.0, worst_cost=32.0)
if folder:
    policy = LearnedPolicy.load(folder)

graph = build_graph(local_sources(), policy=policy)
