"""The demo's steps in order; each is a call of the library that can be made on its own."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from adaptive_reasoner.amounts import written
from adaptive_reasoner.console import err, progress
from adaptive_reasoner.demo.answering import Answered, gains, one_by_one
from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.local_model import LocalModelServer, check_installed
from adaptive_reasoner.demo.math_qa import VOTES, Voting, math_sources
from adaptive_reasoner.demo.record import collected, math_menu, recorded
from adaptive_reasoner.demo.result import Demo, Run, conclusion, page, rows_of
from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.source import ChatModel
from adaptive_reasoner.policy.learned import LearnedPolicy

HELD_OUT = 0.5
LIVE, LIVE_FAST = 12, 8
VARIANTS: Mapping[str, Voting] = {
    "adaptive": "whole",
    "adaptive_looks": "priced",
    "adaptive_checked": "checked",
}
"""The same graph, and how its actions end. `adaptive_looks` has the policy that also learnt from samples when
a vote is better left for another action; the others decide by the question alone."""


def run_demo(
    folder: Path,
    *,
    n_questions: int,
    n_samples: int,
    budget: float,
    seed: int,
    fresh: bool = False,
    fast: bool = False,
    show: Callable[[str], object] = err.plain_line,
) -> Demo:
    """Train on half of a record, test on the other half, and answer new questions live.

    Args:
        folder: Gets the outcomes, the policy, the report and its first figure; with `fresh` the samples too.
        n_questions: With `fresh`, questions to collect.
        n_samples: With `fresh`, samples per question and source.
        budget: Allowed mean cost per question, in generated tokens.
        seed: Draws the split and the live questions.
        fresh: Collect samples now instead of taking the record that comes with the package.
        fast: Take a third of the record, ask fewer questions live, and leave what labels cost out of the
            report.
        show: Told each live question as it is answered.

    Raises:
        ImportError: The local model is not installed.
        InfeasibleBudgetError: The budget is below the cheapest action.
    """
    check_installed()
    folder.mkdir(parents=True, exist_ok=True)
    clock = _Clock()
    if fresh:
        samples = collected(folder, n_questions=n_questions, n_samples=n_samples, seed=seed)
        clock.stop("collect")
    else:
        samples = recorded()
    asked = problems(LIVE_FAST if fast else LIVE, seed + 1, without=samples.questions)
    outcomes = estimate(samples, votes=VOTES)
    if fast:
        outcomes, _ = outcomes.split(test_size=2 / 3, seed=seed)
    outcomes.write(folder / "outcomes.parquet")
    fit, held_out = outcomes.split(test_size=HELD_OUT, seed=seed)
    best = solve(fit, budget)
    err.plain_line(
        f"{len(fit):,} questions to train on: the best allocation of {written(budget)} {fit.cost_unit} "
        f"per question scores {best.accuracy:.1%} in hindsight"
    )
    clock.stop("read")

    policy = _trained(fit, None, folder / "policy", budget=budget, seed=seed)
    looking = _trained(fit, _of(fit, samples), folder / "policy_looks", budget=budget, seed=seed)
    clock.stop("train")

    policies = {name: looking if name == "adaptive_looks" else policy for name in VARIANTS}
    replayed = _replayed(held_out, samples, policies, budget=budget, seed=seed)
    measured = gains(replayed, fit, held_out)
    replay = Run.of(replayed["adaptive"], held_out.actions).compared(measured["adaptive"])
    clock.stop("replay")

    live = _live(asked, policy, budget, show)
    clock.stop("live")

    verdict = conclusion(replay, measured["adaptive"], policy, outcomes.cost_unit)
    demo = Demo(
        target=budget,
        cost_unit=outcomes.cost_unit,
        rows=rows_of(held_out, measured, budget),
        live=Run.of(live, held_out.actions),
        replay=replay,
        verdict=policy.verdict,
        gate=policy.card["report"]["gate"],
        conclusion=f"{verdict.word} {verdict.sentence}",
        report=str(folder / "report.html"),
        seconds={},
    )
    with progress("writing the report"):
        report = page(demo, verdict, held_out, None if fast else samples, policy)
        report.write(demo.report)
        (folder / "frontier.svg").write_text(report.picture(), encoding="utf-8")
    clock.stop("report")
    return replace(demo, seconds=clock.seconds)


def _trained(
    fit: Outcomes, samples: Samples | None, folder: Path, *, budget: float, seed: int
) -> LearnedPolicy:
    menu = math_menu(_no_model, n_samples=max(VOTES))
    with progress("training the imitator"):
        train(fit, budget=budget, menu=menu.specs(), samples=samples, seed=seed).save(folder)
    return LearnedPolicy.load(folder)


def _replayed(
    held_out: Outcomes, samples: Samples, policies: Mapping[str, LearnedPolicy], *, budget: float, seed: int
) -> dict[str, list[Answered]]:
    questions = [
        Question(question_id, text, gold, group)
        for question_id, text, group, gold in zip(
            held_out.question_ids.tolist(),
            held_out.questions.tolist(),
            [None] * len(held_out) if held_out.groups is None else held_out.groups.tolist(),
            (samples.votes(question_id, "direct")[0].gold for question_id in held_out.question_ids.tolist()),
            strict=True,
        )
    ]
    runs: dict[str, list[Answered]] = {}
    with progress("replaying the held-out questions", len(questions) * len(VARIANTS)) as show:
        for number, (name, voting) in enumerate(VARIANTS.items()):
            answers = one_by_one(
                questions,
                recorded_sources(samples, seed=seed),
                policies[name],
                budget=budget,
                voting=voting,
            )
            runs[name] = []
            for answer in answers:
                runs[name].append(answer)
                show(number * len(questions) + len(runs[name]))
    return runs


def _live(
    questions: Sequence[Question], policy: LearnedPolicy, budget: float, show: Callable[[str], object]
) -> list[Answered]:
    found: list[Answered] = []
    show(
        f"{len(questions)} new questions, live, under a budget of {written(budget)} {policy.cost_unit} "
        "per question:"
    )
    with LocalModelServer() as server:
        for each in one_by_one(questions, math_sources(server.chat_model()), policy, budget=budget):
            found.append(each)
            show(line(each, budget))
    return found


def line(each: Answered, budget: float) -> str:
    """A live answer in a line: question, action, answer, whether it is right, cost and the average so far.

    Example:
        >>> asked = Question("q", "7 * 8", "56", "products")
        >>> line(Answered(asked, "direct_vote_3", "56", 1.0, 9.0, 10.5), budget=12.0)
        '  right  7 * 8 -> 56 | direct_vote_3, 9 tokens | average 10.5 of 12'
    """
    verdict = "right" if each.correct else "wrong"
    return (
        f"  {verdict}  {each.question.question} -> {each.answer or 'no answer'} | {each.action}, "
        f"{written(each.cost)} tokens | average {each.average:.1f} of {written(budget)}"
    )


def _of(outcomes: Outcomes, samples: Samples) -> Samples:
    wanted = set(outcomes.question_ids.tolist())
    return samples.select([at for at, asked in enumerate(samples.question_ids) if asked in wanted])


def _no_model() -> ChatModel:
    raise AssertionError("the menu is only described")


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def stop(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._since, 1)
        self._since = now
