"""Adding imported replies to a samples file: each once, under the ids, numbers and unit of the file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.sample_file import SampleFile, SampleKey
from adaptive_reasoner.kit.importing.coverage import Coverage, CoverageCounter
from adaptive_reasoner.kit.importing.spool import Spool
from adaptive_reasoner.kit.questions import text_id
from adaptive_reasoner.kit.tables.files import Row, read_rows
from adaptive_reasoner.kit.tables.row_fields import cell_text, text_field


class Additions:
    """Adds the rows of a spool to a samples file, or only counts them where there is none.

    Args:
        spool: The rows.
        out: The file; None to count them.
        wanted: The unit that is asked for.
        logs: Where the rows come from, for errors.

    Attributes:
        unit: What a cost counts.
        added: Rows that are new in the file.
        already: Replies that it had.
        cost: Of the others.

    Raises:
        OutcomesError: The file cannot be continued with these rows.
    """

    def __init__(self, spool: Spool, out: Path | None, wanted: str | None, logs: object) -> None:
        self._spool, self._out, self._logs = spool, out, logs
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._known: set[str] = set()
        self._ids: dict[str, str] = {}
        self._groups: dict[str, str | None] = {}
        self._counter = CoverageCounter()
        self.added, self.already, self.cost = 0, 0, 0.0
        self.unit = self._unit(wanted)
        with nullcontext() if out is None else SampleFile(out, self.unit) as file:
            if file is not None:
                for number, (key, row) in enumerate(file.rows(), start=1):
                    self._take(key, row, number)
                self._check_groups()
            for row in spool.rows(self.unit):
                self._add(file, row)
        self._counter.free_text = spool.free_text

    @property
    def coverage(self) -> Coverage:
        """What can be learned from all rows."""
        return self._counter.coverage()

    def _unit(self, wanted: str | None) -> str:
        first = None
        if self._out is not None and self._out.is_file():
            rows = read_rows(self._out, drop_cut_line=True, ending=".jsonl")
            first = next((cell_text(row, "cost_unit") for row in rows), None)
        if first is not None and wanted not in (None, first):
            reason = f"its costs are in {first!r}, not {wanted!r}; give that unit, or another file"
            raise OutcomesError(reason, file=self._out)
        try:
            return self._spool.unit(wanted, first)
        except OutcomesError as error:
            raise OutcomesError(error.reason, file=self._logs) from error

    def _take(self, key: SampleKey, row: Mapping[str, Any], number: int) -> None:
        """Note a row that is there."""
        if (unit := cell_text(row, "cost_unit")) != self.unit:
            reason = f"its cost is in {unit!r}, those of the rows to come are in {self.unit!r}"
            raise OutcomesError(reason, file=self._out, row=number)
        try:
            self._counter.add(row)
            name = text_id(text_field(row, "question"))
        except ValueError as error:
            raise OutcomesError(str(error), file=self._out, row=number) from error
        pair = key.question_id, key.source
        self._numbers[pair] = max(self._numbers[pair], key.sample + 1)
        self._groups[key.question_id] = cell_text(row, "group")
        if name != key.question_id:
            self._ids.setdefault(name, key.question_id)
        if (call_id := cell_text(row, "call_id")) is not None:
            self._known.add(call_id)

    def _check_groups(self) -> None:
        """Refuse rows whose questions have other groups than in the file, which could then not be read."""
        for name, group in self._spool.groups.items():
            question_id = self._ids.get(name, name)
            if self._groups and (group is None) != (next(iter(self._groups.values())) is None):
                has = "have no group, those of the import have" if group is not None else "have groups"
                reason = f"its questions {has}; name a group for all questions or for none"
                raise OutcomesError(reason, file=self._out)
            if self._groups.get(question_id, group) != group:
                before = self._groups[question_id]
                reason = f"question {question_id!r} has the group {before!r}, and {group!r} in the import"
                raise OutcomesError(reason, file=self._out)

    def _add(self, file: SampleFile | None, row: Row) -> None:
        if row["call_id"] in self._known:
            self.already += 1
            return
        question_id = str(self._ids.get(row["question_id"], row["question_id"]))
        key = SampleKey(question_id, row["source"], self._numbers[question_id, row["source"]])
        self._numbers[question_id, key.source] += 1
        row = {**row, "question_id": question_id, "sample": key.sample}
        self._counter.add(row)
        self.cost += row["cost"] - row.get("batch_discount", 0.0)
        if file is not None:
            file.add(key, row)
            self.added += 1


def calls_in(samples: Path) -> Iterator[str]:
    """The `call_id` of each imported reply in a samples file; none where there is no file."""
    if samples.is_file():
        for row in read_rows(samples, drop_cut_line=True, ending=".jsonl"):
            if (call_id := cell_text(row, "call_id")) is not None:
                yield call_id
