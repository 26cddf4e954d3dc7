import asyncio

import pytest


@pytest.fixture(params=["sync", "async"])
def result_of(request):
    """Give the result of a question to a reasoner, in this thread or on an event loop."""
    if request.param == "sync":
        return lambda made, *args, **kwargs: made.answer(*args, **kwargs)
    return lambda made, *args, **kwargs: asyncio.run(made.aanswer(*args, **kwargs))
