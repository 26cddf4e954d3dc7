"""See to it that no call of a question is sent before all it can cost is held."""

from adaptive_reasoner.reasoner.run import QuestionRun
from adaptive_reasoner.reasoner.threads import to_its_end


def hold_calls(run: QuestionRun) -> bool:
    """Hold what the next calls of a question can cost; whether there are any."""
    while run.short:
        run.cover()
    return not run.answered


async def ahold_calls(run: QuestionRun) -> bool:
    """Like `hold_calls`, without blocking the loop."""
    while run.short:
        await to_its_end(run.cover, at_once=run.covers_at_once)
    return not run.answered
