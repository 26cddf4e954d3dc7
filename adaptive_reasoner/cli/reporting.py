"""The command that writes a report."""

from pathlib import Path
from typing import Annotated

import typer

from adaptive_reasoner.cli.checks import amount
from adaptive_reasoner.cli.results import AsJson, read_result
from adaptive_reasoner.console import err, out, print_json, progress
from adaptive_reasoner.errors import needs


def report(
    outcomes: Annotated[
        Path,
        typer.Argument(help="Outcomes file; preferably of questions that the policy was not trained on."),
    ],
    out_file: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    samples: Annotated[
        Path | None, typer.Option(help="The samples of the outcomes, to show what labels cost.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="A trained policy to evaluate on these outcomes.")
    ] = None,
    backtest: Annotated[
        Path | None, typer.Option(help="A file with the output of `backtest --json`.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(callback=amount, help="Mean cost per question to show; by default the policy's."),
    ] = None,
    savings: Annotated[Path | None, typer.Option(help="A file with the output of `savings --json`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page: what a budget buys, and whether a policy is worth shipping."""
    with needs("report needs", "kit"):
        from adaptive_reasoner.kit.reporting.build import outcomes_report
    from adaptive_reasoner.kit.outcomes import Outcomes
    from adaptive_reasoner.kit.samples import Samples
    from adaptive_reasoner.policy.learned import LearnedPolicy

    loaded = LearnedPolicy.load(policy) if policy else None
    collected = Samples.read(samples) if samples else None
    tested = read_result(backtest, "rows") if backtest else None
    saved = read_result(savings, "saved_total") if savings else None
    with progress("writing the report"):
        page = outcomes_report(
            Outcomes.read(outcomes),
            samples=collected,
            policy=loaded,
            backtest=tested,
            budget=budget,
            savings=saved,
        )
        page.write(out_file)
    if as_json:
        print_json({"file": str(out_file), **page.as_dict()})
    else:
        out.plain_line(f"{page.verdict.word} {page.verdict.sentence}")
        err.print(f"wrote {out_file}", highlight=False)
