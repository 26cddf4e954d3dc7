"""What the command `estimate` makes of a samples file, in memory or a block at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptive_reasoner.console import err
from adaptive_reasoner.kit.estimating.consensus import Labels
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.estimating.judge_quality import JudgeQuality, measure_judge
from adaptive_reasoner.kit.estimating.sample_files import estimate_file, sizes_in_file
from adaptive_reasoner.kit.estimating.votes_allowed import Sizes, sizes_allowed
from adaptive_reasoner.kit.samples import Samples


@dataclass(frozen=True, kw_only=True)
class EstimatesSummary:
    """A summary of outcomes that were written to a file.

    Attributes:
        file: Where they are.
        n_questions, n_labelled: How many questions there are, and how many of them have right answers.
        actions: Name, mean accuracy and mean cost of each action.
        cost_unit: What a cost counts.
        silent: Of each source, how many replies offered nothing to compare, and how many came in all.
        judge: How good the judge is, where there was one.
    """

    file: Path
    n_questions: int
    n_labelled: int
    actions: Sequence[Mapping[str, str | float]]
    cost_unit: str
    silent: Mapping[str, tuple[int, int]]
    judge: JudgeQuality | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        shown = {"file": str(self.file), "n_questions": self.n_questions, "n_labelled": self.n_labelled}
        counted = {
            source: {"samples": silent, "of": total} for source, (silent, total) in self.silent.items()
        }
        known_of_judge = {} if self.judge is None else {"judge": self.judge.as_dict()}
        return {**shown, "actions": list(self.actions), "nothing_to_compare": counted, **known_of_judge}


def estimated(
    samples: Path, out_file: Path, *, votes: Sizes | None, labels: Labels, reward: str | None
) -> EstimatesSummary:
    """Estimate the outcomes of samples that are read at once, and write them."""
    table, notes = Samples.read(samples), list[str]()
    if votes is None:
        votes, notes = sizes_allowed(table)
    outcomes = estimate(table, votes=votes, labels=labels, reward=reward)
    outcomes.write(out_file)
    _tell(notes)
    kept = outcomes.judge_quality
    means = zip(outcomes.actions, outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0), strict=True)
    return EstimatesSummary(
        file=out_file,
        n_questions=len(outcomes),
        n_labelled=int(outcomes.labelled.sum()),
        actions=[{"action": name, "accuracy": float(a), "cost": float(c)} for name, a, c in means],
        cost_unit=outcomes.cost_unit,
        silent={source: table.nothing_to_compare(source) for source in table.sources},
        judge=measure_judge(table) if kept is None else JudgeQuality.from_dict(kept),
    )


def estimated_in_blocks(samples: Path, out_file: Path, *, votes: Sizes | None) -> EstimatesSummary:
    """The same of samples with right answers that are read a block of questions at a time."""
    notes: list[str] = []
    if votes is None:
        votes, notes = sizes_in_file(samples)
    found = estimate_file(samples, out_file, votes=votes)
    _tell(notes)
    if found.left_out:
        total = found.questions + found.left_out
        err.plain_line(f"left out {found.left_out} of {total} questions, which have too few usable samples")
    return EstimatesSummary(
        file=out_file,
        n_questions=found.questions,
        n_labelled=found.questions,
        actions=[{"action": name, "accuracy": a, "cost": c} for name, (a, c) in found.actions.items()],
        cost_unit=found.cost_unit,
        silent=found.silent,
    )


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        err.plain_line(f"note: {note}")
