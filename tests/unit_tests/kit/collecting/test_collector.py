import asyncio
import errno
import os
import signal
import sys
from dataclasses import replace

import pytest
from pydantic import PrivateAttr

from adaptive_reasoner.answers import comparison, math, math_answer
from adaptive_reasoner.errors import MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.event_loop import in_background
from adaptive_reasoner.kit.collecting.sample_file import SampleFile
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.recipes import Recipe
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.metering import SampleMeter
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.kit.collecting.sums import keys_of, menu, questions, rows_of
from tests.waiting import await_until


def test_draws_every_sample_once_in_the_samples_format(out):
    shown = []
    done = collect(questions(4), menu(), out, on_progress=shown.append)
    assert (done.wanted, done.there, done.new, done.failed, done.stopped) == (24, 24, 24, 0, None)
    assert sorted(keys_of(out)) == sorted(
        (f"q{i}", source, sample) for i in range(4) for source in ("direct", "cot") for sample in range(3)
    )
    assert [now.there for now in shown] == list(range(25))
    assert (shown[-1].cost, shown[-1].expected_cost, shown[-1].note) == (48.0, 48.0, "48 of about 48 tokens")
    first = rows_of(out)[0]
    assert first | {"seconds": 0, "prompt_sha": ""} == {
        "question_id": "q0",
        "question": "What is 0 + 1?",
        "group": "sums",
        "source": "direct",
        "sample": 0,
        "answer": "1",
        "gold": "1",
        "correct": 1.0,
        "graded_by": "numeric",
        "cost": 2.0,
        "cost_unit": "tokens",
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "reasoning_tokens": 0,
        "cached_tokens": 0,
        "seconds": 0,
        "prompt_sha": "",
    }
    assert done.cost == sum(row["cost"] for row in rows_of(out)) == 48.0
    samples = Samples.read(out)
    assert (len(samples), samples.sources, samples.cost_unit) == (4, ("direct", "cot"), "tokens")


def test_leaves_nothing_beside_the_file_when_all_calls_came_back(out):
    collect(questions(2), menu(), out)
    assert [path.name for path in out.parent.iterdir()] == ["samples.jsonl"]


def test_a_second_run_calls_nothing_and_a_larger_one_draws_what_is_new(out):
    collect(questions(3), menu(samples=2), out)
    before = out.read_bytes()
    again = collect(questions(3), menu(samples=2), out)
    assert (again.new, again.there, out.read_bytes()) == (0, 12, before)
    more = collect(questions(4), menu(samples=3), out)
    assert (more.new, more.there) == (12, 24)
    assert out.read_bytes().startswith(before)
    assert len(set(keys_of(out))) == 24


def test_a_cut_last_row_is_dropped_with_a_warning_and_drawn_again(out):
    collect(questions(3), menu(), out)
    whole = out.read_bytes()
    out.write_bytes(whole[:-40])
    with pytest.warns(UserWarning, match="the last row was cut in the middle"):
        done = collect(questions(3), menu(), out)
    assert (done.new, done.there) == (1, 18)
    assert len(set(keys_of(out))) == len(keys_of(out)) == 18


def test_a_last_row_that_only_lacks_its_line_end_is_kept(out):
    collect(questions(3), menu(), out)
    out.write_bytes(out.read_bytes().rstrip(b"\n"))
    assert collect(questions(4), menu(), out).new == 6
    assert len(keys_of(out)) == 24


def test_calls_whose_prompts_begin_alike_follow_each_other(out):
    def prompt(question):
        return ("odd " if int(question.split()[2]) % 2 else "even ") * 60 + question

    model = ScriptedModel()
    sources = {"a": Source(model, prompt=prompt), "b": Source(model)}
    collect(questions(6), Menu(sources, samples=2), out, concurrency=1)
    sent = [request["prompt"] for request in model.requests]
    assert [text[:3] for text in sent] == ["eve"] * 2 + ["Wha"] * 2 + ["eve"] * 4 + ["odd"] * 6 + ["Wha"] * 10
    assert sent[0] == sent[1] != sent[4] == sent[5]


def test_what_the_whole_will_cost_is_known_as_soon_as_each_source_has_answered(out):
    shown = []
    collect(questions(40), menu(), out, on_progress=shown.append, concurrency=1)
    assert [now.expected_cost for now in shown[:8]] == [None] * 4 + [480.0] * 4


