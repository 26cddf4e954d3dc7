"""The file of a journal: lines that wait on the disk until they are charged, for one process alone."""

import os
from contextlib import suppress
from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import UnreachableLedgerError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class JournalFile:
    """Lines are added at the end and taken from the beginning; what is on the disk survives the process.

    Which lines were taken is noted by shortening the file, once they are half of it and when they are all of
    it. After a crash some lines are therefore taken twice.

    Args:
        path: The file; `path.lock` beside it says that it is in use, `path.rejected` holds what is set aside.

    Raises:
        LedgerError: Another process uses it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()  # a process may change its directory
        self.rejected = self.path.with_name(f"{self.path.name}.rejected")
        self._in_use = FileLock(f"{self.path}.lock", timeout=0, thread_local=False)
        try:
            self._in_use.acquire()
        except Timeout as error:
            raise LedgerError(f"{path} is the journal of another process; give each its own") from error
        try:
            self._file = os.open(self.path, _FLAGS, 0o600)
            whole = self.path.read_bytes().rfind(b"\n") + 1
            os.ftruncate(self._file, whole)  # a cut last line is of a verb that never returned
        except BaseException:
            self._in_use.release()
            raise
        self._taken = 0  # bytes of lines that are done with

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file < 0

    @property
    def empty(self) -> bool:
        """Whether no line waits to be charged."""
        return os.fstat(self._file).st_size == self._taken

    def add(self, line: bytes) -> None:
        """Write a line down and wait for the disk: all of it or nothing.

        Raises:
            UnreachableLedgerError: The disk took no more.
        """
        size = os.fstat(self._file).st_size
        try:
            _write(self._file, line + b"\n")
        except OSError as error:
            os.ftruncate(self._file, size)
            raise UnreachableLedgerError(
                f"the ledger's database is away, and its journal took no more: {error}"
            ) from error

    def first(self, most: int) -> list[bytes]:
        """The first lines that wait, with their ends."""
        with self.path.open("rb") as lines:
            lines.seek(self._taken)
            return list(islice(lines, most))

    def set_aside(self, line: bytes) -> None:
        """Keep a line that cannot be charged, for people to look at.

        Raises:
            UnreachableLedgerError: The disk took no more.
        """
        try:
            file = os.open(self.rejected, _FLAGS, 0o600)
            try:
                _write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise UnreachableLedgerError(f"{self.rejected} took no line of the journal: {error}") from error

    def take(self, lines: list[bytes]) -> None:
        """Remove these lines, which are the first, from those that wait."""
        self._taken += sum(map(len, lines))
        left = os.fstat(self._file).st_size - self._taken
        if left == 0:
            os.ftruncate(self._file, 0)
            os.fsync(self._file)
            self._taken = 0
        elif self._taken > left:
            with suppress(OSError):  # no room for a copy, or a system that replaces no open file
                self._shorten()

    def close(self) -> None:
        """Close the file; its lines stay in it."""
        if not self.closed:
            os.close(self._file)
            self._file = -1
            self._in_use.release()

    def _shorten(self) -> None:
        """Replace the file by one that holds only the lines that wait."""
        shorter = self.path.with_name(f"{self.path.name}.shorter")
        file = os.open(shorter, _FLAGS | os.O_TRUNC, 0o600)
        try:
            _write(file, self.path.read_bytes()[self._taken :])
            shorter.replace(self.path)
        except BaseException:
            os.close(file)
            shorter.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file, self._taken = file, 0


def _write(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]
    os.fsync(file)
