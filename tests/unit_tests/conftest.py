"""What the tests of several modules ask with."""

import pytest


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """A graph or an agent, invoked either way."""

    async def sync(graph, *args, **kwargs):
        return graph.invoke(*args, **kwargs)

    async def later(graph, *args, **kwargs):
        return await graph.ainvoke(*args, **kwargs)

    return sync if request.param == "sync" else later
