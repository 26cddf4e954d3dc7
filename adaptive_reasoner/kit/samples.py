"""Single model replies as they were collected, by question and source."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.answers.base import Comparison, Grader
from adaptive_reasoner.answers.grouping import exact
from adaptive_reasoner.arrays import Bools, Floats
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.tables.files import PathLike, read_rows, write_rows
from adaptive_reasoner.kit.tables.preferences import Preferences, preferences_cell, preferences_field
from adaptive_reasoner.kit.tables.row_fields import (
    TableQuestions,
    amount_field,
    cell_text,
    is_null,
    number_field,
    optional_number,
    text_field,
    whole_field,
)

_TOKENS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
_BESIDE_COST = ("grading_cost", "batch_discount")
_SHARED = ("prompt_cost", "samples_per_request")
_NUMBERS = (*_TOKENS, *_BESIDE_COST, *_SHARED, "seconds", "score", "verdict", "logprob", "propensity")
_TEXTS = ("error", "prompt_sha", "graded_by", "label_drawn", "judged_by", "action", "policy_id", "call_id")
_OPTIONAL = (*_NUMBERS, *_TEXTS)


@dataclass(frozen=True, slots=True)
class Sample:
    """One model reply to one question.

    Attributes:
        sample: Its number, unique within a question and source.
        answer: The canonical answer, or None when the reply had none (a blank one is none).
        gold: The right answer; None if it is not known.
        correct: How right the reply was, in [0, 1]; NaN if the right answer is not known. Without a `gold` it
            is 0 where a person has found that none of the answers is right.
        cost: In the unit of the table.
        score: What a scorer or reward model gave it, where there was one.
        verdict: How likely it is right, in [0, 1], by a judge who did not know the right answer.
        preferred_over: How likely a judge who was shown this reply first prefers it to other replies.
        error: Why the call failed for good, or None. A failed call has a cost, but no vote.
        prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens: As billed, where known.
        grading_cost: Paid beside `cost`, to a model that graded the reply.
        batch_discount: The part of `cost` that was not paid, because the call was one of a batch.
        prompt_cost: The part of `cost` that the prompt made, where one request pays it for several samples.
        samples_per_request: For how many.
        seconds: From request to reply, where known.
        logprob: Mean log-probability of its generated tokens, where known.
        prompt_sha: Digest of the prompt, where known.
        graded_by: The grader behind `correct` or `verdict`, where the row names it.
        judged_by: The judge behind `preferred_over` and, where the reply is graded, behind `verdict`.
        label_drawn: How a question that a person labelled was picked: `"random"` or `"chosen"`.
        action: The action that the reply is part of, where it is from the log of live traffic.
        propensity: How likely the question was to get that action, in (0, 1].
        policy_id: The policy that chose it.
        call_id: What names the call in the log that it was imported from.
    """

    sample: int
    answer: str | None
    gold: str | None
    correct: float
    cost: float
    score: float | None = None
    verdict: float | None = None
    error: str | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    reasoning_tokens: float | None = None
    cached_tokens: float | None = None
    grading_cost: float | None = None
    batch_discount: float | None = None
    prompt_cost: float | None = None
    samples_per_request: float | None = None
    seconds: float | None = None
    logprob: float | None = None
    prompt_sha: str | None = None
    graded_by: str | None = None
    label_drawn: str | None = None
    preferred_over: Preferences | None = None
    judged_by: str | None = None
    action: str | None = None
    propensity: float | None = None
    policy_id: str | None = None
    call_id: str | None = None

    @property
    def paid(self) -> float:
        """What was paid for the sample; `cost` is its cost as part of an action."""
        return self.cost + (self.grading_cost or 0.0) - (self.batch_discount or 0.0)


@dataclass(frozen=True, eq=False)
class Samples:
    """Replies by question and source, each list in the order of the samples' numbers.

    Attributes:
        question_ids: Unique names, n of them.
        questions: Texts, n of them.
        sources: What was sampled ("direct", "cot", a model), in order of first appearance.
        cost_unit: What a cost counts.
        replies: (question_id, source) -> its samples; a pair that was never sampled is absent.
        groups: A family, subject or task a question, or None.

    Example:
        >>> row = dict(question_id="q", question="6 * 7", gold="42", source="cot", cost=9, cost_unit="tokens")
        >>> samples = Samples.from_rows(
        ...     {**row, "sample": i, "answer": answer, "correct": float(answer == "42")}
        ...     for i, answer in enumerate(["42", "13", "42"])
        ... )
        >>> [reply.answer for reply in samples.of("q", "cot")]
        ['42', '13', '42']
    """

    question_ids: tuple[str, ...]
    questions: tuple[str, ...]
    sources: tuple[str, ...]
    cost_unit: str
    replies: Mapping[tuple[str, str], tuple[Sample, ...]]
    groups: tuple[str | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.question_ids)

    def __repr__(self) -> str:
        rows = sum(map(len, self.replies.values()))
        sources = ", ".join(self.sources)
        return f"Samples({len(self)} questions, {rows} replies of {sources}, cost in {self.cost_unit})"

    @classmethod
    def read(cls, path: PathLike) -> Self:
        """Read a JSONL, Parquet or CSV file with one row per reply.

        A last JSONL line that was cut in the middle is left out with a warning: collection will buy it again.

        Raises:
            OutcomesError: A row is unreadable, incomplete or repeated; it names file, row and reason.
        """
        return cls.from_rows(read_rows(path, drop_cut_line=True), file=path)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], *, file: object = None, first: int = 1) -> Self:
        """Build the table from rows in the samples format, in any order.

        Args:
            rows: The rows.
            file: Where they were read, for errors.
            first: The number of the first of them in the file, for errors.

        Raises:
            OutcomesError: As for `read`.
        """
        asked = TableQuestions()
        replies: dict[tuple[str, str], dict[int, tuple[Sample, int]]] = {}
        for number, row in enumerate(rows, start=first):
            try:
                pair = asked.add(row, number), text_field(row, "source")
                reply = _sample(row)
            except ValueError as error:
                raise OutcomesError(str(error), file=file, row=number) from error
            known = replies.setdefault(pair, {})
            if reply.sample in known and known[reply.sample][0].error is None:
                name = f"sample {reply.sample} of question {pair[0]!r}, source {pair[1]!r}"
                first = known[reply.sample][1]
                raise OutcomesError(f"{name} is already in row {first}", file=file, row=number)
            known[reply.sample] = reply, number  # one that failed for good gives way to a later one
        if not replies:
            raise OutcomesError("the table is empty", file=file)
        return cls(
            sources=tuple(dict.fromkeys(source for _, source in replies)),
            replies={
                pair: tuple(reply for _, (reply, _) in sorted(numbered.items()))
                for pair, numbered in replies.items()
            },
            **asked.fields(file=file),
        )

    def of(self, question_id: str, source: str) -> tuple[Sample, ...]:
        """The replies to a question from a source, failed calls included; empty when there are none."""
        return self.replies.get((question_id, source), ())

    def votes(self, question_id: str, source: str) -> tuple[Sample, ...]:
        """The replies that count: those that did not end in an error. One without an answer is among them."""
        return tuple(reply for reply in self.of(question_id, source) if reply.error is None)

    def nothing_to_compare(self, source: str) -> tuple[int, int]:
        """How many replies of a source offered nothing to compare, and how many came in all."""
        replies = [reply for name in self.question_ids for reply in self.votes(name, source)]
        return sum(reply.answer is None for reply in replies), len(replies)

    def select(self, index: ArrayLike) -> Self:
        """The table of the questions at `index` (positions, or a mask)."""
        positions = np.arange(len(self))[np.asarray(index)].tolist()
        kept = tuple(self.question_ids[at] for at in positions)
        wanted = set(kept)
        return replace(
            self,
            question_ids=kept,
            questions=tuple(self.questions[at] for at in positions),
            replies={pair: replies for pair, replies in self.replies.items() if pair[0] in wanted},
            groups=None if self.groups is None else tuple(self.groups[at] for at in positions),
        )

    def first(self, count: int) -> Self:
        """The table of the first `count` replies of each question and source."""
        return replace(self, replies={pair: several[:count] for pair, several in self.replies.items()})

    def of_source(self, source: str) -> Self:
        """The table of one source alone.

        Raises:
            OutcomesError: There is no such source.
        """
        if source not in self.sources:
            raise OutcomesError(f"no source {source!r}; there are {', '.join(self.sources)}")
        replies = {pair: replies for pair, replies in self.replies.items() if pair[1] == source}
        return replace(self, sources=(source,), replies=replies)

    @property
    def ungraded(self) -> int:
        """The number of replies that are not graded, such as those in the log of a node."""
        return sum(isnan(reply.correct) for several in self.replies.values() for reply in several)

    @property
    def labels(self) -> Floats:
        """Share of each question's replies that are graded, failed calls aside, shape (n,)."""
        shares = []
        for question_id in self.question_ids:
            own = [r for source in self.sources for r in self.votes(question_id, source)]
            shares.append(sum(not isnan(reply.correct) for reply in own) / max(1, len(own)))
        return np.array(shares)

    @property
    def chosen(self) -> Bools:
        """Which questions were labelled because their replies differ, shape (n,).

        They are not like the others: what holds for all questions is estimated from the other labels alone.
        """
        return np.array(
            [
                any(
                    r.label_drawn == "chosen" for source in self.sources for r in self.of(question_id, source)
                )
                for question_id in self.question_ids
            ]
        )

    def filled(self, other: Self) -> Self:
        """The same replies; those that are not graded get the grade they have in `other`."""
        replies = {
            pair: tuple(
                replace(mine, correct=known.correct) if isnan(mine.correct) else mine
                for mine, known in zip(several, other.replies[pair], strict=True)
            )
            for pair, several in self.replies.items()
        }
        return replace(self, replies=replies)

    def graded(self, golds: Mapping[str, str], *, grader: Grader = exact) -> Self:
        """The questions whose right answer is known, graded.

        Args:
            golds: Text of a question -> its right answer.
            grader: How right an answer is, in [0, 1].

        Raises:
            OutcomesError: None of the questions is among `golds`.
        """
        known = [text in golds for text in self.questions]
        if not any(known):
            raise OutcomesError(f"no right answer is known of any of {len(self)} questions")
        table = self.select(known)
        gold_of = {name: golds[text] for name, text in zip(table.question_ids, table.questions, strict=True)}
        replies = {
            (name, source): tuple(
                replace(
                    reply,
                    gold=gold_of[name],
                    correct=0.0 if reply.error else float(grader(reply.answer, gold_of[name])),
                    graded_by=grader.name if isinstance(grader, Comparison) else None,
                )
                for reply in several
            )
            for (name, source), several in table.replies.items()
        }
        return replace(table, replies=replies)

    @property
    def counts(self) -> Literal["completion", "total"] | None:
        """Which tokens a cost counts; None in other units, and where the replies do not say."""
        if self.cost_unit != "tokens":
            return None
        seen = {_counted(reply) for several in self.replies.values() for reply in several} - {None}
        return seen.pop() if len(seen) == 1 else None

    def bill(self) -> list[dict[str, Any]]:
        """What was paid for the samples: a dict per source with `source`, `calls`, `failed` and `cost`."""
        bill = []
        for source in self.sources:
            made = [reply for question_id in self.question_ids for reply in self.of(question_id, source)]
            failed = sum(reply.error is not None for reply in made)
            cost = sum(reply.paid for reply in made)
            bill.append({"source": source, "calls": len(made), "failed": failed, "cost": cost})
        return bill

    def rows(self) -> Iterator[dict[str, Any]]:
        """One dict per reply, as the file formats hold them."""
        replies = [reply for several in self.replies.values() for reply in several]
        optional = [name for name in _OPTIONAL if any(getattr(reply, name) is not None for reply in replies)]
        compared = any(reply.preferred_over is not None for reply in replies)
        for at, question_id in enumerate(self.question_ids):
            for source in self.sources:
                for reply in self.of(question_id, source):
                    yield {
                        "question_id": question_id,
                        "question": self.questions[at],
                        **({} if self.groups is None else {"group": self.groups[at]}),
                        "source": source,
                        "sample": reply.sample,
                        "answer": reply.answer,
                        "gold": reply.gold,
                        "correct": None if isnan(reply.correct) else reply.correct,
                        "cost": reply.cost,
                        "cost_unit": self.cost_unit,
                        **{name: getattr(reply, name) for name in optional},
                        **({"preferred_over": preferences_cell(reply.preferred_over)} if compared else {}),
                    }

    def write(self, path: PathLike) -> None:
        """Write JSONL, Parquet or CSV, by the ending of `path`, whole or not at all."""
        write_rows(path, self.rows())


