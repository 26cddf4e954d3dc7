"""What can be learned from samples in which not every question has replies of every source."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.learning.held_out_trust import FEWEST
from adaptive_reasoner.kit.tables.row_fields import cell_text, is_null, optional_number, text_field

VOTE = 3
"""The smallest vote that a majority decides."""


@dataclass(frozen=True, slots=True)
class SourceCoverage:
    """The replies of one source in the samples.

    Attributes:
        source: Its name.
        questions: Questions it has replied to.
        replies: Its replies, without failed calls.
        failed: Calls that failed.
        graded: Replies that are graded.
        mean_cost: Of a reply.
        repeated: Questions with at least three replies, enough for a vote.
    """

    source: str
    questions: int
    replies: int
    failed: int
    graded: int
    mean_cost: float
    repeated: int


@dataclass(frozen=True)
class Coverage:
    """The replies of all sources, and what can be learned from them.

    Attributes:
        sources: Each source, in order of first appearance.
        questions: Questions in all.
        graded: Questions with a graded reply.
        compared: Questions with replies of two sources or more.
        complete: Questions with replies of all sources.
        with_propensity: Replies whose propensity is known.
        free_text: Replies that offer nothing to compare.
        cost_unit: What a cost counts.
        counts: (question_id, source) -> its replies.
    """

    sources: tuple[SourceCoverage, ...]
    questions: int
    graded: int
    compared: int
    complete: int
    with_propensity: int
    free_text: int
    cost_unit: str
    counts: Mapping[tuple[str, str], int] = field(repr=False, default_factory=dict)

    @property
    def can(self) -> tuple[str, ...]:
        """What can be learned, a sentence each."""
        said = ["what a reply of each source costs"]
        said += [
            f"how often {each.source} is right on the questions it was given ({each.graded} graded replies)"
            for each in self.sources
            if each.graded
        ]
        if self._comparable:
            said.append(f"which source to ask: {self.complete} questions have replies of all sources")
        said += [
            f"what a vote of {each.source} brings: {each.repeated} questions have {VOTE} replies or more"
            for each in self.sources
            if each.repeated >= FEWEST
        ]
        if self.with_propensity:
            replies = f"{self.with_propensity} replies with a propensity"
            said.append(f"the value of other policies, from {replies} (backtest --log)")
        return tuple(said)

    @property
    def cannot(self) -> tuple[str, ...]:
        """What cannot be learned, and why, a sentence each."""
        said = []
        if not self.graded:
            said.append("whether replies are right: none is graded, and no right answers are known")
        if len(self.sources) < 2:
            said.append(f"which source to ask: there is only {self.sources[0].source}")
        elif not self._comparable:
            said.append(
                f"which source to ask: {self.complete} of {self.questions} questions have replies of all "
                f"{len(self.sources)} sources, and at least {FEWEST} are needed"
            )
        if all(each.repeated < FEWEST for each in self.sources):
            said.append(f"what votes bring: no source has {VOTE} replies to {FEWEST} questions")
        if not self.with_propensity:
            said.append("the value of other policies from this log alone: no reply has a propensity")
        if self.free_text:
            said.append(
                f"whether {self.free_text} replies of free text agree: they offer nothing to compare, and a "
                "judge has to grade them (regrade)"
            )
        return tuple(said)

    @property
    def _comparable(self) -> bool:
        return len(self.sources) > 1 and self.complete >= FEWEST

    def as_dict(self) -> dict[str, Any]:
        """The facts as a plain dict, without the counts of each question."""
        plain = asdict(self)
        del plain["counts"]
        return {**plain, "can": list(self.can), "cannot": list(self.cannot)}


class CoverageCounter:
    """Counts rows of samples, one at a time."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._failed: Counter[str] = Counter()
        self._graded: Counter[str] = Counter()
        self._replies: Counter[str] = Counter()
        self._cost: Counter[str] = Counter()
        self._questions: dict[str, None] = {}
        self._with_grade: set[str] = set()
        self._units: dict[str, None] = {}
        self.with_propensity = self.free_text = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row.

        Raises:
            ValueError: A field is missing or wrong.
        """
        question, source = text_field(row, "question_id"), text_field(row, "source")
        self._questions.setdefault(question)
        self._units.setdefault(text_field(row, "cost_unit"))
        self._failed[source] += (failed := cell_text(row, "error") is not None)
        if failed:
            return
        self._counts[question, source] += 1
        self._replies[source] += 1
        self._cost[source] += optional_number(row, "cost") or 0.0  # type: ignore[assignment]
        if not is_null(row.get("correct")):
            self._graded[source] += 1
            self._with_grade.add(question)
        self.with_propensity += not is_null(row.get("propensity"))

    def coverage(self) -> Coverage:
        """The coverage of the rows that were counted.

        Raises:
            OutcomesError: No row was counted.
        """
        if not self._questions:
            raise OutcomesError("there are no samples")
        names = list(self._failed)
        asked = {
            name: [count for (_, source), count in self._counts.items() if source == name] for name in names
        }
        per_question = Counter(question for question, _ in self._counts)
        return Coverage(
            sources=tuple(
                SourceCoverage(
                    name,
                    questions=len(asked[name]),
                    replies=self._replies[name],
                    failed=self._failed[name],
                    graded=self._graded[name],
                    mean_cost=self._cost[name] / max(1, self._replies[name]),
                    repeated=sum(count >= VOTE for count in asked[name]),
                )
                for name in names
            ),
            questions=len(self._questions),
            graded=len(self._with_grade),
            compared=sum(count > 1 for count in per_question.values()),
            complete=sum(count == len(names) for count in per_question.values()) if len(names) > 1 else 0,
            with_propensity=self.with_propensity,
            free_text=self.free_text,
            cost_unit=next(iter(self._units)),
            counts=dict(self._counts),
        )


def coverage_of(rows: Iterable[Mapping[str, Any]]) -> Coverage:
    """What can be learned from rows of samples.

    Raises:
        OutcomesError: There are none.

    Example:
        >>> row = {"question_id": "q", "source": "small", "cost": 2.0, "cost_unit": "tokens", "correct": 1.0}
        >>> found = coverage_of([row, {**row, "question_id": "r", "source": "large"}])
        >>> found.questions, found.compared, [each.graded for each in found.sources]
        (2, 0, [1, 1])
    """
    counter = CoverageCounter()
    for row in rows:
        counter.add(row)
    return counter.coverage()
