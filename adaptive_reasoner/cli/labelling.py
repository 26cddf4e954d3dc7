"""Labelling samples: which questions first, in a table, in the terminal or on a page."""

import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adaptive_reasoner.cli.checks import SEEDS
from adaptive_reasoner.cli.grading import Concurrency, MaxCost, print_regraded, print_stopped
from adaptive_reasoner.cli.results import AsJson, NoCode, print_result
from adaptive_reasoner.console import err, out, print_json, progress

if TYPE_CHECKING:
    from adaptive_reasoner.kit.menu.menu import Menu

_SHEET = 50  # questions of a table whose size is not given


def label(
    samples: Annotated[Path, typer.Argument(help="Samples file, JSONL, Parquet or CSV; changed in place.")],
    next_: Annotated[
        int | None,
        typer.Option(
            "--next",
            min=1,
            max=1_000_000,
            help="Number of questions; by default 50 in a table, otherwise all.",
        ),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="CSV file to write: a table to fill in.")
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Labels to take from a filled-in table: the answer, #2 or none of these."
        ),
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Label in the browser, on this machine only, until Ctrl-C.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="The menu whose grader grades; by default the grader named in the file, or exact."),
    ] = None,
    random: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the questions that are drawn at random.")
    ] = 0.25,
    seed: Annotated[
        int, typer.Option(min=0, max=SEEDS, help="Seed of the random questions; keep it from round to round.")
    ] = 0,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --page: port on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    max_cost: MaxCost = None,
    concurrency: Concurrency = None,
    no_code: NoCode = False,
    as_json: AsJson = False,
) -> None:
    """Label the most informative questions: in a table, in the terminal or on a page."""
    from adaptive_reasoner.kit.menu.menu import Menu

    ways = {"--out": out_file is not None, "--from": from_file is not None, "--page": page}
    chosen = [name for name, given in ways.items() if given]
    if len(chosen) > 1:
        raise typer.BadParameter(f"{' and '.join(chosen)} do not go together", param_hint=chosen[1])
    if from_file is not None and next_ is not None:
        raise typer.BadParameter("--from takes back all labels of its table", param_hint="--next")
    if out_file is not None:
        _write_sheet(samples, out_file, next_ or _SHEET, seed, random, as_json)
        return
    menu = None if config is None else Menu.load(config, code="refuse" if no_code else "run")
    if from_file is not None:
        _take_back(samples, from_file, menu, max_cost, concurrency, as_json)
        return
    settings = {"menu": menu, "count": next_, "seed": seed, "random_share": random}
    if page:
        _serve(samples, port, settings, as_json)
    else:
        _ask(samples, settings, as_json)


def _write_sheet(samples: Path, file: Path, count: int, seed: int, share: float, as_json: bool) -> None:
    from adaptive_reasoner.kit.labelling.selection import questions_to_label
    from adaptive_reasoner.kit.labelling.sheet import write_label_sheet
    from adaptive_reasoner.kit.samples import Samples

    with progress("choosing"):
        table = Samples.read(samples)
        everything = questions_to_label(table, seed=seed, random_share=share)
        questions = everything[:count]
        if questions:
            write_label_sheet(file, questions)
    if not questions:
        err.plain_line(f"note: all {len(table)} questions of {samples} have their labels; nothing is written")
    drawn = Counter(each.drawn for each in questions)
    result: dict[str, Any] = {"file": str(file) if questions else None, "questions": len(questions)}
    result |= {"chosen": drawn["chosen"], "random": drawn["random"], "unlabelled": len(everything)}
    print_result(result, as_json)
    if questions:
        err.plain_line(
            f"note: write the right answer into the column gold, or #2 for the second answer, or `none of "
            f"these`; then `adaptive-reasoner label {samples} --from {file}`"
        )


def _take_back(
    samples: Path,
    file: Path,
    menu: "Menu | None",
    max_cost: float | None,
    concurrency: int | None,
    as_json: bool,
) -> None:
    from adaptive_reasoner.kit.labelling.sheet import read_label_sheet
    from adaptive_reasoner.kit.regrading.regrading import regrade
    from adaptive_reasoner.kit.samples import Samples

    sheet = read_label_sheet(file, Samples.read(samples))
    for note in sheet.notes:
        err.plain_line(f"note: {file}: {note}")
    try:
        with progress("grading") as show:
            done = regrade(
                samples,
                labels=sheet.labels,
                menu=menu,
                max_cost=max_cost,
                concurrency=concurrency,
                on_progress=lambda at, total: show(at, total=total),
            )
    except KeyboardInterrupt:
        print_stopped()
    print_regraded(done, as_json, labels=len(sheet.labels))


def _ask(samples: Path, settings: dict[str, Any], as_json: bool) -> None:
    from adaptive_reasoner.kit.labelling.session import LabelSession
    from adaptive_reasoner.kit.labelling.terminal import label_in_terminal

    if not (sys.stdin.isatty() and err.is_terminal):
        reason = "labels are asked for one by one in a terminal; elsewhere give --next and --out, or --page"
        raise typer.BadParameter(reason, param_hint="--out")
    session = LabelSession(samples, **settings)
    with suppress(KeyboardInterrupt, EOFError):  # each label is written already
        label_in_terminal(session, err, typer.getchar, input)
    left = len(session.questions) - len(session.given)
    print_result({"file": str(samples), "labels": len(session.given), "left": left}, as_json)


def _serve(samples: Path, port: int, settings: dict[str, Any], as_json: bool) -> None:
    from adaptive_reasoner.kit.labelling.label_server import LabelServer
    from adaptive_reasoner.kit.labelling.session import LabelSession

    session = LabelSession(samples, **settings)
    with LabelServer(session, port=port) as server:
        if as_json:
            print_json({"page": server.url, "questions": len(session.questions)})
        else:
            out.plain_line(f"{server.url}  (Ctrl-C ends it; each label is written at once)")
        out.file.flush()
        server.run()
    err.plain_line(
        f"note: {len(session.given)} of {len(session.questions)} questions were labelled in {samples}"
    )
