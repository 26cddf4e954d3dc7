"""Ways to answer: one pass, a vote that knows when to stop, thinking, other models.

They compose: a vote of thinking calls on another model is one action,
`switch_model(strong, extended_thinking("high", self_consistency(5)))`.
"""

from adaptive_reasoner.answers.extraction import AnswerKey, final_answer
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Request
from adaptive_reasoner.strategies.flow import (
    Answer,
    Flow,
    Steps,
    Task,
    sample_price,
    usable_messages,
    vote_of,
)
from adaptive_reasoner.strategies.stop_rules import Lossless, StopRule, Votes


def single_pass(*, key: AnswerKey = final_answer) -> Flow:
    """Answer with one call."""

    def flow(task: Task) -> Steps:
        replies = yield [Request(task.messages)]
        (message,) = usable_messages(replies)
        return Answer(message, vote_of(message, key))

    return flow


def self_consistency(samples: int, *, key: AnswerKey = final_answer) -> Flow:
    """Sample until the leading answer cannot be overtaken, at most `samples` times.

    The answer is that of all `samples`, at 20 to 40 percent fewer calls.

    Source:
        Wang et al., arXiv:2203.11171; the early end is lossless.
    """
    return adaptive_consistency(samples, Lossless(), key=key)


def adaptive_consistency(samples: int, stop: StopRule, *, key: AnswerKey = final_answer) -> Flow:
    """Sample until `stop` has seen enough, at most `samples` times, and answer with the plurality.

    Equal answers go to one count: those of equal `key`, tool calls by name and arguments. A sample that
    fails, refuses or gives no answer is drawn but does not vote; if none votes, the first that arrived is
    returned. Ties go to the answer seen first. No further wave is started that could not be back by the
    task's deadline.

    Args:
        samples: The most samples to draw.
        stop: `Lossless()`, `Beta(tau)`, `Window(size)` or `Priced()`.
        key: Finds the answer in a reply.

    Source:
        Aggarwal et al., arXiv:2305.11860; the rules name theirs.
    """
    if samples < 1:
        raise ValueError(f"a vote needs at least 1 sample, not {samples}")

    def flow(task: Task) -> Steps:
        votes, replies = Votes(samples), list[Reply]()
        while wave := stop.wave(votes.state, sample_price(task, replies)):
            drawn = yield [Request(task.messages, hidden_sample=samples > 1)] * wave
            votes.add(vote_of(reply.message, key) for reply in drawn)
            replies += drawn
            if not drawn:  # no time was left to start any
                break
        messages = usable_messages(replies)
        winner = next((message for message in messages if vote_of(message, key) == votes.winner), messages[0])
        return Answer(winner, votes.winner, votes.agreement, votes.counts)

    return flow
