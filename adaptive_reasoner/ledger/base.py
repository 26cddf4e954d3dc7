"""The protocol of a ledger, and the values that its verbs return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, TypedDict, runtime_checkable

from typing_extensions import Unpack

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.accuracy_floor import Quality
from adaptive_reasoner.ledger.urls import showable

Status = Literal["open", "settled", "expired", "released"]
Window = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """One charge, as it was when the verb returned.

    Attributes:
        key: Names the charge; every verb is idempotent by it.
        question: The question it counts for; several charges of one run share it.
        expected: Planned cost, which the price law counts until the charge is settled.
        worst: The amount that a hard cap holds until then.
        status: `"open"`, `"settled"`, `"expired"` (counts as spent until settled) or `"released"`.
        cost: The amount booked as spent, None before.
        action: The action it pays for, if named.
        expires_at: When it counts as spent unless it is settled before, in seconds of the ledger's clock.
        repeated: The key was reserved before this call of `reserve`, by another attempt.
        budget: The budget that its question counts against, if that is not the target.
        explored: Its action was drawn to learn what it does, not chosen; see `explore` of the reasoner.
    """

    key: str
    question: str
    expected: float
    worst: float
    status: Status
    cost: float | None = None
    action: str | None = None
    expires_at: float = float("inf")
    repeated: bool = field(default=False, compare=False)
    budget: float | None = None
    explored: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a ledger at one moment, expired reservations already turned into spend.

    Attributes:
        cost_unit: The unit of every amount here.
        target: Allowed mean cost per question, None if the ledger only counts.
        price: The price of compute, in accuracy per unit of cost.
        average: `spent` over `questions`, 0 before the first.
        spent: Settled and expired charges.
        reserved: Planned cost of the open reservations.
        held: Their worst case, which a hard cap holds.
        questions: Distinct questions with something spent.
        in_flight: Open reservations.
        credit: What may still be spent above target, in questions at the target; negative is debt. Open
            reservations count at what they will likely cost, going by recent charges.
        slack: The budget does not bind: even the most expensive choices spend less. The credit is full,
            after 50 questions in a row that were decided at the lowest price.
        recent_average: Mean cost of the latest 1,000 questions, within the latest 10,000 charges.
        worst_recent_average: Highest mean cost of any 1,000 consecutive questions of those charges.
        actions: Share of each action among them.
        hard_cap: The amount never to be exceeded, None without one.
        cap_closed: A settlement went above its worst case: nothing more is admitted under the cap.
        average_low: The average less what chance alone moves it by in 95% of runs, given how much the cost of
            questions varies; where a budget binds, as few are further off target.
        average_high: The average plus that.
        quality: What grades say of the answers, and whether a target accuracy can be held; None where there
            is neither.
        explored_questions: Distinct questions with something spent on an explored action.
        explored_spent: The part of `spent` that their explored actions cost.
    """

    cost_unit: str
    target: float | None
    price: float
    average: float
    spent: float
    reserved: float
    held: float
    questions: int
    in_flight: int
    credit: float
    slack: bool
    recent_average: float
    worst_recent_average: float
    actions: Mapping[str, float] = field(default_factory=dict)
    hard_cap: float | None = None
    cap_closed: bool = False
    average_low: float = 0.0
    average_high: float = 0.0
    quality: Quality | None = None
    explored_questions: int = 0
    explored_spent: float = 0.0


class ChargeTerms(TypedDict, total=False):
    """The optional arguments of `Ledger.reserve`, for ledgers that pass them on."""

    worst: float | None
    question: str | None
    action: str | None
    budget: float | None
    explored: bool


class BookingTerms(TypedDict, total=False):
    """The optional arguments of `Ledger.charge`, for ledgers that pass them on."""

    question: str | None
    action: str | None
    explored: bool


class HasPrice(Protocol):
    """What a ledger reads from a policy: the price it starts at, and how much the price changes the cost."""

    @property
    def cost_unit(self) -> str:
        """The unit the policy predicts cost in."""

    @property
    def price(self) -> float:
        """The offline price."""

    @property
    def slope(self) -> float | None:
        """How much the mean cost falls when the log of the price rises by one, None if unknown."""

    @property
    def budget(self) -> float | None:
        """The mean cost per question that it was trained for, None if there is none."""


