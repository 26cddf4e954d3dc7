"""The progress and the summary of a collection."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from adaptive_reasoner.amounts import written


@dataclass(frozen=True)
class Collected:
    """The summary of a collection.

    Attributes:
        file: The samples file.
        wanted: Samples asked for: questions times the samples of each source.
        there: How many of them the file holds.
        new: How many of those this run drew.
        failed: How many ended in an error, in this run or before.
        saved: Calls that were not made because the label of their question was settled.
        retried: Calls beyond the first that the samples of this run took.
        cost: Of all samples in the file, and of the calls whose replies were lost.
        lost: The part of `cost` for calls that were cancelled or killed under way, at their worst case.
        cost_unit: What a cost counts.
        seconds: How long this run took.
        stopped: Why samples are missing: `"max_cost"` where the cap left no room for a further call,
            `"retry_after"` where sources were given up; else None.
        given_up: The sources whose endpoint asked for a longer pause than `Retries.longest_wait`, and for how
            many seconds. The next run asks them again.
        ungraded: How many of the samples that are there have no grade, because the right answer is not known.
        graded_otherwise: How many were graded by another grader than the menu's, by its name. `regrade`
            grades them again.
    """

    file: str
    wanted: int
    there: int
    new: int
    failed: int
    saved: int
    retried: int
    cost: float
    lost: float
    cost_unit: str
    seconds: float
    stopped: str | None = None
    given_up: Mapping[str, float] = field(default_factory=dict)
    ungraded: int = 0
    graded_otherwise: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Samples that the file does not hold, and that no settled label has made unnecessary."""
        return self.wanted - self.there - self.saved

    def as_dict(self) -> dict[str, Any]:
        """The summary as a plain dict."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a collection.

    Attributes:
        there: Samples in the file.
        wanted: Samples asked for.
        failed: How many of those there ended in an error.
        cost: Of the samples in the file.
        expected_cost: Of the whole, if the samples to come cost on average what those of their source did;
            None until each source has one.
        cost_unit: What a cost counts.
    """

    there: int
    wanted: int
    failed: int
    cost: float
    expected_cost: float | None
    cost_unit: str

    @property
    def note(self) -> str:
        """Cost so far and of the whole, for people."""
        expected = "" if self.expected_cost is None else f" of about {written(self.expected_cost, 4)}"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{written(self.cost, 4)}{expected} {self.cost_unit}{failed}"
