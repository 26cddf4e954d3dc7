"""A request to its end: who pays, what is repeated, and the client that leaves."""

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from math import inf
from urllib.parse import urlsplit

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from adaptive_reasoner import AdaptiveReasoner, SampleMeter, open_ledger
from adaptive_reasoner.server.application import app
from adaptive_reasoner.server.keys import Caller, KeyFile, hashed
from adaptive_reasoner.server.limits import Limits
from tests.stub_server import StubServer
from tests.waiting import PATIENCE, await_until, wait_until

PATHS = ["/v1/chat/completions", "/v1/responses"]
FIELDS = {"/v1/chat/completions": "messages", "/v1/responses": "input"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_leaves_ends_the_call_which_is_billed_at_its_worst_case(serve, path, stream):
    served = serve(upstream=StubServer(replies=0))
    _left(served, json.dumps(served.body(path, stream=stream)).encode(), path=path)
    wait_until(lambda: not served.app.state.gate.in_flight)
    assert served.settled().spent == 100.0
    assert served.upstream.in_flight == 0 or len(served.upstream.bodies) == 1


def test_a_client_that_leaves_in_the_middle_of_a_stream_ends_it(serve):
    served = serve(upstream=StubServer(answer=lambda prompt, number: f"{'long' * 5_000} " * 1_000))
    turns = [{"role": "user", "content": "Write a poem."}]
    body = {"model": "single_pass", "stream": True, "max_tokens": 10_000, "messages": turns}
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body) as answer:
        next(answer.iter_raw())
    wait_until(lambda: not served.app.state.gate.in_flight)
    assert served.settled().spent == 10_000.0


class Halting(FakeListChatModel):
    """A model whose stream begins and does not end."""

    async def _astream(self, *asked, **settings):
        yield ChatGenerationChunk(message=AIMessageChunk("Answer"))
        await asyncio.sleep(3600)


@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_that_is_cut_by_the_end_of_the_server_says_so(path):
    served = app(AdaptiveReasoner(Halting(responses=[""]), budget=3.0, meter=SampleMeter()))
    turns = [{"role": "user", "content": "Hi"}]
    body = {"model": "single_pass", "stream": True} | {FIELDS[path]: turns}
    sent = []

    async def watched(scope, receive, send):
        async def noted(message):
            sent.append(message)
            await send(message)

        await served(scope, receive, noted)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(watched), base_url="http://served") as client:
        asking = asyncio.ensure_future(client.post(path, json=body))
        await await_until(lambda: sent)
        served.state.gate.cut.set()
        answer = await asking
    assert answer.status_code == 200
    assert "shutting_down" in answer.text.strip().split("\n\n")[-1]


def test_a_client_that_does_not_read_is_cut(serve):
    served = serve(
        upstream=StubServer(answer=lambda prompt, number: f"{'long' * 5_000} " * 1_000),
        limits=Limits(body_seconds=1.0),
        patience=1.0,
    )
    turns = [{"role": "user", "content": "Write a poem."}]
    asked = {"model": "single_pass", "stream": True, "max_tokens": 10_000, "messages": turns}
    with _sent(served, json.dumps(asked).encode()):
        wait_until(lambda: served.upstream.bodies)
        wait_until(lambda: not served.app.state.gate.in_flight)
        assert served.settled().spent == 10_000.0


def test_a_client_that_sends_its_body_slowly_is_told_so(serve):
    served = serve(limits=Limits(body_seconds=0.3))
    with _sent(served, b'{"model": ', length=1_000) as connection:
        answer = b"".join(iter(lambda: connection.recv(10_000), b""))  # its connection ends with it
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"request_timeout"' in answer


def test_a_client_that_sends_no_head_is_cut(serve):
    served = serve(patience=0.3)
    with _connected(served) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n")
        assert connection.recv(100) == b""


def _left(served, body, **how):
    """Ask, and leave once the call is under way."""
    with _sent(served, body, **how):
        wait_until(lambda: served.upstream.bodies)


def _connected(served):
    address = urlsplit(served.url)
    return socket.create_connection((address.hostname, address.port), timeout=PATIENCE)


