"""The commands of `adaptive-reasoner`.

Results go to stdout, progress and warnings to stderr. An error that the user can correct is one line on
stderr and exit code 2.
"""

import sys
import warnings
from importlib.metadata import version
from typing import Annotated, Any

import typer

from adaptive_reasoner.cli.asking import ask
from adaptive_reasoner.cli.backtesting import backtest
from adaptive_reasoner.cli.checks import CheckedTyper, UsageError, one_line, usage_line
from adaptive_reasoner.cli.collection import collect
from adaptive_reasoner.cli.demonstration import demo
from adaptive_reasoner.cli.estimation import estimate
from adaptive_reasoner.cli.grading import regrade
from adaptive_reasoner.cli.importing import import_
from adaptive_reasoner.cli.labelling import label
from adaptive_reasoner.cli.ledger import ledger_app
from adaptive_reasoner.cli.policies import policy_app
from adaptive_reasoner.cli.reporting import report
from adaptive_reasoner.cli.results import EXIT_CODES
from adaptive_reasoner.cli.retention import ledger_export, ledger_prune
from adaptive_reasoner.cli.savings import show_savings
from adaptive_reasoner.cli.serving import serve, serve_key
from adaptive_reasoner.cli.solving import solve
from adaptive_reasoner.cli.training import train
from adaptive_reasoner.console import err, out
from adaptive_reasoner.errors import AdaptiveReasonerError

app = CheckedTyper(
    name="adaptive-reasoner",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(collect)
app.command("import")(import_)
app.command()(regrade)
app.command()(label)
app.command()(estimate)
app.command()(solve)
app.command()(train)
app.command()(backtest)
app.command()(report)
app.command()(ask)
app.command("savings")(show_savings)
app.command()(serve)
app.command("serve-key")(serve_key)
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


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    err.plain_line(f"warning: {message}")
