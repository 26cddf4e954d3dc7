"""What samples of a source tell of all actions, and what to do after each of them, at a price.

A look is a vote that may be left (`adaptive_reasoner.strategies.looking`). In each of its states a `Look`
knows how likely the leader is right, what the next sample may do, and by how much every other action is
better or worse than the question alone lets expect. From these, `Look.plans` finds by backward induction what
is best in every state, and what the look is worth before it is bought.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.policy.mixture import CostCurve
from adaptive_reasoner.strategies.look_plans import AGAIN, STOP, LookPlan, VoteStates

_LEAST_ROOM = 0.1  # of `room`: what a question alone is sure of may be wrong


class LookValues(NamedTuple):
    """Looks at m questions, planned.

    Attributes:
        worth: Expected accuracy less the price of all that is paid, shape (m,).
        accuracy: Expected accuracy, shape (m,).
        cost: Expected cost, shape (m,).
        course: What to do in each state, as `LookPlan.course` says it, shape (m, z).
    """

    worth: Floats
    accuracy: Floats
    cost: Floats
    course: Ints


@dataclass(frozen=True, eq=False)
class Look:
    """A vote of single samples that may be left, as collected samples show it.

    Attributes:
        name: Of the look, as an action.
        sample: Position of the action that makes one sample, among the k actions of the policy.
        others: Positions of the actions that may take over, shape (o,).
        limit: The most samples.
        right: Probability that the leader is right in each state, shape (z,).
        top: Probability that the next sample joins it, shape (z,).
        second: Probability that it lifts the runner-up, shape (z,).
        tilt: By how much the log-odds of these rise with the accuracy that is expected of `sample` on a
            question, beyond `mean`.
        mean: Accuracy that is expected of `sample` on the mean question.
        shift: By how much each other action is better in a state than the question lets expect, in units of
            `room`, shape (z, o).
        between: Ranges of prices, each its lowest and its highest, in which looks were found to pay.
    """

    name: str
    sample: int
    others: Ints
    limit: int
    right: Floats
    top: Floats
    second: Floats
    tilt: tuple[float, float, float]
    mean: float
    shift: Floats
    between: Sequence[tuple[float, float]] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """A look from the fields of a policy's card."""
        tables = {name: np.array(fields[name], dtype=np.float64) for name in ("right", "top", "second")}
        others = np.array(fields["others"], dtype=np.intp)
        return cls(
            fields["name"],
            fields["sample"],
            others,
            fields["limit"],
            **tables,
            tilt=tuple(fields["tilt"]),
            mean=fields["mean"],
            shift=np.array(fields["shift"], dtype=np.float64).reshape(len(fields["shift"]), len(others)),
            between=[(low, high) for low, high in fields["between"]],
        )

    def as_card(self) -> dict[str, Any]:
        """The fields of a policy's card, as plain JSON values."""
        plain = {name: getattr(self, name) for name in ("name", "sample", "limit", "mean")}
        arrays = ("others", "right", "top", "second", "shift")
        return {
            **plain,
            **{name: getattr(self, name).tolist() for name in arrays},
            "tilt": list(self.tilt),
            "between": [list(pair) for pair in self.between],
        }

    def pays_at(self, price: float) -> bool:
        """Whether looks were found to pay at a price."""
        return any(low <= price <= high for low, high in self.between)

    @property
    def states(self) -> VoteStates:
        """The states of the vote."""
        return VoteStates.of(self.limit)

    def plans(self, accuracy: Floats, cost: Floats, price: Floats) -> LookValues:
        """The best course of the look for each question.

        Args:
            accuracy: Expected of every action on m questions, shape (m, k).
            cost: Likewise.
            price: Of compute, shape (m,).
        """
        return self.outlook(accuracy, cost).planned(price)

    def outlook(self, accuracy: Floats, cost: Floats) -> "Outlook":
        """What is expected of looks at m questions, whatever the price."""
        beyond = accuracy[:, self.sample, None] - self.mean
        right, joins, lifts = (
            _tilted(known, slope * beyond)
            for known, slope in zip((self.right, self.top, self.second), self.tilt, strict=True)
        )
        whole = np.maximum(1.0, joins + lifts)
        joins, lifts = joins / whole, lifts / whole
        expected = accuracy[:, self.others]
        others = np.clip(expected[:, None] + room(expected)[:, None] * self.shift, 0.0, 1.0)
        chances = np.stack([joins, lifts, np.clip(1.0 - joins - lifts, 0.0, 1.0)], axis=2)
        return Outlook(self.states, right, chances, others, cost[:, self.others], cost[:, self.sample])