def _sent(served, body, *, length=None, path=PATHS[0], headers=""):
    connection = _connected(served)
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: {length or len(body)}\r\n"
    connection.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
    return connection


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\r\n\r\n", b"POST /v1/responses HTTP/1.1\r\ncontent-length: -5\r\n\r\n"]
)
def test_what_is_not_http_is_refused_in_the_words_of_the_api(serve, sent):
    address = urlsplit(serve().url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        told = b"".join(iter(lambda: connection.recv(4096), b""))
    assert told.startswith(b"HTTP/1.1 400 ")
    assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve):
    served = serve(limits=Limits(body_bytes=10_000))
    answer = served.post(messages=[{"role": "user", "content": "a" * 30_000}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    with _sent(served, b"a" * 50_000, length=10**12) as connection:
        assert connection.recv(10_000).startswith(b"HTTP/1.1 413")


def test_more_requests_than_there_is_room_for_are_asked_to_come_back(serve):
    served = serve(upstream=StubServer(replies=0), limits=Limits(concurrency=2))
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(served.post) for _ in range(4)]
        wait_until(lambda: sum(each.done() for each in asked) == 2)
        served.upstream.replies = inf
        answers = [each.result() for each in asked]
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert served.settled().questions == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_a_repeated_request_is_answered_as_before_and_billed_once(serve, path, stream):
    served = serve()
    first, again = (served.post(path, headers={"Idempotency-Key": "a"}, stream=stream) for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert first.headers["x-adaptive-action"] == again.headers["x-adaptive-action"] == "single_pass"
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert (served.settled().spent, len(served.upstream.bodies)) == (3.0, 1)


def test_repeated_requests_wait_for_the_first(serve):
    served = serve(upstream=StubServer(latency=0.5))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: served.post(headers={"Idempotency-Key": "a"}), range(4)))
    assert len({answer.content for answer in answers}) == 1
    assert (served.settled().spent, len(served.upstream.bodies)) == (3.0, 1)


