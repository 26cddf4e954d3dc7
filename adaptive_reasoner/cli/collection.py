"""The command that spends money: samples of models, into a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adaptive_reasoner.amounts import written
from adaptive_reasoner.cli.checks import ClusterAddress, Engine, amount, check_engine
from adaptive_reasoner.cli.results import (
    INCOMPLETE,
    INTERRUPTED,
    AsJson,
    NoCode,
    print_forecast,
    print_result,
)
from adaptive_reasoner.cli.summaries import of_collection
from adaptive_reasoner.console import err, progress

if TYPE_CHECKING:
    from adaptive_reasoner.kit.collecting.progress import Collected, Progress
    from adaptive_reasoner.kit.menu.toml_code import CodeUse


def collect(
    out_file: Annotated[Path, typer.Option("--out", help="Samples file, JSONL; continued if it exists.")],
    questions: Annotated[
        str | None,
        typer.Argument(
            help="JSONL, CSV or Parquet with question and, if known, gold; or gsm8k, math, math500, "
            "owner/name. With --preset paper: 200 of gsm8k and 200 of math, if left out."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="The menu of sources, TOML.")] = None,
    preset: Annotated[str | None, typer.Option(help="A built-in menu instead: paper. Needs --model.")] = None,
    model: Annotated[
        str | None, typer.Option(help="With --preset: the model, such as openai:gpt-5-mini.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="With --preset: an OpenAI-compatible endpoint.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="With --base-url: the environment variable that holds its key.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(callback=amount, help="Never spend more than this.")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=4_096, help="Calls in flight; by default the menu's number, or 8."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Collect again the samples that failed.")
    ] = False,
    adaptive: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.9999,
            help="Stop sampling a question when its best action is known with this confidence.",
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            callback=amount, help="With --adaptive: the budget at which the best action is decided."
        ),
    ] = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Use OpenAI's Batch API: half the price, replies within a day.")
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="Make the calls in this process (local), or on a Ray cluster (ray).")
    ] = Engine.LOCAL,
    address: ClusterAddress = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="With --engine ray: how many processes; by default one for each CPU."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only estimate the cost; no call is made.")
    ] = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="With --dry-run: call the menu's prompt functions.")
    ] = False,
    no_code: NoCode = False,
    as_json: AsJson = False,
) -> None:
    """Collect samples of a model on questions, with or without right answers; can be stopped and resumed."""
    from adaptive_reasoner.answers.extraction import is_number
    from adaptive_reasoner.kit.collecting.collector import collect as collect_samples
    from adaptive_reasoner.kit.collecting.cost_forecast import forecast
    from adaptive_reasoner.kit.collecting.early_stopping import Adaptive
    from adaptive_reasoner.kit.collecting.ray_workers import RayEngine
    from adaptive_reasoner.kit.menu.menu import Menu
    from adaptive_reasoner.kit.menu.presets import preset_menu
    from adaptive_reasoner.kit.menu.toml_file import has_code
    from adaptive_reasoner.kit.public_questions import open_questions, questions_to_price

    if (adaptive is None) != (budget is None):
        raise typer.BadParameter("--adaptive and --budget go together", param_hint="--adaptive")
    if adaptive is not None and batch:
        raise typer.BadParameter("a batch is drawn whole; leave out one of the two", param_hint="--adaptive")
    check_engine(engine, address=address, workers=workers)
    if engine is Engine.RAY and batch:
        raise typer.BadParameter("a batch has no calls to share; leave out one", param_hint="--batch")
    on_ray = RayEngine(address, workers) if engine is Engine.RAY else None
    if config is not None and preset is None and questions is not None:
        use: CodeUse = "refuse" if no_code else "leave" if dry_run and not allow_code else "run"
        asked, menu = open_questions(questions), Menu.load(config, code=use)
        if on_ray is not None and has_code(config):
            on_ray = replace(on_ray, load_menu=partial(Menu.load, config.absolute(), code=use))
    elif config is None and preset is not None and model is not None:
        asked = (questions_to_price if dry_run else open_questions)(questions or preset)
        mathematical = not all(is_number(question.gold) for question in asked if question.gold is not None)
        menu = preset_menu(
            preset, model, base_url=base_url, api_key_env=api_key_env, mathematical=mathematical
        )
    else:
        reason = "give questions and --config, or --preset with --model"
        raise typer.BadParameter(reason, param_hint="--config")
    unknown = sum(question.gold is None for question in asked)
    if dry_run:
        forecasted = forecast(
            asked, menu, out_file, max_cost=max_cost, retry_failed=retry_failed, batch=batch
        )
        print_forecast(forecasted, "to collect", as_json)
        if unknown:
            err.plain_line(f"note: {unknown} of {len(asked)} questions have no right answer (gold)")
        return
    with _showing_progress(out_file) as on_progress:
        done = collect_samples(
            asked,
            menu,
            out_file,
            max_cost=max_cost,
            concurrency=concurrency,
            retry_failed=retry_failed,
            adaptive=None if adaptive is None or budget is None else Adaptive(budget, adaptive),
            batch=batch,
            engine=on_ray,
            on_progress=on_progress,
        )
    print_result(done.as_dict() if as_json else of_collection(done), as_json)
    for note in _notes(done, unknown, len(asked)):
        err.plain_line(f"note: {note}")
    if done.stopped is not None:
        err.plain_line(f"adaptive-reasoner: {_missing(done)}")
        raise typer.Exit(INCOMPLETE)


@contextmanager
def _showing_progress(out_file: Path) -> Iterator[Callable[["Progress"], None]]:
    """Show how far a collection is; where Ctrl-C stops it, say what is kept."""
    latest: Progress | None = None
    try:
        with progress("collecting") as show:

            def on_progress(now: "Progress") -> None:
                nonlocal latest
                latest = now
                show(now.there, total=now.wanted, note=now.note)

            yield on_progress
    except KeyboardInterrupt:
        kept = (
            f"{latest.there} of {latest.wanted} samples are kept" if latest else "the samples so far are kept"
        )
        again = "run the same command again to collect the rest"
        err.plain_line(f"adaptive-reasoner: stopped: {kept} in {out_file}; {again}")
        raise typer.Exit(INTERRUPTED) from None


def _notes(done: "Collected", unknown: int, asked: int) -> Iterator[str]:
    """What a user should know of the grades in the file, and what to do next."""
    if unknown and done.ungraded:
        yield (
            f"{unknown} of {asked} questions came without a right answer (gold), so {done.ungraded} samples "
            f"in {done.file} are not graded; go on without labels by `adaptive-reasoner estimate {done.file} "
            f"--labels auto --out outcomes.parquet`, or label the most informative questions by "
            f"`adaptive-reasoner label {done.file} --next 80 --out label_me.csv`"
        )
    if done.graded_otherwise:
        names = ", ".join(f"{count} by {name}" for name, count in done.graded_otherwise.items())
        yield (
            f"samples in {done.file} were graded otherwise than this menu grades: {names}; "
            f"`adaptive-reasoner regrade {done.file} --config MENU` grades them alike, without a new call"
        )


def _missing(done: "Collected") -> str:
    """What a collection that ended early lacks, and how to get it."""
    lacks = f"{done.missing} of {done.wanted} samples are missing in {done.file}"
    if done.stopped == "max_cost":
        return (
            f"{lacks}: the cap leaves no room for a further call after "
            f"{written(done.cost, 4)} {done.cost_unit}; run the same command again with "
            "a higher cap to collect them"
        )
    waits = ", ".join(f"{source} for {seconds:g} seconds" for source, seconds in done.given_up.items())
    return f"{lacks}: their endpoint asks to wait ({waits}); run the same command again later to collect them"
