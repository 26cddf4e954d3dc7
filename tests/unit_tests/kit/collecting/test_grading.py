"""Grades of a collection: none without a right answer, verdicts of a judge, and other graders before."""

from dataclasses import replace

import pytest

from adaptive_reasoner.answers import exact, numeric
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.collecting.early_stopping import Adaptive
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import write_rows
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.collecting.sums import ONCE, menu, questions, rows_of


def unlabelled(n):
    return [replace(question, gold=None) for question in questions(n)]


def judged(model, judge, samples=1):
    sources = {"cot": Source(model, max_tokens=8), "judge": Source(judge, max_tokens=8)}
    return Menu(
        sources, samples={"cot": samples, "judge": 0}, grader=Referee("judge"), retries=ONCE, concurrency=1
    )


def test_replies_without_a_right_answer_are_kept_and_no_grader_is_called(out):
    def grader(answer, gold):
        raise AssertionError

    ungraded = Menu(menu().sources, samples=2, grader=grader, retries=ONCE)
    done = collect(unlabelled(3), ungraded, out)
    assert (done.there, done.failed, done.ungraded) == (12, 0, 12)
    assert {(row["answer"], row["gold"], row["correct"]) for row in rows_of(out)} == {("1", None, None)}
    assert not any("graded_by" in row for row in rows_of(out))
    samples = Samples.read(out)
    assert samples.ungraded == 12
    samples.write(out.with_name("again.jsonl"))
    assert Samples.read(out.with_name("again.jsonl")).ungraded == 12


def test_right_answers_may_be_known_of_some_questions(out):
    done = collect([*questions(1), *unlabelled(3)[1:]], menu(samples=1), out)
    assert (done.there, done.ungraded) == (6, 4)
    assert [row["correct"] for row in rows_of(out) if row["question_id"] == "q0"] == [1.0, 1.0]
    again = collect([*questions(1), *unlabelled(3)[1:]], menu(samples=1), out)
    assert (again.new, again.ungraded) == (0, 4)


def test_a_reply_without_an_answer_is_not_graded_either(out):
    silent = menu(ScriptedModel(answers=("",)), samples=1, sources=("cot",))
    assert collect(unlabelled(1), silent, out).ungraded == 1
    (row,) = rows_of(out)
    assert (row["answer"], row["correct"], row.get("error")) == (None, None, None)


def test_a_judge_says_of_an_unlabelled_reply_how_likely_it_is_and_is_billed(out):
    judge = ScriptedModel(answers=("so 85%",))
    refereed = judged(ScriptedModel(answers=("Answer: 7",)), judge)
    assert forecast(unlabelled(2), refereed, out).calls == 4
    done = collect(unlabelled(2), refereed, out)
    assert [(row["verdict"], row["correct"], row["grading_cost"]) for row in rows_of(out)] == [
        (0.85, None, 2.0),
        (0.85, None, 2.0),
    ]
    assert (done.failed, done.ungraded, done.cost) == (0, 2, 8.0)
    assert "Right answer" not in judge.requests[0]["prompt"]
    assert [reply.verdict for reply in Samples.read(out).of("q0", "cot")] == [0.85]


def test_a_verdict_that_is_none_is_an_error_in_the_row_which_keeps_its_answer(out):
    refereed = judged(ScriptedModel(answers=("Answer: 7",)), ScriptedModel(answers=("who can tell",)))
    assert collect(unlabelled(1), refereed, out).failed == 1
    (row,) = rows_of(out)
    assert (row["answer"], row["error"]) == (
        "7",
        "grading failed with ValueError: the referee gave no verdict",
    )


@pytest.mark.parametrize(
    ("text", "likelihood"),
    [
        ("85%", 0.85),
        ("first 20%, in the end 90 %", 0.9),
        ("100 percent", 1.0),
        ("70/100", 0.7),
        ("0.25", 0.25),
        ("yes", 1.0),
        ("No.", 0.0),
        ("250%", None),
        ("12", None),
        ("perhaps", None),
    ],
)
def test_a_likelihood_is_read_in_the_forms_that_models_write(text, likelihood):
    assert Referee("judge").read_verdict(text) == likelihood


def test_a_file_that_was_labelled_goes_on_with_its_labels(out):
    collect(unlabelled(2), menu(samples=1), out)
    labelled = [row | {"gold": "1", "correct": 1.0} for row in rows_of(out) if row["question_id"] == "q0"]
    rest = [row for row in rows_of(out) if row["question_id"] != "q0"]
    write_rows(out, [*labelled, *rest])
    done = collect(unlabelled(2), menu(samples=2), out)
    assert (done.new, done.ungraded) == (4, 4)
    assert {(row["gold"], row["correct"]) for row in rows_of(out) if row["question_id"] == "q0"} == {
        ("1", 1.0)
    }


def test_a_right_answer_that_the_file_lacks_asks_to_grade_it_again(out):
    collect(unlabelled(2), menu(samples=1), out)
    with pytest.raises(OutcomesError, match=r"row 1: question 'q0' had another .* `regrade --questions`"):
        collect(questions(2), menu(samples=1), out)


def test_rows_that_another_grader_graded_are_counted(out):
    collect(questions(2), menu(), out)
    other = Menu(menu().sources, samples=3, grader=exact, retries=ONCE)
    done = collect(questions(3), other, out)
    assert (done.new, dict(done.graded_otherwise)) == (6, {"numeric": 12})
    assert collect(questions(3), menu(), out).graded_otherwise == {"exact": 6}


def test_rows_of_before_graders_were_named_are_taken_as_they_are(out):
    collect(questions(1), menu(), out)
    write_rows(
        out, [{name: cell for name, cell in row.items() if name != "graded_by"} for row in rows_of(out)]
    )
    assert collect(questions(1), menu(), out).graded_otherwise == {}


def test_a_judge_is_another_grader_once_its_model_or_prompt_changes():
    model = ScriptedModel()
    names = {
        judged(model, model).graded_by,
        replace(judged(model, model), grader=Referee("judge", prompt="{}{}{}".format)).graded_by,
        replace(judged(model, model), grader=numeric).graded_by,
    }
    assert len(names) == 3
    assert judged(model, model).graded_by == judged(model, model).graded_by


def test_adaptive_collection_needs_right_answers(out):
    with pytest.raises(OutcomesError, match="2 of 3 questions have no right answer"):
        collect([*questions(1), *unlabelled(3)[1:]], menu(), out, adaptive=Adaptive(budget=10.0))
