"""The command that computes the oracle."""

import math
from pathlib import Path
from typing import Annotated, cast

import typer

from adaptive_reasoner.cli.checks import Accuracy, Budget, one_of
from adaptive_reasoner.cli.results import AsJson, print_result
from adaptive_reasoner.console import err, number, progress


def solve(
    outcomes: Annotated[Path, typer.Argument(help="Outcomes file.")],
    budget: Budget = None,
    accuracy: Accuracy = None,
    as_json: AsJson = False,
) -> None:
    """Compute the oracle: the best allocation of a budget, or the cheapest one for an accuracy."""
    from adaptive_reasoner.kit.allocation.allocation import Allocation, FloorAllocation
    from adaptive_reasoner.kit.allocation.solver import solve as solve_outcomes
    from adaptive_reasoner.kit.outcomes import Outcomes
    from adaptive_reasoner.kit.tables.outcomes_file import OutcomesFile, is_large

    one_of(budget=budget, accuracy=accuracy)
    with progress("solving"):
        table = OutcomesFile(outcomes) if is_large(outcomes) else Outcomes.read(outcomes)
        best: Allocation
        if budget is not None:
            best = solve_outcomes(table, budget)
        else:
            best = solve_outcomes(table, target_accuracy=cast("float", accuracy))
    solved = {
        "budget": best.budget,
        "price": best.price,
        "accuracy": best.accuracy,
        "cost": best.cost,
        "bound": best.bound,
        "gap": best.gap,
        "actions": best.shares(),
        "cost_unit": table.cost_unit,
    }
    if isinstance(table, Outcomes) and table.estimated is not None:
        solved["n_labelled"] = int(table.labelled.sum())
    if isinstance(best, FloorAllocation):
        least = {"cost_bound": best.cost_bound, "cost_gap": best.cost_gap}
        solved = {"target_accuracy": best.target_accuracy, **solved, **least}
    if not as_json:
        solved["actions"] = {name: f"{share:.1%}" for name, share in best.shares().items() if share}
    print_result(solved, as_json, words={"n_labelled": "right answers known"})
    if isinstance(best, FloorAllocation):
        if best.accuracy > best.target_accuracy and math.isinf(best.price):
            reached = number(best.accuracy)
            err.plain_line(f"the target accuracy does not bind: the cheapest actions reach {reached}")
    elif best.price == 0 and best.cost < best.budget:
        cost = f"{number(best.cost)} {table.cost_unit} per question"
        err.plain_line(f"the budget does not bind: the most accurate choices cost {cost}")
