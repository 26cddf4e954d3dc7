"""The command that evaluates a policy on questions it was not trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adaptive_reasoner.cli.checked import SEEDS, amount, share
from adaptive_reasoner.cli.shown import AsJson
from adaptive_reasoner.console import err, out, print_json, print_table, progress

if TYPE_CHECKING:
    from adaptive_reasoner.kit.backtesting.results import Backtest

_COLUMNS = (
    "policy",
    "budget",
    "realised_cost",
    "accuracy",
    "uniform_at_cost",
    "lift",
    "lift_low",
    "lift_high",
)


def backtest(
    file: Annotated[Path, typer.Argument(help="Outcomes or samples file.")],
    budget: Annotated[
        list[float],
        typer.Option(callback=amount, help="Allowed mean cost per question; may be given several times."),
    ],
    samples: Annotated[
        Path | None, typer.Option(help="The samples of the outcomes, to replay stop rules on.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The source of a samples file whose votes are replayed.")
    ] = None,
    splits: Annotated[
        int, typer.Option(min=1, max=1_000, help="Number of random splits to average over.")
    ] = 5,
    test_size: Annotated[float, typer.Option(help="Share of the questions held out.", callback=share)] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of the splits.")] = 0,
    jobs: Annotated[
        int, typer.Option(min=1, max=1_000, help="Splits played at once, each in a process of its own.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Evaluate a policy on questions it was not trained on, against every baseline."""
    from adaptive_reasoner.kit.backtesting.evaluation import backtest as run_backtest

    with progress("backtesting"):
        tested = run_backtest(
            file,
            budgets=budget,
            samples=samples,
            source=source,
            splits=splits,
            test_size=test_size,
            seed=seed,
            n_jobs=jobs,
            on_progress=err.plain_line,
        )
    if as_json:
        print_json(tested.as_dict())
    else:
        _print(tested)


def _print(tested: "Backtest") -> None:
    """The rows as a table, what was measured beside them, and the verdict last."""
    from adaptive_reasoner.kit.backtesting.latency import of_stop_rules
    from adaptive_reasoner.kit.learning.gate import checked

    result = tested.as_dict()
    print_table(
        [{column: row[column] for column in _COLUMNS} for row in result["rows"]], title=result["file"]
    )
    stop_rules = of_stop_rules(result["rows"])
    if stop_rules:
        print_table(stop_rules, title=f"rounds and seconds of stop rules on {tested.source}")
    if tested.learning_curve:
        print_table(result["learning_curve"], title="trained on fewer samples per question")
    if tested.look is not None:
        look = f"{tested.look.mean:+.3f} ({tested.look.low:+.3f} to {tested.look.high:+.3f})"
        out.print(f"decide by: {tested.observe}; looking first changes the lift by {look}", highlight=False)
    for each in tested.verdicts:
        out.print(str(each), highlight=False)
    missing = tested.n_labelled < tested.n_questions
    by = f", of {tested.n_questions} questions {checked(tested.n_labelled)}" if missing else ""
    out.print(f"verdict: {result['verdict']}{by}", highlight=False)
