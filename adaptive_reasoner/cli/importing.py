"""Importing logs of other tools: what can be learned from them, and the price of what cannot."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adaptive_reasoner.cli.results import INTERRUPTED, AsJson, print_result
from adaptive_reasoner.console import err, number, out, print_json, print_table, progress, visible

if TYPE_CHECKING:
    from adaptive_reasoner.kit.importing.importer import Imported
    from adaptive_reasoner.kit.importing.plan import CollectionPlan
    from adaptive_reasoner.models.metering import PriceMeter


class Format(StrEnum):
    """What wrote a log."""

    LANGSMITH = "langsmith"
    OTEL = "otel"
    OPENAI = "openai"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Runs(StrEnum):
    """Which runs of LangSmith are replies."""

    ROOT = "root"
    LLM = "llm"


class KeyName(StrEnum):
    """When two replies say the same."""

    AUTO = "auto"
    EXACT = "exact"
    NUMERIC = "numeric"
    MATH = "math"
    CHOICE = "choice"
    JSON = "json"


def _column(of: str) -> Any:
    return typer.Option(help=f"Column or field path of {of}.")


def import_(
    logs: Annotated[list[str], typer.Argument(help="Log files, or langsmith://PROJECT.", metavar="FILE...")],
    from_: Annotated[Format, typer.Option("--from", help="What wrote them.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Samples file, .jsonl; what is new is added to it.")
    ] = None,
    question_column: Annotated[str | None, _column("the question")] = None,
    answer_column: Annotated[str | None, _column("the reply")] = None,
    gold_column: Annotated[str | None, _column("the right answer")] = None,
    source_column: Annotated[str | None, _column("the source; by default the model")] = None,
    source: Annotated[
        str | None, typer.Option(help="The source of all replies, in place of the model.")
    ] = None,
    group_column: Annotated[str | None, _column("the question's family or task")] = None,
    correct_column: Annotated[
        str | None, _column("how right the reply was, in [0, 1]; also a key of feedback")
    ] = None,
    score_column: Annotated[str | None, _column("a score in any range; also a key of feedback")] = None,
    cost_column: Annotated[str | None, _column("the cost of the reply")] = None,
    cost_unit: Annotated[
        str | None,
        typer.Option(help="What costs count: usd, tokens, samples, seconds, or the unit of --cost-column."),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(help="Dollars per million tokens, in place of the listed: MODEL=PROMPT,COMPLETION."),
    ] = None,
    seconds_column: Annotated[str | None, _column("the seconds that the reply took")] = None,
    id_column: Annotated[str | None, _column("what names the reply, so that it is added once")] = None,
    action_column: Annotated[
        str | None, _column("the action that the reply is part of; by default its source")
    ] = None,
    propensity_column: Annotated[
        str | None, _column("the probability with which the action was drawn, above 0")
    ] = None,
    policy_column: Annotated[str | None, _column("the policy that chose the action")] = None,
    key: Annotated[KeyName, typer.Option(help="When two replies say the same.")] = KeyName.AUTO,
    runs: Annotated[
        Runs, typer.Option(help="With langsmith: whole traces, or the model calls in them.")
    ] = Runs.ROOT,
    limit: Annotated[
        int | None, typer.Option(min=1, max=1_000_000_000, help="At most so many replies.")
    ] = None,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Keep a digest in place of each text.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Price the least collection for what cannot be learned.")
    ] = False,
    questions: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, help="With --plan: questions to complete.")
    ] = 200,
    samples: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="With --plan: replies of each source to each."),
    ] = None,
    plan_out: Annotated[
        Path | None, typer.Option(help="With --plan and --out: file of these questions, for collect.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import logs as samples, say what can be learned from them, and what needs more samples."""
    from adaptive_reasoner.kit.importing.importer import import_samples

    if plan_out is not None and not (plan and out_file is not None):
        raise typer.BadParameter("it goes with --plan and --out", param_hint="--plan-out")
    if plan_out is not None and no_texts:
        raise typer.BadParameter("questions without their texts cannot be asked", param_hint="--plan-out")
    if out_file is None and not plan:
        raise typer.BadParameter("give the samples file to write, or --plan alone", param_hint="--out")
    named = {
        "question": question_column,
        "answer": answer_column,
        "gold": gold_column,
        "source": source_column,
        "group": group_column,
        "correct": correct_column,
        "score": score_column,
        "cost": cost_column,
        "seconds": seconds_column,
        "id": id_column,
        "action": action_column,
        "propensity": propensity_column,
        "policy_id": policy_column,
    }
    try:
        with progress("importing") as show:
            done = import_samples(
                logs,
                from_=from_.value,
                out=out_file,
                columns={column: name for column, name in named.items() if name is not None},
                source=source,
                cost_unit=cost_unit,
                prices=_prices(price or []),
                key=key.value,
                runs=runs.value,
                texts=not no_texts,
                limit=limit,
                on_progress=show,
            )
    except KeyboardInterrupt:
        err.plain_line("adaptive-reasoner: stopped: run the same command again to import the rest")
        raise typer.Exit(INTERRUPTED) from None
    planned = done.plan(questions=questions, samples=samples) if plan else None
    if planned is not None and plan_out is not None and out_file is not None:
        planned.write_questions(out_file, plan_out)
    if as_json:
        print_json({**done.as_dict(), **({} if planned is None else {"plan": planned.as_dict()})})
    else:
        _print(done)
        if planned is not None:
            _print_plan(planned, plan_out)
        elif done.coverage.cannot:
            err.plain_line("note: --plan prices the least collection for what cannot be learned")


