"""From logged replies to rows of samples: answers compared, grades, and every cost that is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.grouping import Key, auto, comparison
from adaptive_reasoner.answers.math_equivalence import check_installed
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.kit.importing.base import LoggedReply
from adaptive_reasoner.kit.questions import text_id
from adaptive_reasoner.kit.tables.files import Row
from adaptive_reasoner.models.dollars import DollarMeter
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.usage import Usage, model_of
from adaptive_reasoner.redaction import Redaction
from adaptive_reasoner.strategies.flow import may_vote, vote_of

UNNAMED = "imported"
"""The source of replies whose log names none."""

_GRADES = 10_000
_TOKENS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")


@dataclass(frozen=True)
class LoggedRow:
    """A row of samples without its number and its cost, which depend on the other rows.

    Attributes:
        row: The other fields.
        costs: What the reply cost, in each unit in which that is known.
        unpriced: Why its cost in dollars is not known; None where it is.
        free_text: Whether the reply offers nothing to compare, so that its answer is its whole text.
        discount: The share of the dollars that was not paid.
    """

    row: Row
    costs: dict[str, float]
    unpriced: str | None
    free_text: bool
    discount: float


@dataclass
class RowMaker:
    """Makes rows of logged replies.

    Args:
        key: When two replies say the same.
        prices: Prices of models by name, in place of the listed ones.
        kept: What is kept of texts and errors.

    Raises:
        TypeError: The key is a comparison that needs other replies, or a model.
        ImportError: What the key needs is not installed.
    """

    key: Key = "auto"
    prices: Mapping[str, Meter] = field(default_factory=dict)
    kept: Redaction = field(default_factory=Redaction)

    def __post_init__(self) -> None:
        compared = comparison(self.key)
        if not isinstance(compared, TextComparison):
            raise TypeError(
                f"{compared.name} compares replies with each other; import by a key that reads each alone, "
                "and grade again with `regrade`"
            )
        if compared.name == "math":
            check_installed()
        self._compared, self._meter = compared, DollarMeter(self.prices)
        self._grade = lru_cache(maxsize=_GRADES)(compared.grade)  # as logs repeat answers

    def row(self, reply: LoggedReply) -> LoggedRow:
        """The row of a reply.

        Raises:
            ValueError: The propensity is 0, which is impossible for an action that was taken.
        """
        if reply.propensity == 0:
            raise ValueError("the propensity is 0, which is impossible for an action that was taken")
        answer, stated, free_text = self._answer(reply)
        source = reply.source or UNNAMED
        correct, graded_by = reply.correct, None
        if reply.message is None:
            correct = 0.0 if reply.gold is not None else None
        elif correct is None and reply.gold is not None:
            correct, graded_by = float(self._grade(stated, reply.gold)), self._compared.name
        usage = None if reply.message is None else Usage.known(reply.message)
        tokens = {} if usage is None else {name: getattr(usage, name) for name in _TOKENS}
        tokens = {name: count / reply.of_request for name, count in tokens.items()}
        costs, unpriced = self._costs(reply, usage)
        optional = {
            "graded_by": graded_by,
            **{name: int(count) if count == int(count) else count for name, count in tokens.items()},
            "seconds": None if reply.seconds is None else round(reply.seconds, 4),
            "score": reply.score,
            "error": None if reply.error is None else self.kept.error(reply.error),
            "action": reply.action or (source if reply.propensity is not None else None),
            "propensity": reply.propensity,
            "policy_id": reply.policy_id,
        }
        row = {
            "question_id": text_id(reply.question),
            "question": self.kept.text(reply.question),
            **({} if reply.group is None else {"group": reply.group}),
            "source": source,
            "sample": None,
            "answer": None if answer is None else self.kept.text(answer),
            "gold": None if reply.gold is None else self.kept.text(reply.gold),
            "correct": correct,
            "cost": None,
            "cost_unit": None,
            **{name: value for name, value in optional.items() if value is not None},
        }
        return LoggedRow(row, costs, unpriced, free_text, reply.discount)

    def _answer(self, reply: LoggedReply) -> tuple[str | None, str | None, bool]:
        """The answer that counts in votes, that which is graded, and whether it is a whole text."""
        message = reply.message
        if message is None or not may_vote(message):
            return None, None, False
        answer = vote_of(message, self._compared, reply.question)
        if answer is not None:
            return answer, final_answer(message) if self._compared is auto else answer, False
        text = " ".join(message.text.split())
        return text or None, text or None, bool(text)

    def _costs(self, reply: LoggedReply, usage: Usage | None) -> tuple[dict[str, float], str | None]:
        """What a reply cost in each unit, and why its dollars are not known."""
        costs = {"samples": 1.0}
        if reply.seconds is not None:
            costs["seconds"] = reply.seconds
        if usage is not None:
            costs["tokens"] = usage.completion_tokens / reply.of_request
        unpriced = None
        if reply.message is None:
            costs |= {"usd": 0.0, "tokens": 0.0, "samples": 0.0}  # a call that failed is not billed
        else:
            try:
                costs["usd"] = self._dollars(reply.message, reply.source) / reply.of_request
            except (UnpricedUsageError, ImportError) as error:
                unpriced = str(error)
        if reply.cost is not None:
            costs[reply.cost_unit or "logged"] = reply.cost / (
                1 if reply.cost_unit is None else reply.of_request
            )
        return costs, unpriced

    def _dollars(self, message: AIMessage, source: str | None) -> float:
        if source is not None and model_of(message) is None:
            named = {**message.response_metadata, "model_name": source}
            message = message.model_copy(update={"response_metadata": named})
        return self._meter.cost(message, 0.0)