class Outlook(NamedTuple):
    """What is expected of looks at m questions.

    Attributes:
        states: The z states.
        right: Probability that the leader is right, shape (m, z).
        chances: Of the states after one sample more, shape (m, z, 3).
        others: Accuracy of the actions that may take over, shape (m, z, o).
        cost: What they cost, shape (m, o).
        sample: What a sample costs, shape (m,).
    """

    states: VoteStates
    right: Floats
    chances: Floats
    others: Floats
    cost: Floats
    sample: Floats

    def of(self, rows: Ints) -> "Outlook":
        """Of some of the questions."""
        return Outlook(self.states, *(part[rows] for part in self[1:]))

    def planned(self, price: Floats) -> LookValues:
        """Backward induction over the samples drawn, at a price for each question, shape (m,)."""
        states, m = self.states, len(self.right)
        worth, accuracy, cost = self.right.copy(), self.right.copy(), np.zeros(self.right.shape)
        course = np.full(self.right.shape, STOP)
        if self.cost.shape[1]:
            net = self.others - (price[:, None] * self.cost)[:, None]
            best = net.argmax(axis=2)
            gain = np.take_along_axis(net, best[:, :, None], axis=2)[:, :, 0]
            leaves = gain > worth
            handed = np.take_along_axis(self.others, best[:, :, None], axis=2)[:, :, 0]
            worth, accuracy = np.where(leaves, gain, worth), np.where(leaves, handed, accuracy)
            cost = np.where(leaves, self.cost[np.arange(m)[:, None], best], 0.0)
            course = np.where(leaves, best, course)
        ends = np.searchsorted(states.drawn, np.arange(states.limit + 2))
        for drawn in range(states.limit - 1, -1, -1):
            own = slice(ends[drawn], ends[drawn + 1])
            after, chances = states.after[own], self.chances[:, own]

            def ahead(values: Floats, after: Ints = after, chances: Floats = chances) -> Floats:
                expected: Floats = (values[:, after] * chances).sum(axis=2)
                return expected

            going = ahead(worth) - (price * self.sample)[:, None]
            again = going > worth[:, own] if drawn else np.ones(going.shape, dtype=bool)
            worth[:, own] = np.where(again, going, worth[:, own])
            accuracy[:, own] = np.where(again, ahead(accuracy), accuracy[:, own])
            cost[:, own] = np.where(again, ahead(cost) + self.sample[:, None], cost[:, own])
            course[:, own] = np.where(again, AGAIN, course[:, own])
        return LookValues(worth[:, 0], accuracy[:, 0], cost[:, 0], course)


@dataclass(frozen=True, eq=False)
class Looking:
    """The looks of a policy.

    Attributes:
        looks: Those it may decide for.
        curve: Mean cost against price with them.
        price: At the policy's budget.
    """

    looks: tuple[Look, ...]
    curve: CostCurve
    price: float

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Self:
        """As a policy's card has them; none where it has none."""
        fields = card.get("looking") or {"looks": [], "frontier": card["frontier"], "price": card["price"]}
        curve = CostCurve.of(*(fields["frontier"][name] for name in ("price", "cost", "low", "high")))
        return cls(tuple(map(Look.of, fields["looks"])), curve, float(fields["price"]))


@dataclass(frozen=True, eq=False)
class Chosen:
    """A look that is worth more than any action: what is expected of it, and its course, shape (z,)."""

    look: Look
    accuracy: float
    cost: float
    course: Ints

    def plan(self, actions: Sequence[str]) -> LookPlan:
        """What to do in each state, by the names of all actions."""
        others = tuple(actions[other] for other in self.look.others)
        return LookPlan(self.look.limit, self.course, actions[self.look.sample], others)

    def worst(self, worst: Floats) -> float:
        """The most it can cost, by the most that each action can cost, shape (k,)."""
        states = self.look.states
        reached, ends = {0}, [0.0]
        while reached:
            for state in reached:
                after = int(self.course[state])
                handed = 0.0 if after < 0 else float(worst[self.look.others[after]])
                ends.append(float(worst[self.look.sample]) * int(states.drawn[state]) + handed)
            going = [state for state in reached if self.course[state] == AGAIN]
            reached = {int(after) for state in going for after in states.after[state]}
        return max(ends)


def best_look(
    looks: Sequence[Look],
    accuracy: Floats,
    cost: Floats,
    price: float,
    *,
    than: float,
    asked: float | None = None,
) -> Chosen | None:
    """The look that is worth most on one question, if it is worth more than a value.

    Args:
        looks: To choose among.
        accuracy: Expected of every action on the question, shape (k,).
        cost: Likewise.
        price: Of compute, by which it is planned.
        than: Accuracy less price of the best action.
        asked: The price at which looks have to pay, where it is another one, as predictions are trusted in
            part.
    """
    best = None
    for look in looks:
        if look.pays_at(price if asked is None else asked):
            found = look.plans(accuracy[None], cost[None], np.array([price]))
            if found.worth[0] > than:
                than = float(found.worth[0])
                best = Chosen(look, float(found.accuracy[0]), float(found.cost[0]), found.course[0])
    return best


def room(accuracy: Floats) -> Floats:
    """How far an expected accuracy may be moved by what is seen: 1 at even chances, little near 0 and 1."""
    moved: Floats = np.maximum(4.0 * accuracy * (1.0 - accuracy), _LEAST_ROOM)
    return moved


def _tilted(chances: Floats, by: Floats) -> Floats:
    """Probabilities with their log-odds raised by `by`, shape (m, z); 0 and 1 stay."""
    odds = chances * np.exp(np.clip(by, -50.0, 50.0))
    return np.asarray(odds / (1.0 - chances + odds))
