"""What the demo measured: one verdict, its table and its page, all from the same numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from adaptive_reasoner.amounts import written
from adaptive_reasoner.console import out, print_table
from adaptive_reasoner.demo.answering import Answered
from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.backtesting.lift import Gain
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting.build import outcomes_report
from adaptive_reasoner.kit.reporting.html_page import Report, Section, Table, Verdict
from adaptive_reasoner.kit.reporting.summary import PolicySummary
from adaptive_reasoner.kit.reporting.wording import between, judged, points
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.bootstrap import bootstrap_means
from adaptive_reasoner.policy.learned import LearnedPolicy

CAVEAT = (
    "A model of 135 million parameters on arithmetic shows how the library works; what it gains elsewhere "
    "depends on the model and the questions."
)
_PERCENT = dict.fromkeys(("accuracy", "uniform_at_cost", "low", "high"), ".1%")


@dataclass(frozen=True)
class Run:
    """What the policy did on a stream of questions.

    Attributes:
        questions: How many were answered.
        accuracy: Share answered rightly.
        low, high: The 95% interval of the accuracy, over questions.
        mean_cost: Mean cost per question.
        actions: Share of each action.
        uniform_at_cost: Accuracy, at that cost, of the mixture of fixed actions that was best in training;
            None, as all that follows, for questions without a record.
        lift, lift_low, lift_high: The gain over that mixture, with its interval.
        lift_within_families, lift_within_low, lift_within_high: That over the best mixture of each family.
    """

    questions: int
    accuracy: float
    low: float
    high: float
    mean_cost: float
    actions: Mapping[str, float]
    uniform_at_cost: float | None = None
    lift: float | None = None
    lift_low: float | None = None
    lift_high: float | None = None
    lift_within_families: float | None = None
    lift_within_low: float | None = None
    lift_within_high: float | None = None

    @classmethod
    def of(cls, answers: Sequence[Answered], actions: Sequence[str]) -> Self:
        """The run without a comparison."""
        correct = np.array([each.correct for each in answers])
        ids = [each.question.question_id for each in answers]
        low, high = np.quantile(bootstrap_means(correct[:, None], ids, 2_000, 0), [0.025, 0.975])
        taken = [each.action for each in answers]
        return cls(
            questions=len(answers),
            accuracy=float(correct.mean()),
            low=float(low),
            high=float(high),
            mean_cost=float(np.mean([each.cost for each in answers])),
            actions={action: taken.count(action) / len(taken) for action in actions},
        )

    def compared(self, gain: Gain) -> Self:
        """The same with what it gained on its own questions."""
        within = gain.lift_within_groups
        return replace(
            self,
            uniform_at_cost=gain.uniform_at_cost,
            lift=gain.lift.mean,
            lift_low=gain.lift.low,
            lift_high=gain.lift.high,
            lift_within_families=None if within is None else within.mean,
            lift_within_low=None if within is None else within.low,
            lift_within_high=None if within is None else within.high,
        )


@dataclass(frozen=True)
class Demo:
    """What the demo measured.

    Attributes:
        target: The stated budget, mean cost per question.
        cost_unit: What a cost counts.
        rows: Each fixed action, `uniform`, `adaptive`, the same with looks and with checkers, and `oracle`,
            all on the held-out questions.
        live: The graph with the real model, on new questions.
        replay: The graph with the recorded samples of the held-out questions.
        verdict: Of the policy's gate, in training.
        gate: What the gate measured.
        conclusion: What the replay shows, in words; the report says the same.
        report: Where the page was written.
        seconds: Time of each step.
    """

    target: float
    cost_unit: str
    rows: Sequence[Mapping[str, Any]]
    live: Run
    replay: Run
    verdict: str
    gate: Mapping[str, Any]
    conclusion: str
    report: str
    seconds: Mapping[str, float]

    def print(self) -> None:
        """The result as a table and a few sentences on stdout."""
        shown = [
            {
                "policy": row["policy"],
                "accuracy": f"{row['accuracy']:.1%}",
                "mean_cost": f"{row['mean_cost']:.1f}",
                "against_uniform": _difference(row),
            }
            for row in self.rows
        ]
        print_table(shown, title=f"{self.replay.questions:,} held-out questions, cost in {self.cost_unit}")
        for line in self.sentences():
            out.plain_line(line)

    def sentences(self) -> list[str]:
        """The gate, the replay, the live run and the conclusion, a line each."""
        gate, live = self.gate, self.live
        right = round(live.accuracy * live.questions)
        return [
            (
                f"In training, the gate said: {self.verdict} ({points(gate['lift'])}, "
                f"{between(gate['low'], gate['high'])}, on {gate['questions']:,} questions)."
            ),
            f"On held-out questions: {self.conclusion}",
            _within(self.replay),
            (
                f"Live: {right} of {live.questions} right at {live.mean_cost:.1f} {self.cost_unit} per "
                f"question, {live.low:.0%} to {live.high:.0%}; so few questions cannot show a difference."
            ),
            CAVEAT,
            f"The report: {self.report}",
        ]


def conclusion(replay: Run, gain: Gain, policy: LearnedPolicy, unit: str) -> Verdict:
    """The verdict on the replay, in the words of every report."""
    measured = PolicySummary(
        cost=replay.mean_cost,
        accuracy=replay.accuracy,
        uniform=gain.uniform_at_cost,
        lift=gain.lift,
        within_groups=gain.within_groups,
        source="by the graph, on recorded samples of questions that the policy was not trained on",
        anew=True,
    )
    needed = policy.card["report"]["gate"].get("needed")
    return judged(measured, answer=policy.verdict, needed=needed, unit=unit)


def rows_of(held_out: Outcomes, measured: Mapping[str, Gain], budget: float) -> list[dict[str, Any]]:
    """The table: fixed actions, `uniform` at the cost of `adaptive`, what was measured, and `oracle`."""

    def row(policy: str, accuracy: float, mean_cost: float) -> dict[str, Any]:
        return {"policy": policy, "accuracy": accuracy, "mean_cost": mean_cost, "target": budget}

    fixed = zip(held_out.actions, held_out.accuracy.mean(axis=0), held_out.cost.mean(axis=0), strict=True)
    best, adaptive = solve(held_out, budget), measured["adaptive"]
    rows = [
        *(row(action, float(accuracy), float(cost)) for action, accuracy, cost in fixed),
        row("uniform", adaptive.uniform_at_cost, adaptive.realised_cost),
    ]
    for name, gain in measured.items():
        lift = {"lift": gain.lift.mean, "lift_low": gain.lift.low, "lift_high": gain.lift.high}
        rows.append({**row(name, gain.accuracy, gain.realised_cost), **lift})
    return [*rows, row("oracle", best.accuracy, best.cost)]


def page(
    demo: Demo, verdict: Verdict, held_out: Outcomes, samples: Samples | None, policy: LearnedPolicy
) -> Report:
    """The report on the held-out questions; its verdict is that of the replay."""
    found = outcomes_report(held_out, samples=samples, policy=policy)
    runs = [
        {"run": name, **{key: value for key, value in asdict(run).items() if key in _SHOWN}}
        for name, run in (("live", demo.live), ("replay", demo.replay))
    ]
    shares = [
        {"action": action, "live": demo.live.actions[action], "replay": demo.replay.actions[action]}
        for action in held_out.actions
    ]
    rows = [
        {
            **{key: row[key] for key in ("policy", "accuracy", "mean_cost")},
            "against uniform": _difference(row),
        }
        for row in demo.rows
    ]
    measured = Section(
        "demo",
        "What the graph did",
        " ".join([*demo.sentences()[:4], _TWO_PRICES]),
        tables=[
            Table(
                "Held-out questions: accuracy and mean cost",
                rows,
                {**_PERCENT, "mean_cost": ".1f"},
                words=("against uniform",),
                marked=("adaptive",),
            ),
            Table("The graph: on recorded samples, and live", runs, {**_PERCENT, "mean_cost": ".1f"}),
            Table("Share of questions per action", shares, {"live": ".1%", "replay": ".1%"}),
        ],
    )
    return replace(
        found,
        title=f"The demo: a budget of {written(demo.target)} {demo.cost_unit} per question",
        verdict=verdict,
        sections=[found.sections[0], measured, *found.sections[1:]],
        notes=[*found.notes, CAVEAT],
    )


_TWO_PRICES = (
    "The graph's ledger moves the price as costs come in; the figure, the facts beside it and all other "
    "sections show the policy at one price."
)
_SHOWN = ("questions", "accuracy", "low", "high", "mean_cost", "uniform_at_cost")


def _difference(row: Mapping[str, Any]) -> str:
    if row.get("lift") is None:
        return ""
    return f"{points(row['lift'])} ({between(row['lift_low'], row['lift_high'])})"


def _within(replay: Run) -> str:
    """How much of the gain is left when each family is compared with its own best mixture."""
    lift, low, high = replay.lift_within_families, replay.lift_within_low, replay.lift_within_high
    if lift is None or low is None or high is None:
        return "The families are too small to compare within them."
    found = f"Within families, against the best mixture of each: {points(lift)} ({between(low, high)})"
    only_topic = low <= 0 < (replay.lift_low or 0.0)
    return f"{found}: what is sure of the gain is telling families apart." if only_topic else f"{found}."
