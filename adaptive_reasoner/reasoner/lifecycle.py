"""The begin and the end of a question: decide and reserve, then settle and report, also after an error."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from adaptive_reasoner.reasoner.events import asend_closed, asend_event, send_closed, send_event
from adaptive_reasoner.reasoner.run import QuestionRun
from adaptive_reasoner.reasoner.sample_keeper import QuestionSamples
from adaptive_reasoner.reasoner.threads import to_its_end


@contextmanager
def under_way(
    run: QuestionRun, kept: QuestionSamples, *, warn: Callable[[int], None]
) -> Iterator[QuestionRun]:
    """A question under way: decided and reserved at the beginning, settled, reported and kept at the end.

    Args:
        run: The question.
        kept: Its samples, as far as they are logged.
        warn: Is told how many samples are copies of each other.
    """
    try:
        run.open()
        send_event(run, run.decided())
        yield run
    finally:
        try:
            run.close()
            warn(run.copies)
            send_closed(run)
        finally:
            kept.write()
            send_event(run, kept.failed)


@asynccontextmanager
async def aunder_way(
    run: QuestionRun, kept: QuestionSamples, *, warn: Callable[[int], None]
) -> AsyncIterator[QuestionRun]:
    """`under_way`, without blocking the loop."""

    def close() -> None:
        run.close()
        warn(run.copies)  # which may ask the ledger

    try:
        await to_its_end(run.open, at_once=run.opens_at_once)
        await asend_event(run, run.decided())
        yield run
    finally:
        try:
            await to_its_end(close, at_once=run.closes_at_once)
            await asend_closed(run)
        finally:
            await to_its_end(kept.write, at_once=kept.writes_at_once)
            await asend_event(run, kept.failed)
