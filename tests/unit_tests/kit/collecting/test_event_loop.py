"""One event loop for all work of the kit: it leaves nothing running."""

import asyncio

import pytest

from adaptive_reasoner.kit.collecting import event_loop


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_before_the_work_is_waited_for_leaves_it_not_running(monkeypatch, begun):
    loop = event_loop._event_loop()
    schedule = loop.call_soon_threadsafe

    def interrupted(callback):
        monkeypatch.undo()
        if begun:
            schedule(callback)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        event_loop.in_background(asyncio.sleep(60))
    assert asyncio.all_tasks(loop) == set()
    assert event_loop.in_background(asyncio.sleep(0, "next")) == "next"
