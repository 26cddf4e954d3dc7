"""Keep what was sampled online, in the samples format, for the offline kit."""

import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from math import isfinite
from pathlib import Path
from typing import Any

from adaptive_reasoner.action_names import vote_of_action
from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.redaction import Redaction

_OF_ONE_SOURCE = {"adaptive_vote": "single_pass", "vote": "single_pass"}


KEPT = 10_000
"""Rows that a log without a file holds, the latest."""


class SampleLog:
    """Keeps a row per reply: in a JSONL file, which several processes may share, or else in memory.

    Nobody has said yet what is right: `gold` and `correct` are null. `Samples.read` takes such rows, and
    `Samples.graded` fills them in where the right answers have become known. The samples of a vote that
    stops early are as many as its own answers made it draw. `action`, `propensity` and `policy_id` say what
    was decided for the question, how likely that was, and by which policy.

    Args:
        path: The file; made, with its folder, where it is not there. Without one, the latest rows are held.
        sources: Action -> the source its samples are of. Where not said, `cot_vote_3` samples `cot`, and the
            vote of a node without a policy samples `single_pass`.
        redact: What is kept of a text: of the question, of each answer, of an error's message. Equal texts
            should stay equal, since votes count them.
        texts: False keeps a digest in place of each text, and of an error its kind: enough to count votes,
            and to fill in right answers by `question_id`. A digest hides a text, and no guess at it.
        keep: Seconds for which a row is kept. Rows that are older go at the next row that is written, from
            the file, which is then replaced whole, or from memory.
        clock: Seconds since the epoch; for tests.

    Raises:
        ValueError: `keep` is no number above 0.

    Example:
        >>> log = SampleLog()
        >>> log.source_of("cot_vote_3"), log.source_of("adaptive_vote"), log.source_of("thinking_high")
        ('cot', 'single_pass', 'thinking_high')
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        sources: Mapping[str, str] | None = None,
        redact: Callable[[str], str] | None = None,
        texts: bool = True,
        keep: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if keep is not None and not (isfinite(keep) and keep > 0):
            raise ValueError(f"rows are kept for a finite number of seconds above 0, not {keep}")
        self.path = None if path is None else Path(path).absolute()  # also after a change of folder
        self.sources = dict(sources or {})
        self.keep, self._redaction = keep, Redaction(redact, texts)
        self._clock = clock
        self._held: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What is held in memory, the oldest first, for `Samples.from_rows`; empty where a file is kept."""
        with self._lock:
            return [row for row in self._held if not self._is_old(row, self._clock())]

    def source_of(self, action: str) -> str:
        """What the samples of an action are samples of."""
        if action in self.sources:
            return self.sources[action]
        vote = vote_of_action(action)
        return vote[0] if vote else _OF_ONE_SOURCE.get(action, action)

    def write(
        self,
        question: str,
        record: Mapping[str, Any],
        samples: list[dict[str, Any]],
        features: Mapping[str, Any] | None = None,
    ) -> None:
        """Add the replies to a question.

        Args:
            question: What was decided on.
            record: The decision: `action`, `key`, `cost_unit` and, where known, `propensity` and
                `policy_id`.
            samples: The events of its replies.
            features: What else is known of the question, as of the step of an agent: further fields.

        Raises:
            OSError: The file cannot be written; what it held before stays as it was.
        """
        source, now = self.source_of(record["action"]), self._clock()
        kept = self._redaction
        rows = [
            {
                "question_id": record["key"],
                "question": kept.text(question),
                "source": source,
                "sample": number,
                "answer": None if sample["answer"] is None else kept.text(sample["answer"]),
                "gold": None,
                "correct": None,
                "cost": sample["cost"],
                "cost_unit": record["cost_unit"],
                "action": record["action"],
                "propensity": record.get("propensity"),
                "policy_id": record.get("policy_id"),
                "seconds": sample["seconds"],
                "error": None if sample["error"] is None else kept.error(sample["error"]),
                **sample["tokens"],
                **(features or {}),
                **({} if self.keep is None else {"time": now}),
            }
            for number, sample in enumerate(samples)
        ]
        with self._lock:
            if self.path is None:
                while self._held and self._is_old(self._held[0], now):
                    self._held.popleft()
                self._held.extend(rows)
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._append(b"".join(map(_line, rows)), now)

    def _is_old(self, row: Mapping[str, Any], now: float) -> bool:
        return self.keep is not None and row.get("time", now) <= now - self.keep

    def _append(self, lines: bytes, now: float) -> None:
        assert self.path is not None
        with _locked(self.path) as file:
            if self.keep is not None and self._begins_old(file, now):
                self._replace(file, lines, now)
                return
            end = _end_of_lines(file)
            if end < file.seek(0, os.SEEK_END):
                file.seek(end)
                if _row_of(file.read()) is None:
                    file.truncate(end)  # a line that a killed writer left half-written
                else:
                    lines = b"\n" + lines
            end = file.seek(0, os.SEEK_END)
            try:
                _write_all(file, lines)
            except OSError:
                with suppress(OSError):
                    file.truncate(end)
                raise

    def _begins_old(self, file: FileIO, now: float) -> bool:
        """Whether the first row, the oldest, is to go, or does not say how old it is."""
        file.seek(0)
        with os.fdopen(os.dup(file.fileno()), "rb") as reader:
            first = reader.readline()
        row = _row_of(first) or {}
        return bool(first) and ("time" not in row or self._is_old(row, now))

    def _replace(self, file: FileIO, lines: bytes, now: float) -> None:
        """Put a file without the old rows in place of this one; a row of unknown age begins to age now."""
        assert self.path is not None
        path = self.path.resolve()
        file.seek(0)
        with replaced_whole(path) as part:
            with os.fdopen(os.dup(file.fileno()), "rb") as reader, part.open("wb", buffering=0) as new:
                for line in reader:
                    row = _row_of(line)
                    if row is not None and not self._is_old(row, now):
                        _write_all(new, _line({"time": now, **row}))
                _write_all(new, lines)
            shutil.copymode(path, part)


def _line(row: Mapping[str, Any]) -> bytes:
    """A row as a line of JSON, which writes half a character, as no encoding can, in its escaped form."""
    return (json.dumps(row, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def _row_of(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _write_all(file: FileIO, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def _end_of_lines(file: FileIO) -> int:
    """Where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - 4096)
        file.seek(begin)
        at = file.read(end - begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0


@contextmanager
def _locked(path: Path) -> Iterator[FileIO]:
    """The file, for this process alone, where the system can lock it; made where it is not there."""
    while True:
        with FileIO(path, "a+") as file:
            _lock(file)
            if _is_at(file, path):
                yield file
                return


def _is_at(file: FileIO, path: Path) -> bool:
    """Whether a file is still the one at its path, and was not replaced before it was locked."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: FileIO) -> None:
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX)
