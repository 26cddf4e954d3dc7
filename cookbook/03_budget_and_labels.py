# %% [markdown]
# # 03. Which budget, and how many labels?
#
# Two questions to answer before you spend anything. Both have a picture.

# %%
SAMPLES = "data/smollm2_arithmetic.samples.parquet"  # or a file that `collect` wrote

# %%
from adaptive_reasoner.kit import Samples, estimate, frontier, uniform_hull

samples = Samples.read(SAMPLES)
outcomes = estimate(samples, votes=(1, 3, 5))
best, fixed = frontier(outcomes), uniform_hull(outcomes)

# %% [markdown]
# ## The frontier
#
# Every budget at once. The upper line is what perfect knowledge of each question would buy.
# The dashed one is what needs no knowledge: mixtures of fixed actions. A real policy lies
# between.

# %%
_ = best.plot()

# %% [markdown]
# ## The price: what one more unit buys
#
# The slope of the frontier is the price of compute. Where it is steep, money buys accuracy.
# Where it is flat, you pay for nothing.

# %%
for budget in (4, 6, 8, 12, 16):
    buys = 100 * best.price_at(budget)
    print(f"at {budget:2} {outcomes.cost_unit} per question, one more buys {buys:.2f} points")

# %% [markdown]
# So you can ask the other way round. What is a point of accuracy worth to you? Say that you
# would pay 3 tokens per question for one more point. Then the price is 1/3 of a point for a
# token, and the budget follows from it.

# %%
import numpy as np

worth = 0.01 / 3  # accuracy for one token
budget = best.costs[np.searchsorted(-best.prices, -worth)]
print(f"spend {budget:.1f} {outcomes.cost_unit} per question")

# %% [markdown]
# ## Hindsight is an optimist
#
# The oracle chose and was scored on the same replies. Cross-fitted, it chooses on half of
# each question's replies and is scored on the other half. What can be *learnt* is below
# that. This is what to choose a budget from.

# %%
import matplotlib.pyplot as plt

from adaptive_reasoner.kit import backtest

budgets = [6.0, 12.0]
tested = backtest(outcomes, budgets=budgets, splits=2)
rows = {(row.policy, row.budget): row for row in tested.rows}
for name, colour in [
    ("oracle_in_sample", "lightgreen"),
    ("oracle_crossfit", "tab:green"),
    ("imitator_ungated", "tab:orange"),
]:
    of = [rows[name, budget] for budget in budgets]
    spread = [
        [row.lift - row.lift_low for row in of],
        [row.lift_high - row.lift for row in of],
    ]
    plt.errorbar(
        budgets,
        [row.lift for row in of],
        spread,
        marker="o",
        capsize=3,
        color=colour,
        label=name,
    )
plt.axhline(0, color="gray", linestyle="--")
plt.xlabel(f"budget ({outcomes.cost_unit} per question)")
plt.ylabel("lift over mixtures of fixed actions")
plt.legend()
plt.show()
# %% [markdown]
# ## How many questions?
#
# Train on fewer questions and look at the gate. It says *ship* when its interval has left
# zero. Before that it says about how many questions would tell; where the gain is already
# likely, it ships *in part*. One draw of few questions can mislead either way: look at the
# width of the interval, not at its middle.

# %%
from adaptive_reasoner.kit import train

order = np.random.default_rng(0).permutation(len(outcomes))
gates = {n: train(outcomes.select(order[:n]), budget=12.0).gate for n in (60, len(outcomes))}
for gate in gates.values():
    print(gate)

# %%
lifts = np.array([[gate.lift, gate.low, gate.high] for gate in gates.values()])
plt.errorbar(
    list(gates),
    lifts[:, 0],
    [lifts[:, 0] - lifts[:, 1], lifts[:, 2] - lifts[:, 0]],
    marker="o",
    capsize=3,
)
plt.axhline(0, color="gray", linestyle="--")
plt.xlabel("questions with known answers")
plt.ylabel("lift, 95% interval")
plt.show()
# %% [markdown]
# ## How many replies per question?
#
# The same questions with fewer replies each. If the lift hardly moves, buy questions instead
# of replies. A backtest of a samples file asks the same of held-out questions
# (`learning_curve`).

# %%
for replies in (4, 8):
    fewer = Samples.from_rows(row for row in samples.rows() if row["sample"] < replies)
    print(f"{replies} replies: {train(estimate(fewer, votes=(1, 3)), budget=8.0).gate}")

# %% [markdown]
# ## What do the labels cost?

# %%
spent = sum(source["cost"] for source in samples.bill())
print(
    f"{spent:.0f} {samples.cost_unit}:",
    f"as much as {spent / 12:.0f} questions answered at a budget of 12",
)

# %% [markdown]
# Whether that pays depends on your traffic. At the budget of 12 the backtest shows how many
# times more a mixture would have to spend for the same accuracy (`compute_saved`, where it
# can reach it at all).

# %%
row = rows["imitator_ungated", 12.0]
row.compute_saved, row.compute_saved_low, row.compute_saved_high
