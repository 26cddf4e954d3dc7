"""The command that evaluates a policy on questions it was not trained on."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from adaptive_reasoner.amounts import signed
from adaptive_reasoner.cli.checks import SEEDS, ClusterAddress, Engine, amounts, check_engine, share
from adaptive_reasoner.cli.results import AsJson
from adaptive_reasoner.console import err, out, print_json, print_table, progress, visible
from adaptive_reasoner.errors import needs

if TYPE_CHECKING:
    from adaptive_reasoner.kit.backtesting.results import Backtest

_OF_LOG = (
    "policy",
    "budget",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "cost",
    "cost_low",
    "cost_high",
    "effective_sample_size",
)
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
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Outcomes or samples file; none with --log.", show_default=False)
    ] = None,
    budget: Annotated[
        list[float] | None,
        typer.Option(
            callback=amounts,
            help="Allowed mean cost per question; may be given several times. With --log the policy's own by "
            "default.",
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="A graded log of live traffic with an explored share; evaluates --policy on it."),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="With --log: the policy folder to evaluate.")] = None,
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
        int, typer.Option(min=1, max=1_000, help="Splits run at once, each in a process of its own.")
    ] = 1,
    engine: Annotated[
        Engine, typer.Option(help="Run the splits on this machine (local), or on a Ray cluster (ray).")
    ] = Engine.LOCAL,
    address: ClusterAddress = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a policy on questions it was not trained on, against every baseline.

    With --log, estimate instead what a policy would have scored and cost on live traffic that another one
    answered.
    """
    if log is not None or policy is not None:
        _check_off_policy(context, log=log, policy=policy)
        _value(cast("Path", log), cast("Path", policy), budget or [], seed, as_json)
        return
    if file is None:
        raise typer.BadParameter("a file is needed, or --log with --policy.", param_hint="'FILE'")
    if not budget:
        raise typer.BadParameter("a budget is needed.", param_hint="'--budget'")
    check_engine(engine, address=address)
    with needs("backtest needs", "kit"):
        from adaptive_reasoner.kit.backtesting.evaluation import backtest as run_backtest
    from adaptive_reasoner.kit.ray_cluster import joblib_on_ray

    cluster = joblib_on_ray(address, jobs) if engine is Engine.RAY else nullcontext()
    with progress("backtesting"), cluster:
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


def _check_off_policy(context: typer.Context, **both: Path | None) -> None:
    """Refuse --log or --policy alone, and what belongs to the backtest of a table."""
    for name, given in both.items():
        if given is None:
            raise typer.BadParameter("--log and --policy go together.", param_hint=f"'--{name}'")
    for name in ("file", "samples", "source", "splits", "test_size", "jobs", "engine", "address"):
        source = context.get_parameter_source(name)
        if source is not None and not source.name.startswith("DEFAULT"):
            hint = "'FILE'" if name == "file" else f"'--{name.replace('_', '-')}'"
            raise typer.BadParameter("not with --log, which values a policy on a log.", param_hint=hint)


def _value(log: Path, folder: Path, budgets: list[float], seed: int, as_json: bool) -> None:
    """What a policy is worth on a log."""
    with needs("backtest needs", "kit"):
        from adaptive_reasoner.kit.off_policy.values import off_policy_values
    from adaptive_reasoner.kit.off_policy.decisions import Decisions
    from adaptive_reasoner.policy.learned import LearnedPolicy

    loaded = LearnedPolicy.load(folder)
    with progress("valuing"):
        values = off_policy_values(Decisions.read(log), loaded, budgets=budgets, seed=seed)
    result = {"log": str(log), "policy": loaded.policy_id, **values.as_dict()}
    if as_json:
        print_json(result)
        return
    print_table(
        [{column: row[column] for column in _OF_LOG} for row in result["rows"]],
        title=f"{log}: {values.n_questions} explored questions, cost in {values.cost_unit}",
    )
    for action, gains in result["policy_over_actions"].items():
        gain = f"{gains['accuracy']:+.3f} ({gains['accuracy_low']:+.3f} to {gains['accuracy_high']:+.3f})"
        out.plain_line(f"policy over {action}: accuracy {gain}, cost {signed(gains['cost'], 4)}")
    for why in values.unknown.values():
        err.plain_line(f"not valued: {why}")
    left = result["left_out"]
    if any(left.values()):
        err.plain_line(
            f"left out: {left['unlogged']} questions of which the log does not say what they got and how "
            f"likely that was, {left['unexplored']} that could get one action only"
        )


def _print(tested: "Backtest") -> None:
    """The rows as a table, what was measured beside them, and the verdict last."""
    from adaptive_reasoner.kit.backtesting.latency import of_stop_rules
    from adaptive_reasoner.kit.learning.dominated import dropped_in_words
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
    if tested.dropped:
        out.plain_line(visible(dropped_in_words(tested.dropped, len(tested.actions)), one_line=True))
    for each in tested.verdicts:
        out.print(str(each), highlight=False)
    missing = tested.n_labelled < tested.n_questions
    by = f", of {tested.n_questions} questions {checked(tested.n_labelled)}" if missing else ""
    out.print(f"verdict: {result['verdict']}{by}", highlight=False)
