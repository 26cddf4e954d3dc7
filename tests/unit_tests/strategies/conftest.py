import asyncio

import pytest

from adaptive_reasoner.strategies.flow import arun, run


@pytest.fixture(params=["sync", "async"])
def drive(request):
    """Run a flow to its answer, through either driver; by default on the task of the test's module."""
    own = request.module.TASK
    if request.param == "sync":
        return lambda flow, caller, task=own: run(flow, task, caller)
    return lambda flow, caller, task=own: asyncio.run(arun(flow, task, caller))
