"""One question, decided by a policy and, with a menu, answered."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adaptive_reasoner.cli.checks import amount
from adaptive_reasoner.cli.loading import load_menu, load_policy, trained_reasoner
from adaptive_reasoner.cli.results import AsJson, NoCode, print_result
from adaptive_reasoner.console import err, number, out, print_json
from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.models.api_errors import reported


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    policy: Annotated[Path, typer.Option(help="Policy folder.")],
    config: Annotated[
        Path | None, typer.Option(help="The menu; without it, only the decision is shown.")
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(callback=amount, help="Price of compute: the accuracy that one unit of cost must buy."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(callback=amount, help="Mean cost per question, in place of a price.")
    ] = None,
    no_code: NoCode = False,
    as_json: AsJson = False,
) -> None:
    """Choose the action for a question and, with a menu, answer it."""
    if price is not None and budget is not None:
        raise typer.BadParameter(
            "a budget determines the price; give only one of the two", param_hint="--price"
        )
    if not question.strip():
        raise typer.BadParameter("the question is empty", param_hint="question")
    loaded = load_policy(policy, budget)
    if budget is not None:
        price = loaded.price
    if config is None:
        print_result(loaded.decide(question, price=price).as_state(), as_json)
        return
    menu, events = load_menu(config, no_code), list[dict[str, Any]]()
    reasoner = trained_reasoner(menu, loaded)
    try:
        result = reasoner.answer(question, price=price, on_event=events.append)
    except Exception as error:
        if isinstance(error, AdaptiveReasonerError) or (reason := reported(error)) is None:
            raise
        recipe = menu.all_recipes.get(events[0]["action"]) if events else None
        called = "" if recipe is None else f"[sources.{'], [sources.'.join(recipe.calls)}] "
        raise AdaptiveReasonerError(f"{config}: {called}the model cannot be called: {reason}") from error
    if as_json:
        print_json({"text": result.message.text, **result.record})
    else:
        out.print(result.message.text, markup=False, highlight=False)
        record = result.record
        err.plain_line(f"{record['action']}, {number(record['cost'])} {record['cost_unit']}")
