"""The least collection that makes logs of single replies comparable, and its price."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.coverage import Coverage
from adaptive_reasoner.kit.tables.files import PathLike, read_rows, write_rows

QUESTIONS = 200
"""Questions that a plan completes by default, enough to tell gains of a few percent."""

_VOTE_OF_ONE_SOURCE = 5


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """What is to be sampled of one source.

    Attributes:
        source: Its name.
        calls: Samples to draw.
        mean_cost: Of a reply, in the log.
        cost: Of all of them.
        question_ids: The questions they are drawn for.
    """

    source: str
    calls: int
    mean_cost: float
    cost: float
    question_ids: tuple[str, ...]


@dataclass(frozen=True)
class CollectionPlan:
    """Which sources to sample on which questions, and what that costs.

    Attributes:
        questions: Questions with replies of all sources, once the plan is carried out.
        complete: Questions of these that have them already.
        samples: Replies that each of them then has of every source.
        sources: The sources that lack replies.
        cost_unit: What a cost counts.
        question_ids: The questions.
    """

    questions: int
    complete: int
    samples: int
    sources: tuple[PlannedSource, ...]
    cost_unit: str
    question_ids: tuple[str, ...]

    @property
    def calls(self) -> int:
        """Samples to draw."""
        return sum(each.calls for each in self.sources)

    @property
    def cost(self) -> float:
        """What they are expected to cost."""
        return sum(each.cost for each in self.sources)

    def as_dict(self) -> dict[str, Any]:
        """The plan as a plain dict."""
        return {"calls": self.calls, "cost": self.cost, **asdict(self)}

    def write_questions(self, samples: PathLike, out: PathLike) -> None:
        """Write the questions of the plan for `collect`, as they stand in a samples file.

        Raises:
            OutcomesError: A file cannot be read or written, or the samples lack a question.
        """
        wanted = set(self.question_ids)
        found: dict[str, Mapping[str, Any]] = {}
        for row in read_rows(samples, drop_cut_line=True):
            if row["question_id"] in wanted:
                before = found.get(row["question_id"], {})
                found[row["question_id"]] = before if before.get("gold") is not None else row
        if len(found) < len(wanted):
            raise OutcomesError(f"has {len(found)} of the plan's {len(wanted)} questions", file=samples)
        names = ("question_id", "question", "gold", "group")
        grouped = any(row.get("group") is not None for row in found.values())
        kept = names if grouped else names[:-1]
        write_rows(out, [{name: found[each].get(name) for name in kept} for each in self.question_ids])


def plan_collection(
    coverage: Coverage, *, questions: int = QUESTIONS, samples: int | None = None
) -> CollectionPlan:
    """The least collection after which some questions have replies of all sources.

    Questions that have them already come first. The others are drawn at random, since those that one source
    was given are often not like the rest; of each, only the sources are sampled that it lacks.

    Args:
        coverage: What the samples have.
        questions: How many questions to complete; at most all.
        samples: Replies of every source to each of them; by default 1, or 5 of a source that is alone, whose
            votes are then the choice.

    Raises:
        ValueError: A number is below 1.

    Example:
        >>> from adaptive_reasoner.kit.importing.coverage import coverage_of
        >>> row = {"question_id": "q", "source": "small", "cost": 2.0, "cost_unit": "tokens"}
        >>> rows = [row, {**row, "question_id": "r", "source": "large", "cost": 30.0}]
        >>> plan = plan_collection(coverage_of(rows))
        >>> plan.cost, [(each.source, each.question_ids) for each in plan.sources]
        (32.0, [('small', ('r',)), ('large', ('q',))])
    """
    if samples is None:
        samples = 1 if len(coverage.sources) > 1 else _VOTE_OF_ONE_SOURCE
    for name, number in (("questions", questions), ("samples", samples)):
        if number < 1:
            raise ValueError(f"{name} is {number}; a plan takes at least 1")
    names = [each.source for each in coverage.sources]
    known = dict.fromkeys(question for question, _ in coverage.counts)

    def lacking(question: str, source: str) -> int:
        return max(0, samples - coverage.counts.get((question, source), 0))

    def is_complete(question: str) -> bool:
        return not any(lacking(question, source) for source in names)

    order = sorted(known, key=lambda name: (not is_complete(name), hashlib.sha256(name.encode()).digest()))
    chosen = tuple(order[:questions])
    planned = []
    for each in coverage.sources:
        asked = tuple(name for name in chosen if lacking(name, each.source))
        calls = sum(lacking(name, each.source) for name in asked)
        if calls:
            planned.append(PlannedSource(each.source, calls, each.mean_cost, calls * each.mean_cost, asked))
    return CollectionPlan(
        questions=len(chosen),
        complete=sum(map(is_complete, chosen)),
        samples=samples,
        sources=tuple(planned),
        cost_unit=coverage.cost_unit,
        question_ids=chosen,
    )
