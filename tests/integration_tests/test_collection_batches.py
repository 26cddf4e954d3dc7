"""Collection through the Batch API, over real HTTP."""

import json
from dataclasses import dataclass, replace

import pytest

from adaptive_reasoner.errors import BudgetExceededError, MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.batch_api import BatchJob
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.metering import PriceMeter
from adaptive_reasoner.models.source import Source
from tests.batch_stub import BatchStub
from tests.fakes import ScriptedModel
from tests.integration_tests.http_menus import menu_at, questions
from tests.unit_tests.kit.collecting.sums import keys_of, rows_of

POLL = {"batch": True, "poll_seconds": 0.01}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "samples.jsonl"


def priced(stub, **settings):
    menu = menu_at(stub.base_url, **settings)
    return Menu(
        menu.sources,
        samples=menu.samples,
        retries=menu.retries,
        meters=PriceMeter(prompt=1.0, completion=10.0),
    )


def test_draws_the_same_rows_as_calls_do_at_half_the_price(out):
    with BatchStub(lambda prompt, number: f"Answer: {len(prompt)}") as stub:
        done = collect(questions(5), priced(stub), out, **POLL)
        called = out.with_name("called.jsonl")
        calls = collect(questions(5), priced(stub), called)
    assert (done.there, done.failed, len(stub.batches)) == (40, 0, 2)
    assert done.cost == pytest.approx(calls.cost / 2)

    def contents(path):
        auxiliary = ("seconds", "batch", "batch_discount")
        return sorted(
            json.dumps({name: value for name, value in row.items() if name not in auxiliary})
            for row in rows_of(path)
        )

    assert contents(out) == contents(called)  # an action costs what a call costs, whatever the label cost
    assert sum(row["batch_discount"] for row in rows_of(out)) == pytest.approx(done.cost)
    assert sum(row["cost"] for row in Samples.read(out).bill()) == pytest.approx(done.cost)
    assert [path.name for path in out.parent.iterdir() if path != called] == ["samples.jsonl"]


def test_a_job_in_batches_is_priced_at_half_whatever_the_rows_there_were_bought_at(out):
    with BatchStub(lambda prompt, number: f"Answer: {len(prompt)}") as stub:
        menu = priced(stub)
        calls, batches = (forecast(questions(5), menu, out, batch=batch) for batch in (False, True))
        assert (batches.bound, batches.expected) == (calls.bound / 2, calls.expected / 2)
        bought = collect(questions(2), menu, out, **POLL)
        rest = forecast(questions(5), menu, out, batch=True)
        assert rest.spent == bought.cost
        assert rest.expected == pytest.approx(1.5 * bought.cost)
        assert forecast(questions(5), menu, out).expected == pytest.approx(3.0 * bought.cost)


def test_what_is_sent_is_what_a_call_sends(out):
    with BatchStub() as stub:
        collect(questions(2), menu_at(stub.base_url), out, **POLL)
        collect(questions(2), menu_at(stub.base_url), out.with_name("called.jsonl"), concurrency=1)
    batched, called = stub.bodies[:16], stub.bodies[16:]

    def contents(bodies):
        return sorted(json.dumps({**body, "stream": False}, sort_keys=True) for body in bodies)

    assert contents(batched) == contents(called)
    (line, *_) = stub.files["file0"].splitlines()
    assert set(json.loads(line)) == {"custom_id", "method", "url", "body"}


def test_requests_that_failed_are_asked_again_and_then_are_error_rows(out):
    refused = {0: {"0": 500, "1": 400, "2": 429}, 1: {"0": 500}, 2: {"0": 500}}
    with BatchStub(refused=refused) as stub:
        done = collect(questions(2), menu_at(stub.base_url, attempts=3), out, **POLL)
    failed = [row for row in rows_of(out) if "error" in row]
    assert (done.there, done.failed) == (16, 2)
    assert sorted(row.get("attempts", 1) for row in failed) == [1, 3]
    assert all(row["cost"] == 0.0 for row in failed)
    assert done.cost == stub.billed


@pytest.mark.parametrize("known", [True, False])
def test_a_batch_under_way_is_taken_up_after_a_kill_and_paid_for_once(out, known):
    under_way = out.with_name("samples.jsonl.batch")
    with BatchStub(polls=10**9) as stub:
        # What a killed process leaves: the note of its batch, with or without its id.
        keys = [("q0", "direct", sample) for sample in range(4)]
        job = BatchJob("mark", "direct", keys, 32.0, "batch0" if known else None)
        body = {"model": "stub", "messages": [{"role": "user", "content": "direct: What is 0 + 1?"}]}
        stub._file("\n".join(json.dumps({"custom_id": str(at), "body": body}) for at in range(4)))
        stub._create({"input_file_id": "file0", "metadata": {"adaptive_reasoner": "mark"}})
        job.write(under_way)
        stub.polls, stub._left["batch0"] = 0, 2
        done = collect(questions(3), menu_at(stub.base_url), out, **POLL)
    assert (done.there, done.cost, len(stub.batches)) == (24, stub.billed, 3)
    assert len(set(keys_of(out))) == 24
    assert sum(row["batch"] == "batch0" for row in rows_of(out)) == 4
    assert not under_way.exists()


@dataclass
class Unsteady(BatchStub):
    """Answers with status 500 when asked how a batch is, so many times, but for the first two times."""

    down: int = 0
    asked: int = 0

    def other(self, method, path, content):
        self.asked += "/batches/" in path
        if "/batches/" in path and self.asked > 2 and self.down:
            self.down -= 1
            return 500, {"error": {"message": "told to"}}
        return super().other(method, path, content)


