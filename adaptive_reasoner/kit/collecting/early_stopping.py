"""Stop sampling a question when its oracle label is settled: more samples would only confirm it.

A label is the action with the highest accuracy - price * cost, at the price that a budget sets. Three
likelihoods of a question are unknown: that a reply is right, that it is the commonest wrong answer, and that
it is anything else. A pilot of questions, sampled in full, gives particles of these likelihoods; the samples
of another question weight them (an empirical Bayes posterior). A label is settled if it loses at most the
tolerance with the confidence asked for.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb, inf

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit.allocation.solver import Predictions, solve
from adaptive_reasoner.kit.collecting.worklist import WorkItem
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.tables.files import Row

_DRAWS = 16  # particles a pilot question
_PRIOR = 0.5  # of each of the three likelihoods, in samples


@dataclass(frozen=True)
class Adaptive:
    """When a question has enough samples.

    Args:
        budget: Allowed mean cost per question, which sets the price of compute.
        confidence: How likely it must be that the label loses no more than `tolerance`.
        tolerance: Accuracy, less the price of cost, that a label may lose.
        pilot: Questions that are sampled in full, to learn from.
        seed: Draws them.
    """

    budget: float
    confidence: float = 0.9
    tolerance: float = 0.02
    pilot: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.budget < inf:
            raise InfeasibleBudgetError(self.budget, 0.0)
        if not 0 < self.confidence < 1:
            raise ValueError(f"a confidence must be between 0 and 1, not {self.confidence}")
        if not self.tolerance >= 0:
            raise ValueError(f"a tolerance is at least 0, not {self.tolerance}")
        if self.pilot < 8:
            raise ValueError(f"a pilot takes at least 8 questions, not {self.pilot}")


class EarlyStopping:
    """Which questions have enough samples.

    Args:
        adaptive: When that is.
        menu: The sources, and the actions that a label chooses among: single calls and votes.
        questions: What is asked.

    """

    def __init__(self, adaptive: Adaptive, menu: Menu, questions: Sequence[Question]) -> None:
        self._adaptive, self._menu = adaptive, menu
        self._sizes = {name: _sizes(menu, name) for name in menu.sampled}
        ids = sorted(question.question_id for question in questions)
        drawn = random.Random(adaptive.seed).sample(ids, min(adaptive.pilot, len(ids)))  # noqa: S311
        self._pilot = frozenset(drawn)
        self._seen: dict[str, dict[str, Counter[str | bool]]] = {}
        self._costs: dict[str, list[float]] = {name: [0.0, 0.0] for name in menu.sampled}
        self._settled: set[str] = set()
        self._learnt = False

    def see(self, row: Row) -> None:
        """Count a row of the file."""
        if row.get("error") is None:
            by_source = self._seen.setdefault(str(row["question_id"]), {})
            by_source.setdefault(str(row["source"]), Counter())[_kind(row)] += 1
            sums = self._costs[str(row["source"])]
            sums[0], sums[1] = sums[0] + float(row["cost"]), sums[1] + 1.0

    def rounds(self, todo: Iterable[WorkItem]) -> tuple[list[WorkItem], list[WorkItem]]:
        """The samples that are always drawn, and the others in rounds of one per question and source."""
        first: list[WorkItem] = []
        later: list[tuple[int, WorkItem]] = []
        for item in todo:
            least = max(self._sizes[item.source])
            whole = item.question.question_id in self._pilot
            early = tuple(at for at in item.samples if whole or at < least)
            if early:
                first.append(replace(item, samples=early))
            later += [(at, replace(item, samples=(at,))) for at in item.samples if at not in early]
        return first, [item for _, item in sorted(later, key=lambda each: each[0])]

    def learn(self) -> None:
        """Learn from the pilot.

        Raises:
            InfeasibleBudgetError: The cheapest action costs more than the budget.
            OutcomesError: Every question to learn from failed with one source or other.
        """
        rng = np.random.default_rng(self._adaptive.seed)
        pilot = [self._seen[name] for name in sorted(self._pilot) if self._complete(name)]
        if not pilot:
            raise OutcomesError(
                f"none of the {len(self._pilot)} questions to learn from was answered by every source; "
                "collect without --adaptive, or see their errors"
            )
        self._particles = {
            source: np.concatenate(
                [rng.dirichlet(_counts(seen[source]) + _PRIOR, size=_DRAWS) for seen in pilot]
            )
            for source in self._sizes
        }
        accuracy, cost = [], []
        for source, sizes in self._sizes.items():
            spent, calls = self._costs[source]
            accuracy += [vote_accuracy(self._particles[source], size) for size in sizes]
            cost += [size * spent / calls for size in sizes]
        A, C = np.column_stack(accuracy), np.array(cost)
        self._value = A - self._price(A.reshape(len(pilot), _DRAWS, -1).mean(axis=1), C) * C
        self._best = self._value.max(axis=1)
        self._learnt = True

    def settled(self, question_id: str) -> bool:
        """Whether a question has enough samples; none has before the pilot was learnt from."""
        if self._learnt and question_id not in self._settled and question_id not in self._pilot:
            chance = np.exp(self._log_likelihood(self._seen.get(question_id, {})))
            chance /= chance.sum()
            label = int(np.argmax(chance @ self._value))
            small = self._best - self._value[:, label] <= self._adaptive.tolerance
            if float(chance @ small) >= self._adaptive.confidence:
                self._settled.add(question_id)
        return question_id in self._settled

    def _complete(self, question_id: str) -> bool:
        return self._sizes.keys() <= self._seen.get(question_id, {}).keys()

    def _log_likelihood(self, seen: Mapping[str, Counter[str | bool]]) -> Floats:
        """The log-likelihood of the replies for each particle, up to a constant."""
        total = np.zeros(len(self._best))
        for source, replies in seen.items():
            total += np.log(np.maximum(self._particles[source], 1e-12)) @ _counts(replies)
        return np.asarray(total - total.max(), dtype=float)

    def _price(self, accuracy: Floats, cost: Floats) -> float:
        """The price at which the pilot's oracle spends the budget."""
        actions = tuple(f"{name}_{size}" for name, sizes in self._sizes.items() for size in sizes)
        costs = np.broadcast_to(cost, accuracy.shape)
        pilot = Predictions(actions, np.clip(accuracy, 0.0, 1.0), costs, self._menu.cost_unit)
        return solve(pilot, self._adaptive.budget).price


