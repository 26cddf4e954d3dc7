# %% [markdown]
# # 02. The offline kit: from replies to a policy
#
# Collect replies, estimate what each way to answer is worth, solve for the best use of a
# budget, learn to imitate that, and find out whether it was worth it. Ten minutes, no key.

# %%
MODEL = None  # a model to ask, such as "openai:gpt-5-mini"; None takes a recorded run

# %% [markdown]
# ## Questions and replies
#
# With a model, and a network that reaches the Hugging Face hub, this asks it GSM8K and MATH
# questions. Without a model it reads a recorded run: 240 arithmetic questions put to
# SmolLM2-135M, at once (`direct`) and with its steps first (`cot`), eight times each.

# %%
from dataclasses import replace

from adaptive_reasoner import Source
from adaptive_reasoner.kit import Menu, Samples, collect, open_questions

if MODEL:
    from langchain.chat_models import init_chat_model

    from adaptive_reasoner.answers import math, math_answer

    model = init_chat_model(MODEL)
    menu = Menu(
        {
            "direct": Source(
                model,
                prompt="{}\nGive the final answer only, in \\boxed{{}}.".format,
                max_tokens=256,
            ),
            "cot": Source(
                model,
                prompt="{}\nThink step by step. End with \\boxed{{}}.".format,
                max_tokens=2048,
            ),
        },
        samples=8,
        grader=math,  # compares fractions, roots and sets as mathematics
        key=math_answer,
    )
    most = 2_000_000  # generated tokens
    questions = [
        *(replace(question, group="GSM8K") for question in open_questions("gsm8k")[:100]),
        *open_questions("math500")[:100],
    ]
    collect(questions, menu, "math.samples.jsonl", max_cost=most)
    samples = Samples.read("math.samples.jsonl")
else:
    samples = Samples.read("data/smollm2_arithmetic.samples.parquet")

len(samples), samples.sources, samples.bill()

# %% [markdown]
# One reply, as it was recorded. A reply that gave no answer has `answer=None`: it costs, and
# never votes.

# %%
samples.of(samples.question_ids[0], samples.sources[0])[0]

# %% [markdown]
# ## Estimate: what would each action score and cost?
#
# From eight replies follow unbiased estimates for votes of 3 and 5: the average over all
# ways to draw them. A vote stops as soon as its winner is certain, so a vote of 5 costs less
# than five replies.

# %%
from adaptive_reasoner.kit import estimate

outcomes = estimate(samples, votes=(1, 3, 5))
for action, accuracy, cost in zip(
    outcomes.actions, outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0)
):
    print(f"{action:15} accuracy {accuracy:.3f}   cost {cost:6.1f} {outcomes.cost_unit}")

# %% [markdown]
# ## Solve: what could the best policy do?
#
# The oracle knows which action helps which question. At this budget it is the upper limit
# for any policy. `gap` is the certificate: how far it may lie below the optimum.

# %%
from adaptive_reasoner.kit import solve, uniform_hull

budget = 12.0 if MODEL is None else float(outcomes.cost.mean(axis=0).mean())
oracle = solve(outcomes, budget)
hull = uniform_hull(outcomes)
print(f"oracle           {oracle.accuracy:.3f} for {oracle.cost:.1f}, gap {oracle.gap:.1e}")
print(
    f"best mixture     {hull.accuracy_at(budget):.3f} for {budget:.1f}, of",
    hull.mixture_at(budget),
)
oracle.shares()

# %% [markdown]
# ## Learn: how much of that shows in the question alone?
#
# Half of the questions to learn from, half to be judged on. The gate says whether the policy
# may go out; where it may not, the policy is the best mixture of fixed actions.

# %%
from adaptive_reasoner.kit import train

fit, held_out = outcomes.split(test_size=0.5, seed=0)
trained = train(fit, budget=budget)
print(trained.gate)

# %% [markdown]
# The policy is a folder. Loading it needs neither torch nor scikit-learn.

# %%
import tempfile

from adaptive_reasoner import LearnedPolicy

policy = LearnedPolicy.load(trained.save(tempfile.mkdtemp() + "/policy"))
for question in held_out.questions[:5]:
    decision = policy.decide(question)
    print(f"{decision.action:15} expects {decision.expected_accuracy:.2f}   {question[:70]}")

# %% [markdown]
# ## Judge: held-out questions, at the cost really spent

# %%
choice = [
    held_out.actions.index(policy.decide(text, key=key).action)
    for text, key in zip(held_out.questions, held_out.question_ids)
]
rows = range(len(held_out))
accuracy, cost = held_out.accuracy[rows, choice].mean(), held_out.cost[rows, choice].mean()
limit = uniform_hull(held_out).accuracy_at(cost)
print(
    f"policy {accuracy:.3f}, mixture {limit:.3f}, lift {accuracy - limit:+.3f},",
    f"at {cost:.1f} {outcomes.cost_unit} per question",
)

# %%
from adaptive_reasoner.kit import frontier

axes = frontier(held_out).plot()
axes.plot([cost], [accuracy], "D", color="tab:orange", label="policy")
_ = axes.legend()

# %% [markdown]
# One split says little: the difference between two halves of the questions can be larger
# than the lift. `backtest` averages over several splits, adds intervals, and plays every
# simpler rule as well. Notebook 04 reads one.
