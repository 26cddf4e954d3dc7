"""The command that shows the whole way on a small local model."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from adaptive_reasoner.cli.checks import SEEDS, amount
from adaptive_reasoner.cli.results import AsJson
from adaptive_reasoner.console import err, out, print_json
from adaptive_reasoner.errors import needs


def demo(
    folder: Annotated[
        Path, typer.Option(help="Folder for the policy, the report and fresh samples; reused.")
    ] = Path("demo-run"),
    questions: Annotated[
        int, typer.Option(min=1, max=100_000, help="With --fresh: questions to collect.")
    ] = 96,
    samples: Annotated[
        int, typer.Option(min=5, max=1_000, help="With --fresh: samples per question and source, at least 5.")
    ] = 5,
    budget: Annotated[
        float, typer.Option(callback=amount, help="Mean generated tokens per question.")
    ] = 12.0,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Draws the split and the live questions.")] = 0,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Collect samples now, not the recorded ones.")
    ] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Take a third of the questions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train on recorded samples of the built-in local model, test, answer new questions live, report."""
    with needs("the demo needs", "demo"):
        from adaptive_reasoner.demo.run import run_demo

    live = err if as_json else out
    result = run_demo(
        folder,
        n_questions=min(questions, 32) if fast else questions,
        n_samples=samples,
        budget=budget,
        seed=seed,
        fresh=fresh,
        fast=fast,
        show=live.plain_line,
    )
    if as_json:
        print_json(asdict(result))
    else:
        result.print()
