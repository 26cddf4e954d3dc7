"""Free text judged in pairs: both orders, each call on the bill, what is known not asked again."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adaptive_reasoner.errors import MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.preference import Preference
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.regrading.regrading import Label, forecast_regrading, regrade
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import read_rows, write_rows
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.kit.collecting.sums import ONCE, judge_menu, rows_of

PROJECT = Path(__file__).parents[4]


def row(source, answer, *, question="q", sample=0, gold=None, correct=None, **more):
    cells = {"question_id": question, "question": f"Tell me of {question}.", "source": source}
    graded = {"answer": answer, "gold": gold, "correct": correct}
    return {**cells, "sample": sample, **graded, "cost": 2.0, "cost_unit": "tokens", **more}


def poems(path, questions=1):
    """A long and a short reply to each question."""
    replies = (("short", "A poem."), ("long", "A long poem."))
    write_rows(path, [row(s, a, question=f"q{at}") for at in range(questions) for s, a in replies])
    return path


def likes(*, first="A", long=None):
    """A judge that says `first` of a short reply shown first, and `long`, or the same, of a long one.

    It is asked of the short reply first, one call after another.
    """
    return ScriptedModel(answers=(first, long or first))


def compared(path):
    return [reply.preferred_over for s in ("short", "long") for reply in Samples.read(path).of("q0", s)]


def menu(judge, **settings):
    return judge_menu(judge, grader=Preference, **settings)


def test_each_pair_is_shown_in_both_orders_and_billed_to_the_reply_shown_first(out):
    judge = likes(first="B", long="A")
    done = regrade(poems(out), menu=menu(judge))
    assert compared(out) == [{("long", 0): 0.0}, {("short", 0): 1.0}]
    assert "Reply A:\nA poem.\n\nReply B:\nA long poem." in judge.requests[0]["prompt"]
    assert (done.graded, done.changed, done.ungraded, done.failed) == (2, 0, 2, 0)
    assert (done.grading_cost, done.cost) == (2.0, 6.0)
    assert [each["grading_cost"] for each in rows_of(out)] == [1.0, 1.0]
    again = regrade(out, menu=menu(judge))
    assert (len(judge.requests), again.grading_cost, again.graded) == (2, 0.0, 0)
    assert not out.with_name(f"{out.name}.started").exists()


def test_another_judge_is_asked_afresh(out):
    regrade(poems(out), menu=menu(likes()))
    other = menu(likes(first="tie"))
    other = replace(other, sources={**other.sources, "judge": Source(likes(first="tie"), max_tokens=9)})
    regrade(out, menu=other)
    assert compared(out) == [{("long", 0): 0.5}, {("short", 0): 0.5}]


def test_equal_texts_tie_and_a_reply_without_one_loses_and_neither_takes_a_call(out):
    write_rows(out, [row("short", "x"), row("long", "x"), row("other", None)])
    judge = ScriptedModel(failures={0: AssertionError()})
    regrade(out, menu=menu(judge))
    assert [each.preferred_over for s in ("short", "other") for each in Samples.read(out).of("q", s)] == [
        {("long", 0): 0.5, ("other", 0): 1.0},
        {("short", 0): 0.0, ("long", 0): 0.0},
    ]
    assert judge.requests == []


def test_replies_are_compared_by_their_number_with_each_other_source(out):
    several = [row(source, f"{source} {at}", sample=at) for source in "abc" for at in range(2)]
    write_rows(out, [*several, row("d", "d 0"), row("d", None, sample=1, error="TimeoutError: late")])
    judge = ScriptedModel(answers=("A",))
    regrade(out, menu=menu(judge))
    assert len(judge.requests) == 2 * 2 * 6  # pairs of sources, samples, orders
    assert set(Samples.read(out).of("q", "a")[1].preferred_over) == {("b", 1), ("c", 1), ("d", 0)}


def test_what_a_judge_does_not_decide_is_billed_left_open_and_asked_again(out):
    judge = ScriptedModel(answers=("well", "A", "A"))
    done = regrade(poems(out), menu=menu(judge))
    assert (done.failed, done.grading_cost, compared(out)[0]) == (1, 2.0, None)
    done = regrade(out, menu=menu(judge))
    assert (done.failed, len(judge.requests), compared(out)[0]) == (0, 3, {("long", 0): 1.0})
    assert rows_of(out)[0]["grading_cost"] == 2.0


def test_the_forecast_counts_both_orders_and_the_cap_holds(out):
    poems(out, 3)
    judge = likes()
    job = forecast_regrading(out, menu(judge))
    assert (job.calls, job.bound, job.expected, job.spent) == (6, 48.0, 24.0, 12.0)
    done = regrade(out, menu=menu(judge), max_cost=12.0 + 9.5)  # a call may cost 8, and costs 1
    assert (done.stopped, len(judge.requests), done.cost) == ("max_cost", 2, 14.0)
    assert forecast_regrading(out, menu(judge)).calls == 4
    done = regrade(out, menu=menu(judge))
    assert (done.stopped, len(judge.requests)) == (None, 6)


def test_a_judge_that_cannot_be_called_keeps_what_it_said(out):
    judge = ScriptedModel(answers=("A",), failures={1: StatusError(401)})
    with pytest.raises(MenuError, match="'judge' cannot be called"):
        regrade(poems(out), menu=menu(judge))
    assert compared(out) == [{("long", 0): 1.0}, None]


def test_labels_and_grades_stay_as_they_are(out):
    poems(out)
    regrade(out, labels={"q0": Label("A poem.", "random")})
    done = regrade(out, menu=menu(likes(first="B", long="A")))
    assert [(each["correct"], each["graded_by"]) for each in rows_of(out)] == [(1.0, "exact"), (0.0, "exact")]
    assert (done.changed, compared(out)[1]) == (0, {("short", 0): 1.0})
    regrade(out, labels={"q0": Label(None, "random")})  # none of these: no grader is needed, now or later
    assert regrade(out).rows == 2


def test_what_cannot_be_compared_is_refused_with_the_way_out(out):
    write_rows(out, [row("short", "x")])
    with pytest.raises(OutcomesError, match="no question has replies of two sources"):
        regrade(out, menu=menu(likes()))
    write_rows(out, [row("short", None), row("long", None)])
    with pytest.raises(OutcomesError, match=r'2 of 2 replies have no text .* kind = "preference"'):
        regrade(out, menu=menu(likes()))
    with pytest.raises(MenuError, match="a preference is blind anyway"):
        regrade(out, menu=menu(likes()), blind=True)
    with pytest.raises(MenuError, match="the menu needs kind"):
        regrade(out, blind=True)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_preferences_survive_every_format(tmp_path, ending):
    path = poems(tmp_path / f"samples.{ending}")
    regrade(path, menu=menu(likes()))
    samples = Samples.read(path)
    samples.write(tmp_path / f"again.{ending}")
    again = Samples.read(tmp_path / f"again.{ending}")
    assert repr(again.of("q0", "short")) == repr(samples.of("q0", "short"))  # NaN is unequal to itself
    assert again.of("q0", "short")[0].preferred_over == {("long", 0): 1.0}


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("[1]", "is needed"),
        ("likes it", "is needed"),
        ('[["a", 0, 1.5]]', r"'a' 0 is 1.5, outside \[0, 1\]"),
        ('[["a", 0, NaN]]', "outside"),
    ],
)
def test_preferences_that_are_none_name_their_row(cell, reason):
    with pytest.raises(OutcomesError, match=f"row 1.*{reason}"):
        Samples.from_rows([row("a", "x", preferred_over=cell)])


def test_a_collection_keeps_whole_texts_and_asks_no_judge(out):
    judge = ScriptedModel(failures={0: AssertionError()})
    poet = ScriptedModel(answers=("<think>So.</think>Roses are red,\nviolets are blue.",))
    sources = {name: Source(poet, max_tokens=20) for name in ("direct", "cot")}
    asked = Menu(
        {**sources, "judge": Source(judge, max_tokens=8)},
        samples={"direct": 1, "cot": 4, "judge": 0},
        grader=Preference("judge"),
        retries=ONCE,
    )
    collect([Question("q0", "A poem?", None)], asked, out)
    assert {each["answer"] for each in read_rows(out)} == {"Roses are red,\nviolets are blue."}
    assert list(asked.actions) == ["direct", "cot"]  # texts do not vote
    with pytest.raises(OutcomesError, match="1 of 1 questions have a right answer"):
        collect([Question("q1", "6 * 7?", "42")], asked, out)


def test_a_judge_that_is_killed_leaves_its_calls_on_the_bill(out):
    before = poems(out, 2).read_bytes()
    program = f"""
import os
from adaptive_reasoner.kit.regrading import regrading
from adaptive_reasoner.kit.menu.preference import Preference
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.collecting.sums import judge_menu

def kill(done, wanted):
    assert wanted == 4
    if done == 2:
        os.kill(os.getpid(), 9)

menu = judge_menu(ScriptedModel(answers=("A",)), grader=Preference)
regrading.regrade({str(out)!r}, menu=menu, on_progress=kill)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, check=False, cwd=PROJECT)
    assert (killed.returncode, out.read_bytes()) == (-9, before)
    assert forecast_regrading(out, menu(likes())).spent == 8.0 + 2 * 8.0
    assert regrade(out, menu=menu(likes())).cost == 8.0 + 16.0 + 4.0
