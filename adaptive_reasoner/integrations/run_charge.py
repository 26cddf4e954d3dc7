"""Charges a run for what LangChain's callbacks do not report: embeddings, a call of an SDK, a rented GPU."""

import asyncio
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Self
from uuid import uuid4

from langchain_core.embeddings import Embeddings
from typing_extensions import override

from adaptive_reasoner.amounts import given
from adaptive_reasoner.integrations.billed_calls import Charge, release
from adaptive_reasoner.integrations.run_bills import RunBill, bills_here
from adaptive_reasoner.models.metering import is_amount
from adaptive_reasoner.policy.base import never_blocks


class RunCharge:
    """A cost within a run, such as a call of an SDK: reserved when entered, settled at the end.

    It counts on the bills of the run that it is in, as `AdaptiveComputeMiddleware` opens them; outside of one
    it does nothing. It is entered by `with` or by `async with`.

    Args:
        name: What it is, for the ledger.
        at_most: The most that it can cost, in the unit of the ledger.

    Attributes:
        cost: What it did cost; set it before the end. Where it stays None, `at_most` is booked.

    Raises:
        ValueError: `at_most` is negative or no number.
        BudgetExceededError: On entrance, the run's budget has no room for it.

    Example:
        >>> with RunCharge("translation", at_most=0.01) as charge:
        ...     reply = {"text": "Hallo", "cost": 0.004}  # of some SDK
        ...     charge.cost = reply["cost"]
    """

    def __init__(self, name: str, at_most: float) -> None:
        if not (is_amount(at_most) and isfinite(at_most)):
            raise ValueError(f"{name} costs at most a finite number of at least 0, not {given(at_most)}")
        self.name, self.at_most = name, float(at_most)
        self.cost: float | None = None
        self._charges: list[Charge] = []

    def __enter__(self) -> Self:
        self._reserve(bills_here())
        return self

    def __exit__(self, *exc: object) -> None:
        self._settle()

    async def __aenter__(self) -> Self:
        bills = bills_here()
        if all(never_blocks(bill.ledger) for bill in bills):
            self._reserve(bills)
        else:
            await asyncio.to_thread(self._reserve, bills)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if all(never_blocks(charge.bill.ledger) for charge in self._charges):
            self._settle()
        else:
            await asyncio.to_thread(self._settle)

    def _reserve(self, bills: Sequence[RunBill]) -> None:
        for bill in bills:
            key = f"{bill.ledger.question}:{self.name}:{uuid4().hex}"
            try:
                self._charges.append(Charge(bill, key, bill.ledger.admit(key, self.at_most)))
            except BaseException:
                release(self._charges)
                raise

    def _settle(self) -> None:
        cost = self.at_most if self.cost is None else self.cost
        charges, self._charges = self._charges, []
        for charge in charges:
            charge.bill.ledger.settle(charge.key, cost)


class PricedEmbeddings(Embeddings):
    """Embeddings whose calls are on the bill of the run that they are made in.

    Args:
        embeddings: Makes them.
        cost: What a text costs, in the unit of the ledger, or a function of the texts of a call.

    Example:
        >>> from langchain_core.embeddings import DeterministicFakeEmbedding
        >>> dollars = lambda texts: 0.02 / 1e6 * sum(len(text.split()) for text in texts)
        >>> embeddings = PricedEmbeddings(DeterministicFakeEmbedding(size=4), cost=dollars)
        >>> len(embeddings.embed_query("5 + 9?"))
        4
    """

    def __init__(self, embeddings: Embeddings, cost: float | Callable[[Sequence[str]], float]) -> None:
        self.embeddings, self.cost = embeddings, cost

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._charge(texts):
            return self.embeddings.embed_documents(texts)

    @override
    def embed_query(self, text: str) -> list[float]:
        with self._charge([text]):
            return self.embeddings.embed_query(text)

    @override
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        async with self._charge(texts):
            return await self.embeddings.aembed_documents(texts)

    @override
    async def aembed_query(self, text: str) -> list[float]:
        async with self._charge([text]):
            return await self.embeddings.aembed_query(text)

    def _charge(self, texts: Sequence[str]) -> RunCharge:
        cost = self.cost(texts) if callable(self.cost) else self.cost * len(texts)
        return RunCharge("embeddings", cost)
