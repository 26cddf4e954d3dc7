"""Questions by the name of a public data set: the right columns, and the answer out of the solution.

Needs `pip install 'adaptive-reasoner[datasets]'` and a model hub that can be reached, or its cache.
"""

import random
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.extraction import stated_answer
from adaptive_reasoner.errors import OutcomesError, needs
from adaptive_reasoner.kit.questions import Question, checked_questions, read_questions
from adaptive_reasoner.kit.tables.row_fields import cell_text

_FILES = frozenset({".jsonl", ".csv", ".parquet"})


def _after_marks(row: Mapping[str, Any]) -> str:
    return str(row["answer"]).rpartition("####")[2].strip().replace(",", "")


def _boxed(row: Mapping[str, Any]) -> str:
    return stated_answer(AIMessage(str(row["solution"]))) or ""


def _as_it_stands(row: Mapping[str, Any]) -> str:
    return cell_text(row, "gold") or cell_text(row, "answer") or ""


@dataclass(frozen=True)
class PublicSet:
    """Where the questions of a public data set are, and how they are read.

    Attributes:
        path: Its name on the hub.
        question: The column of the question.
        gold: Finds the right answer in a row.
        group: The column of the group; None if it has no groups.
        config: Its configuration, where it has several.
        split: Which part is asked.
        characters: How long its questions are on average, about.
    """

    path: str
    question: str = "question"
    gold: Callable[[Mapping[str, Any]], str] = _after_marks
    group: str | None = None
    config: str | None = None
    split: str = "test"
    characters: int = 200

    def questions(self, rows: Iterable[Mapping[str, Any]]) -> tuple[Question, ...]:
        """The questions in its rows.

        Raises:
            OutcomesError: A row has no question, or its answer is not where it should be.
        """
        read = (
            {
                "question": row.get(self.question),
                "gold": self.gold(row),
                **({} if self.group is None else {"group": row.get(self.group)}),
            }
            for row in rows
        )
        questions = checked_questions(read, file=self.path)
        for number, question in enumerate(questions, start=1):
            if question.gold is None and self.gold is not _as_it_stands:
                raise OutcomesError("the gold answer is empty", file=self.path, row=number)
        return questions


PUBLIC_SETS = {
    "gsm8k": PublicSet("openai/gsm8k", config="main", characters=240),
    "math": PublicSet("DigitalLearningGmbH/MATH-lighteval", "problem", _boxed, group="type"),
    "math500": PublicSet("HuggingFaceH4/MATH-500", "problem", _boxed, group="subject"),
}


DRAWN = {"paper": {"gsm8k": 200, "math": 200}}
"""Questions drawn from several public sets: how many of each."""

_SEED = 0  # of the draw: everybody asks the same


def open_questions(name: str) -> tuple[Question, ...]:
    """Questions from a file, or of a public data set by its name.

    Args:
        name: A path that ends in `.jsonl`, `.csv` or `.parquet`; a key of `PUBLIC_SETS`; `owner/name` of a
            data set whose test part has `question` and may have `gold` or `answer`; or `paper`, 200 questions
            each of GSM8K and MATH (arXiv:2604.14853), drawn at random, the same every time.

    Raises:
        OutcomesError: There is no such file or data set, or it cannot be had or read.
        ImportError: A data set is named, and `datasets` is not installed.
    """
    if Path(name).suffix.lower() in _FILES or Path(name).exists():
        return read_questions(name)
    if name in DRAWN:
        return drawn({part: (open_questions(part), count) for part, count in DRAWN[name].items()})
    public = PUBLIC_SETS.get(name) or (PublicSet(name, gold=_as_it_stands) if name.count("/") == 1 else None)
    if public is None:
        known = ", ".join([*PUBLIC_SETS, *DRAWN])
        reason = f"there is no such file, and no data set; known are {known}, or owner/name"
        raise OutcomesError(reason, file=name)
    with needs(f"the data set {name!r} needs", "datasets"):
        from datasets import load_dataset
    try:
        rows = load_dataset(public.path, public.config, split=public.split)
    except (OSError, ValueError, RuntimeError) as error:  # what `datasets` raises without a hub
        raise OutcomesError(
            f"{public.path} cannot be downloaded here ({' '.join(str(error).split())[:200]}); "
            "download it elsewhere, and give a file of questions",
            file=name,
        ) from error
    return public.questions(rows)


def questions_to_price(name: str) -> tuple[Question, ...]:
    """The questions of `open_questions`; if a set of `DRAWN` is not available, placeholders of equal length.

    Raises:
        OutcomesError, ImportError: As for `open_questions`.
    """
    try:
        return open_questions(name)
    except (OutcomesError, ImportError) as error:
        if name not in DRAWN:
            raise
        warnings.warn(f"priced by the mean length of questions: {error}", stacklevel=2)
        return tuple(
            Question(f"{part}{number}", "x" * PUBLIC_SETS[part].characters, "0", part)
            for part, count in DRAWN[name].items()
            for number in range(count)
        )


def drawn(sets: Mapping[str, tuple[Sequence[Question], int]]) -> tuple[Question, ...]:
    """So many questions of each set, drawn at random; those without a group have their set's name as group.

    Args:
        sets: Questions and how many to draw, by the name of the set.
    """
    draw = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    return tuple(
        replace(questions[at], group=questions[at].group or name)
        for name, (questions, count) in sets.items()
        for at in sorted(draw.sample(range(len(questions)), min(count, len(questions))))
    )
