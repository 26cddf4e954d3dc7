"""Commands on a ledger: look at it, watch it, start it again."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adaptive_reasoner.cli.shown import AsJson, print_result
from adaptive_reasoner.console import out, print_json, print_table
from adaptive_reasoner.errors import LedgerError

if TYPE_CHECKING:
    from adaptive_reasoner.ledger import Ledger

ledger_app = typer.Typer(help="Look at a ledger, or start it again.", no_args_is_help=True)

Url = Annotated[str, typer.Argument(help="sqlite:///path or postgresql://...")]


@ledger_app.command("show")
def ledger_show(url: Url, as_json: AsJson = False) -> None:
    """What was spent, what is held, the average against its target, the price."""
    with _existing(url) as ledger:
        print_result(asdict(ledger.snapshot()), as_json)


@ledger_app.command("history")
def ledger_history(
    url: Url,
    limit: Annotated[int, typer.Option(min=1, help="The latest so many charges.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The latest charges, oldest first."""
    with _existing(url) as ledger:
        charges = [asdict(charge) for charge in ledger.history(limit)]
    if as_json:
        print_json({"charges": charges})
    elif charges:
        print_table(charges)


@ledger_app.command("reset")
def ledger_reset(
    url: Url,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget every charge; target, cap and unit stay."""
    with _existing(url) as ledger:
        if not yes:
            typer.confirm(f"Forget every charge in {url}?", abort=True, err=True)
        ledger.reset()


@ledger_app.command("watch")
def ledger_watch(
    url: Url,
    name: Annotated[str, typer.Option(help="Which ledger of the database.")] = "default",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; a free one if 0.")] = 0,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Serve a live page of a ledger on this machine until Ctrl-C; reads, and never writes."""
    from adaptive_reasoner.ledger.reading import LedgerReader
    from adaptive_reasoner.watch.server import WatchServer

    with LedgerReader(url, name=name) as reader, WatchServer(reader, port=port, every=every) as server:
        if as_json:
            print_json({"page": server.url, "json": f"{server.url}ledger.json"})
        else:
            out.print(f"{server.url}  (Ctrl-C ends it)", highlight=False, soft_wrap=True)
        out.file.flush()
        server.run()


def _existing(url: str) -> "Ledger":
    """Open a ledger that is there: looking at one must not make it."""
    from adaptive_reasoner.ledger import open_ledger

    file = url.removeprefix("sqlite:///").split("?")[0]
    if file != url and not Path(file).is_file():
        raise LedgerError(f"there is no ledger in {file}")
    return open_ledger(url)
