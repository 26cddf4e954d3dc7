# %% [markdown]
# # 11. Begin without labels
#
# You have traffic and no right answers. Replies that disagree already show where thinking
# pays. This notebook begins with none, says what it has checked, labels 50 questions at
# random, and looks again.

# %%
SAMPLES = "data/smollm2_arithmetic.samples.parquet"  # or a file of yours

# %% [markdown]
# The recorded run knows its right answers. They are hidden here, and kept aside to play the
# person who labels.

# %%
import tempfile
from dataclasses import replace
from math import nan
from pathlib import Path

from adaptive_reasoner.kit import Samples, estimate, train

recorded = Samples.read(SAMPLES)
gold = {
    name: recorded.of(name, recorded.sources[0])[0].gold for name in recorded.question_ids
}
hidden = replace(
    recorded,
    replies={
        pair: tuple(replace(reply, gold=None, correct=nan) for reply in replies)
        for pair, replies in recorded.replies.items()
    },
)
file = Path(tempfile.mkdtemp()) / "samples.jsonl"
hidden.write(file)
print(f"{len(hidden)} questions, {hidden.ungraded} replies without a grade")

# %% [markdown]
# ## No label
#
# How likely an answer is right is judged by how often each source gives it. These are
# estimates, and the verdict says so: `unverified` means that the gain is clear by them, that
# the policy ships, and that no answer was checked.

# %%
BUDGET = 12.0

guessed = estimate(Samples.read(file), votes=(1, 3, 5))
begun = train(guessed, budget=BUDGET)
print(begun.gate)

# %% [markdown]
# ## Which to label
#
# `questions_to_label` puts those first whose labels tell most, with some at random among
# them. Only the random ones can say how good an action is on all questions, so here all 50
# are. `adaptive-reasoner label samples.jsonl --page` would ask you in the browser.

# %%
from adaptive_reasoner.kit import Label, questions_to_label, regrade

asked = questions_to_label(hidden, 50, random_share=1.0)
print(asked[0].question, [given.answer for given in asked[0].answers])

labels = {each.question_id: Label(gold[each.question_id], each.drawn) for each in asked}
print(regrade(file, labels=labels).changes)

# %% [markdown]
# ## Fifty labels
#
# The labels correct the estimates of the other questions, action by action. The verdict now
# rests on them, so it may also be that they do not suffice.

# %%
labelled = estimate(Samples.read(file), votes=(1, 3, 5))
checked = train(labelled, budget=BUDGET)
print(checked.gate)

# %% [markdown]
# ## What the hidden answers say
#
# You could not see this; here you can. First how accurate each action is: by the replies
# alone, with 50 labels, and really.

# %%
truth = estimate(recorded, votes=(1, 3, 5))
print(f"{'':14}{'no label':>9}{'50':>9}{'all':>9}")
for column, action in enumerate(truth.actions):
    means = [table.accuracy[:, column].mean() for table in (guessed, labelled, truth)]
    print(f"{action:14}" + "".join(f"{mean:9.2f}" for mean in means))

# %% [markdown]
# Without a label, the more expensive source is believed to be better. For most menus that is
# so. For this very small model it is not: its chains of thought go astray more often than
# its direct answers. Fifty labels turn the table over.

# %% [markdown]
# Then what each policy really gains over the mixture of fixed actions that costs as much.

# %%
from adaptive_reasoner import LearnedPolicy
from adaptive_reasoner.kit import uniform_hull


def gain(trained):
    policy = LearnedPolicy.load(trained.save(tempfile.mkdtemp() + "/policy"))
    chosen = [truth.actions.index(policy.decide(text).action) for text in truth.questions]
    rows = range(len(truth))
    accuracy, cost = truth.accuracy[rows, chosen].mean(), truth.cost[rows, chosen].mean()
    return accuracy - uniform_hull(truth).accuracy_at(cost)


print(f"no label: {gain(begun):+.3f}, shipped as {begun.gate.answer!r}")
print(f"50 labels: {gain(checked):+.3f}, {checked.gate.answer!r}")
print(f"all labels, on questions held out: {train(truth, budget=BUDGET).gate}")

# %% [markdown]
# That is what `unverified` is for: it is a beginning, not a result. Where the verdict is not
# clear after some labels, the gate says about how many more it takes, and until then the
# best mixture of fixed actions goes out, by the labels that are there.
