"""What goes wrong, with the status and the error object that say so."""

import httpx
import pytest
from langchain_openai import ChatOpenAI

from adaptive_reasoner import open_ledger
from adaptive_reasoner.server.errors import problem_of
from adaptive_reasoner.server.limits import Limits
from tests.stub_server import StubServer


def problem(answer):
    """The error of an answer, which has all fields of OpenAI's format."""
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


WRONG = [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"messages": [{"role": "poet", "content": "Hi"}]}, "messages.0"),
    ({"messages": [{"role": "system", "content": ""}]}, None),
    ({"messages": "Hi"}, "messages"),
    ({"n": 0}, "n"),
    ({"n": 1_000}, "n"),
    ({"n": "2"}, "n"),
    ({"n": True}, "n"),
    ({"logprobs": "yes"}, "logprobs"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"temperature": -1}, "temperature"),
    ({"max_tokens": -5}, "max_tokens"),
    ({"stream": "perhaps"}, "stream"),
    ({"tool_choice": "required"}, None),
    ({"tools": [{"type": "function", "function": {"name": "no good name"}}]}, "tools.0.function.name"),
    ({"surprise": 1}, "surprise"),
    ({"model": None}, "model"),
]


@pytest.mark.parametrize(("given", "param"), WRONG, ids=lambda part: str(part)[:40])
def test_a_wrong_request_is_refused_and_the_field_named(shared, given, param):
    calls = len(shared.upstream.bodies)
    answer = shared.post(**given)
    assert answer.status_code == 400
    error = problem(answer)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert len(shared.upstream.bodies) == calls


RAW = ["{", "", "[]", "null", '{"model": "single_pass", "messages": [' + "[" * 100_000]
RAW += ['{"model": "single_pass", "messages": [{"role": "user", "content": "a"}], "temperature": NaN}']
RAW += ['{"model": "single_pass", "messages": [{"role": "user", "content": "\\ud800"}]}']
RAW += ['{"model": "single_pass", "messages": [{"role": "user", "content": "a"}], "n": 1e400}']


@pytest.mark.parametrize(
    "body", [*(text.encode() for text in RAW), b"\xff\xfe{}"], ids=lambda body: body[-20:]
)
def test_a_body_that_is_no_request_is_refused(shared, body):
    answer = shared.raw(body)
    assert answer.status_code == 400
    assert problem(answer)["type"] == "invalid_request_error"


HEADERS = [
    ("x-adaptive-budget", "-3"),
    ("x-adaptive-budget", "0"),
    ("x-adaptive-budget", "1e300"),
    ("x-adaptive-price", "much"),
    ("x-adaptive-max-cost", "nan"),
    ("x-adaptive-deadline", "inf"),
    ("x-adaptive-tenant", "a/b"),
    ("x-adaptive-run", "r" * 201),
    ("idempotency-key", "k" * 256),
    ("x-adaptive-bugdet", "3"),
]


@pytest.mark.parametrize(("name", "value"), HEADERS)
def test_a_wrong_header_is_refused_and_named(shared, name, value):
    answer = shared.post(headers={name: value})
    assert (answer.status_code, problem(answer)["param"]) == (400, name)


def test_what_the_metadata_says_is_checked_like_a_header(shared):
    answer = shared.post(metadata={"adaptive_budget": "-3"})
    assert (answer.status_code, problem(answer)["param"]) == (400, "metadata.adaptive_budget")


