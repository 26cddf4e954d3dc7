"""What a run may cost: by its own budget, by what its thread has left, and by what was added to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

NEARLY = 0.8
"""The share of a budget from which on it is nearly used up."""

_ROUNDING = 1e-9  # sums of floats may differ from the same sum in another order


@dataclass(eq=False)
class Allowance:
    """The budgets of one run, by name.

    Attributes:
        budgets: What the run may cost by each of them; none where it is only counted.
        before: What other runs have spent of a budget that the run shares with them.
        added: By the node that asked for more, and how many times it had, what was added to each budget.
        told: The budgets of which it was told that they are nearly used up.

    Example:
        >>> allowance = Allowance({"run_budget": 100.0, "thread_budget": 250.0})
        >>> allowance.most, [allowance.nearly_used(cost) for cost in (79.0, 80.0, 90.0)]
        (100.0, [[], ['run_budget'], []])
        >>> allowance.add(60.0, "node", 1, needed=130.0)
        >>> allowance.most
        160.0
    """

    budgets: Mapping[str, float] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)
    added: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)

    @property
    def most(self) -> float:
        """The most that the run may cost; infinite where nothing limits it."""
        return max(0.0, min(map(self.of, self.budgets), default=inf))

    def of(self, name: str) -> float:
        """What the run may cost by one budget."""
        return self.budgets[name] + self.more(name)

    def more(self, name: str) -> float:
        """What was added to a budget."""
        return sum(each.get(name, 0.0) for each in self.added.values())

    def add(self, more: float, node: str, number: int, *, needed: float) -> None:
        """Add to each budget that has less than is needed."""
        short = [name for name in self.budgets if self.of(name) < needed * (1.0 - _ROUNDING)]
        self.added[node, number] = dict.fromkeys(short, more)
        self.announced -= set(short)

    def take_back(self, node: str) -> None:
        """Forget what a node was allowed: it runs again from its beginning, and gets its answers again."""
        self.added = {asked: added for asked, added in self.added.items() if asked[0] != node}

    def share(self, name: str, cost: float) -> float:
        """The share of a budget that is used up at this cost of the run."""
        used, whole = cost + self.before.get(name, 0.0), self.of(name) + self.before.get(name, 0.0)
        return used / whole if whole > 0 else 1.0

    def nearly_used(self, cost: float) -> list[str]:
        """The budgets that are nearly used up, each told of once."""
        found = [
            name for name in self.budgets if self.share(name, cost) >= NEARLY and name not in self.announced
        ]
        self.announced.update(found)
        return found
