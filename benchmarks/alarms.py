"""How soon are changes of real traffic found, how often falsely, and what does a take-over cost?

A policy is trained on half of a table. Questions of the other half come as traffic under a ledger, and after
a while the model changes: every call costs twice as much, or .15 of the answers that were right are wrong, or
the agreement of votes falls by .15. Replays differ in the questions, in the recorded replies they get, and
in what the change hits.

    python benchmarks/alarms.py --tables FOLDER [--only bbh] [--replays 100] [--out FILE]
"""

import argparse
import json
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from provenance import made_with

from adaptive_reasoner import Alarms, LearnedPolicy, open_ledger
from adaptive_reasoner.action_names import vote_of_action
from adaptive_reasoner.kit import Samples, estimate, train
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.policy.versions import Outcome

ROOT = Path(__file__).resolve().parents[1]
TABLES = {"bbh": ("bbh_direct_cot", (1,), 75.0), "exams_a": ("exams_a_gpt", (1, 3, 5), 3.9)}
"""Tables, the sizes of the votes that are actions, and the budget."""

BEFORE, AFTER, STATIONARY = 2_000, 1_000, 20_000
DRAWS = 20  # votes that are drawn of each question and action
FALL = 0.15


class Remembering(LearnedPolicy):
    """Predicts each question once, as the replays ask the same ones again and again."""

    def _expectations(self, question, vector, step):
        known = self.__dict__.setdefault("known", {})
        if (question, step) not in known:
            known[question, step] = super()._expectations(question, vector, step)
        return known[question, step]


@dataclass(frozen=True)
class Change:
    """What the model does otherwise."""

    cost: float = 1.0
    accuracy: float = 0.0
    agreement: float = 0.0


CHANGES = {
    "cost doubles": Change(cost=2.0),
    "accuracy falls by .15": Change(accuracy=FALL),
    "agreement falls by .15": Change(agreement=FALL),
    "all of them": Change(cost=2.0, accuracy=FALL, agreement=FALL),
}


@dataclass(frozen=True)
class Recorded:
    """What happened to questions: accuracy, cost and agreement, each of shape (n, k, draws)."""

    texts: list[str]
    actions: tuple[str, ...]
    accuracy: np.ndarray
    cost: np.ndarray
    agreement: np.ndarray

    @classmethod
    def of(cls, samples, table, rows, seed):
        """Votes drawn from the replies to questions."""
        rng, shape = np.random.default_rng(seed), (len(rows), len(table.actions), DRAWS)
        accuracy, cost, agreement = np.empty(shape), np.empty(shape), np.full(shape, np.nan)
        for at, row in enumerate(rows):
            for k, action in enumerate(table.actions):
                source, size = vote_of_action(action) or (action, 1)
                replies = samples.votes(table.question_ids[row], source)
                for draw in range(DRAWS):
                    drawn = [replies[place] for place in rng.permutation(len(replies))[:size]]
                    said = [reply.answer for reply in drawn]
                    won = max(said, key=said.count)
                    accuracy[at, k, draw] = drawn[said.index(won)].correct
                    cost[at, k, draw] = sum(reply.cost for reply in drawn)
                    if size > 1:
                        agreement[at, k, draw] = said.count(won) / size
        return cls([str(table.questions[row]) for row in rows], table.actions, accuracy, cost, agreement)


@dataclass(frozen=True)
class Stream:
    """Which questions come, with which draws; the same for all that are compared."""

    rows: np.ndarray
    draws: np.ndarray
    chance: np.ndarray
    seed: int

    @classmethod
    def of(cls, recorded, length, seed):
        """A stream of questions drawn with replacement."""
        rng = np.random.default_rng(seed)
        rows, draws = rng.integers(len(recorded.texts), size=length), rng.integers(DRAWS, size=length)
        return cls(rows, draws, rng.random((2, length)), seed)


def play(recorded, policy, stream, change, changed_at, *, until_alarm=False):
    """Accuracy and cost of each question, and where there were alarms and of what."""
    ledger = open_ledger("memory://", policy=policy)
    places = {action: k for k, action in enumerate(recorded.actions)}
    lost = change.accuracy / recorded.accuracy.mean(axis=(0, 2))
    accuracy, cost, raised = [], [], []
    for number, (row, draw) in enumerate(zip(stream.rows, stream.draws, strict=True)):
        key = f"{stream.seed}:{number}"
        decision = policy.decide(recorded.texts[row], price=ledger.price, key=key)
        at = row, places[decision.action], draw
        score, paid, agreed = recorded.accuracy[at], recorded.cost[at], recorded.agreement[at]
        if number >= changed_at:
            paid *= change.cost
            score *= stream.chance[0, number] >= lost[at[1]]
            size = (vote_of_action(decision.action) or ("", 1))[1]
            agreed = max(agreed - (stream.chance[1, number] < change.agreement * size) / size, 1 / size)
        ledger.charge(float(paid), key)
        accuracy.append(float(score))
        cost.append(float(paid))
        if isinstance(policy, Alarms):
            agreement = None if np.isnan(agreed) else float(agreed)
            told = Outcome(
                decision=decision, question=key, cost=cost[-1], agreement=agreement, comparable=True
            )
            before = len(policy.raised)
            policy.hear(told)
            policy.feedback(key, accuracy[-1])
            raised += [(number, alarm.series) for alarm in policy.raised[before:]]
            if until_alarm and raised and raised[-1][0] >= changed_at:
                break
    return np.array(accuracy), np.array(cost), raised