def _kind(row: Row) -> str | bool:
    """True for a right reply, the answer of a wrong one, False for a wrong one without an answer."""
    right = float(row["correct"]) >= 0.5
    return right if right or row.get("answer") is None else str(row["answer"])


def _counts(replies: Counter[str | bool]) -> Floats:
    """Right replies, those that gave the commonest wrong answer, and the rest; shape (3,)."""
    right = replies[True]
    top = max((count for kind, count in replies.items() if isinstance(kind, str)), default=0)
    return np.array([right, top, replies.total() - right - top], dtype=float)


def vote_accuracy(likelihoods: Floats, size: int) -> Floats:
    """How often a vote of `size` is right.

    Args:
        likelihoods: Of the right answer, the commonest wrong one and the rest, whose replies are taken to
            differ from each other; shape (n, 3).
        size: Replies that vote; ties are drawn evenly.

    Returns:
        Shape (n,).

    Example:
        >>> vote_accuracy(np.array([[0.6, 0.4, 0.0]]), 3).round(3).tolist()  # .6^3 + 3 * .6^2 * .4
        [0.648]
    """
    total = np.zeros(len(likelihoods))
    for right in range(1, size + 1):
        for wrong in range(size - right + 1):
            rest = size - right - wrong
            tied = 1.0 + (wrong == right) + (rest if right == 1 else 0)
            if right < wrong:
                continue
            ways = comb(size, right) * comb(size - right, wrong)
            total += ways * np.prod(likelihoods ** np.array([right, wrong, rest]), axis=1) / tied
    return total


def _sizes(menu: Menu, source: str) -> tuple[int, ...]:
    """The votes that the menu's actions take of a source, a single call among them."""
    sizes = {1} | {recipe.votes for recipe in menu.all_recipes.values() if recipe.source == source}
    return tuple(sorted(size for size in sizes if size <= menu.samples_of(source)))
