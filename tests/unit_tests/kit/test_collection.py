import asyncio
import errno
import json
import os
import signal
import threading
from dataclasses import replace

import pytest
from pydantic import PrivateAttr

from adaptive_reasoner.answers import numeric
from adaptive_reasoner.calls import Source
from adaptive_reasoner.costs import SampleMeter, TokenMeter
from adaptive_reasoner.errors import BudgetExceededError, MenuError, OutcomesError, UnpricedUsageError
from adaptive_reasoner.kit.collecting.background import in_background
from adaptive_reasoner.kit.collecting.referee import Referee
from adaptive_reasoner.kit.collecting.retries import Retries
from adaptive_reasoner.kit.collecting.sample_file import SampleFile, SampleKey
from adaptive_reasoner.kit.collection import collect
from adaptive_reasoner.kit.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from tests.fakes import ScriptedModel, StatusError

ONCE = Retries(attempts=1)


def questions(n):
    return [Question(f"q{i}", f"What is {i} + 1?", str(i + 1), "sums") for i in range(n)]


def menu(model=None, *, samples=3, sources=("direct", "cot"), **settings):
    model = model or ScriptedModel(answers=("Answer: 1",))
    settings = {"retries": ONCE, **settings}
    return Menu(
        {name: Source(model, prompt=f"{name}: {{}}".format, max_tokens=8) for name in sources},
        samples=samples,
        grader=numeric,
        **settings,
    )


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def keys_of(path):
    return [(row["question_id"], row["source"], row["sample"]) for row in rows_of(path)]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "samples.jsonl"


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
    assert [text[:3] for text in sent[:12]] == ["eve"] * 6 + ["odd"] * 6
    assert sent[0] == sent[1] != sent[2] == sent[3]
    assert all(text.startswith("What") for text in sent[12:])


class CountingModel(ScriptedModel):
    """Knows how many of its calls were in flight at once."""

    _flying: list[int] = PrivateAttr(default_factory=lambda: [0])

    @property
    def peak(self):
        return max(self._flying)

    async def _agenerate(self, *args, **kwargs):
        self._flying.append(self._flying[-1] + 1)
        try:
            return await super()._agenerate(*args, **kwargs)
        finally:
            self._flying.append(self._flying[-1] - 1)


@pytest.mark.parametrize(("limits", "peak"), [({}, 5), ({"concurrency": 2}, 2)])
def test_never_more_calls_in_flight_than_allowed(out, limits, peak):
    model = CountingModel(latency=0.005)
    collect(questions(10), menu(model, **limits), out, concurrency=5)
    assert model.peak == peak


def test_a_single_question_still_keeps_all_workers_busy(out):
    model = CountingModel(latency=0.05)
    assert collect(questions(1), menu(model, samples=16, sources=("cot",)), out, concurrency=16).there == 16
    assert model.peak == 16


def test_a_failed_call_is_a_row_with_its_cost_and_its_error(out):
    failures = {0: StatusError(500), 1: TimeoutError("too slow")}
    done = collect(questions(2), menu(ScriptedModel(failures=failures), sources=("cot",)), out, concurrency=1)
    refused, late, *others = rows_of(out)
    assert (done.there, done.failed) == (6, 2)
    assert (refused["cost"], refused["error"], refused["answer"]) == (0.0, "StatusError: status 500", None)
    assert "estimated" not in refused
    assert (late["cost"], late["error"], late["estimated"]) == (8.0, "TimeoutError: too slow", True)
    assert all("error" not in row for row in others)
    assert collect(questions(2), menu(sources=("cot",)), out).new == 0


def test_a_grader_that_raises_does_not_lose_the_reply(out):
    def grader(answer, gold):
        raise ArithmeticError("no")

    done = collect(questions(1), replace(menu(), grader=grader), out)
    assert done.failed == 6
    assert rows_of(out)[0]["error"] == "grading failed with ArithmeticError: no"
    assert rows_of(out)[0]["completion_tokens"] == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_source_that_cannot_be_called_ends_the_collection_and_keeps_what_arrived(out, status):
    model = ScriptedModel(failures={7: StatusError(status)})
    with pytest.raises(MenuError, match=f"source 'direct' cannot be called: status {status}"):
        collect(questions(4), menu(model), out, concurrency=1)
    assert len(keys_of(out)) == 7
    assert collect(questions(4), menu(), out).there == 24


def test_a_reply_without_usage_is_not_taken_for_free(out):
    with pytest.raises(UnpricedUsageError, match="no token usage"):
        collect(questions(4), menu(ScriptedModel(usage=False)), out)
    assert keys_of(out) == []
    counted = menu(ScriptedModel(usage=False), meters=SampleMeter())
    with pytest.raises(OutcomesError, match="calls were lost at a cost in 'tokens', not 'samples'"):
        collect(questions(1), counted, out)
    assert collect(questions(1), counted, out.with_name("other.jsonl")).cost == 6


def test_what_was_lost_on_the_way_stays_on_the_bill(out):
    with pytest.raises(UnpricedUsageError):
        collect(questions(2), menu(ScriptedModel(usage=False)), out, concurrency=1)
    done = collect(questions(2), menu(), out)
    assert (done.lost, done.cost) == (8.0, 8.0 + 12 * 2.0)
    assert collect(questions(2), menu(), out).cost == done.cost


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
        OutcomesError, match=r"row 2: sample 0 of question 'q0', source 'direct' is there twice"
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


