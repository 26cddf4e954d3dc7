"""Fills in the pages whose text is the code's: commands, public names, messages of errors, the changelog."""

import html
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs loads a hook without its folder

from messages import messages

_ROOT = Path(__file__).resolve().parents[2]
_PLACE = re.compile(r"^<!-- (commands|names|messages|changelog) of ([\w.]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    fill = {"commands": commands, "names": names, "messages": all_messages, "changelog": changelog}
    return _PLACE.sub(lambda place: fill[place[1]](place[2]), markdown)


def names(module: str) -> str:
    """An entry for each public name of a module."""
    return "\n\n".join(f"::: {module}.{name}" for name in importlib.import_module(module).__all__)


def all_messages(package: str) -> str:
    """A section for each error, with its messages."""
    parts = []
    for name, said in sorted(messages(_ROOT / package).items()):
        lines = (f"- <code>{html.escape(' '.join(text.split()))}</code>" for text in sorted(said))
        parts.append(f"## {name}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def changelog(_: str) -> str:
    """The changelog of the repository, with its links as the site has them."""
    return (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")


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
