"""Planned costs corrected by settled ones: the price law sees what open reservations will likely cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from adaptive_reasoner.ledger.price_controller import Totals

RECENT = 1_000  # closed charges that the correction is learned from
GRAIN = 64  # a plan counts as a 64th of the target more: a plan of 0 can be corrected too
NOISE = 1.0  # least relative variance of a charge's cost around its plan: few charges show too little
OFTEN = 100  # changes of a process after which it learns anew, at the latest


class Closed(NamedTuple):
    """What a store tells of a charge that is no longer open, amounts in small units."""

    status: str
    action: str | None
    expected: int
    cost: int | None


class Known(Protocol):
    """The part of a store that the correction is learned from."""

    def closed(self, most: int) -> Sequence[Closed]:
        """So many of the charges that are no longer open, those that were reserved last."""

    def planned(self) -> Mapping[str | None, tuple[int, int]]:
        """How many charges of each action are open, and their planned cost."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Expected cost of open reservations: an amount per planned unit, and an amount per reservation."""

    per_unit: float = 1.0
    per_charge: float = 0.0

    def of(self, sums: Totals) -> Totals:
        """The sums with the planned cost corrected. It is linear: a change of sums is corrected alike."""
        if self.per_unit == 1.0 and self.per_charge == 0.0:
            return sums
        return replace(sums, reserved=round(self.per_unit * sums.reserved + self.per_charge * sums.in_flight))


def corrected(
    closed: Sequence[Closed], planned: Mapping[str | None, tuple[int, int]], *, target: float
) -> Correction:
    """How plans are to be corrected, given how recent ones came out.

    Plans are believed until what came says otherwise. The ratio of real to planned cost is drawn to 1, and
    that of each action to the one of all actions, by the positive-part James-Stein rule on their logarithms:
    fully where the difference is within chance, and hardly where it is well beyond. The open reservations
    are weighed by their actions.

    Args:
        closed: Recent charges; only the settled ones tell what a plan was worth.
        planned: Number and planned cost of the open charges of each action, in small units.
        target: Allowed mean cost per question, in small units.

    >>> tenths = [Closed("settled", "cot", 100, 1_000)] * 400
    >>> found = corrected(tenths, {"cot": (8, 800)}, target=1_000.0)
    >>> found.of(Totals(reserved=800, in_flight=8)).reserved
    7980
    """
    settled: dict[str | None, list[Closed]] = {}
    for charge in closed:
        if charge.status == "settled":
            settled.setdefault(charge.action, []).append(charge)
    everything = [charge for charges in settled.values() for charge in charges]
    in_flight = sum(charges for charges, _ in planned.values())
    grain = target / GRAIN
    overall, trust = _ratio(everything, 1.0, in_flight, grain)
    if trust == 0.0 and len(settled) < 2:
        return Correction()
    reserved = weighed = counted = 0.0
    for action, (charges, amount) in planned.items():
        ratio, believed = _ratio(settled.get(action, []), overall, charges, grain)
        reserved += amount
        weighed += ratio * amount
        counted += max(trust, believed) * ratio * charges
    return Correction(
        per_unit=weighed / reserved if reserved else overall,
        per_charge=grain * (counted / in_flight if in_flight else trust * overall),
    )


def _ratio(settled: Sequence[Closed], belief: float, in_flight: int, grain: float) -> tuple[float, float]:
    """Real cost over planned, drawn to a belief; and how far what came is trusted.

    With more in flight less is known: expensive calls end last, so the first to end are the cheap ones.
    """
    number = len(settled)
    planned = sum(charge.expected for charge in settled) + grain * number
    real = sum(charge.cost or 0 for charge in settled)
    if number == 0 or real == 0:
        return belief, 0.0
    ratio = real / planned
    squares = sum(((charge.cost or 0) - ratio * (charge.expected + grain)) ** 2 for charge in settled)
    chance = max(squares / real**2, NOISE / number) * (1.0 + in_flight / number)
    log_ratio = math.log(ratio / belief)
    trust = max(0.0, 1.0 - 2.0 * chance / log_ratio**2) if log_ratio else 0.0
    return belief * math.exp(trust * log_ratio), trust


class Estimates:
    """The correction of a ledger's plans, learned anew every so many changes.

    Args:
        target: Allowed mean cost per question, in small units; None where there is none to hold.
    """

    def __init__(self, target: float | None) -> None:
        self._target = target
        self.correction = Correction()
        self._gap = self._left = self._asked = 0

    def follow(self, store: Known, totals: Totals) -> Correction:
        """The correction for one more change, given the sums before it."""
        self._left -= 1
        if self._left < 0 or abs(totals.questions - self._asked) > 5 * self._gap:
            self.learn(store, totals)
        return self.correction

    def learn(self, store: Known, totals: Totals) -> Correction:
        """The correction from what the store holds now."""
        if self._target is not None:
            closed = store.closed(RECENT)
            self.correction = corrected(closed, store.planned(), target=self._target)
            self._gap = self._left = min(len(closed) // 10, OFTEN)  # changes until it is learned anew
            self._asked = totals.questions
        return self.correction
