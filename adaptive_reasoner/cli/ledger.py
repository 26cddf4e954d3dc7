"""Commands on a ledger: show it, watch it, change its target, reset it."""

from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import Annotated

import typer

from adaptive_reasoner.cli.checks import CheckedTyper, amount
from adaptive_reasoner.cli.results import AsJson, print_result
from adaptive_reasoner.console import number, out, print_json, print_table

ledger_app = CheckedTyper(help="Show, watch, change or reset a ledger.", no_args_is_help=True)

Url = Annotated[str, typer.Argument(help="sqlite:///path or postgresql://...")]
Name = Annotated[str, typer.Option(help="Name of the ledger in its database.")]


@ledger_app.command("show")
def ledger_show(url: Url, name: Name = "default", as_json: AsJson = False) -> None:
    """Show what was spent and reserved, the average, its target and the price, and the alarms that stand."""
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:
        shown, alarms = asdict(reader.snapshot()), [alarm.as_dict() for alarm in reader.alarms()]
    if as_json:
        print_json({**shown, "alarms": alarms})
        return
    print_result(shown, as_json)
    for alarm in alarms:
        print_result({"alarm": alarm["text"]}, as_json)


@ledger_app.command("alarms")
def ledger_alarms(
    url: Url,
    name: Name = "default",
    reset: Annotated[bool, typer.Option("--reset", help="Forget them: the policies decide again.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alarms that policies have raised, or reset them."""
    from adaptive_reasoner.ledger.alarm_keeping import alarm_keeper
    from adaptive_reasoner.ledger.opening import open_ledger
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:  # a ledger that is not there must not be made
        alarms = reader.alarms()
    if reset and alarms:
        with open_ledger(url, name=name) as ledger:
            if (keeper := alarm_keeper(ledger)) is not None:
                for policy_id in {alarm.policy_id for alarm in alarms}:
                    keeper.drop_alarms(policy_id)
    shown = [{"raised_at": _time(alarm.at), **alarm.as_dict()} for alarm in alarms]
    if as_json:
        print_json({"ledger": name, "reset" if reset else "alarms": shown})
        return
    for alarm in shown:
        print_result({"reset" if reset else "alarm": f"{alarm['raised_at']} {alarm['text']}"}, as_json)
    if not shown:
        print_result({"alarms": "none"}, as_json)


@ledger_app.command("history")
def ledger_history(
    url: Url,
    name: Name = "default",
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many of the latest charges to show.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest charges, oldest first."""
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:
        charges = [asdict(charge) for charge in reader.history(limit)]
    if as_json:
        print_json({"charges": charges})
    elif charges:
        print_table([charge | {"expires_at": _time(charge["expires_at"])} for charge in charges])


def _time(seconds: float | None) -> str | None:
    """A time as a clock here shows it."""
    if seconds is None or not isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds).isoformat(timespec="seconds")


@ledger_app.command("set")
def ledger_set(
    url: Url,
    target: Annotated[
        float | None, typer.Option(callback=amount, help="Allowed mean cost per question.")
    ] = None,
    accuracy: Annotated[float | None, typer.Option(help="Mean accuracy to hold, between 0 and 1.")] = None,
    name: Name = "default",
    as_json: AsJson = False,
) -> None:
    """Change the target or the target accuracy, also for the processes that have the ledger open."""
    if target is None and accuracy is None:
        raise typer.BadParameter("give --target, --accuracy, or both")
    from adaptive_reasoner.ledger.opening import open_ledger
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:  # a ledger that is not there must not be made
        before = reader.snapshot()
    with open_ledger(url, name=name) as ledger:
        if target is not None:
            ledger.set_target(target)
        if accuracy is not None:
            ledger.set_target_accuracy(accuracy)
        now = ledger.snapshot()
    result = {"ledger": name, "target": now.target, "before": before.target}
    result |= {"credit": now.credit, "cost_unit": now.cost_unit}
    if accuracy is not None:
        earlier = None if before.quality is None else before.quality.target
        result |= {"target_accuracy": accuracy, "accuracy_before": earlier, "price": now.price}
    print_result(result, as_json)


@ledger_app.command("feedback")
def ledger_feedback(
    url: Url,
    question: Annotated[str, typer.Argument(help="The question: the run_id of its record.")],
    score: Annotated[float, typer.Argument(help="Its answer, from 0 (wrong) to 1 (right).")],
    name: Name = "default",
    as_json: AsJson = False,
) -> None:
    """Grade an answer; a repeated grade counts once. These grades hold a target accuracy."""
    from adaptive_reasoner.ledger.opening import open_ledger
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name):  # a ledger that is not there must not be made
        pass
    with open_ledger(url, name=name) as ledger:
        ledger.feedback(question, score)
        graded = ledger.snapshot()
    quality = None if graded.quality is None else asdict(graded.quality)
    print_result({"ledger": name, "price": graded.price, "quality": quality}, as_json)


@ledger_app.command("reset")
def ledger_reset(
    url: Url,
    name: Name = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete every charge; target, cap and unit are kept."""
    from adaptive_reasoner.ledger.opening import open_ledger
    from adaptive_reasoner.ledger.sql.reader import LedgerReader
    from adaptive_reasoner.ledger.urls import showable

    with LedgerReader(url, name=name) as reader:  # a ledger that is not there must not be made
        forgotten = reader.snapshot()
    if not yes:
        spent = f"{number(forgotten.spent)} {forgotten.cost_unit}"
        typer.confirm(f"Delete every charge in {showable(url)}, {spent}?", abort=True, err=True)
    with open_ledger(url, name=name) as ledger:
        ledger.reset()
    if as_json:
        print_json({"forgotten": asdict(forgotten)})


@ledger_app.command("watch")
def ledger_watch(
    url: Url,
    name: Name = "default",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    every: Annotated[float, typer.Option(min=0.1, max=86_400.0, help="Seconds between two updates.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Serve a live, read-only page of a ledger on this machine until Ctrl-C."""
    from adaptive_reasoner.ledger.sql.reader import LedgerReader
    from adaptive_reasoner.watch.server import WatchServer

    with LedgerReader(url, name=name) as reader, WatchServer(reader, port=port, every=every) as server:
        if as_json:
            print_json({"page": server.url, "json": f"{server.url}ledger.json"})
        else:
            out.plain_line(f"{server.url}  (Ctrl-C ends it)")
        out.file.flush()
        server.run()
