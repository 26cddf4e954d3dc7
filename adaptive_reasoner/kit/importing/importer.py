"""Import logs: read them in one pass, decide in which unit costs are known, and add what is new to a file."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.additions import Additions, calls_in
from adaptive_reasoner.kit.importing.base import NO_QUESTION, Fields, Found, LeftOut
from adaptive_reasoner.kit.importing.coverage import Coverage
from adaptive_reasoner.kit.importing.logs import FORMATS, Format, Reader, name_of, reader_of, records
from adaptive_reasoner.kit.importing.plan import QUESTIONS, CollectionPlan, plan_collection
from adaptive_reasoner.kit.importing.sample_rows import RowMaker
from adaptive_reasoner.kit.importing.spool import Spool
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.redaction import Redaction


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        file: The samples file; None if nothing was to be written.
        replies: Replies that the logs hold.
        added: Rows that are new in the file.
        already: Replies that were there already.
        failed: Calls among the replies that failed.
        left_out: What else the logs hold, by the reason why it was left out.
        cost: Of all replies of the logs.
        cost_unit: What a cost counts.
        coverage: What can be learned from the samples, those included that the file held before.
    """

    file: str | None
    replies: int
    added: int
    already: int
    failed: int
    left_out: Mapping[str, int]
    cost: float
    cost_unit: str
    coverage: Coverage = field(repr=False)

    def plan(self, *, questions: int = QUESTIONS, samples: int | None = None) -> CollectionPlan:
        """The least collection that closes the gap; see `plan_collection`."""
        return plan_collection(self.coverage, questions=questions, samples=samples)

    def as_dict(self) -> dict[str, Any]:
        """The result as a plain dict."""
        names = ("file", "replies", "added", "already", "failed", "cost", "cost_unit")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "left_out": dict(self.left_out), "coverage": self.coverage.as_dict()}


def import_samples(
    logs: str | PathLike[str] | Sequence[str | PathLike[str]] | Iterable[Any],
    *,
    from_: Format,
    out: str | PathLike[str] | None = None,
    columns: Mapping[str, str] | None = None,
    source: str | None = None,
    cost_unit: str | None = None,
    prices: Mapping[str, Meter] | None = None,
    key: Key = "auto",
    runs: Literal["root", "llm"] = "root",
    texts: bool = True,
    redact: Callable[[str], str] | None = None,
    limit: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Imported:
    """Add the replies in logs to a samples file; what is there already is not added again.

    Nothing is written before all logs are read. Equal questions get one `question_id`, by their text, and
    the replies of one source to one question are numbered as its samples.

    Args:
        logs: Files, `langsmith://PROJECT`, or records themselves, such as what `Client.list_runs` returns.
        from_: Their format.
        out: A JSONL file of samples, made where there is none; without one, nothing is written.
        columns: The field of `question`, `answer`, `gold`, `source`, `group`, `correct`, `score`, `cost`,
            `seconds`, `id`, `action`, `propensity` and `policy_id`, where it differs from the usual one of
            the format.
        source: Of all replies, where no column of it is named; by default the model, or `imported`.
        cost_unit: What costs count: the unit of the column of costs, or `usd`, `tokens`, `samples` or
            `seconds`. By default that of the file, or dollars or tokens, whichever is known of more replies,
            or else samples.
        prices: Prices of models by name, in place of the listed ones.
        key: When two replies say the same. A reply that offers nothing to compare is kept as a whole.
        runs: With LangSmith, whole traces or the model calls within them.
        texts: False keeps a digest in place of each text.
        redact: What is kept of a text.
        limit: The most replies to read.
        on_progress: Called with the number of replies read so far.

    Raises:
        OutcomesError: A log cannot be read, is of another format, lacks a column or holds no reply, or the
            file cannot be continued with it. It names file, row and column.
        ValueError: An argument makes no sense.

    Example:
        >>> rows = [
        ...     {"prompt": "6 * 7?", "reply": "It is 42.", "gold": 42, "model": "small"},
        ...     {"prompt": "6 * 8?", "reply": "It is 46.", "gold": 48, "model": "large"},
        ... ]
        >>> done = import_samples(rows, from_="jsonl", columns={"question": "prompt", "answer": "reply"})
        >>> done.replies, done.cost_unit, done.coverage.compared, done.plan().calls
        (2, 'samples', 0, 2)
    """
    if from_ not in FORMATS:
        raise ValueError(f"there is no format {from_!r}; there are {', '.join(FORMATS)}")
    if runs not in ("root", "llm"):
        raise ValueError(f"runs are 'root' or 'llm', not {runs!r}")
    if limit is not None and limit < 1:
        raise ValueError(f"a limit is at least 1, not {limit}")
    fields = Fields(dict(columns or {}), source=source)
    maker = RowMaker(key, dict(prices or {}), Redaction(redact, texts))
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass") as file:
        spool = Spool(file, maker, calls_in(Path(out)) if out is not None else ())
        _fill(spool, records(logs, from_, runs, limit), reader_of(from_, fields, runs), limit, on_progress)
        fields.check_found(file=name_of(logs))
        if not spool.replies and not spool.repeated:
            reasons = "; ".join(
                f"{count} left out: {reason}" for reason, count in spool.left_out.most_common(3)
            )
            found = f"there is no reply in it ({reasons or 'it is empty'})"
            if NO_QUESTION.reason in spool.left_out:
                found += "; name the field that has it with --question-column"
            raise OutcomesError(found, file=name_of(logs))
        written = Additions(spool, None if out is None else Path(out), cost_unit, name_of(logs))
        return Imported(
            file=None if out is None else str(out),
            replies=spool.replies + spool.repeated,
            added=written.added,
            already=written.already + spool.repeated,
            failed=spool.failed,
            left_out=dict(spool.left_out),
            cost=written.cost,
            cost_unit=written.unit,
            coverage=written.coverage,
        )


def _fill(
    spool: Spool,
    found: Iterable[tuple[object, int, Any]],
    reader: Reader,
    limit: int | None,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Read all records.

    Raises:
        OutcomesError: One is none of the format; it names file and row.
    """
    for file, number, record in found:
        try:
            if not isinstance(record, Mapping):
                raise ValueError(f"a JSON object is needed, not {record!r:.40}")  # noqa: TRY004, TRY301
            _take_all(spool, reader.read(record), record)
        except OutcomesError:
            raise
        except ValueError as error:
            raise OutcomesError(str(error), file=file, row=number) from error
        if on_progress is not None and number % 100 == 0:
            on_progress(spool.replies)
        if limit is not None and spool.replies >= limit:
            return
    _take_all(spool, reader.finish(), None)


def _take_all(spool: Spool, found: Iterable[Found], record: Mapping[str, Any] | None) -> None:
    for each in found:
        if isinstance(each, LeftOut):
            spool.left_out[each.reason] += 1
        else:
            spool.add(each, record)