def left_under_way(out, stub, menu):
    """A collection in batches that ends while its first batch is under way."""
    with pytest.raises(MenuError, match="taken up by the next run"):
        collect(questions(2), menu, out, **POLL)
    assert out.with_name("samples.jsonl.batch").exists()
    stub.down, stub.polls, stub._left["batch0"] = 0, 0, 0


def test_a_batch_outlives_a_bad_moment_of_the_endpoint(out):
    with Unsteady(polls=5, down=2) as stub:
        done = collect(questions(2), menu_at(stub.base_url), out, **POLL)
    assert (done.there, stub.down, len(stub.batches)) == (16, 0, 2)


@pytest.mark.parametrize("change", ["no batch", "prompt", "samples", "question"])
def test_a_batch_under_way_is_neither_bought_twice_nor_taken_for_another(out, monkeypatch, change):
    monkeypatch.setattr("adaptive_reasoner.kit.collecting.batch_api._PATIENCE", 0)
    with Unsteady(polls=10**9, down=10**9) as stub:
        menu = menu_at(stub.base_url)
        left_under_way(out, stub, menu)
        other, asked, how = menu, questions(2), dict(POLL)
        if change == "no batch":
            how = {}
        elif change == "prompt":
            sources = {name: replace(way, prompt="now: {}".format) for name, way in menu.sources.items()}
            other = replace(menu, sources=sources)
        elif change == "samples":
            other = menu_at(stub.base_url, samples=3)
        else:
            asked = questions(3)[1:]
        with pytest.raises(OutcomesError, match=r"samples\.jsonl\.batch: .*by deleting this file"):
            collect(asked, other, out, **how)
        assert keys_of(out) == []
        done = collect(questions(2), menu, out, **POLL)
    assert (done.there, done.cost, len(stub.batches)) == (16, stub.billed, 2)


def test_a_batch_that_cost_more_than_its_worst_case_ends_in_an_error(out):
    with BatchStub() as stub:
        stub._message = lambda body, prompt, number: ({"role": "assistant", "content": "Answer: 1"}, 90)
        with pytest.raises(BudgetExceededError, match="where the hard cap held"):
            collect(questions(1), menu_at(stub.base_url), out, max_cost=1000, **POLL)
    assert len(keys_of(out)) == 4


def test_the_cap_holds_and_the_rest_is_drawn_with_more(out):
    with BatchStub() as stub:
        done = collect(questions(5), menu_at(stub.base_url), out, max_cost=100, **POLL)
        assert done.stopped == "max_cost"
        assert stub.billed == done.cost <= 100
        assert collect(questions(5), menu_at(stub.base_url), out, max_cost=1000, **POLL).there == 40


def test_a_batch_that_is_not_accepted_says_why(out):
    with BatchStub(ends={0: "failed"}) as stub:
        with pytest.raises(MenuError, match="not accepted: too many tokens"):
            collect(questions(1), menu_at(stub.base_url), out, **POLL)
        assert collect(questions(1), menu_at(stub.base_url), out, **POLL).there == 8


def test_a_batch_that_expired_gives_what_it_has_and_the_rest_is_asked_again(out):
    with BatchStub(ends={0: "expired"}, refused={0: {"3": 408}}) as stub:
        done = collect(questions(1), menu_at(stub.base_url, attempts=2), out, **POLL)
    assert (done.there, done.failed, len(stub.batches)) == (8, 0, 3)


def test_other_models_cannot_be_asked_in_batches(out):
    menu = Menu({"cot": Source(ScriptedModel(), max_tokens=8)})
    with pytest.raises(MenuError, match="source 'cot' cannot be asked in batches"):
        collect(questions(1), menu, out, **POLL)


@dataclass
class Spoilt(BatchStub):
    """Puts something else into the replies to some requests of its first batch."""

    def _finish(self, batch):
        super()._finish(batch)
        name = batch["output_file_id"]
        if batch["id"] != "batch0":
            return
        results = [json.loads(line) for line in self.files[name].splitlines()]
        results[0]["response"]["body"] = {"error": {"message": "slow down", "code": 429}}
        results[1]["response"]["body"]["choices"] = None
        usage = results[2]["response"]["body"]["usage"]
        usage.update(completion_tokens=-500, total_tokens=-400)
        del results[3]["response"]["body"]["usage"]
        self.files[name] = "\n".join(map(json.dumps, results))


def test_errors_under_status_200_are_asked_again_and_impossible_usage_is_billed_at_the_worst_case(out):
    with Spoilt() as stub:
        done = collect(questions(1), menu_at(stub.base_url, attempts=2), out, **POLL)
    assert (done.there, done.failed, len(stub.batches)) == (8, 0, 3)
    worst = [row["cost"] for row in rows_of(out) if row.get("estimated")]
    assert worst == [8.0, 8.0]
    assert sorted(row.get("attempts", 1) for row in rows_of(out)) == [1] * 6 + [2, 2]


def test_replies_of_a_batch_without_right_answers_are_not_graded(out):
    with BatchStub() as stub:
        asked = [replace(question, gold=None) for question in questions(2)]
        done = collect(asked, menu_at(stub.base_url), out, **POLL)
    assert (done.failed, done.ungraded) == (0, done.there)
    assert {(row["gold"], row["correct"]) for row in rows_of(out)} == {(None, None)}
