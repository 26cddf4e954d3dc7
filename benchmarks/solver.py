"""Is the oracle exact, and is it fast? Against HiGHS, against bisection on the price, and against a sort.

    python benchmarks/solver.py [--seed 0] [--tables 3000] [--out FILE]

Times are the best of three, on one thread, beside `numpy.sort` of as many random floats in the same process.
"""

import argparse
import json
import time
import tracemalloc
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from provenance import made_with
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, vstack

from adaptive_reasoner.kit.allocation.concave_hull import best_at
from adaptive_reasoner.kit.allocation.solver import frontier, solve

ROOT = Path(__file__).resolve().parents[1]
PRICES = np.array([1.0, 2, 3, 5, 8, 13, 21, 34])


@dataclass(frozen=True)
class Table:
    """Accuracy and cost of n questions by k actions."""

    accuracy: np.ndarray
    cost: np.ndarray
    cost_unit: str = "units"

    @property
    def actions(self):
        """Names."""
        return tuple(f"action {a}" for a in range(self.cost.shape[1]))


def all_different(rng, n):
    """Nothing is tied: both tables uniform at random."""
    return Table(rng.random((n, 8)), rng.random((n, 8)))


def votes(rng, n):
    """Accuracies that mostly rise along eight fixed prices: long hulls."""
    accuracy = np.sort(rng.beta(0.5, 0.5, (n, 1)) + rng.normal(0, 0.05, (n, 8)), axis=1)
    return Table(accuracy.clip(0, 1), np.tile(PRICES, (n, 1)))


def right_or_wrong(rng, n):
    """Accuracies of 0 or 1 at fixed prices: hardly any price that is not tied."""
    return Table((rng.random((n, 8)) < np.linspace(0.3, 0.8, 8)).astype(float), np.tile(PRICES, (n, 1)))


KINDS = (all_different, votes, right_or_wrong)


def seconds(work, repeat=3):
    """The best time of several."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def budget_of(table, part):
    """A budget between the cheapest and the dearest useful spending."""
    cheapest, dearest = (
        table.cost[np.arange(len(table.cost)), best_at(table.accuracy, table.cost, price)].mean()
        for price in (np.inf, 0.0)
    )
    return float(cheapest + part * (dearest - cheapest))


def speed_rows(rng):
    for n in (10_000, 100_000, 1_000_000):
        for kind in KINDS:
            table = kind(rng, n)
            floats = rng.random(table.cost.size)
            sort = seconds(partial(np.sort, floats))
            for part in (0.1, 0.5, 0.9, 1.1):
                budget = budget_of(table, part)
                took = seconds(partial(solve, table, budget))
                yield {
                    "table": kind.__name__,
                    "questions": n,
                    "actions": 8,
                    "part_of_useful_spending": part,
                    "seconds": round(took, 4),
                    "sort_seconds": round(sort, 4),
                    "sorts": round(took / sort, 2),
                }
            took = seconds(partial(frontier, table), repeat=1)
            yield {
                "table": kind.__name__,
                "questions": n,
                "actions": 8,
                "part_of_useful_spending": "all budgets",
                "seconds": round(took, 4),
                "sort_seconds": round(sort, 4),
                "sorts": round(took / sort, 2),
            }


def memory_rows(rng):
    for kind in KINDS:
        table = kind(rng, 1_000_000)
        for name, work in (
            ("solve", partial(solve, table, budget_of(table, 0.5))),
            ("frontier", partial(frontier, table)),
        ):
            tracemalloc.start()
            work()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            yield {
                "table": kind.__name__,
                "questions": 1_000_000,
                "call": name,
                "peak_megabytes": round(peak / 1e6),
            }


def highs(table, budget):
    """Value of the linear programme, by HiGHS."""
    n, k = table.accuracy.shape
    one_each = coo_array((np.ones(n * k), (np.repeat(np.arange(n), k), np.arange(n * k))))
    found = linprog(
        -table.accuracy.ravel() / n,
        A_ub=csr_array(table.cost.reshape(1, -1) / n),
        b_ub=[budget],
        A_eq=vstack([one_each]).tocsr(),
        b_eq=np.ones(n),
        bounds=(0, 1),
        method="highs",
    )
    return -found.fun


def exactness_row(rng, tables):
    """Many small tables, half of them full of ties, and what the answers are off by."""
    value = cost = gap = 0.0
    for number in range(tables):
        n, k = rng.integers(1, 13), rng.integers(1, 7)
        if number % 2:
            table = Table(rng.integers(0, 4, (n, k)) / 3, rng.integers(0, 5, (n, k)) / 1.0)
        else:
            table = Table(rng.random((n, k)), rng.random((n, k)))
        budget = budget_of(table, rng.choice([0.0, 0.25, 0.5, 1.0, rng.random()]))
        best = solve(table, budget)
        value = max(value, abs(best.accuracy - highs(table, budget)))
        gap = max(gap, best.gap)
        cost = max(cost, abs(best.cost - budget) if best.binds else best.cost - budget)
    return {
        "tables": tables,
        "largest_difference_to_highs": value,
        "largest_certified_gap": gap,
        "largest_difference_to_budget": cost,
    }


def against_highs_rows(rng):
    for kind in KINDS:
        table = kind(rng, 2_000)
        budget = budget_of(table, 0.5)
        ours, theirs = (seconds(partial(find, table, budget), repeat=1) for find in (solve, highs))
        yield {
            "table": kind.__name__,
            "questions": 2_000,
            "actions": 8,
            "seconds": round(ours, 4),
            "highs_seconds": round(theirs, 4),
            "difference": abs(solve(table, budget).accuracy - highs(table, budget)),
        }


def bisected(table, budget):
    """Plain bisection on the price, 100 steps, never above the budget: the choice it ends with."""
    low, high = 0.0, 1e6
    for _ in range(100):
        price = (low + high) / 2
        choice = best_at(table.accuracy, table.cost, price)
        if table.cost[np.arange(len(choice)), choice].mean() > budget:
            low = price
        else:
            high = price
    return best_at(table.accuracy, table.cost, high)


def bisection_rows(rng):
    for kind in KINDS:
        table = kind(rng, 5_000)
        for part in (0.1, 0.3, 0.5, 0.7, 0.9):
            budget = budget_of(table, part)
            best, choice = solve(table, budget), bisected(table, budget)
            rows = np.arange(len(choice))
            yield {
                "table": kind.__name__,
                "questions": 5_000,
                "budget": round(budget, 4),
                "cost": round(best.cost, 4),
                "bisection_cost": round(float(table.cost[rows, choice].mean()), 4),
                "accuracy": round(best.accuracy, 5),
                "bisection_accuracy": round(float(table.accuracy[rows, choice].mean()), 5),
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "solver.json")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    results = {
        "command": f"python benchmarks/solver.py --seed {arguments.seed} --tables {arguments.tables}",
        **made_with("adaptive-reasoner", "numpy", "scipy"),
        "seed": arguments.seed,
        "exactness": exactness_row(rng, arguments.tables),
        "against_highs": list(against_highs_rows(rng)),
        "against_bisection": list(bisection_rows(rng)),
        "speed": list(speed_rows(rng)),
        "memory_beyond_the_input": list(memory_rows(rng)),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
