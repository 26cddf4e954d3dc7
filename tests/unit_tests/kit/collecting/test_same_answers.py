"""Free text that means the same is collected under one answer, so that votes on it can be estimated."""

import numpy as np

from adaptive_reasoner.answers import similar
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.recipes import Recipe
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel

ICE = ("Ice floats because it is light.", "Because it is light, ice floats.", "Ice sinks like any stone.")


class ByLetters:
    """Texts of the same letters have the same vector."""

    def encode(self, texts):
        counts = [[text.lower().count(chr(letter)) for letter in range(97, 123)] for text in texts]
        return np.array(counts) / np.linalg.norm(counts, axis=1, keepdims=True)


def menu(*answers, samples):
    return Menu(
        {"cot": Source(ScriptedModel(answers=answers), max_tokens=20)},
        samples=samples,
        recipes={"cot": Recipe("cot")},
        key=similar(ByLetters(), at_least=0.97, guarded=False),
        grader=lambda answer, gold: float(answer is not None and gold in answer),
    )


QUESTIONS = [Question("q", "Why does ice float?", "light")]


def rows_of(path):
    samples = Samples.read(path)
    return samples.of("q", "cot")


def test_replies_that_mean_the_same_get_one_answer_and_one_grade(tmp_path):
    collect(QUESTIONS, menu(*ICE, samples=3), tmp_path / "s.jsonl")
    rows = rows_of(tmp_path / "s.jsonl")
    assert len({row.answer for row in rows}) == 2
    assert sorted(row.correct for row in rows) == [0.0, 1.0, 1.0]
    outcomes = estimate(Samples.read(tmp_path / "s.jsonl"), votes=(1, 3))
    assert outcomes.accuracy.round(3).tolist() == [[0.667, 1.0]]


def test_a_later_run_goes_on_with_the_answers_that_are_there(tmp_path):
    collect(QUESTIONS, menu(ICE[0], samples=1), tmp_path / "s.jsonl")
    collect(QUESTIONS, menu(ICE[1], samples=2), tmp_path / "s.jsonl")
    assert {row.answer for row in rows_of(tmp_path / "s.jsonl")} == {ICE[0]}


def test_questions_are_kept_apart(tmp_path):
    two = [*QUESTIONS, Question("p", "Why does ice float, then?", "light")]
    collect(two, menu(ICE[0], ICE[1], samples=1), tmp_path / "s.jsonl")
    samples = Samples.read(tmp_path / "s.jsonl")
    assert {samples.of(name, "cot")[0].answer for name in "pq"} == {ICE[0], ICE[1]}
