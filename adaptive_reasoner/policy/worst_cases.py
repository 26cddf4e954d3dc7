"""The most that actions can cost: as declared or, where prompts are billed, on the question at hand."""

from collections.abc import Mapping
from math import inf
from typing import Any, Self

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.policy.base import CallBound


class WorstCases:
    """The worst cost of each action of a policy.

    Args:
        actions: The actions, by name.
        declared: The worst cost of each; None where it depends on the question.
        menu: What is known of each action, as a policy folder keeps it: how many calls it makes at most.

    Example:
        >>> cases = WorstCases(["cot", "cot_vote_3"], [50.0, None], {"cot_vote_3": {"votes": 3}})
        >>> [cases[0], cases[1], cases.on_question(lambda action: 60.0)[1]]
        [50.0, inf, 180.0]
    """

    def __init__(self, actions: Any, declared: Any, menu: Mapping[str, Any]) -> None:
        specs = menu.get("actions", menu)
        self._actions = tuple(actions)
        self._declared = [None if worst is None else float(worst) for worst in declared]
        self._calls = [_most_calls(specs.get(action) or {}) for action in self._actions]
        self._call: CallBound | None = None

    @property
    def depend_on_question(self) -> bool:
        """Whether some of them depend on the question."""
        return any(worst is None and calls for worst, calls in zip(self._declared, self._calls, strict=True))

    def on_question(self, call: CallBound) -> "Self":
        """The worst costs on one question."""
        moved = type(self)(self._actions, self._declared, {})
        moved._calls, moved._call = self._calls, call
        return moved

    def __getitem__(self, number: int) -> float:
        declared, calls = self._declared[number], self._calls[number]
        if declared is not None:
            return declared
        return inf if self._call is None or not calls else calls * self._call(self._actions[number])

    def all(self) -> Floats:
        """The worst cost of every action, shape (k,)."""
        return np.array([self[number] for number in range(len(self._actions))])


def _most_calls(spec: Mapping[str, Any]) -> int:
    """The most calls of an action, with those to its judge, its stronger source and a model that compares.

    0 where unknown.
    """
    if not spec:
        return 0
    votes = int(spec.get("votes") or 1)
    parameters = spec.get("parameters") or {}
    others = (votes if "judge" in parameters else 0) + (1 if "strong" in parameters else 0)
    return votes + others + int(spec.get("comparisons") or 0)