class Curve(Protocol):
    """Mean accuracy against the price."""

    @property
    def lowest(self) -> float:
        """The price below which no more is expected of any question."""

    def price_at(self, target: float) -> float:
        """The highest price at which the mean accuracy is expected to be `target`."""

    def slope_at(self, target: float) -> float | None:
        """How much the mean accuracy falls there when the log of the price rises by one; None if unknown."""


@runtime_checkable
class PricesAccuracy(Protocol):
    """A policy that knows the price of an accuracy, at which a ledger that holds one starts."""

    @property
    def accuracy_curve(self) -> Curve:
        """Mean accuracy against the price, as the policy expects it."""


class UnreachableLedgerError(LedgerError):
    """The ledger's database does not answer. The change may have been made: repeating it is safe."""


@runtime_checkable
class Ledger(Protocol):
    """Keeps an average cost: `reserve` a planned cost, `settle` the real one, `release` what never ran.

    Every verb is idempotent by key and safe to call from threads and, on SQL, from processes. Amounts are
    passed and returned as floats in cost units; they are kept as integers, so sums are exact. The async
    verbs never block the loop.
    """

    @property
    def cost_unit(self) -> str:
        """The unit of every amount."""

    @property
    def target(self) -> float | None:
        """Allowed mean cost per question; None if the ledger only counts."""

    @property
    def hard_cap(self) -> float | None:
        """The amount never to be exceeded; None without one."""

    @property
    def price(self) -> float:
        """The price of compute to decide the next question at, as of the last operation: it never waits."""

    @property
    def average(self) -> float:
        """Mean spend over the distinct questions with something spent, as of the last operation."""

    @property
    def spent(self) -> float:
        """Settled and expired charges, as of the last operation."""

    @property
    def quality(self) -> Quality | None:
        """What grades say of the answers, as of the last operation; None without grades or a floor."""

    def reserve(
        self,
        expected: float,
        key: str,
        *,
        worst: float | None = None,
        question: str | None = None,
        action: str | None = None,
        budget: float | None = None,
        explored: bool = False,
    ) -> Reservation:
        """Charge the planned cost of one action before it runs.

        Args:
            expected: Planned cost, in cost units.
            key: Names the charge. A repeated key returns the known reservation, whatever its status,
                marked `repeated`, and charges nothing.
            worst: Most it can cost; a hard cap holds this. Default: `expected`.
            question: The question it counts for. Default: `key`.
            action: The action it pays for, counted in the snapshot.
            budget: Mean cost allowed for this question, if that is not the target. The price law counts
                its overspend or saving against this budget, so that no other question pays for it.
            explored: The action was drawn to learn what it does; the snapshot sums such charges apart.

        Raises:
            BudgetExceededError: The hard cap has no room for `worst`.
            LedgerError: The amount is negative, not finite or too large, or the ledger is closed.
        """

    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        """Replace the planned cost by the real one. The first settlement counts; later ones change nothing.

        Args:
            reservation: The reservation or its key. An expired one is settled too: the real cost replaces
                the plan.
            cost: Real cost, in cost units.

        Raises:
            BudgetExceededError: Under a hard cap, the cost was above the reservation's worst case. It is
                booked in full, and the cap admits nothing more.
            LedgerError: The key is unknown or was released, or the cost is negative, not finite or too
                large. The ledger is unchanged.
        """

    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        """Hold more for a charge, before a call that could cost more than is held. Never holds less.

        Args:
            reservation: The reservation or its key. Of an expired one, what is booked rises as well.
            worst: The most that the charge can cost in all, what is held already included.

        Raises:
            BudgetExceededError: The hard cap has no room for it.
            LedgerError: The key is unknown, settled or released, or the amount is negative or too large.
        """

    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        """Book an open reservation at its worst case now, because the process that made it may have died.

        If that process lives, its settlement replaces the worst case. A settled or released charge stays.

        Args:
            reservation: The reservation or its key.
            saved: The part of the worst case known to be unspent; it is not booked. If repeated, the least
                amount ever booked counts. Without a bound the plan is booked.

        Raises:
            LedgerError: The key is unknown, or the amount is negative or too large.
        """

    def release(self, reservation: Reservation | str) -> Reservation:
        """Take back a charge for something that never ran. It leaves no trace in the average.

        A settled charge stays as it is; releasing twice changes nothing; a released key can be reserved anew.

        Raises:
            LedgerError: The key is unknown.
        """

    def charge(
        self,
        cost: float,
        key: str,
        *,
        question: str | None = None,
        action: str | None = None,
        explored: bool = False,
    ) -> Reservation:
        """Book a cost without a reservation, once a key; the arguments are those of `reserve`.

        Raises:
            BudgetExceededError: Under a hard cap it did not fit. It is booked in full, and the cap closes.
            LedgerError: The cost is negative, not finite or too large, or the ledger is closed.
        """

    def feedback(self, question: str, score: float) -> None:
        """Grade the answer to a question; a ledger with a target accuracy steers by it.

        Grade a fair sample: graded questions stand for all. A repeated grade changes nothing, and another one
        of the same question replaces the earlier one, as when a person corrects a judge.

        Args:
            question: What the charge counted for: `record["run_id"]` of a result.
            score: From 0 (wrong) to 1 (right).
        """

    def snapshot(self) -> Snapshot:
        """Turn expired reservations into spend, and report."""

    def history(self, limit: int = 100) -> list[Reservation]:
        """The latest charges, oldest first."""

    def spent_on(self, question: str) -> float:
        """What a question has cost, by all its charges, with what is planned for those that are open.

        With a window, it is the cost in the current period.

        Args:
            question: What the charges counted for: `record["run_id"]` of a result.
        """

    def reset(self) -> None:
        """Forget every charge, open ones too, and start again on the same terms at the offline price."""

    def set_target(self, target: float) -> None:
        """Hold another average from now on; other processes see it with their next operation.

        What was saved or overspent so far stays the same amount, at most the cost of `credit` questions at
        the new target either way. The price goes on from where it is. A period that is over keeps its sums.

        Raises:
            LedgerError: The target is not a finite amount above 0.
        """

    def set_target_accuracy(self, target: float) -> None:
        """Hold another mean accuracy from now on; other processes see it with their next operation.

        Grades stay, and what they taught of the price. What was owed or saved so far is forgotten.

        Raises:
            LedgerError: The target does not lie between 0 and 1, or nothing tells a price to begin at.
        """

    def close(self) -> None:
        """Close the connections; every later verb raises LedgerError."""

    async def areserve(self, expected: float, key: str, **terms: Unpack[ChargeTerms]) -> Reservation:
        """`reserve`, without blocking the loop."""

    async def asettle(self, reservation: Reservation | str, cost: float) -> Reservation:
        """`settle`, without blocking the loop."""

    async def aextend(self, reservation: Reservation | str, worst: float) -> Reservation:
        """`extend`, without blocking the loop."""

    async def aexpire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        """`expire`, without blocking the loop."""

    async def arelease(self, reservation: Reservation | str) -> Reservation:
        """`release`, without blocking the loop."""

    async def acharge(self, cost: float, key: str, **terms: Unpack[BookingTerms]) -> Reservation:
        """`charge`, without blocking the loop."""

    async def afeedback(self, question: str, score: float) -> None:
        """`feedback`, without blocking the loop."""

    async def asnapshot(self) -> Snapshot:
        """`snapshot`, without blocking the loop."""

    def __enter__(self) -> Self:
        """Use the ledger in a `with` block, which closes it."""

    def __exit__(self, *exc: object) -> None:
        """Close it."""


def unknown_url(url: str) -> LedgerError:
    """The error for a URL that is no ledger's; a URL that holds a login is not shown.

    >>> print(unknown_url("postgres://me:secret@host/db"))
    unknown ledger URL postgres://...; use memory://, sqlite:///path or postgresql://user:password@host:port/db
    """
    shown = showable(url)
    shown = f"{shown.partition('://')[0]}://..." if "@" in shown else repr(shown)
    ways = "memory://, sqlite:///path or postgresql://user:password@host:port/db"
    return LedgerError(f"unknown ledger URL {shown}; use {ways}")
