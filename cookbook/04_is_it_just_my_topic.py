# %% [markdown]
# # 04. Is it just my topic?
#
# A policy beats fixed actions. Has it learnt which *questions* need thought, or only which
# *topics*? A table of topics would be simpler, cheaper, and easier to explain. This notebook
# tells the two apart.

# %%
SAMPLES = "data/smollm2_arithmetic.samples.parquet"  # or yours, with groups

# %%
from adaptive_reasoner.kit import Samples, estimate

samples = Samples.read(SAMPLES)
outcomes = estimate(samples, votes=(1, 3, 5))

# %% [markdown]
# ## The topics
#
# Accuracy of each action by group. If one action is best in one group and another elsewhere,
# a lookup by group already gains.

# %%
import numpy as np

print(f"{'':10}" + "".join(f"{action:>15}" for action in outcomes.actions))
for group in sorted(set(outcomes.groups)):
    mean = outcomes.accuracy[outcomes.groups == group].mean(axis=0)
    print(f"{group:10}" + "".join(f"{accuracy:15.3f}" for accuracy in mean))

# %% [markdown]
# ## The backtest
#
# Every rule at the same budget, on questions it has not seen.

# %%
from adaptive_reasoner.kit import backtest

BUDGET = 12.0
tested = backtest(outcomes, budgets=[BUDGET], splits=3)
rows = {row.policy: row for row in tested.rows}
for name in (
    "uniform",
    "length_rule",
    "group_lookup",
    "imitator_ungated",
    "imitator_unseen_groups",
    "oracle_crossfit",
):
    row = rows[name]
    print(
        f"{name:23} lift {row.lift:+.3f} ({row.lift_low:+.3f} to {row.lift_high:+.3f})",
        end="",
    )
    if row.lift_within_groups is not None:
        low, high = row.lift_within_low, row.lift_within_high
        print(
            f", within groups {row.lift_within_groups:+.3f} ({low:+.3f} to {high:+.3f})",
            end="",
        )
    print()

# %%
import matplotlib.pyplot as plt

shown = ["length_rule", "group_lookup", "imitator_ungated", "imitator_unseen_groups"]
lifts = [rows[name].lift for name in shown]
spread = np.abs(
    [
        [rows[name].lift - rows[name].lift_low, rows[name].lift_high - rows[name].lift]
        for name in shown
    ]
).T
plt.barh(shown, lifts, xerr=spread, color="tab:orange", ecolor="gray", capsize=3)
plt.axvline(0, color="gray")
plt.xlabel("lift over mixtures of fixed actions")
plt.show()
# %% [markdown]
# ## How to read it
#
# - **`group_lookup` against `imitator_ungated`.** If the lookup is as good, topics explain
#   the gain.
# - **Within groups.** Each group is compared with its own best mixture. What is left is
#   difficulty.
# - **`imitator_unseen_groups`.** Trained without the group it is judged on. If this falls to
#   zero, the policy does not carry over to topics it has not seen.

# %%
imitator, lookup = rows["imitator_ungated"], rows["group_lookup"]
within = imitator.lift_within_groups
print(
    f"the imitator gains {imitator.lift:+.3f}, within groups {within:+.3f};",
    f"a lookup by group gains {lookup.lift:+.3f}",
)
if imitator.lift_low <= 0:
    print("There is no gain to explain.")
elif lookup.lift >= imitator.lift or within < imitator.lift / 4:
    print("It is the topic. If you know the topic of a question, a table does the same.")
else:
    print("It is more than the topic.")

# %% [markdown]
# A topic that a policy finds by itself is still of use where nobody labels topics at run
# time. But do not sell it as difficulty.