def test_a_term_of_the_metadata_that_is_none_is_named_with_those_there_are(shared):
    answer = shared.post(metadata={"adaptive_max-cost": "3", "topic": "sums"})
    assert (answer.status_code, problem(answer)["param"]) == (400, "metadata.adaptive_max-cost")
    assert "adaptive_max_cost" in problem(answer)["message"]
    assert shared.post(metadata={"topic": "sums"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize(
    "given",
    [
        {"logprobs": False},
        {"top_logprobs": 0},
        {"modalities": ["text"]},
        {"background": False},
        {"audio": None},
    ],
    ids=str,
)
def test_an_unsupported_parameter_that_asks_for_nothing_is_accepted(shared, path, given):
    assert shared.post(path, **given).status_code == 200


def test_an_empty_body_is_called_empty(shared):
    assert "the body is empty" in problem(shared.raw(b""))["message"]


def test_an_unknown_model_is_not_found_and_the_known_ones_are_named(shared):
    answer = shared.post(model="gpt-9")
    assert answer.status_code == 404
    error = problem(answer)
    assert error["code"] == "model_not_found"
    assert "adaptive, single_pass, vote_3" in error["message"]


def test_other_paths_and_methods_answer_in_the_same_format(shared):
    assert problem(shared.get("/v1/nothing"))["code"] == "not_found"
    assert problem(shared.get("/v1/chat/completions"))["code"] == "method_not_allowed"


UPSTREAM = [
    ("400", 400, "upstream_rejected"),
    ("401", 502, "upstream_authentication"),
    ("404", 502, "upstream_failed"),
    ("429", 429, "rate_limit_exceeded"),
    ("500", 502, "upstream_failed"),
    ("503", 503, "upstream_overloaded"),
    ("bad json", 502, "upstream_failed"),
    ("cut", 502, "upstream_failed"),
    ("reset", 502, "upstream_failed"),
    ("no usage", 502, "unpriced_usage"),
    ("no finish", 502, "upstream_failed"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "status", "code"), UPSTREAM)
def test_a_failure_of_the_upstream_has_a_status_of_its_own(serve, fault, status, code, stream):
    if stream and fault not in ("400", "401", "404", "429", "500", "503"):
        pytest.skip("a stream breaks off in another way")
    served = serve(upstream=StubServer(faults=lambda number: fault))
    answer = served.post(stream=stream)
    assert (answer.status_code, problem(answer)["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    state = served.settled()
    paid = fault in ("bad json", "cut", "reset", "no usage", "no finish")
    assert state.spent == (served.upstream.priced if paid else 0.0)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        *(("retry-after: 7", "7"), ("retry-after: 1.5", "2"), ("retry-after-ms: 2500", "3")),
        *(("retry-after: inf", "86400"), ("retry-after: Wed, 01 Jan 2200 00:00:00 GMT", "86400")),
        *(("retry-after: 0", "1"), ("retry-after: soon", "1")),
    ],
)
def test_the_pause_that_the_upstream_asks_for_is_passed_on_in_whole_seconds(serve, asked, told):
    served = serve(upstream=StubServer(faults=lambda number: "429", asks_pause=asked))
    assert served.post().headers["retry-after"] == told


def test_no_text_of_the_upstream_is_passed_on_that_may_hold_a_secret(serve):
    served = serve(upstream=StubServer(faults=lambda number: "401"))
    assert "told to" not in served.post().text


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_a_stream_that_breaks_off_ends_with_an_error(serve, path):
    served = serve(upstream=StubServer(faults=lambda number: "cut"))
    answer = served.post(path, stream=True)
    assert answer.status_code == 200
    last = answer.text.strip().split("\n\n")[-1]
    assert "upstream_failed" in last
    assert served.settled().spent == served.upstream.priced == 100


def test_an_upstream_that_is_not_there_is_a_bad_gateway(serve):
    nowhere = ChatOpenAI(model="stub", base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)
    served = serve(model=nowhere)
    answer = served.post()
    assert (answer.status_code, problem(answer)["code"]) == (502, "upstream_unreachable")
    assert served.settled().spent == 0.0


def test_an_answer_that_takes_too_long_is_a_timeout_and_is_billed_at_its_worst_case(serve):
    served = serve(upstream=StubServer(latency=30.0), limits=Limits(answer_seconds=1.5))
    answer = served.post()
    assert (answer.status_code, problem(answer)["code"]) == (504, "upstream_timeout")
    assert served.settled().spent == 100.0


def test_a_deadline_of_the_request_is_one_too(serve):
    served = serve(upstream=StubServer(latency=30.0))
    answer = served.post(headers={"x-adaptive-deadline": "1.5"})
    assert (answer.status_code, problem(answer)["code"]) == (504, "upstream_timeout")
    served.settled()


def test_an_exhausted_budget_is_no_invitation_to_try_again(serve):
    served = serve(ledger=open_ledger("memory://", target=30.0, hard_cap=150.0))
    assert served.post().status_code == 200
    answers = [served.post(model="vote_3") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [402, 402]
    error = problem(answers[0])
    assert (error["type"], error["code"]) == ("insufficient_quota", "budget_exceeded")
    assert served.settled().spent == 3.0


def test_the_most_that_a_request_may_cost_is_kept(shared):
    assert shared.post(headers={"x-adaptive-max-cost": "100"}).status_code == 200
    assert shared.post(headers={"x-adaptive-max-cost": "99"}).status_code == 402
    assert shared.post(model="vote_3", headers={"x-adaptive-max-cost": "299"}).status_code == 402


def test_a_request_that_the_models_client_refuses_is_sent_nowhere_and_costs_nothing(serve):
    served = serve()
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    answer = served.post(tools=[tool], response_format=form)
    assert (answer.status_code, problem(answer)["code"]) == (400, "unsupported_parameter")
    assert "not strict" in problem(answer)["message"]
    assert (served.settled().spent, served.upstream.bodies) == (0.0, [])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_is_not_sent_as_json_is_refused_with_the_header_named(shared, path, kind):
    answer = httpx.post(f"{shared.url}{path}", content=b'{"model": "x"}', headers={"content-type": kind})
    assert answer.status_code == 400
    assert "content-type: application/json" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [b"[" * 100_000 + b"]" * 100_000, b'{"model": "\xff"}'], ids=["nested", "another encoding"]
)
def test_a_body_that_json_cannot_hold_is_told_what_may_be_wrong_with_it(shared, body):
    error = problem(shared.raw(body))
    assert (error["code"], error["param"]) == ("invalid_json", None)
    assert error["message"] == "the body is not JSON in UTF-8, or is nested too deeply"


def test_a_connection_that_was_cut_is_no_timeout_whatever_the_client_calls_it():
    class ConnectTimeout(Exception):  # noqa: N818 - its name is the point
        """As the transport over aiohttp names a connection that was reset."""

    cut, left, late = ConnectTimeout("reset"), ConnectTimeout("left"), ConnectTimeout("late")
    cut.__cause__, late.__cause__ = ConnectionResetError(104, "reset"), TimeoutError()
    left.__cause__ = pytest.importorskip("aiohttp").ServerDisconnectedError()
    assert [problem_of(error, {}).status for error in (cut, left, late)] == [502, 502, 504]


def test_a_path_with_a_slash_at_its_end_is_another_one_and_sent_nowhere(shared):
    answer = shared.raw(b"{}", "/v1/chat/completions/")
    assert (answer.status_code, problem(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/v1/models/none", 404)])
def test_a_head_has_the_status_and_no_body(shared, path, status):
    answer = httpx.head(f"{shared.url}{path}")
    assert (answer.status_code, answer.content) == (status, b"")