class CountingModel(ScriptedModel):
    """Knows how many of its calls were in flight at once; each waits until `awaited` have been."""

    awaited: int
    _flying: list[int] = PrivateAttr(default_factory=lambda: [0])

    @property
    def peak(self):
        return max(self._flying)

    async def _agenerate(self, *args, **kwargs):
        self._flying.append(self._flying[-1] + 1)
        try:
            await await_until(lambda: self.peak >= self.awaited)
            return await super()._agenerate(*args, **kwargs)
        finally:
            self._flying.append(self._flying[-1] - 1)


@pytest.mark.parametrize(
    ("asked", "limit", "peak"), [(5, None, 5), (5, 2, 2), (None, 12, 12), (None, None, 8)]
)
def test_never_more_calls_in_flight_than_allowed(out, asked, limit, peak):
    model = CountingModel(latency=0.005, awaited=peak)
    collect(questions(10), menu(model, concurrency=limit), out, concurrency=asked)
    assert model.peak == peak


def test_a_single_question_still_keeps_all_workers_busy(out):
    model = CountingModel(awaited=16)
    assert collect(questions(1), menu(model, samples=16, sources=("cot",)), out, concurrency=16).there == 16
    assert model.peak == 16


def test_the_key_of_a_menu_sees_the_question_and_what_it_finds_is_graded_as_stated(out):
    model = ScriptedModel(answers=("It is 5 km.", "It is 5000 m long.", "I cannot say, nor can you."))
    one = Menu(
        {"cot": Source(model, max_tokens=9)},
        samples=3,
        grader=comparison("auto"),
        recipes={"cot": Recipe("cot")},
    )
    collect([Question("q", "How long is the track?", "5 km")], one, out)
    silent, *same = sorted((row["answer"] or "", row["correct"]) for row in rows_of(out))
    assert silent == ("", 0.0)
    assert same[0] == same[1]
    assert same[0][1] == 1.0


def test_a_grader_that_raises_does_not_lose_the_reply(out):
    def grader(answer, gold):
        raise ArithmeticError("no")

    done = collect(questions(1), replace(menu(), grader=grader), out)
    assert done.failed == 6
    assert rows_of(out)[0]["error"] == "grading failed with ArithmeticError: no"
    assert rows_of(out)[0]["completion_tokens"] == 2


def test_a_source_that_takes_no_call_ends_the_collection_before_all_rows_are_errors(out):
    refusing = ScriptedModel(failures=dict.fromkeys(range(1000), StatusError(400)))
    with pytest.raises(MenuError, match="source 'direct' cannot be called: status 400"):
        collect(questions(40), menu(refusing), out)
    assert len(refusing.requests) < 40
    once = menu(ScriptedModel(failures=dict.fromkeys(range(1, 120), StatusError(400))), sources=("direct",))
    assert collect(questions(40), once, out.with_name("once.jsonl"), concurrency=1).failed == 119


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_source_that_cannot_be_called_ends_the_collection_and_keeps_what_arrived(out, status):
    model = ScriptedModel(failures={7: StatusError(status)})
    with pytest.raises(MenuError, match=f"source 'direct' cannot be called: status {status}"):
        collect(questions(4), menu(model), out, concurrency=1)
    assert len(keys_of(out)) == 7
    assert collect(questions(4), menu(), out).there == 24


def refusing(out, asked, changed):
    before = out.read_bytes()
    with pytest.raises(OutcomesError) as caught:
        collect(asked, changed, out)
    assert out.read_bytes() == before
    assert caught.value.row == 1
    return str(caught.value)


def test_samples_of_another_prompt_are_not_mixed(out):
    collect(questions(2), menu(), out)
    other = {name: replace(source, prompt="now: {}".format) for name, source in menu().sources.items()}
    assert "had another prompt or other settings" in refusing(
        out, questions(2), replace(menu(), sources=other)
    )
    warm = {name: replace(source, settings={"temperature": 1}) for name, source in menu().sources.items()}
    assert "had another prompt or other settings" in refusing(
        out, questions(2), replace(menu(), sources=warm)
    )


def test_samples_of_another_question_or_unit_are_not_mixed(out):
    collect(questions(2), menu(), out)
    asked = [replace(question, question="What is 9 + 9?") for question in questions(2)]
    assert "another text or gold answer" in refusing(out, asked, menu())
    asked = [replace(question, gold="18") for question in questions(2)]
    assert "another text or gold answer" in refusing(out, asked, menu())
    assert "menu counts 'samples'" in refusing(out, questions(2), menu(meters=SampleMeter()))


