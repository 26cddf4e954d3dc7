"""Commands on a ledger: look at it, watch it, start it again."""

from dataclasses import asdict
from typing import Annotated

import typer

from adaptive_reasoner.cli.checked import CheckedTyper, amount
from adaptive_reasoner.cli.shown import AsJson, print_result
from adaptive_reasoner.console import out, print_json, print_table

ledger_app = CheckedTyper(help="Look at a ledger, or start it again.", no_args_is_help=True)

Url = Annotated[str, typer.Argument(help="sqlite:///path or postgresql://...")]
Name = Annotated[str, typer.Option(help="Which ledger of the database.")]


@ledger_app.command("show")
def ledger_show(url: Url, name: Name = "default", as_json: AsJson = False) -> None:
    """What was spent, what is held, the average against its target, the price."""
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:
        print_result(asdict(reader.snapshot()), as_json)


@ledger_app.command("history")
def ledger_history(
    url: Url,
    name: Name = "default",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The latest so many charges.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The latest charges, oldest first."""
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:
        charges = [asdict(charge) for charge in reader.history(limit)]
    if as_json:
        print_json({"charges": charges})
    elif charges:
        print_table(charges)


@ledger_app.command("set")
def ledger_set(
    url: Url,
    target: Annotated[float, typer.Option(callback=amount, help="Allowed mean cost per question.")],
    name: Name = "default",
    as_json: AsJson = False,
) -> None:
    """Hold another average from now on, also in the processes that have the ledger open."""
    from adaptive_reasoner.ledger.opening import open_ledger
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:  # a ledger that is not there must not be made
        before = reader.snapshot().target
    with open_ledger(url, name=name) as ledger:
        ledger.set_target(target)
        now = ledger.snapshot()
    result = {"ledger": name, "target": now.target, "before": before}
    print_result({**result, "credit": now.credit, "cost_unit": now.cost_unit}, as_json)


@ledger_app.command("reset")
def ledger_reset(
    url: Url,
    name: Name = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget every charge; target, cap and unit stay."""
    from adaptive_reasoner.ledger.opening import open_ledger
    from adaptive_reasoner.ledger.sql.reader import LedgerReader
    from adaptive_reasoner.ledger.urls import showable

    with LedgerReader(url, name=name) as reader:  # a ledger that is not there must not be made
        forgotten = reader.snapshot()
    if not yes:
        spent = f"{forgotten.spent:g} {forgotten.cost_unit}"
        typer.confirm(f"Forget every charge in {showable(url)}, {spent}?", abort=True, err=True)
    with open_ledger(url, name=name) as ledger:
        ledger.reset()
    if as_json:
        print_json({"forgotten": asdict(forgotten)})


@ledger_app.command("watch")
def ledger_watch(
    url: Url,
    name: Name = "default",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; a free one if 0.")] = 0,
    every: Annotated[float, typer.Option(min=0.1, max=86_400.0, help="Seconds between two looks.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Serve a live page of a ledger on this machine until Ctrl-C; reads, and never writes."""
    from adaptive_reasoner.ledger.sql.reader import LedgerReader
    from adaptive_reasoner.watch.server import WatchServer

    with LedgerReader(url, name=name) as reader, WatchServer(reader, port=port, every=every) as server:
        if as_json:
            print_json({"page": server.url, "json": f"{server.url}ledger.json"})
        else:
            out.plain_line(f"{server.url}  (Ctrl-C ends it)")
        out.file.flush()
        server.run()