@pytest.mark.parametrize("cap", [8, 20, 31.5, 100])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_cap_is_never_exceeded_and_used_as_far_as_worst_cases_allow(out, cap, concurrency):
    done = collect(questions(10), menu(), out, max_cost=cap, concurrency=concurrency)
    assert cap - 8 < done.cost <= cap
    assert done.stopped == "max_cost"
    assert done.new == done.cost / 2
    again = collect(questions(10), menu(), out, max_cost=cap)
    assert (again.new, again.stopped) == (0, "max_cost")
    whole = collect(questions(10), menu(), out, max_cost=1000)
    assert (whole.there, whole.stopped, whole.cost) == (60, None, 120.0)


def test_the_cap_of_the_menu_holds_too(out):
    assert collect(questions(10), menu(max_cost=20), out, max_cost=100).cost <= 20


def test_a_cap_below_what_is_there_draws_nothing(out):
    collect(questions(2), menu(), out)
    done = collect(questions(3), menu(), out, max_cost=5)
    assert (done.new, done.stopped) == (0, "max_cost")


def test_a_call_dearer_than_its_worst_case_closes_the_cap_and_is_on_the_bill(out):
    model = ScriptedModel(answers=("Answer: 1", "one two three four five six seven eight nine ten"))
    with pytest.raises(BudgetExceededError, match="cost 10 tokens where the hard cap held 8"):
        collect(questions(9), menu(model), out, max_cost=100, concurrency=1)
    assert [row["cost"] for row in rows_of(out)] == [2.0, 10.0]


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
    def interrupt(now):
        if now.there == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        collect(questions(40), menu(ScriptedModel(latency=0.02)), out, on_progress=interrupt, concurrency=4)
    kept = len(keys_of(out))
    assert 5 <= kept < 60
    done = collect(questions(40), menu(), out)
    assert (done.there, done.new) == (240, 240 - kept)
    assert 0 < done.lost <= 4 * 8.0
    assert len(set(keys_of(out))) == 240


def test_ctrl_c_waits_until_the_work_in_the_background_has_wound_up(ctrl_c):
    wound_up = []

    async def body():
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            wound_up.append(True)

    with pytest.raises(KeyboardInterrupt):
        in_background(body())
    assert wound_up


def test_rows_are_read_before_calls_are_told_lost(out):
    key = SampleKey("q0", "cot", 0)
    with SampleFile(out, "tokens") as file:
        file.start(key, 1, 8.0)
        file.add(key, {"question_id": "q0", "source": "cot", "sample": 0})
        file.start(SampleKey("q0", "cot", 1), 1, 8.0)
    for _ in range(2):
        with SampleFile(out, "tokens") as file:
            assert [found for found, _ in file.rows()] == [key]
            assert file.lost == 8.0


def test_total_tokens_are_reserved_with_the_prompt(out):
    done = collect(questions(3), menu(meters=TokenMeter(counts="total")), out, max_cost=100)
    assert done.stopped == "max_cost"
    assert 0 < done.cost <= 100


def refereed(model, samples=2, **settings):
    sources = {"cot": Source(model, max_tokens=8), "judge": Source(model, max_tokens=8)}
    wanted = {"cot": samples, "judge": 0}
    return Menu(sources, samples=wanted, grader=Referee("judge"), retries=ONCE, **settings)


def test_a_referee_grades_and_its_calls_are_on_the_bill_but_not_in_the_cost_of_the_action(out):
    model = ScriptedModel(answers=("The moon", "they agree: yes", "A cow", "no"))
    done = collect(questions(1), refereed(model), out, concurrency=1)
    moon, cow = rows_of(out)
    assert (moon["correct"], cow["correct"], done.there, done.wanted) == (1.0, 0.0, 2, 2)
    assert (moon["cost"], moon["grading_cost"], moon["attempts"]) == (2.0, 3.0, 2)
    assert done.cost == 2 + 3 + 2 + 1
    assert "What is 0 + 1?" in model.requests[1]["prompt"]
    assert "The moon" in model.requests[1]["prompt"]
    again = collect(questions(1), refereed(model), out)
    assert (again.new, again.cost) == (0, done.cost)


def test_a_referee_without_a_verdict_is_an_error_in_the_row(out):
    model = ScriptedModel(answers=("The moon", "who knows"), failures={3: TimeoutError("late")})
    done = collect(questions(1), refereed(model), out, concurrency=1)
    unclear, late = rows_of(out)
    assert unclear["error"] == "grading failed with ValueError: the referee gave no verdict"
    assert late["error"] == "grading failed with TimeoutError: late"
    assert (late["grading_cost"], late["estimated"], done.failed) == (8.0, True, 2)


@pytest.mark.parametrize("cap", [9, 17, 23])
def test_the_cap_holds_with_a_referee_and_what_it_cuts_short_is_kept_on_the_bill(out, cap):
    model = ScriptedModel(answers=("yes it is",))
    done = collect(questions(3), refereed(model), out, max_cost=cap, concurrency=1)
    assert done.stopped == "max_cost"
    assert cap - 8 < done.cost == 3 * len(model.requests) <= cap
    whole = collect(questions(3), refereed(model), out, max_cost=100)
    assert (whole.there, whole.failed) == (6, 0)
    assert whole.cost == 3 * len(model.requests)
