"""What is to be answered a second time: by what, how often, judged by whom, and for how much."""

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import Any

from langchain_core.runnables import Runnable

from adaptive_reasoner.models.metering import is_amount
from adaptive_reasoner.models.source import ChatModel, Source

Verdict = float | str | None
"""How likely the first of two replies is the better one, from 0 to 1, or `"A"`, `"B"` or `"tie"`; or None."""

AskJudge = Callable[[str, str, str], Verdict | Awaitable[Verdict]]
"""A judge as a function of the question, the first reply and the second."""


@dataclass(frozen=True)
class Shadow:
    """Shadow evaluation: a share of the questions is answered a second time and judged, off the user's path.

    The answer to the user is given first; then a background thread answers the question again by the
    reference action, and a judge says which answer is better, without knowing which is whose, in both orders.
    This never delays an answer, and never makes one fail. `savings()` of the reasoner's `shadow`,
    `adaptive-reasoner savings URL` and `adaptive-reasoner ledger watch` show quality and cost of both, and
    what was saved.

    Args:
        against: The reference action, one of the `actions`. Where it was taken itself, the two are equal, and
            nothing is called.
        judge: A chat model, its name or a `Source`; or a function of question, first and second reply that
            returns how likely the first one is better, in [0, 1], or `"A"`, `"B"` or `"tie"`. What a function
            costs is not counted.
        max_cost: The most that second answers and the judge may cost in all, in the ledger's unit. Calls are
            reserved at their worst case before they are sent, so their length has to be declared:
            `Source(model, max_tokens=...)`.
        share: Of the questions, above 0; drawn by the question's key.
        judge_accuracy: How often one verdict of the judge names the better of two replies, if it is known:
            above 0.5, a tie counting half. What the judge gets wrong is then undone in the figures.
        concurrency: How many comparisons are under way at once.
        waiting: How many questions may wait to be compared; a further one is dropped, and counted.

    Raises:
        ValueError: A number is out of its range.
        TypeError: The judge is neither a model nor a function.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import AdaptiveReasoner, SampleMeter
        >>> longer = lambda question, first, second: float(len(first) > len(second))
        >>> reasoner = AdaptiveReasoner(
        ...     FakeListChatModel(responses=["7", "It is 7."]),
        ...     budget=3.0,
        ...     meter=SampleMeter(),
        ...     samples=1,
        ...     shadow=Shadow("single_pass", judge=longer, max_cost=100.0, share=1.0),
        ... )
        >>> reasoner.answer("What is 3 + 4?").record["shadowed"]
        True
        >>> reasoner.shadow.wait(), reasoner.shadow.savings().judged
        (True, 1)
        >>> reasoner.shadow.close()
    """

    against: str
    _: KW_ONLY
    judge: Source | ChatModel | str | AskJudge
    max_cost: float
    share: float = 0.02
    judge_accuracy: float | None = None
    concurrency: int = 4
    waiting: int = 100

    def __post_init__(self) -> None:
        if not self.against or not isinstance(self.against, str):
            raise ValueError(f"against is the name of an action, not {self.against!r}")
        if not (isinstance(self.judge, Source | str | Runnable) or callable(self.judge)):
            raise TypeError(f"judge is a chat model or a function of two replies, not {self.judge!r}")
        self._check("max_cost", is_amount(self.max_cost) and 0 < self.max_cost < inf, "an amount above 0")
        self._check("share", is_amount(self.share) and 0 < self.share <= 1, "above 0 and at most 1")
        known = self.judge_accuracy is None or (
            is_amount(self.judge_accuracy) and 0.5 < self.judge_accuracy <= 1
        )
        self._check("judge_accuracy", known, "above 0.5 and at most 1: less tells nothing")
        for name in ("concurrency", "waiting"):
            number = getattr(self, name)
            self._check(name, isinstance(number, int) and number >= 1, "a whole number of at least 1")

    def _check(self, name: str, holds: Any, wanted: str) -> None:
        if not holds:
            raise ValueError(f"{name} is {wanted}, not {getattr(self, name)!r}")
