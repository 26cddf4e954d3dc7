"""The demo's steps in order; each is a call of the library that can be made on its own."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.runnables import RunnableConfig

from adaptive_reasoner.answers.grouping import numeric
from adaptive_reasoner.console import err, out, print_table, progress
from adaptive_reasoner.demo.local_model import LocalModelServer
from adaptive_reasoner.demo.math_qa import VOTES, build_graph, math_sources
from adaptive_reasoner.demo.problems import problems
from adaptive_reasoner.kit.allocation.solver import solve, uniform_hull
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.reporting.build import outcomes_report
from adaptive_reasoner.kit.reporting.html_page import Report, Section, Table
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.bootstrap import bootstrap_means
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.learned import LearnedPolicy

HELD_OUT = 1 / 3
REPLAYED = 2_000
CAVEAT = (
    "A model of 135 million parameters on arithmetic is a demonstration of the machinery, not a benchmark: "
    "with this few questions the intervals are wide."
)


@dataclass(frozen=True)
class Run:
    """What a policy did on a stream of questions.

    Attributes:
        questions: How many.
        accuracy: Share answered rightly.
        mean_cost: Mean cost per question.
        uniform_at_cost: Accuracy of the best random mixture of fixed actions at that cost.
        lift_within_families: Gain over such a mixture made for each family by itself.
        low: Lower end of the 95% interval of the accuracy, questions resampled.
        high: Its upper end.
        actions: Share of each action.
    """

    questions: int
    accuracy: float
    mean_cost: float
    uniform_at_cost: float
    lift_within_families: float
    low: float
    high: float
    actions: Mapping[str, float]


@dataclass(frozen=True)
class Demo:
    """What the demo measured.

    Attributes:
        target: The stated budget, mean cost per question.
        cost_unit: What a cost counts.
        rows: Each fixed action, `uniform`, `adaptive` and `oracle` on the held-out questions.
        live: The graph with the real model, once over the held-out questions.
        replay: The graph with the recorded samples of those questions, over many more draws.
        verdict: Of the policy's gate.
        report: Where the page was written.
        seconds: Time of each step.
    """

    target: float
    cost_unit: str
    rows: Sequence[Mapping[str, Any]]
    live: Run
    replay: Run
    verdict: str
    report: str
    seconds: Mapping[str, float]

    def print(self) -> None:
        """The result as tables on stdout."""
        print_table(self.rows, title=f"{self.live.questions} held-out questions, cost in {self.cost_unit}")
        for name, run in (("live", self.live), ("replay", self.replay)):
            out.print(f"{name}: {_sentence(run, self.target, self.cost_unit)}", highlight=False)
        out.print(f"The gate says: {self.verdict}.\n{CAVEAT}\n{self.report}", highlight=False)


def run_demo(folder: Path, *, n_questions: int, n_samples: int, budget: float, seed: int) -> Demo:
    """Run the main job in `folder`, reusing the samples that are there.

    Args:
        folder: Gets questions, samples, outcomes, the policy, the report and its first figure.
        n_questions: Questions in all; a third is held out.
        n_samples: Samples a question and source.
        budget: Allowed mean cost per question, in generated tokens.
        seed: Draws the questions and the split.

    Raises:
        ImportError: The local model is not installed.
        InfeasibleBudgetError: The budget is below the cheapest action.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock = _Clock()
    questions = problems(n_questions, seed)
    with LocalModelServer() as server:
        sources = math_sources(server.chat_model())
        menu = Menu(sources, samples=n_samples, grader=numeric)
        with progress("collecting samples", n_questions * n_samples * len(sources)) as show:
            collect(questions, menu, folder / "samples.jsonl", on_progress=lambda now: show(now.there))
        clock.stop("collect")

        samples = _of_questions(Samples.read(folder / "samples.jsonl"), questions)
        outcomes = estimate(samples, votes=VOTES)
        outcomes.write(folder / "outcomes.parquet")
        fit, held_out = outcomes.split(test_size=HELD_OUT, seed=seed)
        oracle = solve(fit, budget)
        err.print(f"oracle on {len(fit)} questions: accuracy {oracle.accuracy:.3f}, gap {oracle.gap:.1g}")
        with progress("training the imitator"):
            trained = train(fit, budget=budget, menu=menu.specs(), samples=samples, seed=seed)
            trained.save(folder / "policy")
        policy = LearnedPolicy.load(folder / "policy")
        clock.stop("train")

        test = [question for question in questions if question.question_id in set(held_out.question_ids)]
        with progress("answering the held-out questions", len(test)) as show:
            live = answer(test, sources, policy, held_out, budget=budget, on_progress=show, concurrency=4)
        clock.stop("answer")

    draws = random.Random(seed).choices(test, k=REPLAYED)  # noqa: S311 - a replay, not a secret
    with progress("replaying recorded samples", len(draws)) as show:
        recorded = recorded_sources(samples, seed=seed)
        replay = answer(draws, recorded, policy, held_out, budget=budget, on_progress=show)
    clock.stop("replay")

    demo = Demo(
        target=budget,
        cost_unit=outcomes.cost_unit,
        rows=_rows(held_out, live, budget),
        live=live,
        replay=replay,
        verdict=str(trained.report["verdict"]),
        report=str(folder / "report.html"),
        seconds=clock.seconds,
    )
    with progress("writing the report"):
        page = _page(demo, held_out, samples, policy)
        page.write(demo.report)
        (folder / "frontier.svg").write_text(page.picture(), encoding="utf-8")
    return demo