def _print(done: "Imported") -> None:
    plain = done.as_dict()
    coverage = plain.pop("coverage")
    left_out = plain.pop("left_out")
    print_result(plain, as_json=False)
    for reason, count in left_out.items():
        out.plain_line(visible(f"left out: {count}, {reason}", one_line=True))
    rows = [
        {name.replace("_", " "): _shown(value) for name, value in each.items()}
        for each in coverage["sources"]
    ]
    print_table(rows, title=f"{coverage['questions']} questions, cost in {done.cost_unit}")
    facts = ("compared", "complete", "graded", "with_propensity", "free_text")
    words = {
        "compared": "questions with replies of two sources or more",
        "complete": "questions with replies of all sources",
        "graded": "questions with a graded reply",
        "with_propensity": "replies with a propensity",
        "free_text": "replies that offer nothing to compare",
    }
    print_result({name: coverage[name] for name in facts}, as_json=False, words=words)
    _print_list("can be learned", done.coverage.can)
    _print_list("cannot be learned", done.coverage.cannot)


def _shown(value: Any) -> Any:
    """An amount with four digits or more, however small: sources differ in their cost by factors."""
    return number(value) if isinstance(value, float) else value


def _print_list(title: str, sentences: Sequence[str]) -> None:
    for sentence in sentences:
        out.plain_line(visible(f"{title}: {sentence}", one_line=True))


def _print_plan(plan: "CollectionPlan", file: Path | None) -> None:
    rows: list[Mapping[str, Any]] = [
        {
            "source": each.source,
            "questions": len(each.question_ids),
            "samples to draw": each.calls,
            "mean cost": _shown(each.mean_cost),
            "cost": _shown(each.cost),
        }
        for each in plan.sources
    ]
    of_all = (
        f"{plan.questions} questions with {plan.samples} of every source, {plan.complete} have them already"
    )
    if rows:
        print_table(rows, title=f"least collection: {of_all}")
    out.plain_line(f"least collection costs: {number(plan.cost)} {plan.cost_unit}, {plan.calls} samples")
    if rows:
        sources = ", ".join(each.source for each in plan.sources)
        named = f"name these sources in a menu ({visible(sources, one_line=True)})"
        asked = f"collect {file or 'QUESTIONS'} --config menu.toml --out SAMPLES"
        err.plain_line(
            f"note: {named}, with samples = {plan.samples}; `{asked}` draws only what the samples lack"
        )


def _prices(entries: Sequence[str]) -> dict[str, "PriceMeter"]:
    """Prices by model."""
    from adaptive_reasoner.models.metering import PriceMeter

    prices = {}
    for entry in entries:
        model, _, dollars = entry.rpartition("=")
        try:
            prompt, completion = (float(each) for each in dollars.split(","))
            prices[model] = PriceMeter(prompt=prompt, completion=completion)
        except ValueError:
            model = ""
        if not model:
            raise typer.BadParameter(
                f"{entry!r} is not MODEL=PROMPT,COMPLETION, such as gpt-5-mini=0.25,2", param_hint="--price"
            )
    return prices
