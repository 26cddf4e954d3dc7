"""A judge's comparisons of replies of different sources to one question, each pair in both orders."""

import sys
from collections.abc import Iterator, Sequence
from itertools import combinations

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.sample_file import SampleKey
from adaptive_reasoner.kit.collecting.sampler import Drawn
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.preference import Preference
from adaptive_reasoner.kit.regrading.graded_rows import GradedRows
from adaptive_reasoner.kit.regrading.judge_calls import JudgeRequest
from adaptive_reasoner.kit.regrading.judging import Taken
from adaptive_reasoner.kit.tables.preferences import (
    PREFERRED_OVER,
    Preferences,
    preferences_cell,
    preferences_field,
)
from adaptive_reasoner.kit.tables.row_fields import cell_text

_MOSTLY = 0.5  # share of replies without a text beyond which there is nothing to compare


class Comparisons:
    """Asks which of two replies is better; pairs that the judge has seen are left alone.

    A reply is compared with one of every other source, by its number: with all of them the calls would grow
    as the square of the samples. Equal texts are a tie, and a reply without an answer loses; neither takes a
    call. A call is billed to the reply that is shown first.

    Args:
        grading: The rows.
        todo: Positions of those to compare.
        menu: Its grader is a preference.

    Attributes:
        wanted: Comparisons that the requests bring.

    Raises:
        OutcomesError: There are no replies of two sources to one question, or they have no text.
    """

    def __init__(self, grading: GradedRows, todo: Sequence[int], menu: Menu) -> None:
        assert isinstance(menu.grader, Preference)
        self._grading, self._judge, self._by = grading, menu.grader, menu.graded_by
        self._pairs: dict[SampleKey, tuple[int, int]] = {}
        self._done = self.wanted = 0
        replies = [at for at in todo if cell_text(grading.table.rows[at], "error") is None]
        silent = sum(self._text(at) is None for at in replies)
        if silent > _MOSTLY * len(replies):
            raise OutcomesError(
                f"{silent} of {len(replies)} replies have no text to compare (their answer is null); collect "
                'with kind = "preference" under [grader], which keeps the texts of replies',
                file=grading.table.path,
            )
        pairs = list(_pairs(grading, replies))
        if not pairs:
            raise OutcomesError(
                "no question has replies of two sources, and a preference compares those",
                file=grading.table.path,
            )
        for first, second in pairs:
            for ordered in ((first, second), (second, first)):
                self._plan(*ordered)
        self.wanted = len(self._pairs)

    def known(self) -> Iterator[tuple[SampleKey, int]]:
        """The comparisons in the rows: each is a call that came back."""
        for at, key in enumerate(self._grading.keys):
            for source, sample in self._seen(at):
                yield _noted(key, SampleKey(key.question_id, source, sample)), sys.maxsize

    def requests(self) -> list[JudgeRequest]:
        """One request for each pair and order that the judge has not seen."""
        rows = self._grading.table.rows
        return [
            JudgeRequest(
                key,
                0,
                self._judge.prompt(
                    str(cell_text(rows[first], "question")), str(self._text(first)), str(self._text(second))
                ),
            )
            for key, (first, second) in self._pairs.items()
        ]

    def take(self, request: JudgeRequest, drawn: Drawn) -> Taken:
        """Keep what the judge prefers."""
        first, second = self._pairs[request.key]
        self._grading.bill(first, drawn)
        message = drawn.reply.message
        chance = None if message is None else self._judge.read(message.text)
        if chance is None or not 0 <= chance <= 1:
            return Taken(self._done, failed=1)
        self._keep(first, second, chance)
        self._done += 1
        return Taken(self._done)

    def _plan(self, first: int, second: int) -> None:
        mine, other = self._text(first), self._text(second)
        _, *opponent = self._grading.keys[second]
        if tuple(opponent) in self._seen(first):
            return
        if mine is None or other is None or mine == other:
            worth = [float(text is not None) for text in (mine, other)]
            self._keep(first, second, 0.5 + (worth[0] - worth[1]) / 2)
        else:
            self._pairs[_noted(self._grading.keys[first], self._grading.keys[second])] = first, second

    def _seen(self, at: int) -> Preferences:
        """What this judge has said of a row, shown first."""
        row = self._grading.table.rows[at]
        return (preferences_field(row) or {}) if row.get("judged_by") == self._by else {}

    def _keep(self, first: int, second: int, chance: float) -> None:
        _, source, sample = self._grading.keys[second]
        seen = {**self._seen(first), (source, sample): chance}
        self._grading.table.change(first, **{PREFERRED_OVER: preferences_cell(seen)}, judged_by=self._by)
        self._grading.graded.add(first)

    def _text(self, at: int) -> str | None:
        return cell_text(self._grading.table.rows[at], "answer")


def _pairs(grading: GradedRows, rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The positions of replies to one question that are compared."""
    replies: dict[str, dict[str, list[int]]] = {}
    for at in rows:
        key = grading.keys[at]
        replies.setdefault(key.question_id, {}).setdefault(key.source, []).append(at)
    for by_source in replies.values():
        for some, others in combinations(by_source.values(), 2):
            for at in range(max(len(some), len(others))):
                yield some[at % len(some)], others[at % len(others)]


def _noted(first: SampleKey, second: SampleKey) -> SampleKey:
    """The key under which the calls for a comparison are noted."""
    names = f"{first.source} {first.sample} before {second.source} {second.sample}"
    return SampleKey(first.question_id, names, 0)
