"""How long does a decision take, with the encoder and beside it, and what does quantising the encoder cost?

    python benchmarks/decision_latency.py [--seed 0] [--table OUTCOMES --budgets 25,50,75] [--out FILE]
    python benchmarks/decision_latency.py --against CHECKOUT [--rounds 20]

One process, one thread, on questions of the demo repeated to three lengths. Wall time is what a user waits;
the time of the thread leaves out what other processes on the machine took. The outcomes trained on are drawn
at random, since only their number matters here. With `--table`, the lift on held-out halves of a real table
at both precisions.

With `--against`, this checkout and another take turns instead, block by block, in new processes each round:
a decision, one whose vector is known, and a whole question answered by a model that replies at once. Both
decide by one policy folder, which the other checkout trains, since it may not read a newer one.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import side_by_side
from provenance import made_with

from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.learned import LearnedPolicy

WORKER = Path(__file__).with_name("decision_worker.py")
PACKAGES = ("adaptive-reasoner", "langchain-core", "numpy", "onnxruntime", "tokenizers")
COMPARED = ("decide", "beside_the_encoder", "answer")
BLOCKS = 10  # of 20 questions, in each process
LENGTHS = (16, 64, 256)  # tokens
PRECISIONS = ("float32", "int8")
DECISIONS = 200
TRAINING = """
from adaptive_reasoner.kit import Outcomes, train
train(Outcomes.read({outcomes!r}), budget=15.0, gated=False, seed={seed}).save({folder!r})
"""


def outcomes_of(texts, actions, rng):
    """A table of as many questions and actions as asked for, with something in it to learn."""
    n = len(texts)
    easy = np.array([len(text) % 2 for text in texts])[:, None]
    steps = np.linspace(0.3, 0.8, actions)
    accuracy = (rng.random((n, actions)) < np.where(easy, steps[::-1], steps)).astype(float)
    return Outcomes(
        question_ids=np.array([f"q{i}" for i in range(n)], dtype=object),
        questions=np.array(texts, dtype=object),
        actions=tuple(f"action {a}" for a in range(actions)),
        accuracy=accuracy,
        cost=rng.uniform(1, 10, (n, actions)) * np.arange(1, actions + 1),
        cost_unit="tokens",
        samples=np.ones((n, actions), dtype=int),
    )


def of_length(text, tokens, encoder):
    """The text over and over, cut to about so many tokens."""
    words = (text + " ") * (1 + tokens // encoder.count_tokens(text))
    return " ".join(words.split()[: int(tokens * len(words.split()) / encoder.count_tokens(words))])


def milliseconds(work, items):
    """Median and 95th percentile of a call, by the wall and by the thread."""
    for item in items[:10]:
        work(item)
    wall, thread = [], []
    for item in items:
        start = time.perf_counter(), time.thread_time()
        work(item)
        wall.append(time.perf_counter() - start[0])
        thread.append(time.thread_time() - start[1])
    return {
        f"{name}_{label}": round(1e3 * float(np.quantile(times, q)), 3)
        for name, times in (("wall", wall), ("thread", thread))
        for label, q in (("p50", 0.5), ("p95", 0.95))
    }


def beside(policy, vectors):
    """A decision whose vector is known already."""
    return lambda text: policy.decide(text, vector=vectors[text])


def latency_rows(seed):
    rng = np.random.default_rng(seed)
    base = [problem.question for problem in problems(300, seed=seed)]
    texts = [f"{number}. {base[number % len(base)]}" for number in range(2000)]
    for precision in PRECISIONS:
        encoder = open_encoder(precision=precision)
        for actions in (2, 6):
            table = outcomes_of(texts, actions, rng)
            with tempfile.TemporaryDirectory() as scratch:
                folder = train(table, budget=15.0, encoder=encoder, gated=False, seed=seed).save(
                    f"{scratch}/policy"
                )
                start = time.perf_counter()
                policy = LearnedPolicy.load(folder)
                policy.decide(texts[0])
                loading = time.perf_counter() - start
                size = sum(path.stat().st_size for path in folder.iterdir())
                for tokens in LENGTHS:
                    asked = [of_length(text, tokens, encoder) for text in texts[:DECISIONS]]
                    vectors = dict(zip(asked, encoder.encode(asked), strict=True))
                    yield {
                        "precision": precision,
                        "questions_trained_on": len(table),
                        "actions": actions,
                        "tokens": tokens,
                        "decide": milliseconds(policy.decide, asked),
                        "beside_the_encoder": milliseconds(beside(policy, vectors), asked),
                        "load_and_first_decision_seconds": round(loading, 2),
                        "folder_megabytes": round(size / 1e6, 1),
                    }


def value_rows(path, budgets, seed):
    table = Outcomes.read(path)
    for precision in PRECISIONS:
        X = feature_matrix(list(table.questions), open_encoder(precision=precision))
        lifts = {budget: [] for budget in budgets}
        for split in range(3):
            chosen = np.random.default_rng(seed + split).permutation(len(table))
            fit, test = np.sort(chosen[::2]), np.sort(chosen[1::2])
            held_out = table.select(test)
            imitator = Imitator(seed=seed).fit(X[fit], table.select(fit))
            for budget in budgets:
                choice = imitator.choose(X[test], budget=budget)[:, None]
                accuracy, cost = (
                    np.take_along_axis(cells, choice, axis=1).mean()
                    for cells in (held_out.accuracy, held_out.cost)
                )
                lifts[budget].append(accuracy - uniform_hull(held_out).accuracy_at(cost))
        yield {
            "precision": precision,
            "table": Path(path).name,
            "lift": {f"{budget:g}": round(float(np.mean(each)), 4) for budget, each in lifts.items()},
        }


def compare(against, rounds, seed):
    rng = np.random.default_rng(seed)
    texts = [problem.question for problem in problems(300, seed=seed)]
    encoder = open_encoder(precision="int8")
    block = [of_length(text, 64, encoder) for text in texts[:20]]
    checkouts = side_by_side.pair(against)
    commits = side_by_side.commits(checkouts)
    with tempfile.TemporaryDirectory() as scratch:
        outcomes, folder = f"{scratch}/outcomes.jsonl", f"{scratch}/policy"
        outcomes_of(texts, 2, rng).write(outcomes)
        program = TRAINING.format(outcomes=outcomes, seed=seed, folder=folder)
        with checkouts["against"].start("-c", program) as process:
            process.communicate()
        job = {"folder": folder, "texts": block, "vectors": encoder.encode(block).tolist()}
        found = [
            side_by_side.blocks(checkouts, WORKER, COMPARED, number=BLOCKS, job=job) for _ in range(rounds)
        ]
    return commits | side_by_side.compared_by_clock(found, checkouts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", help="outcomes on which the precisions are compared")
    parser.add_argument("--budgets", default="25,50,75")
    parser.add_argument("--out", type=Path, default=side_by_side.RESULTS / "decision_latency.json")
    parser.add_argument("--against", help="another checkout, measured in turn with this one")
    parser.add_argument("--rounds", type=int, default=20, help="pairs of processes, with --against")
    options = parser.parse_args()
    about = {
        **made_with(*PACKAGES, machine="1 thread"),
        "seed": options.seed,
    }
    command = f"python benchmarks/decision_latency.py --seed {options.seed}"
    if options.against:
        about = {"command": f"{command} --rounds {options.rounds} --against CHECKOUT", **about}
        found = about | compare(options.against, options.rounds, options.seed)
        print(json.dumps(found, indent=1))
        side_by_side.write(options.out, {"decision_latency_side_by_side": found})
        return
    budgets = [float(budget) for budget in options.budgets.split(",")]
    shown = f" --table {Path(options.table).name} --budgets {options.budgets}" if options.table else ""
    result = {
        "command": command + shown,
        **about,
        "latency_milliseconds": list(latency_rows(options.seed)),
        "value_by_precision": list(value_rows(options.table, budgets, options.seed)) if options.table else [],
    }
    side_by_side.write(options.out, result)
    for row in result["latency_milliseconds"] + result["value_by_precision"]:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
