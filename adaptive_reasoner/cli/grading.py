"""Grading samples again: by another grader, or by right answers that came later."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from adaptive_reasoner.amounts import written
from adaptive_reasoner.cli.checks import amount
from adaptive_reasoner.cli.results import (
    INCOMPLETE,
    INTERRUPTED,
    AsJson,
    NoCode,
    print_forecast,
    print_result,
)
from adaptive_reasoner.console import err, progress

if TYPE_CHECKING:
    from adaptive_reasoner.kit.regrading.regrading import Regraded

SamplesFile = Annotated[Path, typer.Argument(help="Samples file, JSONL, Parquet or CSV.")]
MaxCost = Annotated[
    float | None,
    typer.Option(callback=amount, help="With a judge: the most that the file and its grading may cost."),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, max=4_096, help="With a judge: calls in flight; by default the menu's number, or 8."),
]


def regrade(
    samples: SamplesFile,
    config: Annotated[
        Path | None,
        typer.Option(help="The menu whose grader grades all rows; without it, each row's own grader does."),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="Questions with right answers: JSONL, CSV or Parquet; rows without a question_id count for "
            "every question of that text."
        ),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="File to write; by default the samples file is replaced.")
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="With a judge: show it no right answers; grades stay as they are."),
    ] = False,
    max_cost: MaxCost = None,
    concurrency: Concurrency = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With a judge: only say what it would cost; nothing is called.")
    ] = False,
    no_code: NoCode = False,
    as_json: AsJson = False,
) -> None:
    """Grade samples again, by another grader or corrected answers; no source is called."""
    from adaptive_reasoner.kit.menu.menu import Judge, Menu
    from adaptive_reasoner.kit.questions import read_questions
    from adaptive_reasoner.kit.regrading.regrading import forecast_regrading
    from adaptive_reasoner.kit.regrading.regrading import regrade as regrade_samples

    menu = None if config is None else Menu.load(config, code="refuse" if no_code else "run")
    fixed = () if questions is None else read_questions(questions)
    note = ""
    if menu is None and dry_run:
        raise typer.BadParameter(
            "only the judge of a menu costs something: give --config", param_hint="--dry-run"
        )
    if menu is not None and isinstance(menu.grader, Judge):
        job = forecast_regrading(samples, menu, questions=fixed, out=out_file, blind=blind, max_cost=max_cost)
        if dry_run:
            print_forecast(job, "to ask of the judge", as_json)
            return
        note = f"at most {written(job.bound, 4)} {job.cost_unit}, about {written(job.expected, 4)}"
    elif dry_run:
        raise typer.BadParameter("the grader of this menu calls no model", param_hint="--dry-run")
    try:
        with progress("grading") as show:
            show(0, note=note)
            done = regrade_samples(
                samples,
                menu=menu,
                questions=fixed,
                out=out_file,
                blind=blind,
                max_cost=max_cost,
                concurrency=concurrency,
                on_progress=lambda at, total: show(at, total=total, note=note),
            )
    except KeyboardInterrupt:
        print_stopped()
    print_regraded(done, as_json)


def print_stopped() -> NoReturn:
    """Say how to go on after Ctrl-C.

    Raises:
        Exit: Always.
    """
    err.plain_line("adaptive-reasoner: stopped: run the same command again to grade the rest")
    raise typer.Exit(INTERRUPTED)


def print_regraded(done: "Regraded", as_json: bool, **more: object) -> None:
    """Print the summary, and end with the exit code of a run that left rows.

    Raises:
        Exit: Rows are left, because of the cap or of the endpoint.
    """
    print_result({**more, **done.as_dict()}, as_json)
    if done.failed:
        err.plain_line(
            f"note: the judge gave {done.failed} rows or pairs no verdict; they are unchanged, and the same "
            "command asks again"
        )
    if done.stopped is not None:
        reason = (
            "the cap leaves no room for a further call; run the same command again with a higher cap"
            if done.stopped == "max_cost"
            else "the judge's endpoint asks to wait; run the same command again later"
        )
        err.plain_line(f"adaptive-reasoner: not all rows of {done.file} are graded: {reason}")
        raise typer.Exit(INCOMPLETE)
