"""Questions, with right answers where they are known: what collection asks and grading compares with."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.tables.files import PathLike, read_rows
from adaptive_reasoner.kit.tables.row_fields import cell_text, is_null


@dataclass(frozen=True, slots=True)
class Question:
    """One question and, where it is known, the answer that counts as right.

    Attributes:
        question_id: What samples and outcomes refer to.
        question: The text a model is asked.
        gold: The right answer, as text; None where it is not known.
        group: A family, subject or task, where known. Used to report, never to decide.
    """

    question_id: str
    question: str
    gold: str | None = None
    group: str | None = None


def text_id(question: str) -> str:
    """An id for a question that came without one: the first 12 hex digits of its text's SHA-256.

    Example:
        >>> text_id("6 * 7")
        '4add15946ce3'
    """
    return hashlib.sha256(question.encode(errors="surrogatepass")).hexdigest()[:12]


def read_questions(path: PathLike) -> tuple[Question, ...]:
    """Read a file of questions: JSONL, CSV or Parquet, by its ending.

    Each row has `question`, and may have `gold` (or, where there is no `gold`, `answer`), `question_id` and
    `group`; other fields are left alone. A row without an id is named by a digest of its text.

    Raises:
        OutcomesError: A row lacks a field, asks nothing or repeats an id, some rows have a group and some
            have none, or there are no rows at all. It names file, row and reason.
    """
    return checked_questions(read_rows(path, quoted=False), file=path)


def checked_questions(rows: Iterable[Mapping[str, Any]], *, file: PathLike) -> tuple[Question, ...]:
    """The questions in rows, as for `read_questions`; `file` names them in errors."""
    questions, first_rows = list[Question](), dict[str, int]()
    for number, row in enumerate(rows, start=1):
        try:
            question = _question(row)
        except ValueError as error:
            raise OutcomesError(str(error), file=file, row=number) from error
        first = first_rows.setdefault(question.question_id, number)
        if first != number:
            reason = (
                f"question_id {question.question_id!r} is already in row {first}"
                if _text(row, "question_id")
                else f"the same question as in row {first}; to ask it twice, give each a question_id"
            )
            raise OutcomesError(reason, file=file, row=number)
        if questions and (questions[-1].group is None) != (question.group is None):
            reason = "some rows have a group and some have none; name one for every question or for none"
            raise OutcomesError(reason, file=file, row=number)
        questions.append(question)
    if not questions:
        raise OutcomesError("there are no questions", file=file)
    return tuple(questions)


def _question(row: Mapping[str, Any]) -> Question:
    if "question" not in row:
        raise ValueError(f"there is no field question; the row has {', '.join(row) or 'none'}")
    question = _text(row, "question")
    gold = _text(row, "gold") or _text(row, "answer")
    if question is None:
        raise ValueError("the question is empty")
    return Question(_text(row, "question_id") or text_id(question), question, gold, _text(row, "group"))


def _text(row: Mapping[str, Any], name: str) -> str | None:
    """A cell as text without surrounding blanks; None if it is empty.

    Raises:
        ValueError: It holds something else, such as a list.
    """
    value = row.get(name)
    if not is_null(value) and not isinstance(value, str | Number):
        raise ValueError(f"{name} is {value!r}; text or a number is needed")
    text = cell_text(row, name)
    return None if text is None else text.strip()
