"""Samples that are graded again: by another grader, corrected answers, labels or a judge."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adaptive_reasoner.answers import exact
from adaptive_reasoner.errors import MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.sample_file import SampleFile
from adaptive_reasoner.kit.questions import Question, read_questions
from adaptive_reasoner.kit.regrading.regrading import Label, forecast_regrading, regrade
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import read_rows, write_rows
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.kit.collecting.sums import judge_menu, menu, rows_of

PROJECT = Path(__file__).parents[4]


def row(question_id="q", source="cot", sample=0, answer="42", gold="42", correct=1.0, **more):
    return {
        "question_id": question_id,
        "question": f"What is {question_id}?",
        "source": source,
        "sample": sample,
        "answer": answer,
        "gold": gold,
        "correct": correct,
        "cost": 2.0,
        "cost_unit": "tokens",
        **more,
    }


def written(path, *rows):
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def grades(path):
    return [each["correct"] for each in rows_of(path)]


def test_corrected_answers_change_their_rows_alone_and_others_stay_as_they_were_written(out):
    odd = '{"question_id":"r", "question":"What is r?","source":"cot","sample":0,"answer":"1","gold":"2",'
    odd += '"correct":0.5,"cost":1,"cost_unit":"tokens", "my own column": [1,2]}\n'
    written(out, row(answer="42", gold="41", correct=0.0), row(sample=1, answer="41", gold="41"))
    out.write_text(out.read_text() + odd)
    done = regrade(out, questions=[Question("q", "What is q?", "42"), Question("elsewhere", "What?", "1")])
    assert (done.rows, done.graded, done.changed, done.golds) == (3, 2, 2, 1)
    assert done.changes == {"wrong -> right": 1, "right -> wrong": 1}
    assert done.graders == {"exact": 2, "not named": 1}
    assert grades(out) == [1.0, 0.0, 0.5]
    assert {each["gold"] for each in rows_of(out)[:2]} == {"42"}
    assert out.read_text().endswith(odd)


def test_right_answers_without_an_id_count_for_every_run_of_a_log_that_asked_this_text(tmp_path, out):
    """Each run of live traffic has an id of its own, which a list of right answers cannot know."""
    logged = [row(f"run-{n}:1", question="What is 6 * 7?", gold=None, correct=None) for n in range(2)]
    written(out, *logged, row("run-2:1", question="What is 6 * 8?", gold=None, correct=None))
    known = written(tmp_path / "known.jsonl", {"question": "What is 6 * 7?", "gold": "42"})
    assert regrade(out, questions=read_questions(known)).golds == 2
    assert grades(out) == [1.0, 1.0, None]


def test_questions_of_which_the_file_has_neither_id_nor_text_are_refused(tmp_path, out):
    written(out, row(gold=None, correct=None))
    known = written(tmp_path / "known.jsonl", {"question": "What is 6 * 7?", "gold": "42"})
    with pytest.raises(OutcomesError, match="none of these 1 questions: neither their question_id nor"):
        regrade(out, questions=read_questions(known))


def test_a_question_without_a_right_answer_takes_none_away(out):
    written(out, row())
    before = out.read_bytes()
    assert regrade(out, questions=[Question("q", "What is q?", None)]).changed == 0
    assert out.read_bytes() == before


def test_another_grader_grades_all_rows_and_says_what_changed(out):
    written(out, row(answer="42 apples", gold="42", correct=0.0), row(sample=1), row(sample=2, correct=0.0))
    done = regrade(out, menu=menu())
    assert (done.changes, done.graders) == ({"wrong -> right": 2}, {"numeric": 3})
    again = regrade(out, menu=menu())
    assert (again.graded, again.changed) == (3, 0)


def test_without_a_menu_rows_go_by_the_grader_they_name(out):
    named = {"gold": "41", "graded_by": "numeric"}
    written(out, row(answer="42 apples", correct=0.0, **named), row("r", answer="b", gold="B", correct=0.0))
    done = regrade(out, questions=[Question("q", "What is q?", "42"), Question("r", "What is r?", "1")])
    assert (grades(out), done.graders) == ([1.0, 0.0], {"numeric": 2})
    written(out, row(correct=0.0))
    assert regrade(out).changes == {"wrong -> right": 1}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"graded_by": "judge referee 12ab"}, "'judge referee 12ab'; give its menu with --config"),
        ({"graded_by": "my_graders:score"}, "'my_graders:score'; give its menu with --config"),
        ({"grading_cost": 3.0}, "a model has graded rows"),
    ],
)
def test_a_grader_that_only_a_menu_can_name_is_not_replaced_unasked(out, cells, reason):
    written(out, row(**cells))
    before = out.read_bytes()
    with pytest.raises(OutcomesError, match=reason):
        regrade(out)
    assert out.read_bytes() == before


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_every_format_is_graded_again_in_place_or_into_another_file(tmp_path, ending):
    path, other = tmp_path / f"samples.{ending}", tmp_path / "new" / "other.jsonl"
    write_rows(path, [row(gold="41", correct=0.0), row("r")])
    before = path.read_bytes()
    fixed = [Question("q", "What is q?", "42")]
    assert regrade(path, questions=fixed, out=other).file == str(other)
    assert path.read_bytes() == before
    regrade(path, questions=fixed)
    for file in (path, other):
        assert [float(each["correct"]) for each in read_rows(file)] == [1.0, 1.0]
    assert {each.name for each in tmp_path.iterdir()} == {path.name, "new"}
    assert Samples.read(path).of("q", "cot")[0].gold == "42"


def test_failed_calls_stay_failed_and_failed_grading_is_made_good(out):
    failed = {"error": "grading failed with KeyError: 'x'", "correct": 0.0}
    written(
        out,
        row(answer=None, error="TimeoutError: late", correct=0.0),
        row(sample=1, **failed),
        row(sample=2, answer=None, **failed),
        row("r", gold=None, **failed),
    )
    done = regrade(out)
    assert (done.graded, done.changes) == (1, {"ungraded -> right": 1})
    assert [each["error"] is None for each in rows_of(out)] == [False, True, False, True]
    assert Samples.read(out).ungraded == 1  # of r, whose reply counts again


def test_a_grader_that_fails_changes_nothing(out):
    def broken(answer, gold):
        return {"42": 1.0}[answer]

    written(out, row(correct=0.0), row(sample=1, answer="41"))
    before = out.read_bytes()
    with pytest.raises(OutcomesError, match="row 2: grading failed with KeyError: '41'; nothing was changed"):
        regrade(out, menu=replace(menu(), grader=broken))
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        ([Question("q", "Another text", "42")], "row 1: question 'q' has another text"),
        ([Question("x", "What is q?", "42")], "has none of these 1 questions"),
    ],
)
def test_other_questions_are_refused(out, questions, reason):
    written(out, row())
    with pytest.raises(OutcomesError, match=reason):
        regrade(out, questions=questions)


def test_a_file_that_is_being_collected_is_left_alone(out):
    written(out, row())
    with SampleFile(out, "tokens"), pytest.raises(OutcomesError, match="another collection is writing to it"):
        regrade(out)
    with pytest.raises(OutcomesError, match="no such file"):
        regrade(out.with_name("missing.jsonl"))
    assert not out.with_name("missing.jsonl").exists()


def test_a_judge_is_asked_once_for_each_distinct_answer_and_billed(out):
    judge = ScriptedModel(answers=("yes", "so no"))
    written(out, row(), row(sample=1), row(sample=2, answer="41"), row(sample=3, answer=None, correct=0.0))
    done = regrade(out, menu=judge_menu(judge))
    assert (len(judge.requests), grades(out)) == (2, [1.0, 1.0, 0.0, 0.0])
    assert (done.changes, done.grading_cost, done.cost) == ({"right -> wrong": 1}, 3.0, 11.0)
    assert [each.get("grading_cost") for each in rows_of(out)] == [1.0, None, 2.0, None]
    assert "Right answer:\n42" in judge.requests[0]["prompt"]
    again = regrade(out, menu=judge_menu(judge))
    assert (len(judge.requests), again.grading_cost, again.changed) == (2, 0.0, 0)
    assert not out.with_name("samples.jsonl.started").exists()


def test_a_judge_gives_verdicts_where_no_right_answer_is_known_and_leaves_labels_alone(out):
    judge = ScriptedModel(answers=("70%",))
    written(out, row(gold=None, correct=None), row("r", gold=None, correct=0.0))
    done = regrade(out, menu=judge_menu(judge))
    assert [each.get("verdict") for each in rows_of(out)] == [0.7, None]
    assert (grades(out), done.ungraded, done.changed) == ([None, 0.0], 1, 0)
    regrade(out, menu=judge_menu(judge))
    assert len(judge.requests) == 1


def test_the_cap_holds_for_a_judge_and_what_it_graded_is_kept(out):
    written(out, *(row(f"q{at}", correct=0.0) for at in range(5)))
    judge = ScriptedModel(answers=("yes",))
    done = regrade(out, menu=judge_menu(judge), max_cost=10.0 + 9.5)  # a call may cost 8, and costs 1
    assert (done.stopped, done.cost, grades(out)) == ("max_cost", 12.0, [1.0, 1.0, 0.0, 0.0, 0.0])
    done = regrade(out, menu=judge_menu(judge), max_cost=100.0)
    assert (done.stopped, done.graded, len(judge.requests), set(grades(out))) == (None, 3, 5, {1.0})


def test_a_judge_that_fails_leaves_rows_as_they_were_and_is_billed(out):
    judge = ScriptedModel(answers=("who knows",), failures={1: TimeoutError("late")})
    written(out, row(correct=0.5), row("r", correct=0.5))
    done = regrade(out, menu=judge_menu(judge))
    assert (done.failed, done.graded, grades(out)) == (2, 0, [0.5, 0.5])
    assert [each["grading_cost"] for each in rows_of(out)] == [2.0, 8.0]
    assert rows_of(out)[1]["estimated"]
    written(out, row(gold="41", correct=0.5))
    judge = ScriptedModel(answers=("who knows",))
    done = regrade(out, menu=judge_menu(judge), questions=[Question("q", "What is q?", "42")])
    assert (done.golds, rows_of(out)[0]["gold"]) == (0, "41")  # a grade always belongs to the right answer


def test_a_judge_that_cannot_be_called_keeps_what_it_graded(out):
    judge = ScriptedModel(answers=("yes",), failures={1: StatusError(401)})
    written(out, row(correct=0.0), row("r", correct=0.0))
    with pytest.raises(MenuError, match="'judge' cannot be called"):
        regrade(out, menu=judge_menu(judge))
    assert grades(out) == [1.0, 0.0]


def test_a_judge_in_another_unit_is_refused(out):
    written(out, row(cost_unit="usd"))
    with pytest.raises(OutcomesError, match="costs are in 'usd', the menu counts 'tokens'"):
        regrade(out, menu=judge_menu(ScriptedModel()))


def test_labels_grade_their_questions_alone(out):
    blank = {"gold": None, "correct": None}
    written(out, row(**blank), row(sample=1, answer="41", **blank), row("r", **blank), row("s", **blank))
    done = regrade(out, labels={"q": Label("42.0", "random"), "r": Label(None, "chosen")})
    assert [(each["gold"], each["correct"], each.get("label_drawn")) for each in rows_of(out)] == [
        ("42.0", 1.0, "random"),
        ("42.0", 0.0, "random"),
        (None, 0.0, "chosen"),
        (None, None, None),
    ]
    assert (done.changes, done.ungraded) == ({"ungraded -> right": 1, "ungraded -> wrong": 2}, 1)
    assert [reply.label_drawn for reply in Samples.read(out).of("q", "cot")] == ["random", "random"]
    assert Samples.read(out).chosen.tolist() == [False, True, False]
    done = regrade(out, labels={"q": Label("41")})
    assert done.changes == {"right -> wrong": 1, "wrong -> right": 1}
    with pytest.raises(OutcomesError, match="has no question 'x'"):
        regrade(out, labels={"x": Label("1")})


def test_a_collection_goes_on_where_samples_were_graded_again(out):
    asked = [Question("q0", "What is 0 + 1?", "1")]
    collect(asked, replace(menu(samples=1), grader=exact), out)
    fixed = [Question("q0", "What is 0 + 1?", "one")]
    regrade(out, questions=fixed, menu=menu())
    done = collect(fixed, menu(samples=2), out)
    assert (done.new, done.graded_otherwise) == (2, {})


def test_a_judge_that_is_killed_leaves_the_file_as_it_was_and_its_calls_on_the_bill(out, tmp_path):
    written(out, *(row(f"q{at}", correct=0.0) for at in range(4)))
    before = out.read_bytes()
    program = f"""
