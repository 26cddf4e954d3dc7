"""The price law: how the price of compute follows what was spent, so that the average stays on target.

Dual ascent on a budget (Zhai et al., arXiv:2604.14853) made proportional-integral on the logarithm of the
price, around the offline price. The law is pure: totals in, price out. Its whole state is one sum, so that
processes can each keep their own part of it.
"""

import math
from dataclasses import dataclass
from typing import Self

CREDIT = 300.0  # questions' worth of saved spending that may be spent later
REACH = math.log(300.0)  # the price stays within this factor of the offline one; 0 would be absorbing
PROMISE = 500  # from this many questions on, the average is to be within 2% of the target
NARROWEST = 6.0  # questions' worth an overspend may reach there; 2% of them are 10
WIDEST = 18.0  # and from about 1,000 on: any 2,000 in a row are to be within half a percent, in the mean
FUNNEL = 0.08  # questions' worth by which a question earlier leaves more room, before the promise begins
VARIANCE = 1.75  # of a question's cost, in squared targets: some cost next to nothing, some twice or thrice
NORMAL = 1.96  # standard deviations within which 95% of what is normal lies
LATE = 0.5  # horizon for one question in flight: only the error of its reservation is late
ENOUGH = 50  # questions decided at the lowest price before it is believed that the budget does not bind
FIRM = 2.0  # a pull from here on moves the drift no faster; on the log of the mean cost
EDGE = 0.93  # share of the room from which the pull rises no faster
WORTH = 0.1  # accuracy that one target's worth of cost has to bring, where no offline price is known
NANO = 1_000_000_000
CARRIED = ("drift", "feedbacks", "scores", "floor_drift", "floor_debt", "floor_steps", "unheard")


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
        floored: How many of the latest questions in a row were decided at the lowest price, `ENOUGH` at most.
        feedbacks: Graded questions.
        scores: Sum of their grades, in 1e-9.
        floor_drift: What grades have moved the log of the floor's price by, in 1e-9.
        floor_debt: What the grades are below the target in sum, as far as it is made up for, in 1e-9.
        floor_steps: How many grades have moved it.
        unheard: Questions admitted since the latest grade.
        explored: Distinct questions with something spent on an explored action.
        explored_spent: Settled and expired charges of explored actions.
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
    floored: int = 0
    feedbacks: int = 0
    scores: int = 0
    floor_drift: int = 0
    floor_debt: int = 0
    floor_steps: int = 0
    unheard: int = 0
    explored: int = 0
    explored_spent: int = 0

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
            self.floored + other.floored,
            self.feedbacks + other.feedbacks,
            self.scores + other.scores,
            self.floor_drift + other.floor_drift,
            self.floor_debt + other.floor_debt,
            self.floor_steps + other.floor_steps,
            self.unheard + other.unheard,
            self.explored + other.explored,
            self.explored_spent + other.explored_spent,
        )

    @property
    def carried(self) -> "Totals":
        """What a new period begins with: what was learned of the prices, and the grades."""
        return Totals(**{name: getattr(self, name) for name in CARRIED})


