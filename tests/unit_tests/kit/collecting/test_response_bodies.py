"""Bodies behind the clients of collections and servers."""

import httpx
import pytest

from adaptive_reasoner.kit.collecting.response_bodies import check_body


class Pieces(httpx.AsyncByteStream):
    """A body that counts the pieces that were read."""

    def __init__(self):
        self.read = 0

    async def __aiter__(self):
        for piece in (b"data: 1\n\n", b"data: [DONE]\n\n"):
            self.read += 1
            yield piece


@pytest.mark.parametrize(("asked", "read"), [({"stream": True}, 0), ({"stream": False}, 2), ({}, 2)])
async def test_only_a_stream_that_was_asked_for_is_left_to_its_reader(asked, read):
    request = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions", json=asked)
    pieces, events = Pieces(), {"content-type": "text/event-stream; charset=utf-8"}
    response = httpx.Response(200, headers=events, stream=pieces, request=request)
    await check_body(response)
    assert pieces.read == read
    assert await response.aread() == b"data: 1\n\ndata: [DONE]\n\n"
