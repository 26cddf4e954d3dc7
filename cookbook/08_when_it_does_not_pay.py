# %% [markdown]
# # 08. When it does not pay
#
# Three ways in which choosing question by question gains nothing, and how each shows before
# it costs you anything.

# %%
SAMPLES = "data/smollm2_arithmetic.samples.parquet"  # or a file of yours

# %%
import numpy as np

from adaptive_reasoner.kit import Samples, backtest, estimate, train

samples = Samples.read(SAMPLES)
outcomes = estimate(samples, votes=(1, 3, 5))
BUDGET = 12.0

# %% [markdown]
# ## 1. A flat table
#
# Here thinking helps every question equally: 60% right at once, 75% after thinking. There is
# nothing to choose by. Yet with a few replies per question, luck makes it look as if there
# were.

# %%
rng = np.random.default_rng(0)


def flat(n, replies):
    for i in range(n):
        for source, accuracy, cost in (("direct", 0.60, 5), ("cot", 0.75, 50)):
            for j, right in enumerate(rng.random(replies) < accuracy):
                yield {
                    "question_id": f"q{i}",
                    "question": f"Question number {i}",
                    "source": source,
                    "sample": j,
                    "answer": "7" if right else "8",
                    "gold": "7",
                    "correct": float(right),
                    "cost": cost,
                    "cost_unit": "tokens",
                }


flat_outcomes = estimate(Samples.from_rows(flat(300, 4)), votes=(1,))
tested = backtest(flat_outcomes, budgets=[20.0], splits=3)
for row in tested.rows:
    if row.policy in ("oracle_in_sample", "oracle_crossfit", "imitator_ungated"):
        interval = f"({row.lift_low:+.3f} to {row.lift_high:+.3f})"
        print(f"{row.policy:18} lift {row.lift:+.3f} {interval}")
print("verdict:", tested.verdict)

# %% [markdown]
# `oracle_in_sample` sees a large gain, all of it luck. `oracle_crossfit`, scored on replies
# it did not choose by, does not. Whenever the two are far apart, believe the second.

# %% [markdown]
# ## 2. Features that say nothing
#
# The recorded run, with the texts of its questions shuffled. Outcomes still differ from
# question to question, so there is much to gain in hindsight. But the text no longer tells
# which is which.

# %%
from dataclasses import replace

shuffled = replace(outcomes, questions=rng.permutation(outcomes.questions))
print("shuffled:", train(shuffled, budget=BUDGET).gate)
print("as it is:", train(outcomes, budget=BUDGET).gate)

# %% [markdown]
# On shuffled texts the gate must not open: the best mixture of fixed actions goes out
# instead. It is right about its budget and cannot be wrong about a question.

# %% [markdown]
# ## 3. Drift
#
# A policy meets a topic that it was not trained on. Two of them are trained here, each
# without one topic. They are shipped whatever the gate says (`gated=False`), to see what
# they would do.

# %%
import tempfile

from adaptive_reasoner import LearnedPolicy


def trained_without(topic):
    known = outcomes.select(outcomes.groups != topic)
    folder = train(known, budget=BUDGET, gated=False).save(tempfile.mkdtemp() + "/policy")
    return LearnedPolicy.load(folder)


policies = {topic: trained_without(topic) for topic in ("words", "products")}
for topic, policy in policies.items():
    decisions = [policy.decide(text) for text in outcomes.questions[outcomes.groups == topic]]
    unsure = np.mean([decision.reason == "fallback" for decision in decisions])
    print(f"trained without {topic:9} {unsure:4.0%} fallbacks on them")

# %% [markdown]
# A question unlike all training questions gets the mixture instead of a guess, with the
# reason `"fallback"`. A high share of fallbacks is drift that shows. A low share on a new
# topic is drift that does not: to the encoder, the new questions look like the old ones.
# Only fresh labels can tell then.

# %% [markdown]
# The *cost* stays on target either way, since the ledger goes by what was really spent. Here
# 300 questions of the known topics are followed by 300 of the new one, answered from the
# record.

# %%
from adaptive_reasoner import AdaptiveReasoner, vote_actions
from adaptive_reasoner.kit import recorded_sources
from adaptive_reasoner.ledger import open_ledger

policy, sources = policies["products"], recorded_sources(samples)
ledger = open_ledger("memory://", target=BUDGET, policy=policy)
reasoner = AdaptiveReasoner(
    sources["direct"],
    policy=policy,
    actions=vote_actions(sources, votes=(1, 3, 5)),
    ledger=ledger,
)
known, new = (
    outcomes.questions[outcomes.groups != "products"],
    outcomes.questions[outcomes.groups == "products"],
)
averages = []
for question in [*rng.choice(known, 300), *rng.choice(new, 300)]:
    reasoner.answer(question)
    averages.append(ledger.average)

# %%
import matplotlib.pyplot as plt

plt.plot(averages, label="average so far")
plt.axhline(BUDGET, color="gray", linestyle="--", label="target")
plt.axvline(300, color="gray", linestyle=":", label="the topic changes")
plt.xlabel("questions")
plt.ylabel(f"cost ({outcomes.cost_unit} per question)")
plt.legend()
plt.show()

# %% [markdown]
# What the ledger cannot hold is *accuracy*: nobody has graded these questions. When topics
# change, collect on the new ones and backtest again.
