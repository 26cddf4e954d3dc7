"""Do estimates from a log of live traffic hold, and does an update bring the lift back after a change?

A policy is trained on a part of a table. Questions of another part come as traffic that it answers; 2% of
them take an action at random.

`coverage`: from logs of 10,000 questions, the accuracy and cost of other policies and of fixed actions are
estimated, and compared with the truth, as their outcomes are known.

`update`: half-way through the traffic one action, that on which most is spent, becomes twice as expensive, or
its accuracy falls by .15. `train --update` learns from the old outcomes and the log. Lifts are over the best
mixture of fixed actions at the same cost, as they are after the change, on questions that neither training
nor traffic had. Beside it: the policy without an update, one trained on outcomes that know the change, and
the router of the package paretobandit (`pip install paretobandit`) on the same stream, which hears of every
score at once and begins with the same outcomes; its lift is that of the second half of the questions before
and after the change.

    python benchmarks/live_traffic.py --tables FOLDER [--part coverage] [--only bbh] [--replays 100]

FOLDER holds `bbh_direct_cot.samples.parquet` and `exams_a_gpt.samples.parquet`.
"""

import argparse
import json
import platform
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from adaptive_reasoner import LearnedPolicy
from adaptive_reasoner.kit import Outcomes, Samples, estimate, train, uniform_hull, update
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.estimators import interval_of_mean
from adaptive_reasoner.kit.off_policy.evidence import Evidence
from adaptive_reasoner.kit.tables.splits import split_by_text

ROOT = Path(__file__).resolve().parents[1]
TABLES = {"bbh": ("bbh_direct_cot", 75.0, 1_500), "exams_a": ("exams_a_gpt", 5.7, 250)}
"""The file, the budget, and how many questions the policy is trained on; the others are the traffic."""

EXPLORE, LOGGED, HALF = 0.02, 10_000, 3_000
FALL = 0.15
CHANGES = {"cost doubles": (2.0, 0.0), "accuracy falls by .15": (1.0, FALL)}
PACKAGES = "adaptive-reasoner", "numpy", "scikit-learn", "paretobandit"


@dataclass(frozen=True)
class Traffic:
    """Recorded replies to questions: how right and how expensive, each of shape (n, k, draws)."""

    table: Outcomes
    accuracy: np.ndarray
    cost: np.ndarray

    @classmethod
    def of(cls, samples, table, rows):
        """Single replies to some questions of a table."""
        chosen = table.select(rows)
        replies = [[samples.votes(name, source) for source in table.actions] for name in chosen.question_ids]
        draws = min(len(several) for of in replies for several in of)
        cells = [[[(r.correct, r.cost) for r in several[:draws]] for several in of] for of in replies]
        accuracy, cost = np.moveaxis(np.array(cells), -1, 0)
        means = replace(chosen, accuracy=accuracy.mean(axis=2), cost=cost.mean(axis=2), halves=None)
        return cls(means, accuracy, cost)

    def changed(self, action, change):
        """The table of the same questions after a change, and the share of right answers that are lost."""
        dearer, fall = change
        lost = fall / float(self.table.accuracy[:, action].mean())
        accuracy, cost = self.table.accuracy.copy(), self.table.cost.copy()
        accuracy[:, action] *= 1 - lost
        cost[:, action] *= dearer
        return replace(self.table, accuracy=accuracy, cost=cost), lost


