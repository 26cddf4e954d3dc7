"""What commands share: one flag for JSON, one way to print a result."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from adaptive_reasoner.console import out, print_json

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def print_result(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result as one JSON object, or as a line a field."""
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        out.print(f"{name.replace('_', ' ')}: {_shown(value)}", markup=False, highlight=False)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
