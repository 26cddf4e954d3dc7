"""The price law: how the price of compute follows what was spent, so that the average stays on target.

Dual ascent on a budget (Zhai et al., arXiv:2604.14853) made proportional-integral on the logarithm of the
price, around the offline price. The law is pure: totals in, price out. Its whole state is one sum, so that
processes can each keep their own part of it.
"""

import math
from dataclasses import dataclass
from typing import Self

CREDIT = 300.0  # questions' worth of saved spending that may be spent later
REACH = math.log(
    100.0
)  # the price stays within this factor of the offline price: never 0, which is absorbing
FASTEST, SLOWEST = 25.0, 60.0  # questions over which an overspend is worked off, early and late in an average
MATURING = 25.0  # questions that slow the law down by one
STIFFENING = 0.75  # horizons of overspend at which the pull has doubled
DELAY = 0.5  # horizon for one question in flight: only the error of its reservation is late
NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all charges of a ledger; amounts are integers in the ledger's small unit.

    Attributes:
        spent: Settled and expired charges.
        reserved: Planned cost of open reservations.
        held: Worst case of open reservations.
        admitted: Distinct questions with something reserved or spent.
        questions: Distinct questions with something spent.
        in_flight: Open reservations.
        forgiven: Saved spending beyond the credit, written off.
        drift: What the integral has moved the log of the price by, in 1e-9.
        breaches: Settlements above their worst case under a hard cap.
    """

    spent: int = 0
    reserved: int = 0
    held: int = 0
    admitted: int = 0
    questions: int = 0
    in_flight: int = 0
    forgiven: int = 0
    drift: int = 0
    breaches: int = 0

    def __add__(self, other: Self) -> "Totals":
        return Totals(
            self.spent + other.spent,
            self.reserved + other.reserved,
            self.held + other.held,
            self.admitted + other.admitted,
            self.questions + other.questions,
            self.in_flight + other.in_flight,
            self.forgiven + other.forgiven,
            self.drift + other.drift,
            self.breaches + other.breaches,
        )


@dataclass(frozen=True, slots=True)
class PriceLaw:
    """Price of compute from the totals of a ledger.

    With x the overspend in questions' worth of the target, of settled plus reserved spend, and h the horizon:

        log price = log offline price + x (1 + |x| / (0.75 h)) / (h elasticity) + drift
        drift    += x / (4 h^2 elasticity)                              at every new question

    Near the target the loop is critically damped: an overspend is worked off over about h questions, and a
    wrong offline price or a new mix of questions ends up in the drift, not in a standing error. The gain 1/h
    falls with the number of questions, as the same overspend matters less to a longer average, and with the
    number in flight; far from the target the pull stiffens, which bounds the average at little cost near it.

    Attributes:
        target: Allowed mean cost a question, in the ledger's small unit.
        price: Offline price, per small unit of cost; 0 where unknown.
        elasticity: Relative fall of the mean cost when the log of the price rises by one.
        credit: Most that saved spending may add later, in questions.

    >>> law = PriceLaw(target=100.0, price=0.002)
    >>> law.price_at(Totals(spent=1_000, admitted=10))
    0.002
    >>> law.price_at(Totals(spent=1_500, admitted=10)) > 0.002
    True
    """

    target: float
    price: float = 0.0
    elasticity: float = 0.5
    credit: float = CREDIT

    def overspend(self, totals: Totals) -> float:
        """Settled and reserved spend beyond target, in questions' worth of it; written-off savings count."""
        return (totals.spent + totals.reserved + totals.forgiven) / self.target - totals.admitted

    def price_at(self, totals: Totals) -> float:
        """The price to decide the next question at, per small unit of cost."""
        offset = self._pull(totals) + totals.drift / NANO
        return self._start * math.exp(min(max(offset, -REACH), REACH))

    def slack(self, totals: Totals) -> bool:
        """Whether the budget does not bind: the credit is as good as full."""
        return self.overspend(totals) <= -0.95 * self.credit

    def forgiveness(self, totals: Totals, change: Totals) -> int:
        """Saved spending to write off after a change, because it exceeds the credit; in small units.

        A change answers for its own savings only: of two processes that do not see each other's latest
        charges, none writes off what the other does.
        """
        beyond = (-self.credit - self.overspend(totals)) * self.target
        saved = change.admitted * self.target - change.spent - change.reserved
        return max(0, round(min(beyond, saved)))

    def step(self, totals: Totals) -> int:
        """How far one more question moves the drift, in 1e-9 of log price.

        Two guards against windup. Where the price is at its floor or ceiling already, the drift goes no
        further out but back to the offline price. And a credit being spent, or a debt after a sudden change,
        is pulled back by the proportional part; the drift sees no more of it than half a horizon.
        """
        horizon, drift = self._horizon(totals), totals.drift / NANO
        over = min(max(self.overspend(totals), -horizon / 2.0), horizon / 2.0)
        offset = self._pull(totals) + drift
        if abs(offset) > REACH and offset * over > 0.0:
            return round(-drift * NANO / (4.0 * horizon))
        return round(over * NANO / (4.0 * horizon**2 * self.elasticity))

    @property
    def _start(self) -> float:
        """The offline price, or where there is none a tenth of accuracy for one target's worth of cost."""
        return self.price if self.price > 0.0 else 0.1 / self.target

    def _pull(self, totals: Totals) -> float:
        """What the overspend adds to the log of the price."""
        horizon, over = self._horizon(totals), self.overspend(totals)
        return over * (1.0 + abs(over) / (STIFFENING * horizon)) / (horizon * self.elasticity)

    def _horizon(self, totals: Totals) -> float:
        """Questions over which an overspend is worked off."""
        aged = min(max(totals.admitted / MATURING, FASTEST), SLOWEST)
        return max(aged, DELAY * totals.in_flight)
