"""Logs of toy traffic, as a node that explores writes them."""

import numpy as np

from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.samples import Samples


def log_rows(policy, table, *, explore, seed=0):
    """One row a question: the policy's own action, or at random any of them."""
    rng = np.random.default_rng(seed)
    k = len(table.actions)
    shares = PolicyChoices.of(policy, table.questions.tolist()).shipped()
    owns = [int(np.searchsorted(np.cumsum(share), rng.random() * 0.999999)) for share in shares]
    for at, (name, text) in enumerate(zip(table.question_ids, table.questions, strict=True)):
        own = owns[at]
        taken = int(rng.integers(k)) if rng.random() < explore else own
        yield {
            "question_id": name,
            "question": text,
            "source": table.actions[taken],
            "sample": 0,
            "answer": "7",
            "gold": "7",
            "correct": table.accuracy[at, taken],
            "cost": table.cost[at, taken],
            "cost_unit": table.cost_unit,
            "action": table.actions[taken],
            "propensity": explore / k + (1 - explore) * (taken == own),
            "policy_id": policy.policy_id,
        }


def logged(policy, table, **options):
    """The same as samples."""
    return Samples.from_rows(log_rows(policy, table, **options))
