"""Does an update from a log of live traffic bring the lift back after a change?

A policy is trained on a part of a table. Questions of another part come as traffic that it answers; 2% of
them take an action at random. Half-way, the action on which most is spent becomes twice as expensive, or its
accuracy falls by .15. `train --update` learns from the old outcomes and the log. Lifts are over the best
mixture of fixed actions at the same cost, as they are after the change, on questions that neither training
nor traffic had.

Beside it: the policy without an update, one trained on outcomes that know the change, and the router of the
package paretobandit (`pip install paretobandit`) on the same stream, which hears of every score at once and
begins with the same outcomes; its lift is that of the second half of the questions before and after the
change. Intervals are of the mean over splits of the questions, by Student's t; those of ratios by the
jackknife.

    python benchmarks/policy_updates.py --tables FOLDER [--only bbh] [--replays 100] [--splits 10]

FOLDER holds `bbh_direct_cot.samples.parquet` and `exams_a_gpt.samples.parquet`. What is measured is written
after each split, so that a run may be ended early; `replays` says how many there are.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from provenance import made_with
from recorded_traffic import EXPLORE, RESULTS, TABLES, Stream, Traffic, saved
from scipy import stats

from adaptive_reasoner.kit import Samples, estimate, train, uniform_hull, update
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.tables.splits import split_by_text

HALF = 3_000
FALL = 0.15
CHANGES = {"cost doubles": (2.0, 0.0), "accuracy falls by .15": (1.0, FALL)}


def lift(policy, table):
    """Accuracy above the best mixture at the same cost, and that cost."""
    shares = np.zeros(table.cost.shape)  # training may have dropped an action
    of_policy = [table.actions.index(action) for action in policy.actions]
    shares[:, of_policy] = PolicyChoices.of(policy, table.questions.tolist()).shipped()
    accuracy, cost = (float((shares * cells).sum(axis=1).mean()) for cells in (table.accuracy, table.cost))
    return accuracy - float(uniform_hull(table).accuracy_at(cost)), cost


class Pareto:
    """The router of paretobandit on the same vectors, taught the same outcomes before the traffic."""

    def __init__(self, fit, encoder, budget, seed):
        from sklearn.decomposition import PCA

        vectors = feature_matrix(fit.questions.tolist(), encoder)[:, : encoder.dimension]
        self.pca = PCA(25, whiten=True, random_state=seed).fit(vectors)
        self.dimension, self.encoder, self.actions = encoder.dimension, encoder, list(fit.actions)
        self.scale = fit.cost.mean(axis=0) / fit.cost.mean(axis=0).max()
        self.lessons, self.budget, self.seed = (self.contexts(vectors), fit.accuracy), budget, seed

    def contexts(self, vectors):
        """Whitened directions and a constant."""
        return np.hstack([self.pca.transform(vectors), np.ones((len(vectors), 1))])

    def read(self, traffic):
        """The contexts of the questions of the traffic."""
        texts = traffic.table.questions.tolist()
        return self.contexts(feature_matrix(texts, self.encoder)[:, : self.dimension])

    def taught(self):
        """A router that knows the outcomes, and what keeps it to the budget."""
        from pareto_bandit import DisjointLinUCBPolicy
        from pareto_bandit.budget_pacer import BudgetPacer, PacingMode

        bandit = DisjointLinUCBPolicy(self.actions, dim=26, seed=self.seed)
        for context, scores in zip(*self.lessons, strict=True):
            for action, score in zip(self.actions, scores, strict=True):
                bandit.update(action, context, float(score))
        bandit.gamma = 0.997  # the default of the router, from the first question on
        return bandit, BudgetPacer(self.budget, mode=PacingMode.SOFT)

    def play(self, traffic, contexts, stream, action, change, lost):
        """Score and cost of each question of the stream."""
        (bandit, pacer), scores, costs = self.taught(), [], []
        for at, (row, draw) in enumerate(zip(stream.rows, stream.draws, strict=True)):
            each = {name: pacer.lambda_t * float(self.scale[k]) for k, name in enumerate(self.actions)}
            chosen, _ = bandit.select_arm(contexts[row], candidates=self.actions, cost_penalties=each)
            bandit.mark_selected(chosen)
            k = self.actions.index(chosen)
            score, cost = traffic.accuracy[row, k, draw], traffic.cost[row, k, draw]
            if at >= HALF and k == action:
                cost, score = cost * change[0], score * (stream.chance[3, at] >= lost)
            bandit.update(chosen, contexts[row], float(score))
            pacer.observe(float(cost))
            scores.append(float(score))
            costs.append(float(cost))
        return np.array(scores), np.array(costs)


class Update:
    """How much lift an update brings back after a change of one action.

    Half of the questions that the policy was not trained on come as traffic, lifts are measured on the rest.
    """

    def __init__(self, samples, table, fit, rest, policy, seed):
        order = np.random.default_rng(seed).permutation(rest)
        self.traffic = Traffic.of(samples, table, order[: len(rest) // 2])
        self.unseen = Traffic.of(samples, table, order[len(rest) // 2 :])
        self.fit, self.policy = table.select(fit), policy
        self.shares = PolicyChoices.of(policy, self.traffic.table.questions.tolist()).shipped()
        self.action = int((self.shares * self.traffic.table.cost).sum(axis=0).argmax())
        self.before, self.cost_before = lift(policy, self.unseen.table)
        self.pareto = Pareto(self.fit, policy.encoder, policy.budget, seed)
        self.contexts = self.pareto.read(self.traffic)

    def known(self, change, lost, budget, scratch):
        """Lift and cost of a policy whose outcomes know the change."""
        cost, accuracy = self.fit.cost.copy(), self.fit.accuracy.copy()
        cost[:, self.action] *= change[0]
        accuracy[:, self.action] *= np.random.default_rng(99).random(len(self.fit)) >= lost
        table = replace(self.fit, cost=cost, accuracy=accuracy, halves=None)
        told = saved(train(table, budget=budget, encoder=self.policy.encoder), scratch / "known")
        return lift(told, self.unseen.changed(self.action, change)[0])

    def replay(self, change, seed, scratch):
        """What one stream comes to."""
        after = self.unseen.changed(self.action, change)[0]
        lost = self.traffic.changed(self.action, change)[1]
        stream = Stream.of(self.traffic, 2 * HALF, 1_000 + seed)
        taken, chance = stream.taken(self.shares)
        score, cost = stream.outcomes(
            self.traffic, taken, action=self.action, change=change, lost=lost, since=HALF
        )
        log = stream.log(self.traffic, taken, chance, score, cost)
        trained = update(self.policy, self.fit, log, seed=seed)
        gained, spent = lift(saved(trained, scratch / "renewed"), after)
        moved = trained.card["drift"][self.fit.actions[self.action]]
        found = {
            "lift_after_update": gained,
            "cost_after_update": spent,
            "share_of_updates_that_ship": float(trained.gate.ships),
            "cost_factor": moved["cost"],
            "accuracy_factor": moved["accuracy"],
            "true_accuracy_factor": 1 - lost,
        }
        scores, costs = self.pareto.play(self.traffic, self.contexts, stream, self.action, change, lost)
        for name, part, table in (
            ("before", slice(HALF // 2, HALF), self.traffic.table),
            ("after", slice(HALF + HALF // 2, None), self.traffic.changed(self.action, change)[0]),
        ):
            hull = uniform_hull(table)
            paid = float(np.clip(costs[part].mean(), hull.costs[0], hull.costs[-1]))
            found[f"paretobandit_lift_{name}"] = scores[part].mean() - float(hull.accuracy_at(paid))
            found[f"paretobandit_cost_{name}"] = costs[part].mean()
        return found


def updates(samples, table, fitted, budget, replays, splits, keep):
    """The lift before a change, after it, and after an update, split after split; `keep` is given them."""
    found: dict[str, list[dict[str, float]]] = {title: [] for title in CHANGES}
    with TemporaryDirectory() as name:
        scratch = Path(name)
        for split in range(splits):
            fit, rest = split_by_text(table.questions, test_size=1 - fitted / len(table), seed=split)
            policy = saved(train(table.select(fit), budget=budget), scratch / f"policy{split}")
            case = Update(samples, table, fit, rest, policy, split)
            for title, change in CHANGES.items():
                after, lost = case.unseen.changed(case.action, change)
                stale, cost_stale = lift(policy, after)
                ceiling, cost_ceiling = case.known(change, lost, budget, scratch)
                same = {
                    "split": split,
                    "lift_before": case.before,
                    "cost_before": case.cost_before,
                    "lift_without_update": stale,
                    "cost_without_update": cost_stale,
                    "lift_if_the_change_were_known": ceiling,
                    "cost_if_the_change_were_known": cost_ceiling,
                }
                for seed in range(split, replays, splits):
                    found[title].append(same | case.replay(change, seed, scratch))
            keep(split + 1, summary(found))


def summary(found):
    """Means over the splits, with intervals where there are several."""
    rows = {}
    for title, each in found.items():
        splits = sorted({one["split"] for one in each})
        names = [name for name in each[0] if name != "split"]
        means = np.array(
            [[np.mean([one[name] for one in each if one["split"] == at]) for name in names] for at in splits]
        )
        of = dict(zip(names, means.T, strict=True))
        rows[title] = {"replays": len(each), "splits": len(splits)}
        rows[title] |= {name: round(float(values.mean()), 4) for name, values in of.items()}
        for name in ("lift_before", "lift_after_update", "paretobandit_lift_after"):
            rows[title][f"{name}_interval"] = _interval(of[name])
        for name, against in (("before", "lift_before"), ("if_known", "lift_if_the_change_were_known")):
            ratio = of["lift_after_update"].mean() / of[against].mean()
            rows[title][f"share_of_the_lift_{name}"] = round(float(ratio), 3)
            rows[title][f"share_of_the_lift_{name}_interval"] = _interval(
                _jackknifed(of["lift_after_update"], of[against])
            )
        rows[title]["known_share_of_the_lift_before"] = round(
            float(of["lift_if_the_change_were_known"].mean() / of["lift_before"].mean()), 3
        )
    return rows


def _jackknifed(gained, against):
    """Pseudo-values of a ratio of means, one a split."""
    n, ratio = len(gained), gained.mean() / against.mean()
    if n < 2:
        return np.array([ratio])
    left = np.array([np.delete(gained, at).mean() / np.delete(against, at).mean() for at in range(n)])
    return n * ratio - (n - 1) * left


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
    parser.add_argument("--replays", type=int, default=100, help="updates of each change")
    parser.add_argument("--splits", type=int, default=10, help="of the questions")
    parser.add_argument("--out", type=Path, default=RESULTS / "policy_updates.json")
    options = parser.parse_args()
    found = json.loads(options.out.read_text())["tables"] if options.out.exists() else {}
    for name in options.only or TABLES:
        file, budget, fitted = TABLES[name]
        samples, began = Samples.read(options.tables / f"{file}.samples.parquet"), time.process_time()
        size = f"--replays {options.replays} --splits {options.splits}"
        command = f"python benchmarks/policy_updates.py --tables FOLDER --only {name} {size}"
        about = {"command": command, "file": file, "budget": budget, "trained_on": fitted}
        about |= {"questions_before": HALF, "questions_after": HALF, "explore": EXPLORE}

        def keep(splits, changes, name=name, about=about, began=began):
            seconds = round(time.process_time() - began)
            found[name] = {**about, "cpu_seconds": seconds, "changes": changes}
            packages = ("adaptive-reasoner", "numpy", "scikit-learn", "paretobandit")
            result = {**made_with(*packages, machine="1 thread"), "tables": found}
            options.out.write_text(json.dumps(result, indent=1) + "\n")
            print(f"{name}: {splits} of {options.splits} splits, {seconds} s", file=sys.stderr, flush=True)

        table = estimate(samples, votes=(1,))
        updates(samples, table, fitted, budget, options.replays, options.splits, keep)


if __name__ == "__main__":
    main()