import os
from adaptive_reasoner.kit.regrading import regrading
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.collecting.sums import judge_menu

def kill(done, wanted):
    if done == 2:
        os.kill(os.getpid(), 9)

regrading.regrade({str(out)!r}, menu=judge_menu(ScriptedModel(answers=("yes",))), on_progress=kill)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, check=False, cwd=PROJECT)
    assert (killed.returncode, out.read_bytes()) == (-9, before)
    judge = ScriptedModel(answers=("yes",))
    done = regrade(out, menu=judge_menu(judge), max_cost=27.0)
    assert (done.stopped, len(judge.requests)) == (
        "max_cost",
        0,
    )  # 8 were paid, 16 may be, and a call takes 8
    done = regrade(out, menu=judge_menu(judge))
    assert (done.grading_cost, done.cost, set(grades(out))) == (4.0, 8.0 + 16.0 + 4.0, {1.0})


def test_a_blind_judge_gives_verdicts_where_right_answers_are_known_and_grades_stay(out):
    judge = ScriptedModel(answers=("80%",))
    write = [row(graded_by="exact"), row(sample=1), row("r", gold=None, correct=None)]
    written(out, *write)
    done = regrade(out, menu=judge_menu(judge), blind=True)
    assert (len(judge.requests), done.changed, grades(out)) == (2, 0, [1.0, 1.0, None])
    assert "Right answer" not in judge.requests[0]["prompt"]
    assert [each["verdict"] for each in rows_of(out)] == [0.8, 0.8, 0.8]
    assert done.graders == {"exact": 1, "not named": 1}
    regrade(out, menu=judge_menu(judge), blind=True)
    assert len(judge.requests) == 2
    assert forecast_regrading(out, judge_menu(judge), blind=True).calls == 0
