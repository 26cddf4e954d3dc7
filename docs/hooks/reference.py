"""Fills in the pages whose text is the code's: the commands with their options, and the public names."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import typer

_PLACE = re.compile(r"^<!-- (commands|names) of ([\w.]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    fill = {"commands": commands, "names": names}
    return _PLACE.sub(lambda place: fill[place[1]](place[2]), markdown)


def names(module: str) -> str:
    """An entry for each public name of a module."""
    return "\n\n".join(f"::: {module}.{name}" for name in importlib.import_module(module).__all__)


def commands(module: str) -> str:
    """A section for each command of the `app` of a module."""
    root = typer.main.get_command(importlib.import_module(module).app)
    return "\n\n".join(_section(path, command) for path, command in _leaves(str(root.name), root))


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    inside = getattr(command, "commands", None)
    if inside is None:
        yield path, command
        return
    for name, child in inside.items():
        yield from _leaves(f"{path} {name}", child)


def _section(path: str, command: Any) -> str:
    arguments = [part for part in command.params if part.param_type_name == "argument"]
    usage = " ".join([path, *(str(part.name).upper() for part in arguments), "[OPTIONS]"])
    rows = [_row(part) for part in command.params if part.name != "help" and not part.hidden]
    table = "\n".join(["| | | default |", "|---|---|---|", *rows])
    return f"### {path.partition(' ')[2]}\n\n{command.help}\n\n```text\n{usage}\n```\n\n{table}"


def _row(part: Any) -> str:
    named = part.param_type_name == "option"
    name = ", ".join(part.opts) if named else str(part.name).upper()
    nothing = part.default is None or part.default is False or part.default == []
    default = "required" if part.required else "" if nothing else f"`{part.default}`"
    return f"| `{name}` | {str(part.help or '').replace('|', '&#124;')} | {default} |"
