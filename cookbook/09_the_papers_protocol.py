# %% [markdown]
# # 09. The papers' protocol on any endpoint
#
# Zhai et al. (arXiv:2604.14853) collect 48 samples for each of 400 math questions, 200 of
# GSM8K and 200 of MATH, estimate votes of k in 1, 2, 4, 8, 16, solve for the oracle, and
# train a classifier on its choices: 80% of the questions to learn from, 20% to be judged on,
# three seeds. This notebook runs that protocol, and then reads its result with more care.

# %%
SAMPLES = "data/smollm2_arithmetic.samples.parquet"  # or what `collect` wrote for you

# %% [markdown]
# ## What would it cost?
#
# The preset `paper` is this protocol: 48 chains of thought a question. 400 questions of it,
# priced before anything is called. The questions here only stand in for GSM8K and MATH, to
# have prompts of some length. The prices are examples: put in your own.

# %%
from dataclasses import replace

from adaptive_reasoner import PriceMeter
from adaptive_reasoner.kit import Question, forecast, preset_menu

text = "A train leaves at nine and runs at 60 miles an hour. How far is it by noon? " * 3
questions = [Question(f"q{n}", f"{n}. {text}", "180") for n in range(400)]
menu = preset_menu("paper", "openai:gpt-5-mini")
job = forecast(
    questions,
    replace(menu, meters=PriceMeter(prompt=0.25, completion=2.0)),
    "not_there.samples.jsonl",
)
print(f"{job.calls} calls, about {job.expected:.0f} dollars, {job.bound:.0f} at most")
print("actions:", ", ".join(menu.actions))

# %% [markdown]
# In a shell, on any endpoint, with the real questions (200 of GSM8K and 200 of MATH, drawn
# the same every time; they need `pip install "adaptive-reasoner[datasets,math]"`):
#
# ```sh
# adaptive-reasoner collect --preset paper --model MODEL --base-url URL \
#     --out paper.jsonl --dry-run
# ```
#
# and without `--dry-run` it is done. It can be stopped at any moment and goes on where it
# stopped. Then `estimate paper.jsonl --votes 1,2,4,8,16 --out paper.parquet` and
# `backtest paper.parquet --samples paper.jsonl --splits 3 --test-size 0.2 --budget B`.

# %% [markdown]
# ## The protocol
#
# The recorded run has 240 questions and eight samples of each source, so k goes to 8 here.

# %%
from adaptive_reasoner.kit import Samples, backtest, estimate

samples = Samples.read(SAMPLES).of_source("direct")
outcomes = estimate(samples, votes=(1, 2, 4, 8))
for action, accuracy, cost in zip(
    outcomes.actions, outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0)
):
    print(f"{action:14} accuracy {accuracy:.3f}   cost {cost:5.1f} {outcomes.cost_unit}")

# %%
cheapest, most = outcomes.cost.mean(axis=0)[[0, -1]]
budgets = [round(cheapest + share * (most - cheapest), 1) for share in (0.25, 0.5)]
tested = backtest(outcomes, budgets=budgets, splits=3, test_size=0.2)
rows = {(row.policy, row.budget): row for row in tested.rows}

# %% [markdown]
# ## The first reading
#
# Accuracy at each budget: one sample for everyone, the classifier of the oracle's choices,
# and the oracle.

# %%
for budget in budgets:
    shown = [rows[name, budget] for name in ("direct", "imitator_labels", "oracle_in_sample")]
    print(
        f"budget {budget:5}: "
        + ", ".join(f"{row.policy} {row.accuracy:.3f}" for row in shown)
    )

# %% [markdown]
# ## A more careful reading
#
# Four questions to ask of such a table.
#
# **1. What did it really spend?** A policy that spends less than its budget, or more, has to
# be compared with a mixture of fixed actions at *that* cost.

# %%
for budget in budgets:
    row = rows["imitator_labels", budget]
    print(f"budget {budget:5}: spent {row.realised_cost:5.1f}, lift there {row.lift:+.3f}")

# %% [markdown]
# **2. How often would the majority class be right?** Most of the oracle's choices are the
# cheapest action. An imitation accuracy means something only above the share of the
# commonest choice.

# %%
for budget in budgets:
    mistakes = tested.mistakes["imitator_labels", budget]
    print(
        f"budget {budget:5}: imitates {mistakes.imitation_accuracy:.0%} of the choices,",
        f"always the commonest {mistakes.majority_rate:.0%}",
    )

# %% [markdown]
# **3. How much of the oracle is luck?** In-sample it chose by the samples it is scored on.
# Cross-fitted it did not.

# %%
for budget in budgets:
    hindsight, honest = rows["oracle_in_sample", budget], rows["oracle_crossfit", budget]
    print(
        f"budget {budget:5}: in-sample {hindsight.lift:+.3f}, cross-fitted {honest.lift:+.3f}"
    )

# %% [markdown]
# **4. Is the interval above zero?** 20% of a few hundred questions is few. The bars are 95%
# intervals over questions.

# %%
import matplotlib.pyplot as plt

names = ["imitator_labels", "imitator_ungated", "oracle_crossfit", "oracle_in_sample"]
fig, axes = plt.subplots(1, len(budgets), sharex=True, sharey=True, figsize=(9, 3))
for axis, budget in zip(axes, budgets):
    of = [rows[name, budget] for name in names]
    spread = [
        [row.lift - row.lift_low for row in of],
        [row.lift_high - row.lift for row in of],
    ]
    axis.barh(
        names,
        [row.lift for row in of],
        xerr=spread,
        color="tab:orange",
        ecolor="gray",
        capsize=3,
    )
    axis.axvline(0, color="gray")
    axis.set_title(f"budget {budget} {outcomes.cost_unit}")
    axis.set_xlabel("lift over mixtures")
fig.tight_layout()

# %%
print("verdict:", tested.verdict, tested.lift)

# %% [markdown]
# Choosing k from the question alone, on one model's votes, leaves little to gain on many
# tables. Where the gain is, notebook 05 looks for it: in more ways to answer than votes, and
# notebook 06: in looking at the first answers before buying more.
