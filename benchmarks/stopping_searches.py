"""Beyond plain votes: searches that a checker ends, and a ladder of thinking. `stopping.py` runs them."""

import math
from dataclasses import replace

import numpy as np

from adaptive_reasoner.kit.allocation.solver import solve, uniform_hull
from adaptive_reasoner.kit.backtesting.baselines import oracle_crossfit
from adaptive_reasoner.kit.backtesting.cascades import escalation_rules
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.performance import SplitResult
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.kit.votes.permutations import draws_allowed, sample_groups
from adaptive_reasoner.policy.mixture import hull


def best_mixture(accuracy, draws, at):
    vertices = hull(accuracy, draws)
    return np.interp(at, draws[vertices], accuracy[vertices])


class Searches:
    """Questions that a checker decides: chances that the first so many samples of each source all fail."""

    def __init__(self, groups):
        self.sources = list(groups)
        self.cost = np.stack([group.cost.mean(axis=1) for group in groups.values()])
        self.limit = draws_allowed(list(groups.values()))
        self.failed = np.stack([self._all_fail(group) for group in groups.values()])

    def _all_fail(self, group):
        n, wins = group.correct.shape[1], np.rint(group.correct.sum(axis=1)).astype(int)
        ways = [[math.comb(n - win, m) / math.comb(n, m) for m in range(self.limit + 1)] for win in wins]
        return np.array(ways)

    def path(self, rows, price):
        """What to try next after failures everywhere, while it is worth the price, as learned from `rows`."""
        cost = self.cost[:, rows].mean(axis=1)
        still = self.failed[0][rows].T @ self.failed[1][rows]  # by failures of the first and of the second
        worth = np.zeros((self.limit + 1, self.limit + 1))
        best = np.full(worth.shape, -1)
        for first in range(self.limit, -1, -1):
            for second in range(self.limit, -1, -1):
                for source, (a, b) in enumerate(((first + 1, second), (first, second + 1))):
                    if max(a, b) > self.limit or still[first, second] <= 0:
                        continue
                    lost = still[a, b] / still[first, second]
                    value = 1 - lost - price * cost[source] + lost * worth[a, b]
                    if value > worth[first, second]:
                        worth[first, second], best[first, second] = value, source
        at, steps = [0, 0], []
        while best[tuple(at)] >= 0:
            steps.append(int(best[tuple(at)]))
            at[steps[-1]] += 1
        return steps

    def follow(self, rows, steps):
        """Mean success and cost of a path on `rows`."""
        at, cost = [0, 0], 0.0

        def failed():
            return self.failed[0][rows, at[0]] * self.failed[1][rows, at[1]]

        for source in steps:
            cost = cost + failed() * self.cost[source][rows]
            at[source] += 1
        return float(1 - failed().mean()), float(np.mean(cost))


def checked(samples, *, splits, seed, budgets=(2, 5, 10, 20, 40)):
    """The game of 24: best-of-k at once, one after another until the checker accepts, and at one price."""
    whole = [name for name in samples.question_ids if all(samples.votes(name, s) for s in samples.sources)]
    kept = samples.select([samples.question_ids.index(name) for name in whole])
    groups = {source: _one(sample_groups(kept, source, kept.question_ids)) for source in kept.sources}
    search, found = Searches(groups), {}
    prices = np.geomspace(1e-4, 0.3, 40)
    for split in range(splits):
        fit, held_out = split_by_text(kept.questions, seed=seed + split)
        at_once, serial = [], []
        for source in (0, 1):
            for tries in range(1, search.limit + 1):
                success, cost = search.follow(held_out, [source] * tries)
                serial.append((success, cost))
                at_once.append((success, tries * float(search.cost[source][held_out].mean())))
        priced = [search.follow(held_out, search.path(fit, price)) for price in prices]
        curves = {
            "best of k at once": at_once,
            "one after another": serial,
            "one price": [(0.0, 0.0), *priced],
        }
        for name, points in curves.items():
            accuracy, cost = np.array([(0.0, 0.0), *points]).T
            order = np.argsort(cost)
            values = (
                np.interp(budgets, cost[order], np.maximum.accumulate(accuracy[order]))
                if name == "one price"
                else best_mixture(accuracy, cost, budgets)
            )
            found.setdefault(name, []).append(values)
    return {
        "table": "game24_gpt4",
        "questions": len(whole),
        "cost_unit": kept.cost_unit,
        "accuracy": {
            name: {
                f"{b:g}": round(float(v), 4) for b, v in zip(budgets, np.mean(values, axis=0), strict=True)
            }
            for name, values in found.items()
        },
    }


def _one(groups):
    (group,) = groups
    order = np.argsort(group.rows)
    return replace(group, correct=group.correct[order], cost=group.cost[order])


def ladder(samples, *, splits, draws, seed, budgets=(1000, 1500, 2200, 3000, 4500)):
    """The frontier, the oracle chosen and scored on different samples, and decisions after cheap samples."""
    for name, votes in (("single calls", (1,)), ("with votes of 3", (1, 3))):
        table = estimate(samples, votes=votes, seed=seed)
        for budget in budgets:
            crossfit = oracle_crossfit(table, budget)
            yield {
                "actions": name,
                "budget": budget,
                "uniform": round(uniform_hull(table).accuracy_at(budget), 4),
                "oracle_crossfit": round(float(crossfit.accuracy.mean()), 4),
                "oracle_crossfit_cost": round(float(crossfit.cost.mean()), 1),
                "oracle_in_sample": round(solve(table, budget).accuracy, 4),
            }
    table = estimate(samples, votes=(1, 3), seed=seed)
    rules = escalation_rules(samples, table, np.zeros((len(table), 1), np.float32), seed=seed)
    trials = []
    for split in range(splits):
        fit, held_out = split_by_text(table.questions, seed=seed + split)
        fitted = rules["cascade_threshold"].fit(fit, held_out)
        played = {("cascade_threshold", budget): fitted.at(budget) for budget in budgets}
        trials.append(SplitResult(held_out, played))
    for (name, budget), gain in measure(table, trials, draws=draws, seed=seed).items():
        yield {
            "after cheap samples": name,
            "budget": budget,
            "cost": round(gain.realised_cost, 1),
            "accuracy": round(gain.accuracy, 4),
            "uniform_at_cost": round(gain.uniform_at_cost, 4),
            "lift": round(gain.lift.mean, 4),
            "lift_low": round(gain.lift.low, 4),
            "lift_high": round(gain.lift.high, 4),
        }
