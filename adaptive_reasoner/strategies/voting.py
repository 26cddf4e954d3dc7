"""Ways to answer: one pass, a vote that knows when to stop, thinking, other models.

They compose: a vote of thinking calls on another model is one action,
`switch_model(strong, extended_thinking("high", self_consistency(5)))`.
"""

from collections import Counter
from collections.abc import Sequence

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import Comparison, Representing
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Request
from adaptive_reasoner.strategies.flow import (
    Answer,
    ComparingFlow,
    Flow,
    Steps,
    Task,
    check_samples,
    checked_key,
    gives_up,
    may_vote,
    sample_price,
    usable_messages,
    votes_of,
)
from adaptive_reasoner.strategies.stop_rules import Lossless, StopRule
from adaptive_reasoner.strategies.vote_state import Votes

_SOON_PLANNED = 16
"""Samples of a vote whose waves are planned within a few milliseconds."""


def single_pass(*, key: Key | None = None) -> Flow:
    """Answer with one call.

    Args:
        key: Finds the answer in the reply; by default that of the question, `"auto"`.
    """
    own = checked_key(key)

    def flow(task: Task) -> Steps:
        replies = yield [Request(task.messages)]
        messages = usable_messages(replies)
        (value,) = yield from votes_of(messages, own, task)
        return Answer(messages[0], value)

    return ComparingFlow(flow, own)


def self_consistency(samples: int, *, key: Key | None = None) -> Flow:
    """Vote: sample until the leading answer cannot be overtaken, at most `samples` times.

    The answer is that of all `samples`, at 20 to 40 percent fewer calls.

    Source:
        Wang et al., arXiv:2203.11171; the early end is lossless.
    """
    return adaptive_consistency(samples, Lossless(), key=key)


def adaptive_consistency(samples: int, stop: StopRule, *, key: Key | None = None) -> Flow:
    """Sample until `stop` ends the vote, at most `samples` times; the most frequent answer wins.

    After each wave all replies so far are compared, and equal ones go to one count. A sample that fails,
    refuses or gives no answer is drawn but does not vote; if none votes, the first whole one is returned.
    Ties go to the answer seen first. A vote in which nothing can be compared ends with its first wave, or one
    sample later where all replies of that were empty, filtered or cut; `Priced` goes on where collected
    samples say that it pays. It gives up, with what has arrived, where the request was refused for what it
    asks (a wrong key, a prompt that is too long), where no budget has room for a wave, where the endpoint
    asks to wait, and where nothing came of nine requests in a row, with those that the client makes by
    itself. No further wave is started that could not be back by the task's deadline.

    Args:
        samples: The most samples to draw.
        stop: `Lossless()`, `Beta(tau)`, `Window(size)` or `Priced()`.
        key: When two replies say the same: a name such as `"numeric"`, a comparison or a function of the
            message; by default that of the question, `"auto"`.

    Source:
        Aggarwal et al., arXiv:2305.11860; the rules name theirs.
    """
    check_samples(samples)
    own = checked_key(key)

    def flow(task: Task) -> Steps:
        votes, replies, answers, waves = Votes(samples), list[Reply](), list[str | None](), 0
        while wave := stop.wave(votes.state, sample_price(task, replies)):
            drawn = yield [Request(task.messages, hidden_sample=samples > 1)] * wave
            replies += drawn
            waves += any(reply.received is not None for reply in drawn)
            answers = yield from votes_of([reply.message for reply in replies], own, task, answers)
            votes = Votes(samples, waves=waves)
            for reply, answer in zip(replies, answers, strict=True):
                votes.add([answer], whole=may_vote(reply.message), failed=reply.received is None)
            if gives_up(replies, drawn):
                break
        usable_messages(replies)  # raises where there is none
        winner = _winner(replies, answers, votes.winner, own or task.key)
        return Answer(winner, votes.winner, votes.agreement, votes.counts)

    soon = samples <= _SOON_PLANNED and getattr(stop, "non_blocking", False)
    return ComparingFlow(flow, own) if soon else flow


def _winner(
    replies: Sequence[Reply], answers: Sequence[str | None], winning: str | None, key: Comparison
) -> AIMessage:
    """The reply that stands for the winning answer: the first in the form that most of its replies have.

    Where there is no such answer, the first reply that came whole.
    """
    messages = [reply.message for reply in replies if reply.message is not None]
    if winning is None:
        return next(filter(may_vote, messages), messages[0])
    given = zip(replies, answers, strict=True)
    ballots = [(reply.message, answer) for reply, answer in given if reply.message and answer is not None]
    equal = [at for at, (_, answer) in enumerate(ballots) if answer == winning]
    messages = [message for message, _ in ballots]
    if isinstance(key, Representing):
        return messages[key.representative(messages, equal)]
    forms = [final_answer(messages[at]) for at in equal]  # one option by its letter, or by what it says
    return messages[equal[forms.index(Counter(forms).most_common(1)[0][0])]]
