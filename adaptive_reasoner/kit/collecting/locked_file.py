"""A file with a single writer at a time, who notices when it is removed or replaced."""

import hashlib
import os
import shutil
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import BinaryIO

import filelock

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.cache import cache_folder

_TAKEN = "another collection is writing to it"


class LockedFile:
    """A file that is open for adding to it, and locked both by itself and by its name.

    The lock of the name lies in the user's cache: it keeps a second writer away even where the file was
    removed, and leaves nothing beside it.

    Args:
        path: The file; made where there is none.

    Attributes:
        path: Where it is, whatever the working directory becomes.
        file: The open file, without a buffer.

    Raises:
        OutcomesError: It cannot be opened, or another process is adding to it.
    """

    def __init__(self, path: Path) -> None:
        self._shown, self.path = path, path.absolute()
        self._rescued: str | None = None
        with ExitStack() as opened:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                opened.enter_context(_lock_name(self.path))
                self.file: BinaryIO = opened.enter_context(self.path.open("a+b", buffering=0))
                _lock_alone(self.file)
            except BlockingIOError as error:
                raise OutcomesError(str(error), file=path) from error
            except OSError as error:
                raise OutcomesError(f"cannot be opened: {error.strerror or error}", file=path) from error
            self._opened = opened.pop_all()
        found = os.fstat(self.file.fileno())
        self._identity = found.st_dev, found.st_ino

    @property
    def is_ours(self) -> bool:
        """Whether the file of this name is still the one that was opened."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def check(self) -> None:
        """Check that added rows are found under the name of the file.

        Raises:
            OutcomesError: The file was removed or replaced. Its rows are then kept under another name.
        """
        if self.is_ours:
            return
        if self._rescued is None:
            self._rescued = self._rescue()
        raise OutcomesError(
            f"was removed or replaced while samples were added to it, so no further call is made; "
            f"{self._rescued}",
            file=self._shown,
        )

    def replace_by(self, other: Path) -> None:
        """Put another file, of the same rows, in its place."""
        found = other.stat()
        other.replace(self.path)
        self._identity = found.st_dev, found.st_ino

    def close(self) -> None:
        """Close the file and release both locks."""
        self._opened.close()

    def _rescue(self) -> str:
        """Keep the rows under another name; a sentence that names it."""
        kept = self.path.with_name(f"{self.path.stem}.rescued-{os.getpid()}{self.path.suffix}")
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with kept.open("xb") as copy:
                self.file.seek(0)
                shutil.copyfileobj(self.file, copy)
        except (OSError, ValueError) as error:
            return f"its rows are lost, because they cannot be kept in {kept} ({error})"
        return f"all rows until then are safe in {kept}: move it back to go on from there"


def _lock_name(path: Path) -> AbstractContextManager[object]:
    """Keep other processes of the user from opening the file of a name, on every system."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    lock = filelock.FileLock(cache_folder() / "locks" / f"{name}.lock")
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        return lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise BlockingIOError(_TAKEN) from error
    except OSError:  # a cache that cannot be written: the lock of the file itself has to do
        return nullcontext()


def _lock_alone(file: BinaryIO) -> None:
    """Keep all other processes from adding to the file, for as long as it is open."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: the lock of the name has to do
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(_TAKEN) from error
