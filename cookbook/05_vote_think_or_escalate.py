# %% [markdown]
# # 05. Vote, think longer, or escalate: one price
#
# There are several ways to spend more on a question: draw more replies and vote, draw more
# and let a scorer choose, think in steps, ask a stronger model. Which one? At one price,
# they compete: `argmax accuracy - price * cost`. The two procedures of Damani et al. (ICLR
# 2025, arXiv:2410.04707), best-of-k with as many replies as a question deserves, and routing
# between a weak and a strong way to answer, are two cases of it.

# %%
MODEL = None  # a model for the last part, such as "openai:gpt-5-mini"; None takes a record

# %% [markdown]
# ## Best-of-k by a scorer
#
# The recorded replies have no scores, so this makes some: right replies score higher, with
# much noise. It stands in for a reward model of middling quality. In your own samples,
# `score` is what your scorer gave.

# %%
import numpy as np

from adaptive_reasoner.kit import Samples, estimate, frontier, solve, uniform_hull

samples = Samples.read("data/smollm2_arithmetic.samples.parquet")
rng = np.random.default_rng(0)
scored = Samples.from_rows(
    {**row, "score": row["correct"] + rng.normal(0, 0.6)} for row in samples.rows()
)
best_of = estimate(scored, votes={"direct": (1,)}, best_of={"direct": (2, 4, 8)})
for action, accuracy, cost in zip(
    best_of.actions, best_of.accuracy.mean(axis=0), best_of.cost.mean(axis=0), strict=True
):
    print(f"{action:17} accuracy {accuracy:.3f}   cost {cost:5.1f} {best_of.cost_unit}")

# %% [markdown]
# With a budget of 12, the same number of replies for everyone is one thing. Giving each
# question as many as it profits from is another. This is hindsight, so it says what could be
# gained, not what a policy would gain.

# %%
budget = 12.0
print(f"the best mixture for everyone: {uniform_hull(best_of).accuracy_at(budget):.3f}")
allocation = solve(best_of, budget)
print(f"as many as each deserves:      {allocation.accuracy:.3f}")
allocation.shares()

# %% [markdown]
# ## Weak or strong
#
# `direct` is the weak, cheap way to answer here, and `cot` the expensive one. Another model
# would be a third source with its own cost. The procedure is the same: send the questions
# that gain most to the expensive way.

# %%
routes = estimate(samples, votes=(1,))
for budget in (5.0, 8.0, 12.0):
    allocation = solve(routes, budget)
    expensive = allocation.shares()["cot"]
    print(f"budget {budget:4}: cot for {expensive:.0%}, accuracy {allocation.accuracy:.3f}")

# %% [markdown]
# ## All at once
#
# Nothing keeps the ways apart. In one table, each budget has its own best mix of them.

# %%
import matplotlib.pyplot as plt

everything = estimate(
    scored, votes={"direct": (1, 3), "cot": (1, 3)}, best_of={"direct": (2, 4, 8)}
)
curve = frontier(everything)
budgets = np.linspace(curve.costs[0], curve.costs[-1], 60)
shares = [curve.at(budget).shares() for budget in budgets]
plt.stackplot(
    budgets,
    [[share[action] for share in shares] for action in everything.actions],
    labels=everything.actions,
)
plt.xlabel(f"budget ({everything.cost_unit} per question)")
plt.ylabel("share of the questions (oracle)")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
# %% [markdown]
# ## The same online
#
# Each way is a *strategy*, and strategies compose. A `Checker` is a scorer that is always
# right: arithmetic has one. A cascade uses the expensive way only if cheap votes disagree.

# %%
from adaptive_reasoner import (
    Checker,
    Source,
    best_of_n,
    cascade,
    on,
    self_consistency,
    single_pass,
)
from adaptive_reasoner.answers import exact, final_answer
from adaptive_reasoner.kit import recorded_sources

if MODEL:
    from langchain.chat_models import init_chat_model

    model = init_chat_model(MODEL)
    direct = Source(model, prompt="Answer with a number only: {}".format, max_tokens=256)
    cot = Source(
        model,
        prompt="Think step by step, end with 'Answer: ' and the number: {}".format,
        max_tokens=2048,
    )
else:
    sources = recorded_sources(samples)
    direct, cot = sources["direct"], sources["cot"]

# %%
gold = {
    text: samples.of(name, "direct")[0].gold
    for name, text in zip(samples.question_ids, samples.questions, strict=True)
}
checker = Checker(lambda question, reply: exact(final_answer(reply), gold[question]) == 1.0)
strategies = {
    "one pass": on(direct, single_pass()),
    "vote of 5": on(direct, self_consistency(5)),
    "best of 4, checked": on(direct, best_of_n(4, checker)),
    "cascade": cascade(on(direct, self_consistency(3)), on(cot, single_pass()), accept=0.6),
}

# %%
from adaptive_reasoner import AdaptiveReasoner, FixedPolicy

asked = list(gold)[:: 20 if MODEL else 1]
for name, strategy in strategies.items():
    reasoner = AdaptiveReasoner(direct, policy=FixedPolicy(name), actions={name: strategy})
    results = [reasoner.answer(question) for question in asked]
    right = np.mean(
        [
            exact(result.answer, gold[question])
            for question, result in zip(asked, results, strict=True)
        ]
    )
    cost = np.mean([result.record["cost"] for result in results])
    print(f"{name:19} accuracy {right:.3f}   cost {cost:5.1f} tokens")

# %% [markdown]
# `extended_thinking("high")` and `switch_model(strong)` are strategies too:
# `extended_thinking` asks each provider for thinking in its own words, and `switch_model`
# sends the calls of any strategy to another model.

# %%
from adaptive_reasoner import extended_thinking, switch_model

think = on(direct, extended_thinking("high"))
strong_vote = switch_model(cot.runnable, self_consistency(3))
