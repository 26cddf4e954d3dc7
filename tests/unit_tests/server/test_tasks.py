"""Tasks that are ended together."""

import asyncio

import pytest

from adaptive_reasoner.server.tasks import all_of, ended


async def test_a_task_that_loses_a_cancellation_is_cancelled_again():
    lost = []

    async def stubborn():
        while len(lost) < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as error:
                lost.append(error)
        await asyncio.sleep(60)

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    await ended(task)
    assert (len(lost), task.cancelled()) == (2, True)


async def test_whoever_ends_tasks_leaves_none_behind_when_cancelled_itself():
    closed = []

    async def slow_to_close():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            closed.append(True)

    inner = asyncio.ensure_future(slow_to_close())
    await asyncio.sleep(0)
    outer = asyncio.ensure_future(ended(inner))
    await asyncio.sleep(0)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert closed == [True]


async def test_where_one_work_fails_the_others_are_ended_before_its_error_is_raised():
    closed = []

    async def fails():
        raise ValueError("broken")

    async def waits():
        try:
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="broken"):
        await all_of([waits(), fails()])
    assert closed == [True]
