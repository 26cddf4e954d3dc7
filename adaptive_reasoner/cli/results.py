"""What commands share: one flag for JSON, one way to print a result and to read it again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adaptive_reasoner.console import number, out, print_json, print_table, visible
from adaptive_reasoner.errors import OutcomesError

if TYPE_CHECKING:
    from adaptive_reasoner.kit.collecting.cost_forecast import Forecast

INCOMPLETE = 3
"""The exit code of a collection that ended early, at its cap or because an endpoint asks for a long pause."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

EXIT_CODES = (
    "Exit codes: 0 success; 1 you answered no to a question; 2 an error that you can correct, described in "
    "one line on stderr; 3 collect ended before it had all samples; 130 stopped by Ctrl-C. Results go to "
    "stdout, progress (on a terminal) and warnings to stderr."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

NoCode = Annotated[bool, typer.Option("--no-code", help="Refuse a menu that names functions.")]


def print_result(
    result: Mapping[str, Any], as_json: bool, words: Mapping[str, str] | None = None, indent: str = ""
) -> None:
    """Print a result as one JSON object, or one line per field for people.

    Args:
        result: The fields by name.
        as_json: Whether to print JSON.
        words: What people read in place of a field's name; other names are shown with spaces.
        indent: Before each line.
    """
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        label = (words or {}).get(name, name.replace("_", " "))
        if isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values()):
            out.plain_line(visible(f"{indent}{label}:", one_line=True))
            print_result(value, as_json=False, indent=f"{indent}  ")
        else:
            out.plain_line(visible(f"{indent}{label}: {_shown(value)}", one_line=True))


def print_forecast(forecast: "Forecast", what: str, as_json: bool) -> None:
    """Print what calls will cost, source by source and in all."""
    job = forecast.as_dict()
    sources = job.pop("sources")
    if as_json:
        print_json({**job, "sources": sources})
        return
    print_table(sources, title=f"{what}, cost in {job['cost_unit']}")
    print_result(job, as_json=False)


def read_result(file: Path, wanted: str) -> dict[str, Any]:
    """The result in a file that holds what a command printed with `--json`.

    Raises:
        OutcomesError: The file holds no JSON object, or one without the field `wanted`.
    """
    if file.exists() and not file.is_file():
        raise OutcomesError("not a regular file", file=file)  # reading a pipe would block
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise OutcomesError(f"not JSON: {error}", file=file) from error
    if not isinstance(result, dict) or wanted not in result:
        raise OutcomesError(f"no {wanted!r} in it: not what the command prints with --json", file=file)
    return result


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return f"{len(value)} rows, with --json"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "none"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)
