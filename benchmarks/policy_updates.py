"""Does an update from a log of live traffic bring the lift back after a change?

A policy is trained on a part of a table. Questions of another part come as traffic that it answers; 2% of
them take an action at random, and every answer is graded. Half-way, the action on which most is spent becomes
twice as expensive, or its accuracy falls by .15. `train --update` learns from the old outcomes and the log:
once at the end, or every 1,500 questions, of which the policy that is current decides the next ones.

Lifts are over the best mixture of fixed actions at the same cost, as they are after the change, on two sets:
new questions, that neither training nor traffic had, and the questions of the traffic itself, which come many
times there, so that who learns from them knows their answers. Beside the updates:

- no update; a policy trained on the old questions with outcomes that know the change; and one that knows the
  change and all outcomes of the questions of the traffic too;
- the best choice by topic, if what each action comes to on a topic were known exactly: how much of the lift
  a change takes from a chooser that has nothing to learn;
- the router of the package paretobandit (`pip install paretobandit`), begun with the same outcomes: on its
  own decisions, each of which it hears at once, and on the log of the policy. It is measured as it is at the
  end of the stream, at the price that meets the budget on the questions it is measured on.

Intervals are of the mean over splits of the questions, by Student's t; those of ratios by the jackknife.

    python benchmarks/policy_updates.py --tables FOLDER [--only bbh] [--splits 10]

FOLDER holds `bbh_direct_cot.samples.parquet` and `exams_a_gpt.samples.parquet`. Each split is one replay.
What is measured is written after each, so that a run may be ended early.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pareto_router import ParetoRouter
from provenance import made_with
from recorded_traffic import EXPLORE, RESULTS, TABLES, Stream, Traffic, saved
from scipy import stats

from adaptive_reasoner import LearnedPolicy
from adaptive_reasoner.kit import Samples, estimate, solve, train, uniform_hull, update
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.rescaling import rescaled_outcomes
from adaptive_reasoner.kit.tables.splits import split_by_text

PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "paretobandit")
HALF, EVERY = 3_000, 1_500
FALL = 0.15
CHANGES = {"cost doubles": (2.0, 0.0), "accuracy falls by .15": (1.0, FALL)}
BEFORE, KNOWN = "before the change", "the change is known"
ONCE, OFTEN = "updated once", f"updated every {EVERY}"


def shares_of(policy, table):
    """How likely a policy takes each action of a table, of which training may have dropped some."""
    shares = np.zeros(table.cost.shape)
    shares[:, [table.actions.index(action) for action in policy.actions]] = PolicyChoices.of(
        policy, table.questions.tolist()
    ).shipped()
    return shares


def lift(shares, table):
    """Accuracy above the best mixture at the same cost, and that cost."""
    accuracy, cost = (float((shares * cells).sum(axis=1).mean()) for cells in (table.accuracy, table.cost))
    return _lift(accuracy, cost, table)


def _lift(accuracy, cost, table):
    hull = uniform_hull(table)
    return accuracy - float(hull.accuracy_at(float(np.clip(cost, hull.costs[0], hull.costs[-1])))), cost


def by_topic(table, budget):
    """The lift of the best choice by topic, with what each action comes to on a topic known exactly."""
    accuracy, cost = table.accuracy.copy(), table.cost.copy()
    for topic in set(table.groups):
        rows = table.groups == topic
        accuracy[rows], cost[rows] = accuracy[rows].mean(axis=0), cost[rows].mean(axis=0)
    best = solve(replace(table, accuracy=accuracy, cost=cost, halves=None), budget=budget)
    return _lift(best.accuracy, best.cost, table)[0]


@dataclass(frozen=True)
class Played:
    """The policy that is current at some question of a stream, and what was decided until then.

    Attributes:
        policy: The policy.
        taken: The actions, of which those of later questions are not decided yet.
        chance: How likely they were.
    """

    policy: LearnedPolicy
    taken: np.ndarray
    chance: np.ndarray


class Case:
    """One split of the questions: outcomes to train on, traffic, and new questions to measure on."""

    def __init__(self, samples, table, fitted, budget, seed, scratch):
        self.seed, self.scratch, self.table, self.budget = seed, scratch, table, budget
        fit, rest = split_by_text(table.questions, test_size=1 - fitted / len(table), seed=seed)
        order = np.random.default_rng(seed).permutation(rest)
        self.fit, seen = table.select(fit), order[: len(rest) // 2]
        self.both = table.select(np.append(fit, seen))
        self.traffic = Traffic.of(samples, table, seen)
        self.new = Traffic.of(samples, table, order[len(rest) // 2 :])
        self.policy = saved(train(self.fit, budget=budget), scratch / f"policy{seed}")
        shares = shares_of(self.policy, self.traffic.table)
        self.action = int((shares * self.traffic.table.cost).sum(axis=0).argmax())
        self.router = ParetoRouter(self.fit, self.policy.encoder, budget, seed)
        self.stream = Stream.of(self.traffic, 2 * HALF, 1_000 + seed)
        self.stays = Played(self.policy, *self.stream.taken(shares))
        self.half = self.renewed(self.stays, 0, HALF, (1.0, 0.0))

    def renewed(self, played, since, until, change):
        """The same after a part of the stream, in which the policy is updated on the way."""
        policy, taken, chance = played.policy, played.taken.copy(), played.chance.copy()
        for at in range(since, until, EVERY):
            part = slice(at, at + EVERY)
            now = self.stream.taken(shares_of(policy, self.traffic.table))
            taken[part], chance[part] = (each[part] for each in now)
            policy = self.update(policy, taken, chance, at + EVERY, change)[0]
        return Played(policy, taken, chance)

    def outcomes(self, taken, change):
        """Scores and costs of what was taken, with a change half-way."""
        lost = self.traffic.changed(self.action, change)[1]
        return self.stream.outcomes(
            self.traffic, taken, action=self.action, change=change, lost=lost, since=HALF
        )

    def update(self, policy, taken, chance, until, change):
        """The policy updated from the log up to a question, and its card."""
        log = self.stream.log(self.traffic, taken, chance, *self.outcomes(taken, change))
        trained = update(policy, self.fit, log.select(np.arange(until)), seed=self.seed)
        return saved(trained, self.scratch / "renewed"), trained.card

    def known(self, outcomes, change):
        """A policy trained on outcomes that know the change."""
        lost = self.traffic.changed(self.action, change)[1]
        accuracy, cost = np.ones(len(outcomes.actions)), np.ones(len(outcomes.actions))
        accuracy[self.action], cost[self.action] = 1 - lost, change[0]
        moved = rescaled_outcomes(outcomes, accuracy, cost, seed=99)
        return saved(train(moved, budget=self.budget, encoder=self.policy.encoder), self.scratch / "known")

    def replay(self, change):
        """Lift and cost of every arm on both sets of questions, and what the update found."""
        lost = self.traffic.changed(self.action, change)[1]
        after = [each.changed(self.action, change)[0] for each in (self.new, self.traffic)]
        once, card = self.update(self.policy, self.stays.taken, self.stays.chance, 2 * HALF, change)
        often = self.renewed(self.half, HALF, 2 * HALF, change)
        policies = {
            "no update": self.policy,
            ONCE: once,
            OFTEN: often.policy,
            KNOWN: self.known(self.fit, change),
            "the change and the traffic are known": self.known(self.both, change),
        }
        before = [each.table for each in (self.new, self.traffic)]
        arms = {BEFORE: [lift(shares_of(self.policy, table), table) for table in before]}
        for name, policy in policies.items():
            arms[name] = [lift(shares_of(policy, table), table) for table in after]
        streams = {OFTEN: self.outcomes(often.taken, change)}
        for name, router in self.routers(change, streams).items():
            arms[name] = [
                lift(router.shares(self.router.contexts(table.questions), table, self.budget), table)
                for table in after
            ]
        late = slice(HALF + EVERY, None)
        moved = card["drift"][self.fit.actions[self.action]]
        return arms, {
            "cost_factor": moved["cost"],
            "accuracy_factor": moved["accuracy"],
            "true_accuracy_factor": 1 - lost,
            **self.topics(change),
            **{
                f"lift_on_the_last_{EVERY}, {name}": _lift(score[late].mean(), cost[late].mean(), after[1])[0]
                for name, (score, cost) in streams.items()
            },
        }

    def topics(self, change):
        """What the best choice by topic gains before and after the change, on all questions of the table."""
        every = Traffic(self.table, self.table.accuracy, self.table.cost)
        after = every.changed(self.action, change)[0]
        return {
            "lift_by_topic_before": by_topic(self.table, self.budget),
            "lift_by_topic_after": by_topic(after, self.budget),
        }

    def routers(self, change, streams):
        """The router after its own stream, which is added to the streams, and after the log of the policy."""
        contexts = self.router.contexts(self.traffic.table.questions)[self.stream.rows]
        everywhere = [self.outcomes(np.full(2 * HALF, k), change) for k in range(len(self.fit.actions))]

        def outcome_of(at, k):
            return everywhere[k][0][at], everywhere[k][1][at]

        *stream, own = self.router.plays(contexts, outcome_of)
        streams["paretobandit"] = tuple(stream)
        score, _ = self.outcomes(self.stays.taken, change)
        return {
            "paretobandit": own,
            "paretobandit, by the log of the policy": self.router.reads(contexts, self.stays.taken, score),
        }


def summary(found):
    """Means over the splits, with intervals where there are several."""
    rows = {}
    for title, replays in found.items():
        row = rows[title] = {"replays": len(replays)}
        lifts_on_new = {name: np.array([arms[name][0][0] for arms, _ in replays]) for name in replays[0][0]}
        for at, where in enumerate(("new questions", "questions of the traffic")):
            lifts = {name: np.array([arms[name][at][0] for arms, _ in replays]) for name in replays[0][0]}
            costs = {name: np.mean([arms[name][at][1] for arms, _ in replays]) for name in lifts}
            row[where] = {
                name: {
                    "lift": round(float(each.mean()), 4),
                    "lift_interval": _interval(each),
                    "cost": round(float(costs[name]), 2),
                }
                for name, each in lifts.items()
            }
        for name, against in (("before", BEFORE), ("if_known", KNOWN)):
            for arm, each in row["new questions"].items():
                each[f"share_of_the_lift_{name}"] = _ratio(*(lifts_on_new[of] for of in (arm, against)))
        for name in replays[0][1]:
            values = np.array([each[name] for _, each in replays])
            row[name] = {"mean": round(float(values.mean()), 4), "interval": _interval(values)}
    return rows


def _ratio(gained, against):
    """A ratio of means, and its interval by the pseudo-values of the jackknife."""
    n, ratio = len(gained), float(gained.mean() / against.mean())
    found = {"ratio": round(ratio, 3), "interval": None}
    if n > 1:
        left = [np.delete(gained, at).mean() / np.delete(against, at).mean() for at in range(n)]
        found["interval"] = _interval(n * ratio - (n - 1) * np.array(left))
    return found


def _interval(values):
    """The ends of the 95% interval of a mean over splits; None of one split."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return [round(float(values.mean()) - half, 4), round(float(values.mean()) + half, 4)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--only", action="append", choices=list(TABLES), help="may be repeated")
    parser.add_argument("--splits", type=int, default=10, help="of the questions, one replay each")
    parser.add_argument("--out", type=Path, default=RESULTS / "policy_updates.json")
    options = parser.parse_args()
    for name in options.only or TABLES:
        file, budget, fitted = TABLES[name]
        samples, began = Samples.read(options.tables / f"{file}.samples.parquet"), time.process_time()
        command = f"python benchmarks/policy_updates.py --tables FOLDER --only {name} --splits"
        about = {"file": file, "budget": budget, "trained_on": fitted, "explore": EXPLORE}
        about |= {"questions_before": HALF, "questions_after": HALF}
        table = estimate(samples, votes=(1,))
        found = {title: [] for title in CHANGES}
        with TemporaryDirectory() as scratch:
            for split in range(options.splits):
                case = Case(samples, table, fitted, budget, split, Path(scratch))
                for title, change in CHANGES.items():
                    found[title].append(case.replay(change))
                about |= {"different_questions": len(case.traffic.table), "measured_on": len(case.new.table)}
                seconds = round(time.process_time() - began)
                run = {"command": f"{command} {split + 1}", "cpu_seconds": seconds, "changes": summary(found)}
                tables = json.loads(options.out.read_text())["tables"] if options.out.exists() else {}
                made = made_with(*PACKAGES, machine="1 thread")
                result = {**made, "tables": {**tables, name: about | run}}
                options.out.write_text(json.dumps(result, indent=1) + "\n")
                print(f"{name}: {split + 1} of {options.splits} splits, {seconds} s", file=sys.stderr)


if __name__ == "__main__":
    main()