@dataclass(frozen=True)
class Stream:
    """Which questions come, in which order, and what is drawn for each."""

    rows: np.ndarray
    draws: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, traffic, length, seed):
        """Questions drawn with replacement."""
        rng = np.random.default_rng(seed)
        n, _, draws = traffic.accuracy.shape
        return cls(rng.integers(n, size=length), rng.integers(draws, size=length), rng.random((4, length)))

    def taken(self, shares):
        """The action of each question and how likely it was, with the explored share."""
        along, k = np.cumsum(shares[self.rows], axis=1), shares.shape[1]
        own = np.minimum((along <= self.chance[0][:, None]).sum(axis=1), k - 1)
        drawn = np.minimum((self.chance[2] * k).astype(int), k - 1)
        taken = np.where(self.chance[1] < EXPLORE, drawn, own)
        return taken, EXPLORE / k + (1 - EXPLORE) * (taken == own)

    def outcomes(self, traffic, taken, *, action=0, change=(1.0, 0.0), lost=0.0, since=None):
        """Score and cost of what was taken, with a change of one action since a question."""
        score, cost = (cells[self.rows, taken, self.draws] for cells in (traffic.accuracy, traffic.cost))
        if since is not None:
            hit = (np.arange(len(taken)) >= since) & (taken == action)
            cost = np.where(hit, change[0] * cost, cost)
            score = np.where(hit & (self.chance[3] < lost), 0.0, score)
        return score, cost

    def log(self, traffic, taken, chance, score, cost):
        """The decisions as a node logs them."""
        return Decisions(
            question_ids=np.array([f"t{at}" for at in range(len(taken))], dtype=object),
            questions=traffic.table.questions[self.rows],
            actions=traffic.table.actions,
            taken=taken,
            propensity=chance,
            score=score,
            cost=cost,
            cost_unit=traffic.table.cost_unit,
            chosen=np.zeros(len(taken), dtype=bool),
        )


def coverage(traffic, policy, others, replays, progress):
    """How often the intervals of values from logs hold the truth."""
    texts, actions = traffic.table.questions.tolist(), traffic.table.actions
    k, choices = len(actions), PolicyChoices.of(policy, texts)
    own = choices.shipped()
    plays = {
        "policy at 0.6 of the budget": choices.shipped(policy.at(budget=0.6 * policy.budget).price),
        "policy at 1.5 of the budget": choices.shipped(policy.at(budget=1.5 * policy.budget).price),
        "another policy": PolicyChoices.of(others, texts).shipped(),
        **{f"always {action}": np.tile(np.eye(k)[at], (len(texts), 1)) for at, action in enumerate(actions)},
    }
    truth = {"accuracy": traffic.table.accuracy, "cost": traffic.table.cost}
    means = {
        name: {what: float((shares * cells).sum(axis=1).mean()) for what, cells in truth.items()}
        for name, shares in plays.items()
    }
    logging = (1 - EXPLORE) * own + EXPLORE / k
    logged = {what: float((logging * cells).sum(axis=1).mean()) for what, cells in truth.items()}
    counts: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    sizes: dict[str, list[float]] = {}
    for seed in range(replays):
        stream = Stream.of(traffic, LOGGED, seed)
        taken, chance = stream.taken(own)
        log = stream.log(traffic, taken, chance, *stream.outcomes(traffic, taken))
        seen = replace(
            choices.predictions,
            accuracy=choices.predictions.accuracy[stream.rows],
            cost=choices.predictions.cost[stream.rows],
        )
        evidence = Evidence.of(log, seen, actions, taken, seed)
        for name, shares in plays.items():
            value = evidence.value(name, shares[stream.rows])
            sizes.setdefault(name, []).append(value.effective_size)
            for what in truth:
                true = means[name][what]
                estimates = {
                    what: (getattr(value, what), true),
                    f"{what} over the logged policy": (value.over_logged[what], true - logged[what]),
                    f"{what}, inverse propensity": (value.inverse_propensity[what], true),
                    f"{what}, self-normalised": (value.self_normalised[what], true),
                    f"{what}, normal interval": (_normal(value.added[what]), true),
                }
                for kind, (interval, wanted) in estimates.items():
                    counts.setdefault((name, kind), []).append(
                        (interval.low <= wanted <= interval.high, (interval.high - interval.low) / 2)
                    )
        if seed % 100 == 99:
            progress(f"coverage: {seed + 1} logs")
    rows = {}
    for (name, kind), found in counts.items():
        held, half = np.array(found, dtype=float).mean(axis=0)
        row = rows.setdefault(name, {"effective_sample_size": round(float(np.mean(sizes[name])), 1)})
        row[kind] = {"covered": round(float(held), 3), "half_width": round(float(half), 4)}
    return {"logs": replays, "questions": LOGGED, "explore": EXPLORE, "policies": rows}


def _normal(values):
    """The interval that takes the deviation as known."""
    interval = interval_of_mean(values)
    half = 1.96 * float(values.std()) / len(values) ** 0.5
    return replace(interval, low=interval.mean - half, high=interval.mean + half)