@dataclass(frozen=True, slots=True)
class PriceLaw:
    """Price of compute from the totals of a ledger.

    An average of n questions is within a tolerance when the overspend x of settled plus reserved spend, in
    questions' worth of the target, is within n times that. So the law does not force x to 0, which would cost
    accuracy, but keeps it within a room a that opens as the average matures, with the least effort. A sum of
    random costs stays within +-a for ever, at the least mean square of steering, under Doob's transform with
    the first eigenfunction of the interval, cos(pi x / 2a), which gives, for costs of variance v:

        log price = log offline price + v (pi / 2a) tan(pi x / 2a) / elasticity + drift
        drift    += v (pi / 2a) tan(pi x / 2a) / (4 h elasticity)       at every new question

    Near the target that works off an overspend over h = 4 a^2 / (pi^2 v) questions, and with the drift the
    loop is critically damped there: a wrong offline price or a new mix of questions ends up in the drift, not
    in a standing error. At the 500th question the room is somewhat less than 2% allow, as what is not known
    yet of the questions in flight takes the rest. Before, it narrows to that: steering early costs accuracy
    and is not promised. After, it opens, but only so far that any 2,000 in a row stay near the target.

    Attributes:
        target: Allowed mean cost per question, in the ledger's small unit.
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
        """Whether the budget does not bind: at the lowest price for a while, the credit is still full.

        No more may be in flight than is settled: of those it is not known yet what they cost.
        """
        full = self.overspend(totals) <= -0.95 * self.credit
        return full and totals.floored >= ENOUGH and totals.questions >= totals.in_flight

    def deviation(self, totals: Totals, variance: float) -> float:
        """What chance alone moves the sum off the target by in 95% of runs, in questions' worth.

        Steering works an overspend off over a horizon: of all that chance adds, what half a horizon of
        questions adds is left. What is in flight is not known yet. Where the budget does not bind, nothing
        is steered.

        Args:
            totals: The sums.
            variance: Of a question's cost, in squared targets.
        """
        wandering = float(totals.questions)
        if not self.slack(totals):
            steered = self._horizon(WIDEST) / 2.0 + LATE * totals.in_flight
            wandering = min(wandering, steered)
        return NORMAL * math.sqrt(variance * wandering)

    def forgiveness(
        self, totals: Totals, change: Totals, *, saving: float = math.inf, written_off: int = 0
    ) -> int:
        """Saved spending to write off after a change, because it exceeds the credit; in small units.

        A change answers for its own savings only: of two processes that do not see each other's latest
        charges, none writes off what the other does. It is negative where a question turns out to save less
        than it wrote off: as when it costs more than planned, or its plan is released.

        Args:
            totals: The sums with the change.
            change: What the question changes them by, with what its own budget leaves beyond the target.
            saving: What the question saves as it is now.
            written_off: What it has written off before.
        """
        left = max(saving, 0.0) - written_off
        if left <= 0.0:
            return round(left)
        beyond = (-self.credit - self.overspend(totals)) * self.target
        saved = change.admitted * self.target - change.spent - change.reserved - change.forgiven
        return max(0, round(min(beyond, saved, left)))

    def floored(self, totals: Totals) -> int:
        """What a question that is decided at these sums adds to those decided at the lowest price."""
        if self._pull(totals) + totals.drift / NANO <= -REACH:
            return int(totals.floored < ENOUGH)
        return -max(totals.floored, 0)

    def takeover(self, before: "PriceLaw | None", totals: Totals) -> int:
        """What to add to `forgiven` when this law takes over from one with another target; in small units.

        What was saved or overspent stays the same amount, at most `credit` questions' worth of the new
        target: it neither vanishes nor grows with the number of questions so far.

        >>> saved = Totals(spent=9_000, admitted=100)
        >>> late = PriceLaw(target=20.0)
        >>> late.overspend(saved + Totals(forgiven=late.takeover(PriceLaw(target=100.0), saved)))
        -50.0
        """
        amount = before.overspend(totals) * before.target if before is not None else 0.0
        kept = min(max(amount / self.target, -self.credit), self.credit)
        return round((kept - self.overspend(totals)) * self.target)

    def step(self, totals: Totals) -> int:
        """How far one more question moves the drift, in 1e-9 of log price.

        Near the target the pull is proportional to the overspend; towards the edge of the room it is firmer,
        and so is the step: an offline price that is off by a large factor is learned in a few hundred
        questions. Two guards against windup. Where the price is at its floor or ceiling already, the drift
        goes no further out but back to the offline price. And a credit being spent, or a debt after a sudden
        change, is pulled back by the proportional part; the drift sees of it no more than is firm.
        """
        horizon, drift, pull = self._horizon(self._room(totals)), totals.drift / NANO, self._pull(totals)
        offset = pull + drift
        if abs(offset) > REACH and offset * pull > 0.0:
            return round(-drift * NANO / (4.0 * horizon))
        most = FIRM / self.elasticity
        return round(min(max(pull, -most), most) * NANO / (4.0 * horizon))

    @property
    def _start(self) -> float:
        """The offline price, or where there is none a tenth of accuracy for one target's worth of cost."""
        return self.price if self.price > 0.0 else WORTH / self.target

    def _pull(self, totals: Totals) -> float:
        """What the overspend adds to the log of the price."""
        room, over = self._room(totals), self.overspend(totals)
        rate = math.pi / (2.0 * room)
        inside = min(abs(over), EDGE * room)
        pull = math.tan(rate * inside) + rate * (abs(over) - inside) / math.cos(rate * inside) ** 2
        return math.copysign(VARIANCE * rate * pull / self.elasticity, over)

    def _room(self, totals: Totals) -> float:
        """Questions' worth of overspend or saving that the law keeps within."""
        asked = totals.admitted
        if asked < PROMISE:
            room = min(NARROWEST + (PROMISE - asked) * FUNNEL, WIDEST)
        else:
            room = min(NARROWEST * (asked / PROMISE) ** 1.5, WIDEST)
        return max(room, math.pi / 2.0 * math.sqrt(VARIANCE * LATE * totals.in_flight))

    @staticmethod
    def _horizon(room: float) -> float:
        """Questions over which an overspend near the target is worked off."""
        return 4.0 * room**2 / (math.pi**2 * VARIANCE)
