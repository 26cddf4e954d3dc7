"""What commands share: one flag for JSON, one way to print a result and to read it again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from adaptive_reasoner.console import out, print_json, visible
from adaptive_reasoner.errors import OutcomesError

INCOMPLETE = 3
"""The exit code of a collection that ended early, at its cap or because an endpoint asks for a long pause."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

EXIT_CODES = (
    "Exit codes: 0 done; 1 asked and answered no; 2 bad input, or something that is not there, in one line "
    "on stderr; 3 collect ended before all samples were there; 130 Ctrl-C. Results go to stdout, progress "
    "(on a terminal) and warnings to stderr."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

NoCode = Annotated[bool, typer.Option("--no-code", help="Refuse a menu that names functions.")]


def print_result(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result as one JSON object, or as a line a field."""
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        out.plain_line(visible(f"{name.replace('_', ' ')}: {_shown(value)}", one_line=True))


def read_result(file: Path, wanted: str) -> dict[str, Any]:
    """What a command printed with `--json`, kept in a file.

    Raises:
        OutcomesError: It is no JSON object, or not the result that is wanted.
    """
    if file.exists() and not file.is_file():
        raise OutcomesError("no regular file", file=file)  # a pipe would be waited for
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise OutcomesError(f"no JSON: {error}", file=file) from error
    if not isinstance(result, dict) or wanted not in result:
        raise OutcomesError(f"no {wanted!r} in it: not what the command prints with --json", file=file)
    return result


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return f"{len(value)} rows, with --json"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if value is None:
        return "none"
    if isinstance(value, float) and 1e6 <= abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:g}" if isinstance(value, float) else str(value)
