# %% [markdown]
# # 06. Votes in waves, under a deadline
#
# A vote need not draw all its samples: it can stop when the winner is clear. Drawn one after
# another, that saves money and costs time. Drawn in *waves*, it costs little of either. This
# notebook compares rules on money, rounds and accuracy.

# %%
MODEL = None  # a model to ask, such as "openai:gpt-5-mini"; None takes a recorded run

# %%
from adaptive_reasoner import Source
from adaptive_reasoner.kit import Samples, recorded_sources

samples = Samples.read("data/smollm2_arithmetic.samples.parquet")
gold = {
    text: samples.of(name, "direct")[0].gold
    for name, text in zip(samples.question_ids, samples.questions, strict=True)
}
if MODEL:
    from langchain.chat_models import init_chat_model

    source = Source(
        init_chat_model(MODEL), prompt="Answer with a number only: {}".format, max_tokens=256
    )
else:
    source = recorded_sources(samples)["direct"]

# %% [markdown]
# ## Rules that end a vote
#
# | rule | stops when |
# |---|---|
# | `Lossless()` | the leader cannot be caught: the same winner as the whole vote |
# | `Beta(0.95)` | the leader is probably ahead for good (Adaptive-Consistency) |
# | `Window(3)` | a window of replies agrees (ESC) |
# | `Priced()` | no further reply is worth its price |
#
# Each starts the fewest replies that can matter as one wave. On 240 questions, accuracies
# that differ by two points are the same: look at cost and rounds.

# %%
import numpy as np
from langchain_core.messages import HumanMessage

from adaptive_reasoner import Beta, Lossless, Priced, TokenMeter, Window, adaptive_consistency
from adaptive_reasoner.answers import exact
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.strategies.flow import Task, run

asked = list(gold)[:: 20 if MODEL else 1]


def play(rule, **task):
    """Accuracy, cost and rounds of a vote of at most 8, mean over the questions."""
    seen = []
    for question in asked:
        caller = CallExecutor(source, TokenMeter())
        answer = run(
            adaptive_consistency(8, rule), Task([HumanMessage(question)], **task), caller
        )
        seen.append((exact(answer.value, gold[question]), caller.cost, caller.rounds))
    return np.mean(seen, axis=0)


def show(name, played):
    accuracy, cost, rounds = played
    print(f"{name!s:30} accuracy {accuracy:.3f}   cost {cost:5.1f}   rounds {rounds:.1f}")


for rule in (Lossless(), Beta(0.95), Beta(0.8), Window(3)):
    show(rule, play(rule))

# %% [markdown]
# ## One price
#
# `Priced` needs no threshold. It uses the price that the ledger adjusts: the more expensive
# compute is, the earlier the vote ends. Without labels it goes by a Beta posterior.

# %%
prices = (0.0001, 0.001, 0.003, 0.01, 0.03)
priced = {price: play(Priced(), price=price) for price in prices}
for price, played in priced.items():
    show(f"Priced() at {price}", played)

# %% [markdown]
# Money against time: to the left is cheaper, below is sooner.

# %%
import matplotlib.pyplot as plt

for rule in (Lossless(), Beta(0.95), Beta(0.8), Window(3)):
    _, cost, rounds = play(rule)
    plt.plot(cost, rounds, "s", label=str(rule))
_, cost, rounds = np.transpose(list(priced.values()))
plt.plot(cost, rounds, "-o", label="Priced(), price falling to the right")
plt.xlabel("mean cost (tokens)")
plt.ylabel("rounds")
plt.legend()
plt.show()
# %% [markdown]
# ## Time has a price too
#
# `second_price` says what a second of waiting is worth. With it the rule starts more replies
# at once and needs fewer rounds. Here a round takes a second, as far as the rule is told:
# replies from a record take no time.

# %%
from dataclasses import replace


class Told:
    """A rule that is told how long a round takes."""

    def wave(self, state, terms):
        return Priced().wave(state, replace(terms, seconds=1.0))


for second_price in (0.0, 0.01, 0.05):
    show(
        f"a second is worth {second_price}",
        play(Told(), price=0.001, second_price=second_price),
    )

# %% [markdown]
# ## A deadline
#
# No wave is started that could not be back in time. What arrived until then answers. Here
# every round of a vote takes a tenth of a second, and the deadline falls.

# %%
import time

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy
from adaptive_reasoner.kit import RecordedModel


class Slow(RecordedModel):
    """The record, at the pace of a real endpoint."""

    def _generate(self, *args, **kwargs):
        time.sleep(0.1)
        return super()._generate(*args, **kwargs)


if not MODEL:
    source = Source(Slow(replies=source.runnable.replies))
reasoner = AdaptiveReasoner(
    source, policy=FixedPolicy("vote"), actions={"vote": adaptive_consistency(8, Beta(0.95))}
)
for seconds in (0.15, 0.35, 0.75):
    took, drawn = [], []
    for question in asked[:12]:
        start = time.monotonic()
        try:
            record = reasoner.answer(question, deadline=seconds).record
        except TimeoutError:  # not one reply was there in time
            continue
        took.append(time.monotonic() - start)
        drawn.append(record["samples"])
    slowest, mean = max(took), np.mean(drawn)
    print(f"deadline {seconds:.2f} s: slowest answer {slowest:.2f} s, {mean:.1f} samples")
