"""Ways to answer: one pass, a vote that knows when to stop, thinking, other models.

They compose: a vote of thinking calls on another model is one action,
`switch_model(strong, extended_thinking("high", self_consistency(5)))`.
"""

from dataclasses import replace
from typing import Any

from adaptive_reasoner.answers.extraction import AnswerKey, final_answer
from adaptive_reasoner.flows import (
    Answer,
    Flow,
    Running,
    Steps,
    Task,
    arrived,
    arun,
    each_request,
    run,
    terms_of,
    vote_of,
)
from adaptive_reasoner.models.providers import Thinking, thinking_tokens
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import ChatModel, Request, Source
from adaptive_reasoner.stopping import Lossless, StopRule, Votes

__all__ = [
    "Answer",
    "Flow",
    "Running",
    "Steps",
    "Task",
    "adaptive_consistency",
    "arun",
    "extended_thinking",
    "on",
    "run",
    "self_consistency",
    "single_pass",
    "switch_model",
]


def single_pass(*, key: AnswerKey = final_answer) -> Flow:
    """Answer with one call."""

    def flow(task: Task) -> Steps:
        replies = yield [Request(task.messages)]
        (message,) = arrived(replies)
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
        while wave := stop.wave(votes.state, terms_of(task, replies)):
            drawn = yield [Request(task.messages, competes=samples > 1)] * wave
            votes.add(vote_of(reply.message, key) for reply in drawn)
            replies += drawn
            if not drawn:  # no time was left to start any
                break
        messages = arrived(replies)
        winner = next((message for message in messages if vote_of(message, key) == votes.winner), messages[0])
        return Answer(winner, votes.winner, votes.agreement, votes.counts)

    return flow


def extended_thinking(
    effort: Thinking,
    flow: Flow | None = None,
    *,
    max_tokens: int | None = None,
    key: AnswerKey = final_answer,
) -> Flow:
    """Let every call of `flow` think; `dialects` says it in the words of the model's provider.

    Args:
        effort: "none", "minimal", "low", "medium", "high", "xhigh" or "max"; or a budget in tokens, for
            which providers that know efforts only get the least effort that allows as much.
        flow: What to do with the thinking calls; one pass where not given.
        max_tokens: Room for the thoughts and the reply; where not given, the source's for the reply and
            about what the effort takes for the thoughts.
        key: Finds the answer in a reply, where there is no `flow`.
    """
    room = thinking_tokens(effort)
    if max_tokens is not None and max_tokens <= room and not isinstance(effort, str):
        raise ValueError(f"max_tokens={max_tokens} leaves no room beside {room} tokens of thinking")
    settings: dict[str, Any] = {} if max_tokens is None else {"max_tokens": max_tokens}
    return each_request(
        flow or single_pass(key=key),
        lambda request: replace(
            request,
            thinking=effort if request.thinking is None else request.thinking,
            settings={**settings, **request.settings},
        ),
    )


def on(source: Source, flow: Flow | None = None) -> Flow:
    """Let the calls of `flow` go to `source`: another model, another prompt, other settings.

    Calls that a flow inside has already directed to a source of their own stay there.
    """
    return each_request(
        flow or single_pass(), lambda request: request if request.source else replace(request, source=source)
    )


def switch_model(model: ChatModel, flow: Flow | None = None) -> Flow:
    """Let the calls of `flow` go to `model`, with the prompt and the settings they would have had.

    Calls that a flow inside has already directed to a source or model of their own stay there.
    """
    Source(model)  # refuses what is no model, before any call
    return each_request(
        flow or single_pass(),
        lambda request: request if request.source or request.model else replace(request, model=model),
    )
