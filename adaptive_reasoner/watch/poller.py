"""Polls a ledger for those who watch it, and keeps what it saw for a while."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import Snapshot
from adaptive_reasoner.ledger.comparisons import Savings
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.policy.alarm import Alarm

KEPT = 1_800  # looks; at one a second, the last half hour
COMPARED = 10.0  # seconds after which what comparisons say is worked out anew: it reads them all


class Poller:
    """Looks at a ledger when the last look has grown old, and keeps the looks.

    Args:
        reader: The ledger.
        every: Seconds between two looks.
        clock: Seconds since the epoch; for tests.
    """

    def __init__(
        self, reader: LedgerReader, *, every: float = 1.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.reader, self.every = reader, every
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, Snapshot]] = deque(maxlen=KEPT)
        self._savings: tuple[float, Savings] | None = None
        self._alarms: list[Alarm] = []
        self._error: str | None = None
        self._last = float("-inf")

    def take(self) -> None:
        """Look, if it is time to; a database that does not answer is noted and tried again."""
        with self._lock:
            now = self._clock()
            if now - self._last < self.every:
                return
            self._last = now
            try:
                self._seen.append((now, self.reader.snapshot()))
                self._alarms = self.reader.alarms()
                if self._savings is None or now - self._savings[0] >= COMPARED:
                    self._savings = now, self.reader.savings()
                self._error = None
            except LedgerError as error:
                self._error = str(error)

    def since(self, moment: float = float("-inf")) -> dict[str, Any]:
        """Every look later than `moment`, oldest first, as plain JSON values."""
        with self._lock:
            return {
                "ledger": self.reader.name,
                "every": self.every,
                "now": self._clock(),
                "error": self._error,
                "savings": self._savings[1].as_dict() if self._savings else None,
                "alarms": [alarm.as_dict() for alarm in self._alarms],
                "looks": [{"at": at, **asdict(seen)} for at, seen in self._seen if at > moment],
            }