def test_a_damaged_file_is_refused_and_left_alone(out):
    collect(questions(2), menu(), out)
    lines = out.read_text().splitlines()
    out.write_text("\n".join([lines[0][:-5], *lines[1:]]) + "\n")
    assert "not a line of JSON" in refusing(out, questions(2), menu())
    out.write_text(lines[0].replace('"cost": 2.0', '"cost": null') + "\n")
    assert "cost is missing" in refusing(out, questions(2), menu())
    out.write_text("\n".join([lines[0], lines[0]]) + "\n")
    with pytest.raises(
        OutcomesError, match=r"row 2: sample 0 of question 'q0', source 'direct' appears twice"
    ):
        collect(questions(2), menu(), out)


def test_what_makes_no_sense_is_refused_before_any_call(out):
    model = ScriptedModel()
    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        collect(questions(2), menu(model), out, concurrency=0)
    with pytest.raises(OutcomesError, match="two questions have one question_id"):
        collect(questions(2) * 2, menu(model), out)
    with pytest.raises(OutcomesError, match=r"\.jsonl"):
        collect(questions(2), menu(model), out.with_suffix(".parquet"))
    assert model.requests == []
    assert not out.exists()


def test_two_collections_never_write_one_file(out):
    with SampleFile(out, "tokens"), pytest.raises(OutcomesError, match="another collection is writing to it"):
        collect(questions(1), menu(), out)
    assert collect(questions(1), menu(), out).there == 6


def test_no_room_on_the_disk_is_one_error_and_no_half_row(out, monkeypatch):
    collect(questions(1), menu(), out)
    before = out.read_bytes()

    class Full:
        def __init__(self, file):
            self._file = file

        def write(self, line):
            if self._file.tell() > len(before) + 1000:
                self._file.write(line[:20])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self._file.write(line)

        def __getattr__(self, name):
            return getattr(self._file, name)

    opened = SampleFile.__init__

    def on_a_full_disk(self, path, cost_unit):
        opened(self, path, cost_unit)
        self._file = Full(self._file)

    monkeypatch.setattr(SampleFile, "__init__", on_a_full_disk)
    with pytest.raises(OutcomesError, match="No space left on device"):
        collect(questions(9), menu(), out, concurrency=1)
    monkeypatch.undo()
    assert out.read_bytes().startswith(before)
    assert len(rows_of(out)) > 6
    assert collect(questions(9), menu(), out).there == 54


def test_an_error_in_a_worker_reaches_the_caller_as_it_is(out):
    def show(now):
        if now.there == 3:
            raise KeyError("the bar broke")

    with pytest.raises(KeyError, match="the bar broke"):
        collect(questions(4), menu(), out, on_progress=show)


async def test_runs_inside_a_running_loop_as_in_a_notebook(out):
    assert collect(questions(2), menu(), out).there == 12


@pytest.fixture
def ctrl_c():
    """Python's own answer to Ctrl-C: tests that were started in the background would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_what_arrived_and_bills_what_was_under_way(out, ctrl_c):
    class Interrupting(ScriptedModel):
        async def _agenerate(self, *args, **kwargs):
            if len(self.requests) == 9:
                os.kill(os.getpid(), signal.SIGINT)
            return await super()._agenerate(*args, **kwargs)

    with pytest.raises(KeyboardInterrupt):
        collect(questions(40), menu(Interrupting(endless_from=6)), out, concurrency=4)
    kept = len(keys_of(out))
    assert kept == 6
    done = collect(questions(40), menu(), out)
    assert (done.there, done.new) == (240, 240 - kept)
    assert done.lost == 4 * 8.0
    assert len(set(keys_of(out))) == 240


def test_ctrl_c_waits_until_the_work_in_the_background_has_wound_up(ctrl_c):
    wound_up = []

    async def body():
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            wound_up.append(True)

    with pytest.raises(KeyboardInterrupt):
        in_background(body())
    assert wound_up


def test_answers_that_nobody_could_grade_are_not_bought(out, monkeypatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)
    model = ScriptedModel()
    with pytest.raises(ImportError, match=r"adaptive-reasoner\[math\]"):
        collect(questions(2), replace(menu(model), grader=math, key=math_answer), out)
    assert model.requests == []