def delays(recorded, policy, change, replays):
    """How many questions after a change there is an alarm."""
    found, first = [], {}
    for seed in range(replays):
        stream = Stream.of(recorded, BEFORE + AFTER, seed)
        *_, raised = play(recorded, Alarms(policy), stream, change, BEFORE, until_alarm=True)
        late = [alarm for alarm in raised if alarm[0] >= BEFORE]
        found.append(late[0][0] - BEFORE + 1 if late else AFTER)
        for series in {series for _, series in late}:
            first[series] = first.get(series, 0) + 1
    found = np.array(found)
    return {
        "mean_delay": round(float(found.mean()), 1),
        "median_delay": float(np.median(found)),
        "longest_delay": int(found.max()),
        "within_300": round(float((found <= 300).mean()), 2),
        "first_alarms": first,
    }


def false_alarms(recorded, policy, replays):
    """Alarms in 20,000 questions of traffic that does not change."""
    found = []
    for seed in range(replays):
        stream = Stream.of(recorded, STATIONARY, 10_000 + seed)
        found += play(recorded, Alarms(policy), stream, Change(), STATIONARY)[2]
    return {"questions": replays * STATIONARY, "per_20000": round(len(found) / replays, 3)}


def take_over(recorded, policy, change, replays):
    """Accuracy after a change: of the policy, with a take-over, and of the mixture alone."""
    arms = {
        "policy": lambda: policy,
        "take_over": lambda: Alarms(policy, take_over=True),
        "mixture": policy.by_mixture,
    }
    found = {name: [] for name in arms}
    for seed in range(replays):
        stream = Stream.of(recorded, BEFORE + AFTER, 20_000 + seed)
        for name, arm in arms.items():
            accuracy, cost, _ = play(recorded, arm(), stream, change, BEFORE)
            found[name].append((accuracy[BEFORE:].mean(), cost[BEFORE:].mean()))
    mean = {name: np.mean(each, axis=0) for name, each in found.items()}
    above = np.array(found["take_over"])[:, 0] - np.array(found["mixture"])[:, 0]
    return {
        **{f"accuracy_{name}": round(float(each[0]), 4) for name, each in mean.items()},
        **{f"cost_{name}": round(float(each[1]), 4) for name, each in mean.items()},
        "take_over_above_mixture": round(float(above.mean()), 4),
        "standard_error": round(float(above.std(ddof=1) / np.sqrt(replays)), 4),
    }


def run(name, folder, replays, progress):
    """The rows of one table."""
    file, votes, budget = TABLES[name]
    samples = Samples.read(folder / f"{file}.samples.parquet")
    table = estimate(samples, votes=votes)
    fit, held_out = split_by_text(table.questions, test_size=0.5, seed=0)
    with TemporaryDirectory() as scratch:
        trained = train(table.select(fit), budget=budget).save(Path(scratch, "policy"))
        policy = Remembering.load(trained)
    progress(f"{name}: trained, verdict {policy.verdict}")
    recorded = Recorded.of(samples, table, held_out, seed=0)
    rows = {}
    voted = bool(np.isfinite(recorded.agreement).any())
    for title, change in CHANGES.items():
        if change == Change(agreement=FALL) and not voted:
            continue
        rows[title] = delays(recorded, policy, change, replays)
        progress(f"{name}, {title}: {rows[title]}")
    after = take_over(recorded, policy, Change(cost=2.0, accuracy=FALL), replays)
    progress(f"{name}, take-over: {after}")
    stationary = false_alarms(recorded, policy, max(replays // 5, 1))
    progress(f"{name}, no change: {stationary}")
    return {
        "file": file,
        "budget": budget,
        "verdict": policy.verdict,
        "questions": len(table),
        "changes": rows,
        "after_doubled_cost_and_fall": after,
        "no_change": stationary,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--only", action="append", choices=list(TABLES), help="may be repeated")
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "alarms.json")
    options = parser.parse_args()
    logging.getLogger("adaptive_reasoner").setLevel(logging.ERROR)
    found = json.loads(options.out.read_text())["tables"] if options.out.exists() else {}
    for name in options.only or TABLES:
        began = time.process_time()
        rows = run(name, options.tables, options.replays, lambda text: print(text, file=sys.stderr))
        found[name] = {
            "command": f"python benchmarks/alarms.py --tables T --only {name} --replays {options.replays}",
            "cpu_seconds": round(time.process_time() - began),
            **rows,
        }
        result = {
            **made_with("adaptive-reasoner", "numpy", machine="1 thread"),
            "questions_before": BEFORE,
            "questions_after": AFTER,
            "tables": found,
        }
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
