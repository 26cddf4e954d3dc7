"""What a collection keeps, bills and says where an endpoint, a file or a function does what it must not."""

import gzip
import http.server
import json
import os
import threading
from contextlib import contextmanager

import pytest
from langchain_openai import ChatOpenAI

from adaptive_reasoner.errors import MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.collecting.early_stopping import Adaptive
from adaptive_reasoner.kit.collecting.sample_file import SampleFile
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.metering import PriceMeter, TokenMeter
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.kit.collecting.sums import ONCE, keys_of, menu, questions, rows_of

REPLY = {
    "id": "x",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Answer: 14"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
}
QUICK = Retries(attempts=3, first_pause=0.01)


class Reporting(ScriptedModel):
    """Reports the usage that it is made with."""

    counts: tuple[float, float, float]

    def _reply(self, messages, kwargs):
        reply = super()._reply(messages, kwargs)
        reply.usage_metadata = dict(
            zip(("input_tokens", "output_tokens", "total_tokens"), self.counts, strict=True)
        )
        return reply


def reporting(*counts):
    return Reporting(answers=("Answer: 1",), counts=counts)


@pytest.mark.parametrize("meter", [TokenMeter(), TokenMeter("total"), PriceMeter(1.0, 10.0)], ids=repr)
@pytest.mark.parametrize(
    "usage",
    [(10, -8360, -8350), (10, 0, 10), (10, float("nan"), float("nan")), (-5, 2, -3), (10, float("inf"), 10)],
    ids=str,
)
def test_impossible_usage_is_billed_at_the_worst_case_and_the_answer_kept(out, usage, meter):
    model = reporting(*usage)
    once = menu(model, sources=("cot",), samples=1, meters=meter)
    worst = forecast(questions(1), once, out).bound
    done = collect(questions(1), once, out, max_cost=10 * worst)
    assert (done.there, done.failed, done.cost) == (1, 0, pytest.approx(worst))
    (row,) = rows_of(out)
    assert (row["answer"], row["correct"], row["estimated"]) == ("1", 1.0, True)
    assert "completion_tokens" not in row
    assert Samples.read(out).votes("q0", "cot")


def test_negative_usage_makes_no_room_under_the_cap(out):
    model = reporting(10, -100, -90)
    done = collect(questions(50), menu(model, sources=("cot",), samples=1), out, max_cost=40)
    assert (done.cost, done.there, done.stopped) == (40.0, 5, "max_cost")


def test_a_row_of_a_negative_cost_is_refused_with_its_number(out):
    collect(questions(2), menu(samples=1), out)
    rows = rows_of(out)
    rows[1]["cost"] = -8360
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for run in (forecast, collect):
        with pytest.raises(OutcomesError, match=r"row 2: cost is -8360"):
            run(questions(2), menu(samples=2), out, max_cost=100)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"sample": None}, "sample is missing"),
        ({"sample": float("inf")}, "sample is inf"),
        ({"sample": 0.5}, "sample is 0.5"),
        ({"question_id": float("nan")}, "question_id is missing"),
        ({"attempts": "many"}, "attempts is 'many'"),
        ({"cost": float("nan")}, "cost is nan"),
        ({"cost": "x"}, "cost is 'x'"),
        ({"batch_discount": 1e9}, "batch_discount is"),
    ],
    ids=str,
)
def test_a_bad_row_is_named_by_a_dry_run_as_by_a_run(out, damage, reason):
    collect(questions(2), menu(samples=1), out)
    first, *others = rows_of(out)
    out.write_text("".join(json.dumps(row) + "\n" for row in [first, {**others[0], **damage}, *others[1:]]))
    for run in (forecast, collect):
        with pytest.raises(OutcomesError, match=f"{out.name}: row 2: {reason}"):
            run(questions(2), menu(samples=1), out)


def test_a_damaged_note_of_calls_under_way_is_named(out):
    collect(questions(1), menu(samples=1), out)
    beside = out.with_name("samples.jsonl.started")
    beside.write_text('5\n[3.0, "tokens"]\n')
    with pytest.raises(OutcomesError, match=r"samples\.jsonl\.started: row 1: is not a line about calls"):
        forecast(questions(1), menu(samples=1), out)
    beside.write_text('[3.0, "tokens"]\n["q0", "cot", 0, 1, ')
    assert forecast(questions(1), menu(samples=1), out).spent == 4 + 3.0


@pytest.mark.parametrize("nothing", [None, "", "  ", 5, ["x"]])
def test_a_prompt_function_that_returns_no_text_is_named(out, nothing):
    def my_prompt(question):
        return nothing

    once = Menu({"cot": Source(ScriptedModel(), prompt=my_prompt, max_tokens=8)})
    for run in (forecast, collect):
        with pytest.raises(MenuError, match=r"my_prompt returned .* for the question 'What is 0 \+ 1\?'"):
            run(questions(1), once, out)


