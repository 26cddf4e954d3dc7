"""The command that makes outcomes of samples."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from adaptive_reasoner.cli.results import AsJson, print_result
from adaptive_reasoner.console import err, print_json, print_table, progress


class Labels(StrEnum):
    """What to use where right answers are missing."""

    GOLD = "gold"
    CONSENSUS = "consensus"
    JUDGE = "judge"
    AUTO = "auto"


def estimate(
    samples: Annotated[Path, typer.Argument(help="Samples file, JSONL or Parquet.")],
    out_file: Annotated[Path, typer.Option("--out", help="Outcomes file: Parquet, JSONL or CSV.")],
    votes: Annotated[
        str | None,
        typer.Option(
            help="Vote sizes: 1,3,5; or by source: 'direct=1 cot=1,3,5'. By default those of 1, 3 and 5 for "
            "which every question has samples, and single calls of free text."
        ),
    ] = None,
    labels: Annotated[
        Labels,
        typer.Option(
            help="What to use where right answers are missing: the consensus of the replies, verdicts of a "
            "judge, or the better of the two (auto); gold refuses samples without right answers."
        ),
    ] = Labels.AUTO,
    reward: Annotated[
        str | None,
        typer.Option(help="Use scores instead of right answers; the name of their unit, such as stars."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn samples into outcomes: what each action would score and cost on each question."""
    from adaptive_reasoner.cli.estimates import estimated, estimated_in_blocks
    from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS
    from adaptive_reasoner.kit.learning.gate import checked
    from adaptive_reasoner.kit.tables.outcomes_file import is_large

    sizes = None if votes is None else _sizes(votes)
    with progress("estimating"):
        if labels is Labels.GOLD and reward is None and is_large(samples):
            found = estimated_in_blocks(samples, out_file, votes=sizes)
        else:
            found = estimated(samples, out_file, votes=sizes, labels=labels.value, reward=reward)
    if as_json:
        print_json(found.as_dict())
    else:
        missing = found.n_questions - found.n_labelled
        known = f", {missing} of them without a right answer (estimated)" if missing else ""
        print_table(found.actions, title=f"{found.n_questions} questions{known}, cost in {found.cost_unit}")
        counts = {source: f"{silent} of {total} samples" for source, (silent, total) in found.silent.items()}
        judge = {} if found.judge is None else {"judge": str(found.judge)}
        print_result({"nothing to compare": counts, **judge}, as_json=False)
    if found.n_labelled < min(FEWEST_LABELS, found.n_questions):
        err.plain_line(
            f"note: {checked(found.n_labelled)}; the questions to label first: `adaptive-reasoner label "
            f"{samples} --next 80 --out label_me.csv`"
        )


def _sizes(votes: str) -> tuple[int, ...] | dict[str, tuple[int, ...]]:
    """One list of sizes for all sources, or one for each that is named."""
    try:
        if "=" in votes:
            named = (part.rsplit("=", 1) for part in votes.split())
            return {source: tuple(map(int, sizes.split(","))) for source, sizes in named}
        return tuple(map(int, votes.split(",")))
    except ValueError:
        reason = f"{votes!r} is not a list of numbers such as 1,3,5, nor one by source such as cot=1,3,5"
        raise typer.BadParameter(reason, param_hint="--votes") from None
