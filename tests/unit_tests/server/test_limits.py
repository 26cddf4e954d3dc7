import pytest

from adaptive_reasoner.server.limits import Gate, LimitedApp, Limits


async def broken(scope, receive, send):
    raise ZeroDivisionError


async def silent(scope, receive, send):
    await receive()


@pytest.mark.parametrize(("app", "error", "status"), [(broken, ZeroDivisionError, 500), (silent, None, 499)])
async def test_a_fault_is_counted_as_one_and_not_as_a_client_that_left(app, error, status):
    seen = []

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        raise AssertionError(message)

    limited = LimitedApp(app, gate=Gate(1), limits=Limits(), observe=lambda *each: seen.append(each[:2]))
    asking = limited({"type": "http", "method": "POST", "path": "/v1/responses"}, receive, send)
    if error is None:
        await asking
    else:
        with pytest.raises(error):
            await asking
    assert seen == [("/v1/responses", status)]