def lift(policy, table):
    """Accuracy above the best mixture at the same cost, and that cost."""
    shares = np.zeros(table.cost.shape)  # training may have dropped an action
    of_policy = [table.actions.index(action) for action in policy.actions]
    shares[:, of_policy] = PolicyChoices.of(policy, table.questions.tolist()).shipped()
    accuracy, cost = (float((shares * cells).sum(axis=1).mean()) for cells in (table.accuracy, table.cost))
    return accuracy - float(uniform_hull(table).accuracy_at(cost)), cost


def saved(trained, folder):
    """A trained policy as it is loaded online."""
    return LearnedPolicy.load(trained.save(folder))


class Pareto:
    """The router of paretobandit on the same vectors, taught the same outcomes before the traffic."""

    def __init__(self, fit, encoder, budget, seed):
        from pareto_bandit import DisjointLinUCBPolicy
        from pareto_bandit.budget_pacer import BudgetPacer, PacingMode
        from sklearn.decomposition import PCA

        vectors = feature_matrix(fit.questions.tolist(), encoder)[:, : encoder.dimension]
        self.pca = PCA(25, whiten=True, random_state=seed).fit(vectors)
        self.dimension, self.encoder, self.actions = encoder.dimension, encoder, list(fit.actions)
        self.scale = fit.cost.mean(axis=0) / fit.cost.mean(axis=0).max()
        self.bandit = DisjointLinUCBPolicy(self.actions, dim=26, seed=seed)
        for context, scores in zip(self.contexts(vectors), fit.accuracy, strict=True):
            for action, score in zip(self.actions, scores, strict=True):
                self.bandit.update(action, context, float(score))
        self.bandit.gamma = 0.997  # the default of the router, from the first question on
        self.pacer = BudgetPacer(budget, mode=PacingMode.SOFT)

    def contexts(self, vectors):
        """Whitened directions and a constant."""
        return np.hstack([self.pca.transform(vectors), np.ones((len(vectors), 1))])

    def play(self, traffic, stream, action, change, lost):
        """Score and cost of each question of the stream."""
        texts = traffic.table.questions.tolist()
        contexts = self.contexts(feature_matrix(texts, self.encoder)[:, : self.dimension])
        scores, costs = [], []
        for at, (row, draw) in enumerate(zip(stream.rows, stream.draws, strict=True)):
            each = {name: self.pacer.lambda_t * float(self.scale[k]) for k, name in enumerate(self.actions)}
            chosen, _ = self.bandit.select_arm(contexts[row], candidates=self.actions, cost_penalties=each)
            self.bandit.mark_selected(chosen)
            k = self.actions.index(chosen)
            score, cost = traffic.accuracy[row, k, draw], traffic.cost[row, k, draw]
            if at >= HALF and k == action:
                cost, score = cost * change[0], score * (stream.chance[3, at] >= lost)
            self.bandit.update(chosen, contexts[row], float(score))
            self.pacer.observe(float(cost))
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

    def known(self, change, lost, budget, scratch):
        """Lift and cost of a policy whose outcomes know the change."""
        cost, accuracy = self.fit.cost.copy(), self.fit.accuracy.copy()
        cost[:, self.action] *= change[0]
        accuracy[:, self.action] *= np.random.default_rng(99).random(len(self.fit)) >= lost
        table = replace(self.fit, cost=cost, accuracy=accuracy, halves=None)
        told = saved(train(table, budget=budget, encoder=self.policy.encoder), scratch / "known")
        return lift(told, self.unseen.changed(self.action, change)[0])

    def replay(self, change, budget, seed, scratch):
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
        bandit = Pareto(self.fit, self.policy.encoder, budget, seed)
        scores, costs = bandit.play(self.traffic, stream, self.action, change, lost)
        for name, part, table in (
            ("before", slice(HALF // 2, HALF), self.traffic.table),
            ("after", slice(HALF + HALF // 2, None), self.traffic.changed(self.action, change)[0]),
        ):
            hull = uniform_hull(table)
            paid = float(np.clip(costs[part].mean(), hull.costs[0], hull.costs[-1]))
            found[f"paretobandit_lift_{name}"] = scores[part].mean() - float(hull.accuracy_at(paid))
            found[f"paretobandit_cost_{name}"] = costs[part].mean()
        return found


def updates(samples, table, fitted, budget, replays, splits, progress):
    """The lift before a change, after it, and after an update; means over replays and splits."""
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
                    "lift_before": case.before,
                    "cost_before": case.cost_before,
                    "lift_without_update": stale,
                    "cost_without_update": cost_stale,
                    "lift_if_the_change_were_known": ceiling,
                    "cost_if_the_change_were_known": cost_ceiling,
                }
                for seed in range(split, replays, splits):
                    found[title].append(same | case.replay(change, budget, seed, scratch))
            progress(f"{split + 1} of {splits} splits: {summary(found)}")
    return {
        "questions_before": HALF,
        "questions_after": HALF,
        "explore": EXPLORE,
        "splits": splits,
        "changes": summary(found),
    }


def summary(found):
    """Means over the replays."""
    rows = {}
    for title, each in found.items():
        mean = {name: round(float(np.mean([one[name] for one in each])), 4) for name in each[0]}
        gained = np.array([one["lift_after_update"] for one in each])
        shares = {
            f"share_of_the_lift_{of}": round(mean["lift_after_update"] / mean[against], 3)
            for of, against in (("before", "lift_before"), ("if_known", "lift_if_the_change_were_known"))
        }
        error = float(gained.std(ddof=1) / len(gained) ** 0.5) if len(gained) > 1 else None
        rows[title] = {
            "replays": len(each),
            **mean,
            **shares,
            "standard_error": None if error is None else round(error, 5),
        }
    return rows


def run(name, options, progress):
    """The parts of one table."""
    file, budget, fitted = TABLES[name]
    samples = Samples.read(options.tables / f"{file}.samples.parquet")
    table = estimate(samples, votes=(1,))
    fit, rest = split_by_text(table.questions, test_size=1 - fitted / len(table), seed=0)
    traffic, known = Traffic.of(samples, table, rest), table.select(fit)
    result = {"file": file, "budget": budget, "trained_on": len(fit), "traffic": len(rest)}
    with TemporaryDirectory() as scratch:
        policy = saved(train(known, budget=budget), Path(scratch, "policy"))
        progress(f"{name}: trained, verdict {policy.verdict}")
        result["verdict"] = policy.verdict
        if "coverage" in options.part:
            few = known.select(np.arange(len(known)) < len(known) // 3)
            others = saved(train(few, budget=1.2 * budget, gated=False), Path(scratch, "others"))
            result["coverage"] = coverage(traffic, policy, others, options.logs, progress)
        if "update" in options.part:
            done = updates(samples, table, fitted, budget, options.replays, options.splits, progress)
            size = f"--replays {options.replays} --splits {options.splits}"
            command = f"python benchmarks/live_traffic.py --tables FOLDER --part update --only {name} {size}"
            result["update"] = {"command": command, **done}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--only", action="append", choices=list(TABLES), help="may be repeated")
    parser.add_argument("--part", action="append", choices=["coverage", "update"], help="may be repeated")
    parser.add_argument("--logs", type=int, default=1_000, help="logs of the coverage")
    parser.add_argument("--replays", type=int, default=100, help="updates of each change")
    parser.add_argument("--splits", type=int, default=5, help="of the questions, for the updates")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "live_traffic.json")
    options = parser.parse_args()
    options.part = options.part or ["coverage", "update"]
    found = json.loads(options.out.read_text())["tables"] if options.out.exists() else {}
    for name in options.only or TABLES:
        done = run(name, options, lambda text: print(text, file=sys.stderr, flush=True))
        found[name] = found.get(name, {}) | done
        result = {
            "command": "python benchmarks/live_traffic.py --tables FOLDER "
            f"--logs {options.logs} --replays {options.replays}",
            "machine": f"{platform.machine()}, Python {platform.python_version()}, 1 thread",
            "versions": {package: version(package) for package in PACKAGES},
            "cpu_seconds": round(time.process_time()),
            "tables": found,
        }
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
