"""The questions of one sitting, and their labels, each written to the samples as soon as it is given."""

import threading
from collections.abc import Mapping
from pathlib import Path

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.labelling.selection import RANDOM_SHARE, questions_to_label
from adaptive_reasoner.kit.menu.menu import Judge, Menu
from adaptive_reasoner.kit.regrading.graded_rows import GradedRows, Label
from adaptive_reasoner.kit.regrading.row_graders import NamedGraders
from adaptive_reasoner.kit.regrading.sample_rows import SampleRows, locked
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import PathLike


class LabelSession:
    """Asks for labels one by one; safe for several askers at once.

    Args:
        path: The samples file, which is changed in place.
        menu: Its grader grades; a judge cannot, because each label is written at once.
        count: How many questions to ask; all that have no label by default.
        seed: Draws the random ones.
        random_share: The share of the questions that are drawn at random.

    Attributes:
        questions: What is asked, in this order.

    Raises:
        OutcomesError: The file cannot be read, only a menu can name its grader, or that is a judge.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        menu: Menu | None = None,
        count: int | None = None,
        seed: int = 0,
        random_share: float = RANDOM_SHARE,
    ) -> None:
        if menu is not None and isinstance(menu.grader, Judge):
            reason = "labels one by one cannot be graded by a judge; label without --config, then `regrade`"
            raise OutcomesError(reason, file=path)
        self.path, self._menu = Path(path), menu
        table = SampleRows(self.path)
        if menu is None:
            NamedGraders(table.rows, self.path)
        samples = Samples.from_rows(table.rows, file=self.path)
        self.questions = questions_to_label(samples, count, seed=seed, random_share=random_share)
        self._given: dict[str, Label] = {}
        self._rows: GradedRows | None = None
        self._read: tuple[int, ...] = ()  # the stamp of the file when they were read
        self._lock = threading.Lock()

    @property
    def given(self) -> Mapping[str, Label]:
        """The labels given so far, by question_id."""
        return dict(self._given)

    def first_open(self, after: int = 0) -> int | None:
        """The place of the first question without a label from a place on, else of the first at all."""
        places = [*range(after, len(self.questions)), *range(min(after, len(self.questions)))]
        return next((at for at in places if self.questions[at].question_id not in self._given), None)

    def give(self, at: int, gold: str | None, *, instead_of: Label | None = None) -> bool:
        """Label the question at a place, and write that to the samples.

        Args:
            at: Its place in `questions`.
            gold: The right answer; None for none of these.
            instead_of: The label that it is thought to have; None for no label.

        Returns:
            Whether it has this label now. It has not if its label was another one than `instead_of`, which
            it keeps then.

        Raises:
            OutcomesError: The samples cannot be written; the label is not taken.
        """
        question = self.questions[at]
        label = Label(gold, question.drawn)
        with self._lock:
            now = self._write(question.question_id, label, instead_of)
            if now is not None:
                self._given[question.question_id] = now
            return _is_same(now, label)

    def _write(self, question_id: str, label: Label, instead_of: Label | None) -> Label | None:
        """Write a label to the samples, which are read again where another command has changed them.

        Returns:
            The label that the question has then.
        """
        with locked(self.path):
            if self._rows is None or self._read != _stamp(self.path):
                self._rows, self._read = GradedRows(SampleRows(self.path), self.path), _stamp(self.path)
            now = self._rows.label_of(question_id)
            if not _is_same(now, instead_of):
                return now
            rows, self._rows = self._rows, None  # to be read again, should anything fail
            rows.apply_functions(rows.label({question_id: label}), self._menu)
            rows.save()
            self._rows, self._read = rows, _stamp(self.path)
            return label


def _is_same(label: Label | None, other: Label | None) -> bool:
    """Whether two labels say the same, however their question was picked."""
    return (label is None) == (other is None) and (label is None or other is None or label.gold == other.gold)


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes with the content of a file."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
