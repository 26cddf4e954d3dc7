"""The commands of `adaptive-reasoner`.

Results go to stdout, progress and warnings to stderr. An error that the user can correct is one line on
stderr and exit code 2.
"""

import math
import sys
import warnings
from dataclasses import asdict
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from adaptive_reasoner.cli.asking import ask
from adaptive_reasoner.cli.backtesting import backtest
from adaptive_reasoner.cli.checks import (
    SEEDS,
    Accuracy,
    Budget,
    CheckedTyper,
    UsageError,
    amount,
    one_line,
    one_of,
    usage_line,
)
from adaptive_reasoner.cli.collection import collect
from adaptive_reasoner.cli.grading import regrade
from adaptive_reasoner.cli.importing import import_
from adaptive_reasoner.cli.labelling import label
from adaptive_reasoner.cli.ledger import ledger_app
from adaptive_reasoner.cli.policies import policy_app
from adaptive_reasoner.cli.results import EXIT_CODES, AsJson, print_result, read_result
from adaptive_reasoner.cli.retention import ledger_export, ledger_prune
from adaptive_reasoner.cli.savings import show_savings
from adaptive_reasoner.cli.serving import serve, serve_key
from adaptive_reasoner.cli.training import train
from adaptive_reasoner.console import err, number, out, print_json, print_table, progress
from adaptive_reasoner.errors import AdaptiveReasonerError, needs

app = CheckedTyper(
    name="adaptive-reasoner",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ledger_app.command("export")(ledger_export)
ledger_app.command("prune")(ledger_prune)
app.add_typer(ledger_app, name="ledger")
app.add_typer(policy_app, name="policy")


def _print_version(asked: bool) -> None:
    if asked:
        out.plain_line(f"adaptive-reasoner {version('adaptive-reasoner')}")
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Put a budget on an agent: decide, question by question, how much compute to spend."""


def main() -> None:
    """Run a command; an error that the user can correct is one line on stderr and exit code 2."""
    warnings.showwarning = _show_warning
    # Of packages that are compiled when they are first imported, which the reader cannot mend.
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    try:
        code = app(prog_name="adaptive-reasoner", standalone_mode=False)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            err.plain_line(f"adaptive-reasoner: {usage_line(error)}")
        sys.exit(2)
    except typer.Abort:
        err.print("Aborted.", highlight=False)
        sys.exit(1)
    except (AdaptiveReasonerError, OSError, ImportError) as error:
        err.plain_line(f"adaptive-reasoner: {one_line(str(error)) or type(error).__name__}")
        sys.exit(2)
    if code:
        sys.exit(code)


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Option(help="Where policy and report go, and fresh samples; reused.")
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


app.command()(collect)
app.command("import")(import_)
app.command()(regrade)
app.command()(label)


class Labels(StrEnum):
    """What to use where right answers are missing."""

    GOLD = "gold"
    CONSENSUS = "consensus"
    JUDGE = "judge"
    AUTO = "auto"


@app.command()
def estimate(
    samples: Annotated[Path, typer.Argument(help="Samples file, JSONL or Parquet.")],
    out_file: Annotated[Path, typer.Option("--out", help="Outcomes file: Parquet, JSONL or CSV.")],
    votes: Annotated[
        str, typer.Option(help="Vote sizes: 1,3,5; or by source: 'direct=1 cot=1,3,5'.")
    ] = "1,3,5",
    labels: Annotated[
        Labels,
        typer.Option(
            help="What to use where right answers are missing: the consensus of the replies, verdicts of a "
            "judge, or the better of the two (auto); gold refuses samples without right answers."
        ),
    ] = Labels.AUTO,
    reward: Annotated[
        str | None,
        typer.Option(help="Take the scores of replies instead; the name of what they count, such as stars."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make outcomes of samples: what each action would score and cost on each question."""
    from adaptive_reasoner.cli.estimates import estimated, estimated_in_blocks
    from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS
    from adaptive_reasoner.kit.learning.gate import checked
    from adaptive_reasoner.kit.tables.outcomes_file import is_large

    sizes = _sizes(votes)
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
            f"{samples} --next 50 --out label_me.csv`"
        )


@app.command()
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


app.command()(train)
app.command()(backtest)


@app.command()
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


app.command()(ask)
app.command("savings")(show_savings)
app.command()(serve)
app.command("serve-key")(serve_key)


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


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    err.plain_line(f"warning: {message}")
