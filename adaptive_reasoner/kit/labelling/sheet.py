"""Questions to label as a table that people fill in, and the labels that come back in it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptive_reasoner.answers.extraction import canonical
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.labelling.selection import Unlabelled, answers_of
from adaptive_reasoner.kit.regrading.graded_rows import Label
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import PathLike, Row, read_rows, write_rows
from adaptive_reasoner.kit.tables.row_fields import cell_text, text_field

NONE_OF_THESE = "none of these"
"""What a person writes where no answer is right and the right one is not worth writing down."""

DRAWN = ("random", "chosen")

_NUMBERED = re.compile(r"#\s*(\d+)")
_BARE_NUMBER = re.compile(r"\d{1,4}")
_LISTED = 10  # rows that a note names
_IS_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class LabelSheet:
    """The labels of a table that was filled in.

    Attributes:
        labels: By question_id.
        notes: What a person should look at again, a line each.
    """

    labels: Mapping[str, Label]
    notes: tuple[str, ...]


def write_label_sheet(path: PathLike, questions: Iterable[Unlabelled]) -> None:
    """Write questions as a table with an empty column `gold`: CSV, JSONL or Parquet, by the ending.

    The columns `answer_1`, `answer_2`, .. hold the distinct answers and `given_1`, .. which sources gave
    them, and how often. `drawn` says whether the question was drawn at random or chosen; it comes back with
    the label.

    Raises:
        OutcomesError: The file is there and has labels in it, which would be lost.
    """
    path = Path(path)
    if path.exists():
        labels = sum(cell_text(row, "gold") is not None for row in read_rows(path))
        if labels:
            reason = f"has {labels} labels in it; take them back with --from first, or name another file"
            raise OutcomesError(reason, file=path)
    questions = list(questions)
    most = max((len(each.answers) for each in questions), default=0)
    write_rows(path, [_row(each, most) for each in questions])


def read_label_sheet(path: PathLike, samples: Samples) -> LabelSheet:
    """Read a table of labels: `question_id` and `gold`, and if present `drawn` and the answers.

    A `gold` is the right answer as text, or `#2` for the second answer of the row, or `none of these`. A bare
    number is the number of an answer where none of the question's answers is a number, and else the right
    answer itself. Rows without a `gold` are left out.

    Args:
        path: CSV, JSONL or Parquet.
        samples: What is labelled.

    Raises:
        OutcomesError: A row names a question or an answer that is not there, two rows disagree, or there is
            no label at all. It names file and row.
    """
    texts = dict(zip(samples.question_ids, samples.questions, strict=True))
    labels: dict[str, tuple[Label, int]] = {}
    notes: list[str] = []
    unseen: list[int] = []
    for number, row in enumerate(read_rows(path), start=1):
        if all(cell_text(row, name) is None for name in row):
            continue  # spreadsheets leave such rows at the end
        try:
            question_id = text_field(row, "question_id")
            _check_question(question_id, row, texts)
            gold = cell_text(row, "gold")
            if gold is None:
                continue
            noted = len(notes)
            label = Label(_gold(gold.strip(), row, question_id, samples, notes, number), _drawn(row))
        except ValueError as error:
            raise OutcomesError(str(error), file=path, row=number) from error
        before, at = labels.setdefault(question_id, (label, number))
        if before != label:
            reason = f"question {question_id!r} has another label in row {at}"
            raise OutcomesError(reason, file=path, row=number)
        answers = {each.answer for each in answers_of(samples, question_id)[0]}
        if label.gold is not None and answers and label.gold not in answers and len(notes) == noted:
            unseen.append(number)
    if not labels:
        raise OutcomesError("no row has a label; fill in the column gold", file=path)
    if unseen:
        rows = ", ".join(map(str, unseen[:_LISTED])) + (", .." if len(unseen) > _LISTED else "")
        notes.append(
            f"no reply gave the right answer of rows {rows}; see whether it is spelled as replies are"
        )
    return LabelSheet({name: label for name, (label, _) in labels.items()}, tuple(notes))


def _row(question: Unlabelled, most: int) -> Row:
    row: dict[str, Any] = {"question_id": question.question_id}
    if question.group is not None:
        row["group"] = question.group
    row |= {"question": question.question, "gold": None, "drawn": question.drawn}
    for number in range(1, most + 1):
        given = question.answers[number - 1] if number <= len(question.answers) else None
        row[f"answer_{number}"] = None if given is None else given.answer
        row[f"given_{number}"] = None if given is None else given_by(given.counts, question.replies)
    return row


def given_by(counts: Mapping[str, int], replies: Mapping[str, int]) -> str:
    """Which sources gave an answer, and how often.

    Example:
        >>> given_by({"cot": 5}, {"direct": 4, "cot": 8})
        'cot 5 of 8'
    """
    return ", ".join(f"{name} {counts[name]} of {n}" for name, n in replies.items() if name in counts)


def _check_question(question_id: str, row: Row, texts: Mapping[str, str]) -> None:
    if question_id not in texts:
        raise ValueError(f"there is no question {question_id!r} in the samples")
    text = cell_text(row, "question")
    if text is not None and text.split() != texts[question_id].split():
        raise ValueError(f"question {question_id!r} has another text in the samples")


def _drawn(row: Row) -> str | None:
    drawn = cell_text(row, "drawn")
    if drawn is not None and drawn not in DRAWN:
        raise ValueError(f"drawn is {drawn!r}; it is 'random', 'chosen' or empty")
    return drawn


def _gold(
    gold: str, row: Row, question_id: str, samples: Samples, notes: list[str], number: int
) -> str | None:
    """The right answer that a person has written; None for none of these.

    Raises:
        ValueError: There is no answer of this number.
    """
    if gold.casefold().rstrip(".") == NONE_OF_THESE:
        return None
    answers = [each.answer for each in answers_of(samples, question_id)[0]]
    numbered = _NUMBERED.fullmatch(gold)
    if numbered is not None:
        return _answer(int(numbered[1]), row, question_id, answers)
    for answer in answers:
        if gold == answer or (canonical(gold) or gold) == (canonical(answer) or answer):
            return answer
    if _BARE_NUMBER.fullmatch(gold):
        if not any(_IS_NUMBER.fullmatch(answer) for answer in answers):
            return None if int(gold) == 0 else _answer(int(gold), row, question_id, answers)
        if 1 <= int(gold) <= len(answers):
            notes.append(
                f"row {number}: {gold!r} is taken as the right answer, which no reply gave; "
                f"write #{gold} for answer number {gold}"
            )
    return gold


def _answer(number: int, row: Row, question_id: str, answers: list[str]) -> str:
    """The answer of a number: that of the row or, in a table without answers, that of the samples.

    Raises:
        ValueError: There is none.
    """
    listed = [name for name in row if re.fullmatch(r"answer_\d+", name)]
    of_row = cell_text(row, f"answer_{number}")
    answer = of_row if listed else answers[number - 1] if 1 <= number <= len(answers) else None
    if answer is None:
        count = len([name for name in listed if cell_text(row, name) is not None]) if listed else len(answers)
        raise ValueError(f"there is no answer {number} of question {question_id!r}; it has {count}")
    for known in answers:
        if known.split() == answer.split():  # spreadsheets change the ends of lines
            return known
    raise ValueError(f"answer {number} of question {question_id!r} is not among the samples: {answer!r}")
