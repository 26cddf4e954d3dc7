"""One series of values of live answers, tested for a change after each value."""

from collections import Counter, defaultdict, deque
from typing import Any

import numpy as np

from adaptive_reasoner.policy.alarm import Direction, Series
from adaptive_reasoner.policy.change_detection import ChangeDetector, Ranks

_FINE = {"cost": 8}  # steps of a score: an eighth of a doubling; others have hundredths
_RECENT = 500  # answers among which the beginning of a change is looked for
_FEWEST = 5  # answers that an alarm calls `now`, at least


class MonitoredSeries:
    """One series in one direction.

    Args:
        series: Which one.
        direction: What raises an alarm.
        run_length: Values to a false alarm, on average, at least.
    """

    def __init__(self, series: Series, direction: Direction, run_length: float) -> None:
        self.series, self.direction, self.run_length = series, direction, run_length
        self.begin()

    def begin(self) -> None:
        """Forget what was seen."""
        self._ranks: dict[str, Ranks] = {}
        self._detector = ChangeDetector(self.run_length)
        self._recent: deque[tuple[float, str]] = deque(maxlen=_RECENT)
        self._sums: defaultdict[str, float] = defaultdict(float)  # of the values, by kind
        self._counts: Counter[str] = Counter()

    def add(self, value: float, kind: str, draw: float) -> dict[str, Any] | None:
        """What has changed, as fields of an alarm, where a value raises one."""
        score = round(value * _FINE.get(self.series, 100)) * self._sign
        self._recent.append((value, kind))
        self._sums[kind] += value
        self._counts[kind] += 1
        p = self._ranks.setdefault(kind, Ranks()).add(score, draw=draw)
        if not self._detector.add(p)[0]:
            return None
        before, now, since = self._change()
        if self.series == "cost":
            before, now = 2.0**before, 2.0**now
        found = {"before": before, "now": now, "seen": self._counts.total() - since, "since": since}
        self.begin()
        return found

    @property
    def _sign(self) -> int:
        return 1 if self.direction == "rises" else -1

    def _change(self) -> tuple[float, float, int]:
        """The mean before and since the most likely beginning of a change, and how many answers that is.

        Each value is compared with those of its kind, as it is ranked. A kind that was not seen before the
        change tells nothing of it.
        """
        latest = list(self._recent)[::-1]
        moved = np.cumsum([value - self._sums[kind] / self._counts[kind] for value, kind in latest])
        count = np.arange(1, len(latest) + 1)
        possible = slice(_FEWEST - 1, max(self._counts.total() - 1, _FEWEST))
        standing_out = self._sign * moved / np.sqrt(count)
        since = int(count[possible][np.argmax(standing_out[possible])])
        sums, counts = defaultdict[str, float](float), Counter[str]()
        for value, kind in latest[:since]:
            sums[kind] += value
            counts[kind] += 1
        both = [kind for kind in counts if self._counts[kind] > counts[kind]] or list(counts)
        number = sum(counts[kind] for kind in both)
        now = sum(sums[kind] for kind in both) / number
        before = sum(
            counts[kind] * (self._sums[kind] - sums[kind]) / max(self._counts[kind] - counts[kind], 1)
            for kind in both
        )
        return before / number, now, since