@pytest.mark.parametrize("score", [float("nan"), 7, -1, None])
def test_a_score_that_is_none_is_an_error_in_the_row(out, score):
    def my_grader(answer, gold):
        return score

    done = collect(questions(1), Menu(menu().sources, samples=1, grader=my_grader, retries=ONCE), out)
    assert (done.there, done.failed) == (2, 2)
    assert all(row["error"].startswith("grading failed with") for row in rows_of(out))
    referee = Menu(
        {**menu().sources, "judge": Source(ScriptedModel(answers=("yes",)), max_tokens=8)},
        samples={"direct": 1, "cot": 1, "judge": 0},
        grader=Referee("judge", read=lambda text: score),
        retries=ONCE,
    )
    assert collect(questions(1), referee, out.with_name("refereed.jsonl")).failed == 2


class WaitError(StatusError):
    """Refuses, and asks for a pause."""

    def __init__(self, asked):
        super().__init__(429)
        self.headers = {"Retry-After": asked}


@pytest.mark.parametrize("asked", ["86400", "inf", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_source_that_asks_for_too_long_a_pause_is_given_up_and_the_others_go_on(out, asked):
    busy = ScriptedModel(failures={1: WaitError(asked)}, answers=("Answer: 1",))
    sources = {"busy": Source(busy, max_tokens=8), "free": Source(ScriptedModel(), max_tokens=8)}
    both = Menu(sources, samples=2, retries=QUICK)
    done = collect(questions(3), both, out, concurrency=1)
    assert len(busy.requests) == 2  # the call that was refused was the last
    assert (done.there, done.missing, done.failed, done.stopped) == (1 + 6, 5, 0, "retry_after")
    assert list(done.given_up) == ["busy"]
    assert done.given_up["busy"] > 300
    again = collect(questions(3), both, out, concurrency=1)
    assert (again.there, again.stopped, again.given_up) == (12, None, {})
    assert len(set(keys_of(out))) == len(keys_of(out)) == 12


def test_the_ceiling_of_a_pause_is_the_menus(out):
    model = ScriptedModel(failures={0: WaitError("0.02")})
    patient = menu(model, samples=1, sources=("cot",), retries=QUICK)
    assert collect(questions(1), patient, out).retried == 1
    model = ScriptedModel(failures={0: WaitError("0.02")})
    hasty = menu(model, samples=1, sources=("cot",), retries=Retries(longest_wait=0.01))
    assert collect(questions(1), hasty, out.with_name("other.jsonl")).given_up == {"cot": 0.02}


def test_a_referee_that_asks_for_too_long_a_pause_ends_what_it_grades(out):
    judge = ScriptedModel(failures={0: WaitError("86400")}, answers=("yes",))
    refereed = Menu(
        {"cot": Source(ScriptedModel(), max_tokens=8), "judge": Source(judge, max_tokens=8)},
        samples={"cot": 1, "judge": 0},
        grader=Referee("judge"),
        retries=QUICK,
    )
    done = collect(questions(3), refereed, out, concurrency=1)
    assert (done.there, done.stopped, list(done.given_up)) == (0, "retry_after", ["judge"])
    assert done.cost == 2  # the reply that nobody graded stays on the bill
    assert collect(questions(3), refereed, out, concurrency=1).there == 3


def test_a_pilot_of_a_source_that_is_given_up_ends_there(out):
    model = ScriptedModel(failures={3: WaitError("86400")})
    done = collect(
        questions(20), menu(model, samples=8), out, concurrency=1, adaptive=Adaptive(budget=10.0, pilot=8)
    )
    assert (done.stopped, done.there < 160) == ("retry_after", True)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_removed_or_replaced_ends_the_collection_and_its_rows_are_kept(out, replaced):
    def remove(now):
        if now.there == 5:
            out.unlink()
            if replaced:
                out.write_text("")

    model = ScriptedModel(answers=("Answer: 1",))
    with pytest.raises(
        OutcomesError, match=r"samples\.jsonl: was removed or replaced .* are safe in"
    ) as caught:
        collect(questions(9), menu(model), out, concurrency=1, on_progress=remove)
    assert len(model.requests) <= 6
    (kept,) = out.parent.glob("samples.rescued-*.jsonl")
    assert str(kept) in str(caught.value)
    assert len(rows_of(kept)) >= 5
    kept.replace(out)
    assert collect(questions(9), menu(model), out).there == 54


def test_a_file_that_is_gone_at_the_end_is_an_error(out):
    with pytest.raises(OutcomesError, match="was removed or replaced"):
        collect(questions(1), menu(), out, on_progress=lambda now: now.there == 6 and out.unlink())


def test_a_second_collection_of_a_name_is_refused_even_where_the_file_was_removed(out):
    first = SampleFile(out, "tokens")
    out.unlink()
    with pytest.raises(OutcomesError, match="another collection is writing to it"):
        collect(questions(1), menu(), out)
    first.close()
    assert collect(questions(1), menu(), out).there == 6
    assert [path.name for path in out.parent.iterdir()] == ["samples.jsonl"]


def test_a_collection_stays_with_its_file_when_the_working_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    model = ScriptedModel(failures={3: StatusError(400)})
    collect(questions(2), menu(model), "samples.jsonl", concurrency=1)
    collect(
        questions(2),
        menu(),
        "samples.jsonl",
        retry_failed=True,
        on_progress=lambda now: os.chdir(tmp_path / "elsewhere"),
    )
    assert len(keys_of(tmp_path / "samples.jsonl")) == 12
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_rows_whose_ids_and_golds_were_written_as_floats_are_told_apart_from_new_ones(out):
    collect([Question("1.0", "5 + 9?", "14.0")], menu(samples=1), out)
    same = collect([Question("1.0", "5 + 9?", "14")], menu(samples=1), out)
    assert (same.new, same.there) == (0, 2)
    with pytest.raises(OutcomesError, match=r"row 1: its question_id is '1.0', that of the question is '1'"):
        collect([Question("1", "5 + 9?", "14")], menu(samples=1), out)


def test_many_samples_are_planned_in_flat_memory(out):
    many = menu(samples=100_000, sources=("cot",))
    assert forecast(questions(3), many, out).calls == 300_000
    done = collect(questions(3), many, out, max_cost=16)
    assert (done.wanted, done.stopped) == (300_000, "max_cost")


@contextmanager
def endpoint(bodies, headers=(), status=200):
    """Answers with the bodies in turn, whatever they are."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            body = bodies.pop(0)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (("content-type", "application/json"), *headers):
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:  # hung up: it was too long
                self.close_connection = True

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield ChatOpenAI(model="m", base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="k")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def drawn(model, out, **settings):
    once = Menu({"cot": Source(model, max_tokens=50)}, samples=1, **{"retries": QUICK, **settings})
    return collect([Question("q", "5 + 9?", "14")], once, out)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Provider returned error", "code": 502}},
        {"error": {"message": "slow down", "code": "429"}},
        {"error": {"message": "slow down", "type": "rate_limit_error"}},
        {"error": "upstream failed"},
        {**REPLY, "choices": None},
        {**REPLY, "choices": []},
        {**REPLY, "choices": [{"index": 0, "message": None, "finish_reason": "stop"}]},
        {**REPLY, "choices": [{**REPLY["choices"][0], "error": {"code": 503, "message": "gone"}}]},
        {"detail": "gone"},
        [],
        b"<!DOCTYPE html><html>Bad gateway</html>",
    ],
    ids=lambda body: str(body)[:40],
)
def test_an_error_under_status_200_is_billed_and_tried_again_like_its_status(out, body):
    with endpoint([body, body, REPLY]) as model:
        done = drawn(model, out)
    assert (done.there, done.failed, done.retried, done.cost) == (1, 0, 2, 5.0)
    assert "estimated" not in rows_of(out)[0]


def test_many_errors_under_status_200_do_not_end_the_collection(out):
    bad = {"error": {"message": "Provider returned error", "code": 502}}
    with endpoint([bad] * 30 + [REPLY]) as model:
        done = drawn(model, out, retries=Retries(attempts=40, first_pause=0.001, longest_pause=0.001))
    assert (done.failed, done.retried, done.cost) == (0, 30, 5.0)


@pytest.mark.parametrize(
    "error", [{"code": 401}, {"code": "invalid_api_key"}, {"code": "insufficient_quota"}]
)
def test_an_error_under_status_200_that_refuses_all_ends_the_collection(out, error):
    with (
        endpoint([{"error": {"message": "no", **error}}] * 3) as model,
        pytest.raises(MenuError, match="source 'cot' cannot be called"),
    ):
        drawn(model, out)


def test_a_reply_of_gigabytes_is_read_up_to_a_bound_and_is_lost(out):
    bomb = gzip.compress(bytes(2**28))
    with endpoint([bomb, bomb], headers=[("content-encoding", "gzip")]) as model:
        done = drawn(model, out, retries=Retries(attempts=2, first_pause=0.01))
    assert (done.failed, done.cost) == (1, 100.0)
    assert "estimated" in rows_of(out)[0]


def test_a_plain_reply_beyond_the_bound_is_lost_and_the_next_one_counts(out):
    with endpoint([b" " * (33 * 2**20), REPLY]) as model:
        done = drawn(model, out)
    assert (done.failed, done.retried, done.cost) == (0, 1, 55.0)


def test_packed_replies_are_read_and_other_packings_are_not(out):
    packed = gzip.compress(json.dumps(REPLY).encode())
    with endpoint([packed], headers=[("content-encoding", "gzip")]) as model:
        assert drawn(model, out).cost == 5.0
    with endpoint([packed], headers=[("content-encoding", "br")]) as model:
        done = drawn(model, out.with_name("other.jsonl"), retries=ONCE)
    (row,) = rows_of(out.with_name("other.jsonl"))
    assert (done.failed, row["cost"], "packed as 'br'" in row["error"]) == (1, 50.0, True)


def test_negative_usage_of_an_endpoint_is_billed_at_the_worst_case(out):
    usage = {"prompt_tokens": 9, "completion_tokens": -5, "total_tokens": 4}
    with endpoint([{**REPLY, "usage": usage}]) as model:
        assert drawn(model, out).cost == 50.0
    assert rows_of(out)[0]["answer"] == "14"
