"""The command, run in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import adaptive_reasoner

# A process that a background job starts ignores SIGINT, as the job does, and the suite may be one.
_PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from adaptive_reasoner.cli import main; main()"
)


def start_command(*arguments: object, terminal: str | None = None, **streams: Any) -> subprocess.Popen[str]:
    """The command with these arguments, started, which can be interrupted; `streams` are those of Popen."""
    environment = {**os.environ, "PYTHONPATH": str(Path(adaptive_reasoner.__file__).parent.parent)}
    if terminal is not None:
        environment["TERM"] = terminal
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)], env=environment, text=True, **streams
    )
