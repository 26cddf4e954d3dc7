import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.kit.collecting.rate_limit import RateLimit


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 400)), min_size=1, max_size=60),
    st.integers(1, 100),
    st.integers(400, 4000),
)
def test_no_minute_holds_more_requests_or_tokens_than_allowed(arrivals, requests, tokens):
    clock = Clock()
    limit = RateLimit(requests, tokens, clock=clock)
    passed = []
    for gap, size in arrivals:
        clock.now += gap
        while (pause := limit.take(size)) > 0:
            clock.now += pause
        passed.append((clock.now, size))
    for first, _ in passed:
        minute = [size for at, size in passed if first <= at < first + 60 - 1e-6]
        assert len(minute) <= requests
        assert sum(minute[:-1]) <= tokens  # the last one's tokens are spread over the time after it


def test_without_limits_nothing_waits():
    limit = RateLimit(clock=Clock())
    assert [limit.take(10**9) for _ in range(5)] == [0.0] * 5


def test_tokens_that_were_not_used_come_back():
    clock = Clock()
    limit = RateLimit(tokens=600, clock=clock)
    assert limit.take(100) == 0.0
    assert limit.take(100) == 10.0
    limit.give_back(90)
    assert limit.take(100) == 1.0
    clock.now += 1.0
    assert limit.take(100) == 0.0


async def test_who_waits_goes_as_soon_as_tokens_come_back_in_the_order_of_asking():
    clock, gone = Clock(), []
    limit = RateLimit(tokens=600, clock=clock)

    async def call(name):
        await limit.wait(100)
        gone.append(name)
        limit.give_back(100)

    await limit.wait(100)
    waiting = [asyncio.create_task(call(name)) for name in range(3)]
    await asyncio.sleep(0.01)
    assert gone == []
    limit.give_back(100)
    await asyncio.gather(*waiting)
    assert gone == [0, 1, 2]


async def test_an_asked_for_pause_holds_everybody_back():
    clock = Clock()
    limit = RateLimit(clock=clock)
    limit.shut(0.02)
    limit.shut(0.01)
    waiting = [asyncio.create_task(limit.wait(1)) for _ in range(3)]
    await asyncio.sleep(0.03)
    assert not any(task.done() for task in waiting)  # by its clock, no time has passed
    clock.now += 0.02
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("rate", [0, -1, float("inf")])
def test_a_limit_is_above_zero(rate):
    with pytest.raises(ValueError, match="above 0"):
        RateLimit(requests=rate)
    with pytest.raises(ValueError, match="above 0"):
        RateLimit(tokens=rate)


def played(limit, clock, *, most, used, seconds, in_flight):
    """Tokens used each second where calls are made as soon as they may, and use less than they might."""
    flying, spent = [], []
    for tick in range(seconds * 50):
        clock.now += 0.02
        for _ in range(sum(ends <= clock.now for ends in flying)):
            limit.give_back(most - used)
        flying = [ends for ends in flying if ends > clock.now]
        spent.append(0)
        while len(flying) < in_flight and limit.take(most) == 0.0:
            flying.append(clock.now + 1.0 + 0.5 * (tick % 3))
            spent[-1] += used
    return spent


@pytest.mark.parametrize("most", [400, 2000, 4000])
def test_long_limits_and_short_replies_leave_little_of_the_tokens_unused(most):
    clock = Clock()
    limit = RateLimit(tokens=60_000, clock=clock)
    spent = played(limit, clock, most=most, used=200, seconds=180, in_flight=64)
    minutes = [sum(spent[at : at + 3000]) for at in range(3000, 6000, 500)]
    assert min(minutes) > 0.8 * 60_000
    assert max(minutes) <= 60_000 * (1 + 5 / 60)
