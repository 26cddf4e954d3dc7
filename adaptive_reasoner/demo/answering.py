"""Questions through the graph, one after another or many draws of a record, and what came of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.runnables import RunnableConfig

from adaptive_reasoner.answers.grouping import numeric_text
from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.demo.checks import right
from adaptive_reasoner.demo.math_qa import Voting, build_graph
from adaptive_reasoner.integrations.context import AdaptiveContext
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.lift import Gain, measure
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.learned import LearnedPolicy

_IN_TURN = RunnableConfig(max_concurrency=1)


@dataclass(frozen=True)
class Answered:
    """A question and what the graph did with it.

    Attributes:
        question: The question.
        action: The action that was taken.
        answer: The number that was answered; None where the replies offered none.
        correct: Whether it is right, 1.0 or 0.0.
        cost: What it cost.
        average: Mean cost per question so far, by the ledger.
    """

    question: Question
    action: str
    answer: str | None
    correct: float
    cost: float
    average: float


def one_by_one(
    questions: Sequence[Question],
    sources: Mapping[str, Source],
    policy: LearnedPolicy,
    *,
    budget: float,
    voting: Voting = "whole",
) -> Iterator[Answered]:
    """Answer questions in their order under a ledger of their own, and tell of each as it is answered.

    Mixtures are drawn by the place of a question among them, and the calls of a vote follow each other. So
    two runs on a record are equal, and the local model reads the prompt of a vote once.

    Args:
        questions: What to ask; a question may come several times.
        sources: Ways to call the model, or its record.
        policy: What decides.
        budget: Allowed mean cost per question.
        voting: How actions of several samples end.
    """
    ledger = open_ledger("memory://", target=budget, cost_unit=policy.cost_unit, policy=policy)
    graph = build_graph(sources, policy=policy, ledger=ledger, voting=voting)
    for number, question in enumerate(questions):
        context = AdaptiveContext(draw=f"question {number}")
        state = graph.invoke({"question": question.question}, _IN_TURN, context=context)
        yield _answered(question, state, ledger.average)


def _answered(question: Question, state: Mapping[str, object], average: float) -> Answered:
    decision, stated = state["decision"], state.get("answer")
    assert isinstance(decision, Mapping)
    answer = numeric_text(stated) if isinstance(stated, str) else None
    return Answered(
        question=question,
        action=decision["action"],
        answer=answer,
        correct=right(answer, question.gold or ""),
        cost=float(decision["cost"]),
        average=average,
    )


def gains(runs: Mapping[str, Sequence[Answered]], fit: Outcomes, held_out: Outcomes) -> dict[str, Gain]:
    """What each run gained over the mixtures of fixed actions that were best in training, at equal cost.

    Args:
        runs: By name, the answers to all held-out questions, each asked equally often.
        fit: Outcomes of the questions that the policy was trained on.
        held_out: Outcomes of those that were answered.
    """
    path = np.array([fit.actions.index(action) for action in uniform_hull(fit).actions])
    plays = {(name, 0.0): _performance(answers, held_out) for name, answers in runs.items()}
    measured = measure(held_out, [SplitResult(np.arange(len(held_out)), plays, path)])
    return {name: gain for (name, _), gain in measured.items()}


def _performance(answers: Sequence[Answered], held_out: Outcomes) -> Performance:
    position = {question_id: at for at, question_id in enumerate(held_out.question_ids.tolist())}
    rows = np.array([position[each.question.question_id] for each in answers])
    asked = np.bincount(rows, minlength=len(held_out))

    def mean(values: Sequence[float]) -> Floats:
        return np.bincount(rows, weights=np.array(values), minlength=len(held_out)) / asked

    return Performance(mean([each.correct for each in answers]), mean([each.cost for each in answers]))
