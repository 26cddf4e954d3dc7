"""Datasets, evaluators and targets, with LangSmith's own client and a stub of its API."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langsmith import utils
from langsmith.schemas import Run

import adaptive_reasoner
from adaptive_reasoner import FixedPolicy
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.experiments import (
    answer_evaluator,
    dataset_examples,
    decided_target,
    log_answer,
    number_evaluator,
    recorded_target,
    upload_dataset,
)
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from tests.langsmith_stub import KEY, LangSmithStub

pytestmark = pytest.mark.filterwarnings("ignore:ast.Str is deprecated:DeprecationWarning")  # by langsmith

QUESTIONS = [Question(f"q{n}", f"{n} + 1?", str(n + 1), "sums") for n in range(3)]


def rows(**more):
    for question in QUESTIONS:
        for source, cost, answers in (
            ("small", 2.0, ("0", question.gold)),
            ("large", 30.0, (question.gold,)),
        ):
            for number, answer in enumerate(answers):
                yield {
                    "question_id": question.question_id,
                    "question": question.question,
                    "group": question.group,
                    "source": source,
                    "sample": number,
                    "answer": answer,
                    "gold": question.gold,
                    "correct": float(answer == question.gold),
                    "cost": cost,
                    "cost_unit": "tokens",
                    **more,
                }


@pytest.fixture
def samples():
    return Samples.from_rows(rows())


@pytest.fixture
def service():
    with LangSmithStub() as stub:
        yield stub


def test_questions_are_examples_also_those_of_samples(samples):
    assert dataset_examples(samples) == dataset_examples(QUESTIONS)
    assert dataset_examples([Question("q", "Write a poem.")])[0]["outputs"] is None


def test_a_dataset_has_every_question_once(service, samples):
    client = service.client()
    assert upload_dataset(QUESTIONS[:2], "sums", client=client, description="to add") == 2
    assert upload_dataset(samples, "sums", client=client) == 1
    assert upload_dataset(samples, "sums", client=client) == 0
    (dataset,) = service.datasets.values()
    assert (dataset["name"], dataset["description"]) == ("sums", "to add")
    found = {each["inputs"]["question"]: each for each in service.examples.values()}
    assert {text: each["outputs"]["answer"] for text, each in found.items()} == {
        "0 + 1?": "1",
        "1 + 1?": "2",
        "2 + 1?": "3",
    }
    assert found["0 + 1?"]["metadata"]["group"] == "sums"


def scores_of(service):
    """The feedback of every target's run, by the question."""
    found = {}
    for each in service.feedback.values():
        question = service.runs[each["run_id"]]["inputs"]["question"]
        found.setdefault((question, each["key"]), []).append(each["score"])
    return found


def test_samples_are_experiments_that_are_graded_as_in_collection(service, samples, capsys):
    client = service.client()
    upload_dataset(samples, "sums", client=client)
    evaluators = [answer_evaluator(), number_evaluator("cost")]
    client.evaluate(
        recorded_target(samples, "small"),
        data="sums",
        evaluators=evaluators,
        num_repetitions=2,
        max_concurrency=0,
    )
    client.flush()
    scores = scores_of(service)
    assert {key: sorted(values) for key, values in scores.items()} == {
        (question.question, name): [0.0, 1.0] if name == "correctness" else [2.0, 2.0]
        for question in QUESTIONS
        for name in ("correctness", "cost")
    }


def test_a_policy_on_outcomes_is_an_experiment(service, samples, capsys):
    client, outcomes = service.client(), estimate(samples, votes=(1,))
    upload_dataset(QUESTIONS, "sums", client=client)
    target = decided_target(outcomes, FixedPolicy("large", expected_cost=30.0))
    client.evaluate(
        target,
        data="sums",
        evaluators=[number_evaluator("accuracy"), number_evaluator("cost")],
        max_concurrency=0,
    )
    client.flush()
    assert set(scores_of(service).values().__iter__().__next__()) <= {1.0, 30.0}
    assert target({"question": "0 + 1?"}) == {
        "action": "large",
        "reason": target({"question": "0 + 1?"})["reason"],
        "accuracy": 1.0,
        "cost": 30.0,
        "cost_unit": "tokens",
    }
    with pytest.raises(OutcomesError, match="no action 'other'; they have small, large"):
        decided_target(outcomes, FixedPolicy("other", expected_cost=1.0))({"question": "0 + 1?"})