def test_a_key_belongs_to_one_request(serve):
    served = serve()
    assert served.post(headers={"Idempotency-Key": "a"}).status_code == 200
    other = served.post(headers={"Idempotency-Key": "a"}, temperature=0.5)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_a_refusal_that_cost_nothing_may_be_tried_again(serve):
    served = serve(upstream=StubServer(faults={0: "503"}))
    statuses = [served.post(headers={"Idempotency-Key": "a"}).status_code for _ in range(3)]
    assert statuses == [503, 200, 200]
    assert served.settled().spent == 3.0


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_was_left_and_billed_is_not_billed_again(serve, stream):
    served = serve(upstream=StubServer(replies=0))
    body = json.dumps(served.body(PATHS[0], stream=stream)).encode()
    _left(served, body, headers="idempotency-key: a\r\n")
    again = served.raw(body, headers={"Idempotency-Key": "a"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_key_interrupted")
    assert (served.settled().spent, len(served.upstream.bodies)) == (100.0, 1)


def test_a_key_that_another_process_has_charged_is_refused(serve, tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", target=30.0)
    first, second = serve(ledger=ledger), serve(ledger=ledger)
    assert first.post(headers={"Idempotency-Key": "a"}).status_code == 200
    other = second.post(headers={"Idempotency-Key": "a"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_used")
    assert (first.settled().spent, len(second.upstream.bodies)) == (3.0, 0)


def test_requests_of_one_run_are_one_question(serve):
    served = serve()
    for _ in range(3):
        answer = served.post(headers={"x-adaptive-run": "run-1"})
    assert answer.json()["adaptive_reasoner"]["run_id"] == "run-1"
    state = served.settled()
    assert (state.questions, state.spent) == (1, 9.0)


def test_a_price_and_a_budget_of_a_request_take_the_place_of_the_ledgers(serve):
    served = serve()

    def price(**headers):
        answer = served.post(model="adaptive", headers={f"x-adaptive-{n}": v for n, v in headers.items()})
        return answer.json()["adaptive_reasoner"]["decisions"][0]["price"]

    assert price(price="0.5") == 0.5
    by_metadata = served.post(model="adaptive", metadata={"adaptive_price": "0.25"}).json()
    assert by_metadata["adaptive_reasoner"]["decisions"][0]["price"] == 0.25
    now = served.ledger.price
    assert price(budget="3") == pytest.approx(10 * now)


def keys(**callers):
    return KeyFile({hashed(key): caller for key, caller in callers.items()})


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_a_key_is_charged_to_its_tenant_and_to_the_common_ledger(serve):
    own = {}

    def open_tenant(tenant):
        own[tenant] = open_ledger("memory://", hard_cap=203.0)
        return own[tenant]

    known = keys(good=Caller("acme-1", tenant="acme"), other=Caller("ops"))
    served = serve(keys=known, open_tenant=open_tenant)
    assert served.post(headers=bearer("good")).status_code == 200
    assert served.post(headers=bearer("other")).status_code == 200
    assert (own["acme"].spent, served.settled().spent) == (3.0, 6.0)
    full = served.post(model="vote_3", headers=bearer("good"))
    assert (full.status_code, full.json()["error"]["code"]) == (402, "budget_exceeded")
    assert served.post(model="vote_3", headers=bearer("other")).status_code == 200


@pytest.mark.parametrize("given", [{}, bearer("bad"), {"authorization": "Basic good"}])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/metrics"])
def test_without_a_known_key_nothing_is_answered(serve, path, given):
    served = serve(keys=keys(good=Caller("acme-1")))
    asked = served.post if path == "/v1/chat/completions" else served.get
    answer = asked(path, headers=given)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert served.get("/healthz").status_code == 200


def test_a_key_asks_for_no_other_tenant(serve):
    served = serve(keys=keys(good=Caller("acme-1", tenant="acme")))
    assert served.post(headers={**bearer("good"), "x-adaptive-tenant": "acme"}).status_code == 200
    other = served.post(headers={**bearer("good"), "x-adaptive-tenant": "beta"})
    assert (other.status_code, other.json()["error"]["code"]) == (403, "wrong_tenant")


def test_callers_do_not_share_the_names_of_runs_and_keys(serve):
    served = serve(keys=keys(one=Caller("one"), two=Caller("one:a")))
    for key, named in (("one", "a:b"), ("two", "b"), ("two", "a:b")):
        terms = {"Idempotency-Key": named, "x-adaptive-run": named}
        assert served.post(headers={**bearer(key), **terms}).status_code == 200
    assert served.settled().questions == 3


def test_without_keys_a_request_names_its_tenant(serve):
    own = {}
    served = serve(open_tenant=lambda tenant: own.setdefault(tenant, open_ledger("memory://")))
    assert served.post(headers={"x-adaptive-tenant": "beta"}).status_code == 200
    assert own["beta"].spent == served.settled().spent == 3.0


def test_the_metrics_count_requests_answers_and_costs(serve):
    served = serve()
    served.post(model="vote_3")
    served.post(model="gpt-9")
    told = served.get("/metrics").text
    for line in (
        'adaptive_reasoner_requests_total{path="/v1/chat/completions",status="200"} 1.0',
        'adaptive_reasoner_requests_total{path="/v1/chat/completions",status="404"} 1.0',
        'adaptive_reasoner_answers_total{action="vote_3",reason="policy"} 1.0',
        'adaptive_reasoner_cost_total{action="vote_3",unit="tokens"} 9.0',
        "adaptive_reasoner_in_flight 0.0",
        "adaptive_reasoner_ledger_spent 9.0",
        "adaptive_reasoner_ledger_target 30.0",
    ):
        assert line in told


def test_the_metrics_are_told_while_the_ledger_is_away(serve, tmp_path):
    file, aside = tmp_path / "ledger.db", tmp_path / "aside.db"
    served = serve(ledger=open_ledger(f"sqlite:///{file}", target=30.0))
    assert "adaptive_reasoner_ledger_up 1.0" in served.get("/metrics").text
    file.rename(aside)
    assert served.post().status_code == 503
    told = served.get("/metrics").text
    aside.rename(file)
    assert "adaptive_reasoner_ledger_up 0.0" in told
    assert 'path="/v1/chat/completions",status="503"' in told
    assert "adaptive_reasoner_ledger_spent" not in told


def test_the_log_holds_no_prompt_no_answer_and_no_key(serve, caplog):
    caplog.set_level("INFO")
    served = serve(keys=keys(sesame=Caller("acme-1")), upstream=StubServer(faults={1: "bad json"}))
    for _ in range(2):
        served.post(headers=bearer("sesame"))

    def ours():
        named = (record for record in caplog.records if record.name.startswith("adaptive_reasoner"))
        return [record.getMessage() for record in named]

    # a request is logged when its answer has been sent
    wait_until(lambda: sum(line.startswith("POST /v1/chat/completions ") for line in ours()) == 2)
    assert not any(word in line for line in ours() for word in ("3 + 4", "Answer", "sesame"))


def test_what_a_chaotic_upstream_bills_is_what_the_ledger_holds(serve):
    def fault(number):
        return ["429", None, "cut", "500", None, "bad json", None, "reset"][number % 8]

    served = serve(upstream=StubServer(faults=fault))
    with ThreadPoolExecutor(8) as pool:
        asked = [(path, stream) for path in PATHS for stream in (False, True)] * 8
        answers = list(pool.map(lambda each: served.post(each[0], stream=each[1]), asked))
    assert all(answer.status_code in (200, 429, 502) for answer in answers)
    assert served.settled().spent == served.upstream.priced
