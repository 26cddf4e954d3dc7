"""Replies on their way from logs to a samples file, on disk: their unit is known when all are read."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.base import LoggedReply
from adaptive_reasoner.kit.importing.sample_rows import RowMaker
from adaptive_reasoner.kit.tables.files import Row
from adaptive_reasoner.redaction import digest

_UNKNOWN = {
    "tokens": "a reply without token usage, whose cost in tokens is unknown",
    "seconds": "a reply without a duration, whose cost in seconds is unknown",
}


class Spool:
    """Holds rows of samples, each with all its costs, until their unit is decided.

    Args:
        file: An empty file, open for writing and reading.
        maker: Makes rows of replies.
        there: The `call_id` of replies that the samples file has.

    Attributes:
        groups: The group of each question, where questions have one.
        left_out: What is no reply to learn from, by the reason.
        repeated: Replies that stand in the logs more than once, or in the samples file.
        free_text: Replies that offer nothing to compare.
        failed: Calls that failed.
    """

    def __init__(self, file: TextIO, maker: RowMaker, there: Iterable[str] = ()) -> None:
        self._file, self._maker, self._known = file, maker, set(there)
        self.groups: dict[str, str | None] = {}
        self.left_out: Counter[str] = Counter()
        self.repeated = self.free_text = self.failed = self.replies = 0
        self._seen: Counter[str] = Counter()
        self._costs: Counter[str] = Counter()
        self._declared: Counter[str] = Counter()
        self._unpriced: str | None = None
        self._logged = "usd"

    @property
    def grouped(self) -> bool:
        """Whether questions have groups."""
        return next(iter(self.groups.values()), None) is not None

    def add(self, reply: LoggedReply, record: Mapping[str, Any] | None) -> None:
        """Take a reply, unless it was taken before.

        Args:
            reply: The reply.
            record: What it was found in, whose content names it where the log has no name for it.

        Raises:
            ValueError: Its question has another group than before.
        """
        call_id = self._name(reply, record)
        if call_id in self._known:
            self.repeated += 1
            return
        self._known.add(call_id)
        made = self._maker.row(reply)
        self._check_group(made.row["question_id"], reply.group)
        self.replies += 1
        self.failed += reply.message is None
        self.free_text += made.free_text
        if reply.message is not None:
            self._costs.update(made.costs.keys())
            if reply.cost is not None:
                self._declared[reply.cost_unit or "logged"] += 1
        if made.unpriced is not None and self._unpriced is None:
            self._unpriced = made.unpriced
        entry = [{**made.row, "call_id": call_id}, made.costs, made.unpriced, made.discount]
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def unit(self, wanted: str | None, existing: str | None = None) -> str:
        """The unit in which the replies are counted.

        Args:
            wanted: The unit that is asked for; costs whose unit the log does not say are in it.
            existing: That of the file they are added to.

        Raises:
            OutcomesError: The cost in that unit is known of no reply.
        """
        self._logged = wanted or "usd"
        unit = wanted or existing
        known = dict(self._costs)
        known[self._logged] = max(known.get(self._logged, 0), known.pop("logged", 0))
        answered = self.replies - self.failed
        if unit is None:
            said = [self._logged if name == "logged" else name for name in self._declared]
            ranked = sorted(dict.fromkeys([*said, "usd", "tokens"]), key=lambda name: -known.get(name, 0))
            unit = ranked[0] if known.get(ranked[0]) else "samples"
        elif answered and not known.get(unit):
            why = _UNKNOWN.get(unit, "the log has no costs in it")
            if unit == "usd" and self._unpriced:
                why = self._unpriced
            elif "logged" in self._costs:
                why = f"the column of costs is read as {self._logged}, unless a unit is given"
            raise OutcomesError(
                f"of no reply the cost in {unit} is known ({why}); name a column of costs, or count calls "
                "with the unit samples"
            )
        return unit

    def rows(self, unit: str) -> Iterator[Row]:
        """The rows, with their costs in a unit; those whose cost is not known are left out."""
        self._file.seek(0)
        for line in self._file:
            row, costs, unpriced, discount = json.loads(line)
            logged = costs.get("logged") if unit == self._logged else None
            cost = costs.get(unit, 0.0 if "error" in row else None) if logged is None else logged
            if cost is None:
                dollars = unpriced if unit == "usd" else None
                self.left_out[dollars or _UNKNOWN.get(unit, f"a reply whose cost in {unit} is unknown")] += 1
                continue
            listed = logged is None and unit == "usd"  # a logged cost is what was paid
            saved = {"batch_discount": cost * discount} if listed and discount and cost else {}
            yield {**row, "cost": cost, "cost_unit": unit, **saved}

    def _name(self, reply: LoggedReply, record: Mapping[str, Any] | None) -> str:
        """What names a reply: its id in the log, or its content and how often that came before."""
        if reply.call_id is not None:
            if reply.of_request == 1:
                return reply.call_id
            self._seen[reply.call_id] += 1
            return f"{reply.call_id}.{(self._seen[reply.call_id] - 1) % reply.of_request}"
        content = record if record is not None else [reply.question, str(reply.message)]
        text = json.dumps(content, sort_keys=True, default=str)
        name = digest(text)
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}.{self._seen[name]}"

    def _check_group(self, question_id: str, group: str | None) -> None:
        before = self.groups.setdefault(question_id, group)
        if before != group:
            raise ValueError(f"its question has the group {group!r} here, and {before!r} before")
        if (group is not None) != self.grouped:
            raise ValueError("some questions have a group and some have none; name one for all or for none")
