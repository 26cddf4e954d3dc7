"""The forecast of a collection: calls, tokens, the most it can cost and the expected cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata

from adaptive_reasoner.kit.collecting.batch_api import batch_share
from adaptive_reasoner.kit.collecting.cost_cap import smallest
from adaptive_reasoner.kit.collecting.sample_file import StartedCalls
from adaptive_reasoner.kit.collecting.worklist import SampleCounts, Worklist
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Judge, Menu, model_name
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.tables.files import PathLike

_BYTES_PER_TOKEN = 4
_ASSUMED_SHARE = 0.5  # of max_tokens, where no sample says how long replies are


@dataclass(frozen=True)
class SourceForecast:
    """The samples of one source that are left to draw.

    Attributes:
        source: Its name.
        calls: Samples that are missing, one call each.
        prompt_tokens: What their prompts come to.
        bound: What the calls cost at most.
        expected: What they cost if replies are as long as those in the file or, where there are none, half as
            long as allowed.
        basis: `"samples"` or `"half of max_tokens"`.
    """

    source: str
    calls: int
    prompt_tokens: int
    bound: float
    expected: float
    basis: str


@dataclass(frozen=True)
class Forecast:
    """The expected cost of a collection.

    Attributes:
        sources: What is left of each source; one that only grades stands here with its own calls.
        spent: What the samples in the file cost, and the calls whose replies were lost on the way.
        cost_unit: What a cost counts.
        max_cost: The cap; None without one.
        attempts: Calls a sample may take: a lost call is paid for and made again, beyond `bound`.
        keys: The environment variables whose values are sent as keys, each with the hosts that get it.
    """

    sources: tuple[SourceForecast, ...]
    spent: float
    cost_unit: str
    max_cost: float | None
    attempts: int
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Calls to come."""
        return sum(source.calls for source in self.sources)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts to come."""
        return sum(source.prompt_tokens for source in self.sources)

    @property
    def bound(self) -> float:
        """The most that these calls cost, each made once."""
        return sum(source.bound for source in self.sources)

    @property
    def expected(self) -> float:
        """The expected cost of these calls."""
        return sum(source.expected for source in self.sources)

    def as_dict(self) -> dict[str, Any]:
        """The forecast as a plain dict."""
        sums = ("calls", "prompt_tokens", "bound", "expected")
        return {**{name: getattr(self, name) for name in sums}, **asdict(self)}


def forecast(
    questions: Sequence[Question],
    menu: Menu,
    out: PathLike,
    *,
    max_cost: float | None = None,
    retry_failed: bool = False,
    batch: bool = False,
) -> Forecast:
    """Price the samples that `collect` would draw; nothing is called and nothing is written.

    Args:
        questions: What to ask.
        menu: The sources, how many samples of each, and what they cost.
        out: The samples file; what it holds is not drawn again.
        max_cost: The most that all samples in the file may cost; the menu's cap counts too.
        retry_failed: Whether samples that failed for good are drawn again.
        batch: Whether they are asked for in batches, at half the dollars.

    Raises:
        OutcomesError: The file could not be continued.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import Source
        >>> menu = Menu({"cot": Source(FakeListChatModel(responses=["42"]), max_tokens=100)}, samples=8)
        >>> job = forecast([Question("q", "6 * 7?", "42")], menu, "samples.jsonl")
        >>> job.calls, job.bound, job.expected
        (8, 800.0, 400.0)
    """
    worklist = Worklist(questions, menu, retry_failed=retry_failed)
    path = Path(out)
    calls = StartedCalls(path, menu.cost_unit)
    worklist.take(path, calls.rows(path) if path.exists() else ())
    asked = {source: list[tuple[Question, int]]() for source in menu.sampled}
    for question, source, samples in worklist.left():
        asked[source].append((question, samples))
    priced = [_priced(source, left, menu, worklist.tally) for source, left in asked.items()]
    if isinstance(menu.grader, Referee):
        priced.append(_refereed(menu.grader, asked, menu))
    if batch:
        share = batch_share(menu.cost_unit)
        priced = [replace(one, bound=one.bound * share, expected=one.expected * share) for one in priced]
    return Forecast(
        tuple(priced),
        worklist.cost + calls.lost,
        menu.cost_unit,
        smallest(max_cost, menu.max_cost),
        menu.retries.attempts,
        menu.keys,
    )


def forecast_judge(
    asked: Sequence[str], menu: Menu, *, spent: float, max_cost: float | None = None
) -> Forecast:
    """Price the calls of the judge of a menu.

    Args:
        asked: The requests.
        menu: Its grader is a judge where there are requests.
        spent: What the samples and their grading have cost so far.
        max_cost: The most that all may cost; the menu's cap counts too.
    """
    calls = []
    if isinstance(menu.grader, Judge):
        name = menu.grader.source
        sent = [(menu.sources[name].billable_messages([HumanMessage(text)]), 1) for text in asked]
        calls.append(_of_calls(sent, name, menu))
    limit = smallest(max_cost, menu.max_cost)
    return Forecast(tuple(calls), spent, menu.cost_unit, limit, menu.retries.attempts, menu.keys)


def _priced(
    name: str, left: Sequence[tuple[Question, int]], menu: Menu, tally: SampleCounts
) -> SourceForecast:
    source = menu.sources[name]
    sent = [
        (source.billable_messages([HumanMessage(question.question)]), samples) for question, samples in left
    ]
    assumed = _of_calls(sent, name, menu)
    if not tally.counts[name]:
        return assumed
    expected = assumed.calls * (tally.costs[name] + tally.saved[name]) / tally.counts[name]
    return replace(assumed, expected=expected, basis="samples")


def _refereed(
    referee: Referee, asked: Mapping[str, Sequence[tuple[Question, int]]], menu: Menu
) -> SourceForecast:
    judge = menu.sources[referee.source]
    sent = []
    for name, left in asked.items():
        reply = "x" * (menu.sources[name].most_tokens * _BYTES_PER_TOKEN)
        for question, samples in left:
            request = referee.request(question.question, question.gold, reply)
            sent.append((judge.billable_messages([HumanMessage(request)]), samples))
    return _of_calls(sent, referee.source, menu)


def _of_calls(sent: Sequence[tuple[Sequence[BaseMessage], int]], name: str, menu: Menu) -> SourceForecast:
    """The forecast of calls whose replies are half as long as allowed."""
    source, meter = menu.sources[name], menu.meter_of(name)
    most, model = source.most_tokens, model_name(source.model) or ""
    count = _counter(model)
    calls = tokens = 0
    bound = expected = 0.0
    for messages, samples in sent:
        prompt, worst = sum(count(message.text) for message in messages), meter.worst_cost(messages, most)
        completion = max(1, round(_ASSUMED_SHARE * most))
        usage = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
        likely = AIMessage("", usage_metadata=usage, response_metadata={"model_name": model})
        calls, tokens, bound = calls + samples, tokens + samples * prompt, bound + samples * worst
        expected += samples * min(worst, meter.cost(likely, _ASSUMED_SHARE * worst))
    return SourceForecast(name, calls, tokens, bound, expected, "half of max_tokens")


@cache
def _counter(model: str) -> Callable[[str], int]:
    """Counts tokens with tiktoken where it knows the model, else by bytes."""
    try:
        import tiktoken

        encoding = tiktoken.encoding_for_model(model.rpartition(":")[2])
    except (ImportError, KeyError, OSError):  # not installed, an unknown model, or its table is not at hand
        return lambda text: -(-len(text.encode(errors="surrogatepass")) // _BYTES_PER_TOKEN)
    return lambda text: len(encoding.encode(text, disallowed_special=()))
