import json
import random
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
import requests

from adaptive_reasoner.kit.menu.retries import Retries, refuses_all, worth_another
from adaptive_reasoner.models.api_errors import is_unreachable, retry_after
from adaptive_reasoner.models.replies import EmptyReplyError, LostReplyError
from tests.fakes import StatusError


def refused(status=429, **headers):
    error = StatusError(status)
    error.response = SimpleNamespace(
        headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return error


def wrapped(cause):
    error = RuntimeError("Connection error.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "again"),
    [
        *((StatusError(status), True) for status in (408, 409, 425, 429, 500, 502, 503, 529)),
        *((StatusError(status), False) for status in (400, 401, 403, 404, 413, 422)),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (LostReplyError("cut off"), True),
        (json.JSONDecodeError("cut", "{", 1), True),
        (EmptyReplyError("no text"), False),
        (ValueError("temperature is above 2"), False),
        (TypeError("no such argument"), False),
        (KeyError("model"), False),
        (wrapped(StatusError(400)), False),
    ],
)
def test_what_may_pass_is_tried_again_and_what_is_wrong_is_not(error, again):
    assert worth_another(error) is again


def test_no_call_is_made_where_all_would_be_refused():
    broke = StatusError(429)
    broke.code = "insufficient_quota"
    assert refuses_all(broke)
    assert all(refuses_all(StatusError(status)) for status in (401, 402, 403, 404))
    assert not any(refuses_all(StatusError(status)) for status in (400, 422, 429, 500))


def test_the_pause_doubles_up_to_the_longest_and_never_falls_below_half():
    retries, jitter = Retries(attempts=9, first_pause=1.0, longest_pause=10.0), random.Random(1)
    for attempt, most in enumerate((1, 2, 4, 8, 10, 10), start=1):
        pauses = [retries.pause(attempt, TimeoutError(), jitter) for _ in range(50)]
        assert most / 2 <= min(pauses) <= max(pauses) <= most
        assert len(set(pauses)) == 50


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
def test_reads_how_long_the_endpoint_asks_to_wait(headers, seconds):
    assert retry_after(refused(**headers)) == seconds
    if seconds is not None:
        pause = Retries(first_pause=0.5).pause(1, wrapped(refused(**headers)), random.Random(0))
        assert seconds < pause <= seconds + 0.5


def test_reads_a_date_to_wait_for():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < retry_after(refused(retry_after=later)) <= 30
    assert retry_after(refused(retry_after="Mon, 01 Jan 2001 00:00:00 GMT")) == 0.0
    assert retry_after(TimeoutError()) is None


def test_tells_a_refused_key_and_a_missing_endpoint_from_what_passes():
    assert refuses_all(StatusError(401))
    assert not refuses_all(StatusError(429))
    assert is_unreachable(wrapped(ConnectionRefusedError()))
    assert not is_unreachable(wrapped(ConnectionResetError()))


def test_makes_sense_or_is_refused():
    with pytest.raises(ValueError, match="at least 1 attempt, not 0"):
        Retries(attempts=0)
    with pytest.raises(ValueError, match="5 to 1"):
        Retries(first_pause=5, longest_pause=1)


class ClientError(Exception):
    """As botocore's: `response` is a dict."""

    def __init__(self, headers):
        self.response = {
            "Error": {"Code": "ThrottlingException"},
            "ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": headers},
        }


def holding(**fields):
    error = TimeoutError("slow")
    vars(error).update(fields)
    return error


def mail(**headers):
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ClientError({"retry-after": "2"}), 2.0),
        (ClientError({"Retry-After": "2"}), 2.0),
        (ClientError(None), None),
        (requests.ConnectionError("reset"), None),
        (requests.ReadTimeout("slow"), None),
        (holding(response=None), None),
        (holding(response={}), None),
        (holding(response="429"), None),
        (holding(response={"headers": {"retry-after": 3}}), 3.0),
        (holding(headers={"RETRY-AFTER": "4"}), 4.0),
        (holding(headers=mail(Retry_After="5")), 5.0),
        (holding(headers=7), None),
        (holding(headers={"retry-after": "nan"}), None),
        (holding(headers={"retry-after": "-3"}), 0.0),
        (holding(headers={"retry-after": "inf"}), float("inf")),
        (holding(headers={"retry-after": "1e300"}), 1e300),
        (holding(headers={"retry-after": "soon"}), None),
        (holding(headers={"retry-after": "Mon, 01 Jan 0001 00:00:00 +2300"}), 0.0),
        (holding(headers={"retry-after": "Mon, 01 Jan 2001 00:00:00 -0000"}), 0.0),
        (holding(headers={"retry-after-ms": "nan", "retry-after": "6"}), 6.0),
        (holding(response=None, headers={"retry-after": "8"}), 8.0),
    ],
    ids=repr,
)
def test_asking_how_long_to_wait_is_never_an_error(error, seconds):
    assert retry_after(error) == seconds
    outer = ValueError("outer")
    outer.__cause__ = error
    assert retry_after(outer) == seconds


def test_a_pause_beyond_the_longest_wait_is_told():
    retries = Retries(longest_wait=60.0)
    assert retries.too_long(holding(headers={"retry-after": "61"})) == 61.0
    assert retries.too_long(holding(headers={"retry-after": "60"})) is None
    assert retries.too_long(TimeoutError()) is None
    assert retries.pause(1, holding(headers={"retry-after": "inf"}), random.Random(0)) < 61


@pytest.mark.parametrize("wait", [-1.0, float("inf"), float("nan")])
def test_the_longest_wait_is_a_number_of_seconds(wait):
    with pytest.raises(ValueError, match="longest_wait is a number of seconds"):
        Retries(longest_wait=wait)