def test_what_was_not_recorded_is_an_error_that_says_so(samples):
    with pytest.raises(OutcomesError, match=r"question '9 . 9.' is not among the 3 that were recorded"):
        recorded_target(samples, "small")({"question": "9 + 9?"})
    failed = Samples.from_rows(rows(error="Timeout: 60 s"))
    with pytest.raises(OutcomesError, match="sample 0 failed: Timeout"):
        recorded_target(failed, "small")({"question": "0 + 1?"})
    with pytest.raises(OutcomesError, match="no source 'huge'"):
        recorded_target(samples, "huge")


@pytest.mark.parametrize(
    "outputs",
    [
        {"answer": "It is 42."},
        {"output": AIMessage("Answer: 42")},
        {"messages": [HumanMessage("6 * 7?"), AIMessage("42")]},
        {"result": "the answer is 42.0"},
        {"messages": [{"role": "assistant", "content": "42"}]},
    ],
)
def test_the_answer_is_found_in_whatever_an_application_returns(outputs):
    grade = answer_evaluator(name="right")
    assert grade({"question": "6 * 7?"}, outputs, {"answer": "42"}) == {
        "key": "right",
        "score": 1.0,
        "comment": None,
    }
    assert grade({"question": "6 * 7?"}, outputs, {"expected": "43"})["score"] == 0.0


def test_what_cannot_be_graded_has_a_comment():
    grade = answer_evaluator()
    assert grade({"question": "?"}, {"answer": "42"}, None) == {
        "key": "correctness",
        "score": None,
        "comment": "the example has no right answer",
    }
    poem = "Roses are red.\nViolets are blue, and so on and on, for many lines that state nothing at all."
    assert (
        grade({"question": "?"}, {"answer": poem}, {"answer": "42"})["comment"]
        == "the reply offers nothing to compare"
    )


def test_a_number_is_found_in_the_output_in_its_record_or_for_costs_in_the_run():
    def run(outputs, **more):
        ids = {"id": "00000000-0000-0000-0000-000000000001", "name": "r", "run_type": "chain"}
        return Run(**ids, start_time="2026-01-01T00:00:00", inputs={}, outputs=outputs, **more)

    cost = number_evaluator("cost")
    assert cost(run({"cost": 7}), None)["score"] == 7.0
    assert cost(run({"record": {"cost": 8.0}}), None)["score"] == 8.0
    assert cost(run({}, total_cost="0.5"), None)["score"] == 0.5
    assert cost(run({"cost": True}), None) == {
        "key": "cost",
        "score": None,
        "comment": "no cost in the output",
    }
    assert cost.__name__ == "cost"


CASE = """
import pytest
from adaptive_reasoner.kit import log_answer

@pytest.mark.langsmith
def test_product():
    assert log_answer("6 * 7?", "It is 42.", "42", cost=3, cost_unit="tokens") == 1.0

@pytest.mark.langsmith
def test_wrong():
    assert log_answer("6 * 7?", "It is 43.", "42") == 0.0
"""


def test_the_grade_of_a_logged_answer_is_returned_also_where_tracking_is_off(monkeypatch):
    monkeypatch.setenv("LANGSMITH_TEST_TRACKING", "false")
    utils.get_env_var.cache_clear()
    assert log_answer("6 * 7?", "It is 42.", "42", cost=3.0) == 1.0
    assert log_answer("6 * 7?", AIMessage("It is 43."), "42", key="numeric") == 0.0


@pytest.mark.slow
def test_answers_are_logged_in_tests_of_the_pytest_plug_in(service, tmp_path):
    (tmp_path / "test_case.py").write_text(CASE)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LANG", "PYTEST"))},
        "PYTHONPATH": str(Path(adaptive_reasoner.__file__).parents[1]),
        "LANGSMITH_ENDPOINT": service.url,
        "LANGSMITH_API_KEY": KEY,
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_TEST_SUITE": "products",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_case.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
    scores = sorted(
        (each["key"], each["score"]) for each in service.feedback.values() if each["key"] != "pass"
    )
    assert scores == [("correctness", 0.0), ("correctness", 1.0), ("cost", 3)]


@pytest.fixture(autouse=True)
def no_cached_environment():
    utils.get_env_var.cache_clear()
    yield
    utils.get_env_var.cache_clear()