def _counted(reply: Sample) -> Literal["completion", "total"] | None:
    prompt, completion = reply.prompt_tokens, reply.completion_tokens
    if reply.error is not None or not prompt or completion is None:
        return None
    if reply.cost == completion:
        return "completion"
    return "total" if reply.cost == prompt + completion else None


def _sample(row: Mapping[str, Any]) -> Sample:
    """The reply in a row.

    Raises:
        ValueError: A field is missing or out of range.
    """
    correct = _correct(row)
    if not (isnan(correct) or 0 <= correct <= 1):
        raise ValueError(f"correct is {correct}, outside [0, 1]")
    verdict = optional_number(row, "verdict")
    if verdict is not None and not 0 <= verdict <= 1:
        raise ValueError(f"verdict is {verdict}, outside [0, 1]")
    logprob = optional_number(row, "logprob")
    if logprob is not None and logprob > 0:
        raise ValueError(f"logprob is {logprob}, above 0, which no logarithm of a probability is")
    propensity = optional_number(row, "propensity")
    if propensity is not None and not 0 < propensity <= 1:
        raise ValueError(f"propensity is {propensity}; that of an action that was taken lies in (0, 1]")
    further: dict[str, Any] = {name: cell_text(row, name) for name in _TEXTS}
    further |= {name: optional_number(row, name) for name in _NUMBERS}
    return Sample(
        sample=whole_field(row, "sample"),
        answer=cell_text(row, "answer"),
        gold=cell_text(row, "gold"),
        correct=correct,
        cost=amount_field(row, "cost"),
        preferred_over=preferences_field(row),
        **further,
    )


def _correct(row: Mapping[str, Any]) -> float:
    """How right a reply was: 0 for a failed call, NaN if the right answer is not known."""
    if not is_null(row.get("correct")):
        return number_field(row, "correct")
    if cell_text(row, "error") is not None:
        return 0.0
    if cell_text(row, "gold") is None:
        return nan
    if row.get("correct") is None:
        raise ValueError("correct is missing, though gold is known; `adaptive-reasoner regrade` grades it")
    raise ValueError("correct is NaN; a number in [0, 1] is needed, or null where gold is null too")
