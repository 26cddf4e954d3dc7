"""What is kept of answers under idempotency keys."""

from adaptive_reasoner.server.repeats import Kept, Repeats


def kept(size):
    return Kept(200, {}, "application/json", b"a" * size)


async def answered(repeats, key, size=10):
    turn = await repeats.turn(key, b"body")
    if turn.kept is None:
        turn.end(kept(size))
        return False
    return True


async def test_an_answer_is_kept_for_its_time():
    now = [0.0]
    repeats = Repeats(seconds=10.0, clock=lambda: now[0])
    assert [await answered(repeats, "a"), await answered(repeats, "a")] == [False, True]
    now[0] = 11.0
    assert await answered(repeats, "a") is False


async def test_the_oldest_answers_make_room_for_new_ones():
    repeats = Repeats(most_bytes=25_000)
    for key in "abc":
        await answered(repeats, key, size=10_000)
    assert [await answered(repeats, key) for key in "cb"] == [True, True]
    assert await answered(repeats, "a") is False


async def test_without_an_answer_the_next_request_has_its_turn():
    repeats = Repeats()
    turn = await repeats.turn("a", b"body")
    turn.end(None)
    turn.end(kept(3))  # a turn ends once
    assert (await repeats.turn("a", b"body")).kept is None
