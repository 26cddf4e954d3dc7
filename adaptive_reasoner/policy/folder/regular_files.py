"""Files that a stranger may have written: regular files of their own folder, up to a size."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

from adaptive_reasoner.errors import PolicyFormatError

_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


@contextmanager
def open_regular(path: Path, *, at_most: int) -> Iterator[BufferedReader]:
    """Open a regular file of a folder for reading, without ever waiting for a pipe or a device.

    Args:
        path: The file. A symbolic link is followed within the folder of `path`, and not out of it.
        at_most: Bytes that the file may have.

    Raises:
        PolicyFormatError: It is missing, not a regular file, too large, or a link out of its folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "note").write_bytes(b"read")
        ...     with open_regular(Path(folder, "note"), at_most=10) as file:
        ...         file.read()
        b'read'
    """
    try:
        real, folder = Path(os.path.realpath(path)), Path(os.path.realpath(path.parent))
        regular = stat.S_ISREG(real.lstat().st_mode)
        descriptor = os.open(real, _FLAGS) if regular and real.is_relative_to(folder) else None
    except FileNotFoundError as error:
        raise PolicyFormatError(f"{path} is missing: it cannot be read") from error
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise PolicyFormatError(f"{path} cannot be read: {reason}") from error
    if descriptor is None and regular:
        raise PolicyFormatError(
            f"{path} is a symbolic link out of its folder; copy the folder with its links followed"
        )
    if descriptor is None:
        raise PolicyFormatError(f"{path} is not a regular file")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PolicyFormatError(f"{path} is not a regular file")
        if status.st_size > at_most:
            raise PolicyFormatError(f"{path} has {status.st_size:,} bytes; at most {at_most:,} are read")
        yield file


def read_regular(path: Path, *, at_most: int) -> bytes:
    """The bytes of a regular file; see `open_regular`.

    Raises:
        PolicyFormatError: It is missing, not a regular file, too large, or cannot be read.
    """
    with open_regular(path, at_most=at_most) as file, Refusing(path, "it cannot be read"):
        return file.read(at_most)


class Refusing:
    """Turns whatever a library raises on a damaged file into one line that names the file.

    Libraries in C++ and Rust raise bare exceptions, and a panic in Rust is not even an `Exception`.

    Args:
        path: The file that is read.
        problem: What is then wrong with it.

    Example:
        >>> with Refusing(Path("policy.json"), "it is not JSON"):
        ...     raise IndexError("list index out of range")
        Traceback (most recent call last):
        adaptive_reasoner.errors.PolicyFormatError: policy.json: it is not JSON: list index out of range
    """

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, PolicyFormatError):
            return
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise PolicyFormatError(f"{self.path}: {self.problem}: {reason}") from error
