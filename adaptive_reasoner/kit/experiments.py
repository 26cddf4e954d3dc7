"""LangSmith datasets, evaluators and targets made of questions, samples and outcomes.

What was collected or backtested is shown there as an experiment, and graded as this library grades:

    upload_dataset(questions, "products")
    client.evaluate(
        recorded_target(samples, "cot"),
        data="products",
        evaluators=[answer_evaluator(), number_evaluator("cost")],
    )
"""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import isfinite, isnan
from numbers import Real
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.grouping import Key, auto, comparison
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.base import Policy
from adaptive_reasoner.strategies.flow import vote_of

_OF_EXAMPLES = uuid.UUID("6f2f7d0e-52c1-5d53-9e0c-3c1b6a4f0d1e")
_REPLIES = ("answer", "output", "reply", "response", "text", "content", "messages")
_RECORDS = ("record", "adaptive", "adaptive_record")

Target = Callable[[dict[str, Any]], dict[str, Any]]
"""What `evaluate` calls with the inputs of an example."""

Evaluator = Callable[..., dict[str, Any]]
"""What `evaluate` grades an output with."""


def dataset_examples(questions: Sequence[Question] | Samples) -> list[dict[str, Any]]:
    """Examples of a LangSmith dataset: a question each, with its right answer where that is known.

    Args:
        questions: Questions, or samples of them.

    Example:
        >>> (example,) = dataset_examples([Question("q", "6 * 7?", "42")])
        >>> example["inputs"], example["outputs"], example["metadata"]
        ({'question': '6 * 7?'}, {'answer': '42'}, {'question_id': 'q'})
    """
    listed = _questions_of(questions) if isinstance(questions, Samples) else questions
    return [
        {
            "inputs": {"question": each.question},
            "outputs": None if each.gold is None else {"answer": each.gold},
            "metadata": {
                "question_id": each.question_id,
                **({} if each.group is None else {"group": each.group}),
            },
        }
        for each in listed
    ]


def upload_dataset(
    questions: Sequence[Question] | Samples, name: str, *, client: Any = None, description: str | None = None
) -> int:
    """Add questions to a LangSmith dataset, made where there is none; those that it has are not added again.

    Args:
        questions: Questions, or samples of them.
        name: Of the dataset.
        client: A `langsmith.Client`; by default one with the key and endpoint of the environment.
        description: Of a new dataset.

    Returns:
        How many examples are new.
    """
    from langsmith import Client
    from langsmith.schemas import ExampleCreate
    from langsmith.utils import LangSmithNotFoundError

    client = Client() if client is None else client
    right = (
        "reference_outputs" if "reference_outputs" in ExampleCreate.model_fields else "outputs"
    )  # by version
    try:
        dataset = client.read_dataset(dataset_name=name)
    except LangSmithNotFoundError:
        dataset = client.create_dataset(name, description=description)
    there = {str(each.id) for each in client.list_examples(dataset_id=dataset.id)}
    new = {}
    for example in dataset_examples(questions):
        example_id = uuid.uuid5(_OF_EXAMPLES, f"{dataset.id} {example['metadata']['question_id']}")
        if str(example_id) not in there:
            new[example_id] = {"id": example_id, right: example.pop("outputs"), **example}
    if new:
        client.create_examples(dataset_id=dataset.id, examples=list(new.values()))
    return len(new)