def answer(
    questions: Sequence[Question],
    sources: Mapping[str, Source],
    policy: LearnedPolicy,
    outcomes: Outcomes,
    *,
    budget: float,
    on_progress: Any,
    concurrency: int = 1,
) -> Run:
    """Answer a stream of questions through the graph, at an average budget.

    Args:
        questions: The stream; a question may come several times.
        sources: Ways to call the model, or its record.
        policy: What decides.
        outcomes: Of the questions, for the comparison with fixed actions.
        budget: Allowed mean cost per question.
        on_progress: Told how many are done.
        concurrency: Questions in flight.
    """
    graph = build_graph(sources, policy=policy, budget=budget)
    states: list[Any] = [None] * len(questions)
    config = RunnableConfig(max_concurrency=concurrency)
    asked = [{"question": question.question} for question in questions]
    for done, (number, state) in enumerate(graph.batch_as_completed(asked, config), start=1):
        states[number] = state
        on_progress(done)
    golds = [question.gold or "" for question in questions]
    correct = np.array([numeric(s["answer"], gold) for s, gold in zip(states, golds, strict=True)])
    cost = np.array([state["decision"]["cost"] for state in states])
    families = np.array([question.group for question in questions])
    ids = [question.question_id for question in questions]
    low, high = np.quantile(bootstrap_means(correct[:, None], ids, 2_000, 0), [0.025, 0.975])
    taken = [state["decision"]["action"] for state in states]
    return Run(
        questions=len(questions),
        accuracy=float(correct.mean()),
        mean_cost=float(cost.mean()),
        uniform_at_cost=float(uniform_hull(outcomes).accuracy_at(cost.mean())),
        lift_within_families=_lift_within(families, correct, cost, outcomes),
        low=float(low),
        high=float(high),
        actions={action: taken.count(action) / len(taken) for action in outcomes.actions},
    )


def _lift_within(families: Any, correct: Any, cost: Any, outcomes: Outcomes) -> float:
    """Gain over the uniform hull of each family at the cost spent on it, weighted by questions."""
    lift = 0.0
    for family in np.unique(families):
        own = families == family
        hull = uniform_hull(outcomes.select(np.flatnonzero(outcomes.groups == family)))
        lift += own.mean() * (correct[own].mean() - hull.accuracy_at(cost[own].mean()))
    return float(lift)


def _rows(held_out: Outcomes, live: Run, budget: float) -> list[dict[str, Any]]:
    def row(policy: str, accuracy: float, mean_cost: float) -> dict[str, Any]:
        return {"policy": policy, "accuracy": accuracy, "mean_cost": mean_cost, "target": budget}

    fixed = zip(held_out.actions, held_out.accuracy.mean(axis=0), held_out.cost.mean(axis=0), strict=True)
    best = solve(held_out, budget)
    return [
        *(row(action, float(accuracy), float(cost)) for action, accuracy, cost in fixed),
        row("uniform", live.uniform_at_cost, live.mean_cost),
        row("adaptive", live.accuracy, live.mean_cost),
        row("oracle", best.accuracy, best.cost),
    ]


def _page(demo: Demo, held_out: Outcomes, samples: Samples, policy: LearnedPolicy) -> Report:
    """The report on the held-out questions, and under its frontier what the graph really did."""
    page = outcomes_report(held_out, samples=samples, policy=policy)
    runs = [
        {"run": name, **{key: value for key, value in asdict(run).items() if key != "actions"}}
        for name, run in (("live", demo.live), ("replay", demo.replay))
    ]
    shares = [
        {"action": action, "live": demo.live.actions[action], "replay": demo.replay.actions[action]}
        for action in held_out.actions
    ]
    percent = dict.fromkeys(("accuracy", "uniform_at_cost", "low", "high"), ".1%")
    measured = Section(
        "demo",
        "What the graph did",
        f"The demo's own run: {_sentence(demo.live, demo.target, demo.cost_unit)}.",
        tables=[
            Table("Held-out questions: accuracy and mean cost", demo.rows, percent, marked=("adaptive",)),
            Table("The graph: once with the real model, and on many draws of its samples", runs, percent),
            Table("Share of questions an action", shares, {"live": ".1%", "replay": ".1%"}),
        ],
    )
    return replace(
        page,
        title=f"The demo: a budget of {demo.target:g} {demo.cost_unit} per question",
        sections=[page.sections[0], measured, *page.sections[1:]],
        notes=[
            *page.notes,
            "The adaptive row is one real run of the graph; all else is estimated from all samples.",
            CAVEAT,
        ],
    )


def _sentence(run: Run, target: float, unit: str) -> str:
    lift = 100 * (run.accuracy - run.uniform_at_cost)
    return (
        f"accuracy {run.accuracy:.3f} ({run.low:.3f} to {run.high:.3f}) at {run.mean_cost:.1f} of {target:g}"
        f" {unit} per question, {lift:+.1f} points against a random mixture at that cost "
        f"({100 * run.lift_within_families:+.1f} within families), on {run.questions} questions"
    )


def _of_questions(samples: Samples, questions: Sequence[Question]) -> Samples:
    wanted = {question.question_id for question in questions}
    return samples.select(
        [at for at, question_id in enumerate(samples.question_ids) if question_id in wanted]
    )


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def stop(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._since, 1)
        self._since = now
