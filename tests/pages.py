"""Pages as programs: their blocks of code run in order, and what they print is compared with what they show.

A page's `python` blocks share one namespace; a `text` block after one is what it prints. A `console` block
holds commands (`$ ...`) and what each prints on stdout, or on stderr where it ends with `# exit code N`; one
that ends with `&` runs until the page ends, and shows its first line. Commands are ours, and `curl`. A block
with a `title` is a file of that name. `...` stands for anything.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FENCE = re.compile(
    r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)
_LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    page: Path
    line: int
    language: str
    title: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["title"],
            textwrap.dedent(found["text"]),
        )
        for found in _FENCE.finditer(text)
    ]


@dataclass
class Page:
    """Runs the blocks of a page in the current folder."""

    path: Path
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self) -> None:
        """Every block, in order."""
        try:
            self._run_blocks(blocks_of(self.path))
        finally:
            for process in self.running:
                process.terminate()
                process.communicate()

    def _run_blocks(self, blocks: list[Block]) -> None:
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            if block.title:
                Path(block.title).write_text(block.text)
            elif block.language == "python":
                shown = after.text if after and after.language == "text" and not after.title else None
                _compare(block, self._python(block), shown)
            elif block.language == "console":
                for command, shown in _commands(block.text):
                    _compare(block, self._command(block, command), shown)

    def _python(self, block: Block) -> str:
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.namespace)
        return printed.getvalue()

    def _command(self, block: Block, command: str) -> str:
        if command.startswith("curl "):
            return subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
        if not command.endswith(" &"):
            return _command(block, command)
        program = [sys.executable, "-c", "from adaptive_reasoner.cli import main; main()"]
        words = shlex.split(command)[1:-1]
        self.running.append(subprocess.Popen([*program, *words], stdout=subprocess.PIPE, text=True))
        return self.running[-1].stdout.readline()


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command with what it shows."""
    for part in re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def _command(block: Block, command: str) -> str:
    from adaptive_reasoner import cli

    _, _, expected = command.partition("# exit code ")
    words = shlex.split(command, comments=True)
    assert words[0] == "adaptive-reasoner", f"{block}: cannot run {command!r}"
    before, sys.argv = sys.argv, words
    code = 0
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()) as printed,
            contextlib.redirect_stderr(io.StringIO()) as complaints,
        ):
            cli.main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = before
    assert code == int(expected or 0), f"{block}: {command!r} ended with {code}: {complaints.getvalue()}"
    return complaints.getvalue() if code else printed.getvalue()


def _compare(block: Block, printed: str, shown: str | None) -> None:
    if shown is None:
        assert not printed, f"{block} prints {printed!r} and does not show it"
        return
    example = doctest.Example(block.text, shown if shown.endswith("\n") else f"{shown}\n")
    if not doctest.OutputChecker().check_output(example.want, printed, _LOOSELY):
        difference = doctest.OutputChecker().output_difference(example, printed, _LOOSELY)
        raise AssertionError(f"{block}\n{difference}{os.linesep}")
