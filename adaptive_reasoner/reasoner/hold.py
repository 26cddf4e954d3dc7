"""The life of a question's calls in the ledger: what is held before they are sent, and what each end costs.

No call is sent before the ledger holds all that it can cost. Then:

    answered    what its usage says
    refused     nothing: 429, 5xx, no endpoint, or a cap without room for it
    lost        its worst case: timed out, cancelled, cut off, left in the middle
    crashed     its worst case: the process died before it could settle

A run settles its own charge, with the cost of its own calls. What another attempt at the same task has left
open is never taken over: that attempt may have spent all it held, or be alive in another process. Its charge
expires at its worst case, less what is known not to have been spent, and this run reserves under a key of
its own. An attempt that lives settles an expired charge at its real cost.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from weakref import WeakKeyDictionary, WeakValueDictionary

from adaptive_reasoner.amounts import units_of
from adaptive_reasoner.ledger.base import ChargeTerms, Ledger, Reservation
from adaptive_reasoner.ledger.runs import charged_ledger

_REMEMBERED = 1_000  # tasks of which a process knows how often they were charged

_under_way: WeakValueDictionary[tuple[int, str], "Hold"] = WeakValueDictionary()
_attempts: WeakKeyDictionary[Ledger, OrderedDict[str, int]] = WeakKeyDictionary()


class Hold:
    """What a ledger holds for the calls of one question, from the reservation to the settlement.

    Args:
        ledger: Holds it.
        key: Names the charge. Where another attempt has one of this name, `key:2`, `key:3`, ... follow.
        question: The question the charge counts for.
        resumes: The key names a task that may run again, so that a charge which is settled is another run's.
            Else a settled charge is this one, and is not billed again.
        budget: What the average counts the question against, instead of the ledger's target.

    Attributes:
        key: The name of this run's own charge, once it is reserved.
        question: That of the first attempt, once it is reserved.
        reservation: This run's own; None before it is made.
    """

    def __init__(
        self, ledger: Ledger, key: str, question: str, *, resumes: bool, budget: float | None = None
    ) -> None:
        self._ledger, self._task, self._resumes = ledger, key, resumes
        self._own: ChargeTerms = {} if budget is None else {"budget": budget}
        self._charged = charged_ledger(ledger)  # which the runs of a process share
        self._number = _attempts[self._charged].get(key, 1) if self._charged in _attempts else 1
        self._left: dict[str, Reservation] = {}
        self.key, self.question = self._name(), question
        self.reservation: Reservation | None = None
        self._adding = threading.Lock()

    def reserve(self, expected: float, worst: float, action: str, *, explored: bool = False) -> None:
        """Hold the worst case of an action under a key that no other attempt has.

        Args:
            expected: Planned cost.
            worst: The most it can cost.
            action: The action, by name.
            explored: Whether it was drawn to learn what it does.

        Raises:
            BudgetExceededError: The hard cap has no room for it; nothing is held.
        """
        terms: ChargeTerms = {"worst": worst, "action": action, **self._own}
        if explored:  # a ledger that others wrote may not know of it
            terms["explored"] = True
        while True:
            if _under_way.setdefault(self._place, self) is self:
                self.reservation = self._reserved(expected, terms)
                if self.reservation is not None:
                    return
            self._number += 1
            self.key = self._name()

    def covers(self, cost: float) -> bool:
        """Whether the ledger holds this cost, compared in its smallest unit."""
        assert self.reservation is not None
        if self.reservation.status == "settled":  # a key that is billed once, and was
            return True
        unit, held = self._ledger.cost_unit, self.reservation.worst
        return cost <= held or units_of(cost, unit) <= units_of(held, unit)

    def extend(self, worst: float) -> None:
        """Hold this worst case for all calls together.

        Raises:
            BudgetExceededError: The hard cap has no room for it; what was held stays held.
        """
        assert self.reservation is not None
        self.reservation = self._ledger.extend(self.reservation, worst)

    def add(self, more: float) -> None:
        """Hold more than before; threads may call this at the same time.

        Raises:
            BudgetExceededError: The hard cap has no room for it; what was held stays held.
        """
        with self._adding:
            assert self.reservation is not None
            if self.reservation.status != "settled":  # else a key that is billed once, and was
                self.extend(self.reservation.worst + more)

    def close(self, cost: float | None, saved: Mapping[str, float]) -> None:
        """Settle this run's charge, and correct those of dead attempts.

        Args:
            cost: What this run's calls cost; None where none of them came to anything, and nothing is billed.
            saved: By the key of an earlier attempt, what is known not to have been spent of its worst case.
        """
        if _under_way.get(self._place) is self:
            del _under_way[self._place]
        if self.reservation is None:
            return
        if self._number > 1:
            self._remember()
        for key, amount in saved.items():
            if key in self._left and amount > 0:
                self._ledger.expire(self._left[key], saved=amount)
        if cost is None:
            self._ledger.release(self.reservation)
        else:
            self._ledger.settle(self.reservation, cost)

    def _reserved(self, expected: float, terms: ChargeTerms) -> Reservation | None:
        """A reservation of this run's own; None where the key is another attempt's."""
        try:
            asked: ChargeTerms = {**terms, "question": self.question}
            found = self._ledger.reserve(expected, self.key, **asked)
        except BaseException:
            del _under_way[self._place]
            raise
        if not found.repeated or (found.status == "settled" and not self._resumes):
            return found
        del _under_way[self._place]
        if found.status == "open":
            found = self._ledger.expire(found)
        if found.status == "expired":
            self._left[found.key] = found
        self.question = found.question  # of a task it is known already which question it is
        return None

    def _remember(self) -> None:
        """Where the next run of this task begins to look: those before are settled, or have expired."""
        known = _attempts.setdefault(self._charged, OrderedDict())
        known[self._task] = max(known.get(self._task, 1), self._number)
        while len(known) > _REMEMBERED:
            known.popitem(last=False)

    @property
    def _place(self) -> tuple[int, str]:
        return id(self._charged), self.key

    def _name(self) -> str:
        return self._task if self._number == 1 else f"{self._task}:{self._number}"
