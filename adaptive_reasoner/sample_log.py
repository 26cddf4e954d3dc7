"""Keep what was sampled online, in the samples format, for the offline kit."""

import json
import os
import re
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OF_A_VOTE = re.compile(r"^(.*)_vote_\d+$")
_OF_ONE_SOURCE = {"adaptive_vote": "single_pass", "vote": "single_pass"}


KEPT = 10_000
"""Rows that a log without a file holds, the latest."""


class SampleLog:
    """Keeps a row a reply: in a JSONL file, which several processes may share, or else in memory.

    Nobody has said yet what is right: `gold` and `correct` are null. `Samples.read` takes such rows, and
    `Samples.graded` fills them in where the right answers have become known. The samples of a vote that
    stops early are as many as its own answers made it draw.

    Args:
        path: The file; made, with its folder, where it is not there. Without one, the latest rows are held.
        sources: Action -> the source its samples are of. Where not said, `cot_vote_3` samples `cot`, and the
            vote of a node without a policy samples `single_pass`.

    Example:
        >>> log = SampleLog()
        >>> log.source_of("cot_vote_3"), log.source_of("adaptive_vote"), log.source_of("thinking_high")
        ('cot', 'single_pass', 'thinking_high')
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, sources: Mapping[str, str] | None = None
    ) -> None:
        self.path = None if path is None else Path(path)
        self.sources = dict(sources or {})
        self._held: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What is held in memory, the oldest first, for `Samples.from_rows`; empty where a file is kept."""
        with self._lock:
            return list(self._held)

    def source_of(self, action: str) -> str:
        """What the samples of an action are samples of."""
        if action in self.sources:
            return self.sources[action]
        vote = _OF_A_VOTE.match(action)
        return vote.group(1) if vote else _OF_ONE_SOURCE.get(action, action)

    def write(self, question: str, record: Mapping[str, Any], samples: list[dict[str, Any]]) -> None:
        """Add the replies to a question.

        Args:
            question: What was decided on.
            record: The decision: `action`, `key` and `cost_unit`.
            samples: The events of its replies.
        """
        source = self.source_of(record["action"])
        rows = [
            {
                "question_id": record["key"],
                "question": question,
                "source": source,
                "sample": number,
                "answer": sample["answer"],
                "gold": None,
                "correct": None,
                "cost": sample["cost"],
                "cost_unit": record["cost_unit"],
                "seconds": sample["seconds"],
                "error": sample["error"],
                **sample["tokens"],
            }
            for number, sample in enumerate(samples)
        ]
        if self.path is None:
            with self._lock:
                self._held.extend(rows)
            return
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(lines)