def answer_evaluator(key: Key = "auto", *, name: str = "correctness") -> Evaluator:
    """An evaluator that grades the answer of an output against the reference, as collection does.

    Args:
        key: When two replies say the same.
        name: Of its feedback.

    Example:
        >>> grade = answer_evaluator()
        >>> grade({"question": "6 * 7?"}, {"output": "It is 42."}, {"answer": "42"})
        {'key': 'correctness', 'score': 1.0, 'comment': None}
    """
    compared = comparison(key)

    def evaluate(
        inputs: dict[str, Any], outputs: dict[str, Any], reference_outputs: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        gold = _text_in(reference_outputs)
        if gold is None:
            return {"key": name, "score": None, "comment": "the example has no right answer"}
        reply = _message_in(outputs)
        score, comment = _grade(compared, reply, _text_in(inputs, "question", "input") or "", gold)
        return {"key": name, "score": score, "comment": comment}

    evaluate.__name__ = name
    return evaluate


def number_evaluator(name: str) -> Evaluator:
    """An evaluator that reports a number of an output, such as its `cost` or its `accuracy`.

    It is looked for in the output, then in the record of a decision in it. A `cost` is otherwise that of the
    run, as LangSmith knows it.

    Args:
        name: Of the number, and of its feedback.
    """

    def evaluate(run: Any, example: Any = None) -> dict[str, Any]:  # noqa: ARG001 - LangSmith gives both
        outputs = run.outputs or {}
        places = [outputs, *(outputs.get(place) for place in _RECORDS)]
        found = [place.get(name) for place in places if isinstance(place, Mapping)]
        if name == "cost":
            found.append(getattr(run, "total_cost", None))
        score = next((number for each in found if (number := _number(each)) is not None), None)
        return {"key": name, "score": score, "comment": f"no {name} in the output" if score is None else None}

    evaluate.__name__ = name
    return evaluate


def recorded_target(samples: Samples, source: str) -> Target:
    """A target that answers with what was collected: no model is called.

    Where an example is run several times, it answers with one sample after the other.

    Args:
        samples: The samples.
        source: Whose replies.

    Raises:
        OutcomesError: There is no such source.

    Example:
        >>> row = dict(question_id="q", question="6 * 7?", gold="42", source="cot", sample=0)
        >>> samples = Samples.from_rows([row | dict(answer="42", correct=1.0, cost=9, cost_unit="tokens")])
        >>> recorded_target(samples, "cot")({"question": "6 * 7?"})
        {'answer': '42', 'correct': 1.0, 'cost': 9.0, 'cost_unit': 'tokens', 'source': 'cot', 'sample': 0}
    """
    own = samples.of_source(source)
    ids = dict(zip(own.questions, own.question_ids, strict=True))
    drawn: Counter[str] = Counter()
    lock = threading.Lock()

    def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        question_id = _known(inputs, ids)
        replies = own.of(question_id, source)
        if not replies:
            raise OutcomesError(f"question {question_id!r} has no sample of source {source!r}")
        with lock:
            reply = replies[drawn[question_id] % len(replies)]
            drawn[question_id] += 1
        if reply.error is not None:
            raise OutcomesError(f"sample {reply.sample} failed: {reply.error}")
        graded = {} if isnan(reply.correct) else {"correct": reply.correct}
        paid = {"cost": reply.cost, "cost_unit": own.cost_unit}
        return {"answer": reply.answer, **graded, **paid, "source": source, "sample": reply.sample}

    return answer


def decided_target(outcomes: Outcomes, policy: Policy, *, price: float | None = None) -> Target:
    """A target that decides with a policy, and gives what its action scores and costs in a table of outcomes.

    Args:
        outcomes: What each action scores and costs.
        policy: What decides.
        price: The price of compute, where it is not the policy's own.
    """
    rows = {str(question): row for row, question in enumerate(outcomes.questions)}

    def decide(inputs: dict[str, Any]) -> dict[str, Any]:
        row = _known(inputs, rows)
        question_id = str(outcomes.question_ids[row])
        decision = policy.decide(str(outcomes.questions[row]), price=price, key=question_id)
        if decision.action not in outcomes.actions:
            known = ", ".join(outcomes.actions)
            raise OutcomesError(f"the outcomes have no action {decision.action!r}; they have {known}")
        at = outcomes.actions.index(decision.action)
        return {
            "action": decision.action,
            "reason": decision.reason,
            "accuracy": float(outcomes.accuracy[row, at]),
            "cost": float(outcomes.cost[row, at]),
            "cost_unit": outcomes.cost_unit,
        }

    return decide


def log_answer(
    question: str,
    reply: str | AIMessage,
    gold: str,
    *,
    key: Key = "auto",
    cost: float | None = None,
    cost_unit: str | None = None,
) -> float:
    """Log an answer in a test that is marked with `@pytest.mark.langsmith`, and grade it.

    The question, the reply and the right answer are its inputs, outputs and reference outputs; `correctness`
    and, where it is known, `cost` are its feedback.

    Args:
        question: What was asked.
        reply: The reply.
        gold: The right answer.
        key: When two replies say the same.
        cost: What the reply cost.
        cost_unit: What the cost counts.

    Returns:
        How right it is, in [0, 1], for the test to assert.
    """
    from langsmith import testing

    message = AIMessage(reply) if isinstance(reply, str) else reply
    score, comment = _grade(comparison(key), message, question, gold)
    paid = {} if cost is None else {"cost": cost, **({} if cost_unit is None else {"cost_unit": cost_unit})}
    testing.log_inputs({"question": question})
    testing.log_outputs({"answer": message.text, **paid})
    testing.log_reference_outputs({"answer": gold})
    testing.log_feedback(key="correctness", score=score, **({} if comment is None else {"comment": comment}))
    if cost is not None:
        testing.log_feedback(key="cost", score=cost)
    return score


def _grade(compared: Comparison, message: AIMessage, question: str, gold: str) -> tuple[float, str | None]:
    """How right a reply is, and what there is to say of it."""
    answer = vote_of(message, compared, question)
    if answer is None:
        return 0.0, "the reply offers nothing to compare"
    stated = final_answer(message) if compared is auto else answer
    return float(compared.grade(stated, gold)), None


def _message_in(outputs: Any) -> AIMessage:
    """The reply of an output."""
    if isinstance(outputs, AIMessage):
        return outputs
    if isinstance(outputs, Mapping):
        value = next((outputs[name] for name in _REPLIES if outputs.get(name) is not None), None)
        if value is None and len(outputs) == 1:
            value = next(iter(outputs.values()))
        return _message_in(value)
    if isinstance(outputs, Sequence) and not isinstance(outputs, str):
        return _message_in(outputs[-1]) if outputs else AIMessage("")
    if isinstance(outputs, BaseMessage):
        return AIMessage(outputs.text)
    return AIMessage("" if outputs is None else str(outputs))


def _text_in(values: Mapping[str, Any] | None, *names: str) -> str | None:
    """A text of inputs or reference outputs, by a usual name or as the only one there is."""
    if not values:
        return None
    wanted = names or ("answer", "gold", "output", "expected", "label")
    value = next((values[name] for name in wanted if values.get(name) is not None), None)
    if value is None and len(values) == 1:
        value = next(iter(values.values()))
    if isinstance(value, Mapping | list):
        return _message_in(value).text or None
    return None if value is None else str(value)


def _known(inputs: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    question = _text_in(inputs, "question", "input")
    if question is None or question not in known:
        raise OutcomesError(f"question {question!r:.80} is not among the {len(known)} that were recorded")
    return known[question]


def _questions_of(samples: Samples) -> list[Question]:
    golds = {
        question_id: reply.gold
        for (question_id, _), replies in samples.replies.items()
        for reply in replies
        if reply.gold is not None
    }
    groups = samples.groups or [None] * len(samples)
    named = zip(samples.question_ids, samples.questions, groups, strict=True)
    return [Question(name, text, golds.get(name), group) for name, text, group in named]


def _number(value: Any) -> float | None:
    if type(value) is bool or not isinstance(value, Real | Decimal) or not isfinite(value):
        return None
    return float(value)
