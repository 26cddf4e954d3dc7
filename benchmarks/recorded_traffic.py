"""Recorded replies to the questions of a table as live traffic, of which a share is explored."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adaptive_reasoner import LearnedPolicy
from adaptive_reasoner.kit import Outcomes
from adaptive_reasoner.kit.off_policy.decisions import Decisions

RESULTS = Path(__file__).resolve().parent / "results"
TABLES = {"bbh": ("bbh_direct_cot", 75.0, 1_500), "exams_a": ("exams_a_gpt", 5.7, 250)}
"""The file, the budget, and how many questions the policy is trained on; the others are the traffic."""

EXPLORE = 0.02


@dataclass(frozen=True)
class Traffic:
    """Recorded replies to questions: how right and how expensive, each of shape (n, k, draws)."""

    table: Outcomes
    accuracy: np.ndarray
    cost: np.ndarray

    @classmethod
    def of(cls, samples, table, rows):
        """Single replies to some questions of a table."""
        chosen = table.select(rows)
        replies = [[samples.votes(name, source) for source in table.actions] for name in chosen.question_ids]
        draws = min(len(several) for of in replies for several in of)
        cells = [[[(r.correct, r.cost) for r in several[:draws]] for several in of] for of in replies]
        accuracy, cost = np.moveaxis(np.array(cells), -1, 0)
        means = replace(chosen, accuracy=accuracy.mean(axis=2), cost=cost.mean(axis=2), halves=None)
        return cls(means, accuracy, cost)

    def changed(self, action, change):
        """The table of the same questions after a change, and the share of right answers that are lost."""
        dearer, fall = change
        lost = fall / float(self.table.accuracy[:, action].mean())
        accuracy, cost = self.table.accuracy.copy(), self.table.cost.copy()
        accuracy[:, action] *= 1 - lost
        cost[:, action] *= dearer
        return replace(self.table, accuracy=accuracy, cost=cost), lost


@dataclass(frozen=True)
class Stream:
    """Which questions come, in which order, and what is drawn for each."""

    rows: np.ndarray
    draws: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, traffic, length, seed):
        """Questions drawn with replacement."""
        rng = np.random.default_rng(seed)
        n, _, draws = traffic.accuracy.shape
        return cls(rng.integers(n, size=length), rng.integers(draws, size=length), rng.random((4, length)))

    def taken(self, shares):
        """The action of each question and how likely it was, with the explored share."""
        along, k = np.cumsum(shares[self.rows], axis=1), shares.shape[1]
        own = np.minimum((along <= self.chance[0][:, None]).sum(axis=1), k - 1)
        drawn = np.minimum((self.chance[2] * k).astype(int), k - 1)
        taken = np.where(self.chance[1] < EXPLORE, drawn, own)
        return taken, EXPLORE / k + (1 - EXPLORE) * (taken == own)

    def outcomes(self, traffic, taken, *, action=0, change=(1.0, 0.0), lost=0.0, since=None):
        """Score and cost of what was taken, with a change of one action since a question."""
        score, cost = (cells[self.rows, taken, self.draws] for cells in (traffic.accuracy, traffic.cost))
        if since is not None:
            hit = (np.arange(len(taken)) >= since) & (taken == action)
            cost = np.where(hit, change[0] * cost, cost)
            score = np.where(hit & (self.chance[3] < lost), 0.0, score)
        return score, cost

    def log(self, traffic, taken, chance, score, cost):
        """The decisions as a node logs them."""
        return Decisions(
            question_ids=np.array([f"t{at}" for at in range(len(taken))], dtype=object),
            questions=traffic.table.questions[self.rows],
            actions=traffic.table.actions,
            taken=taken,
            propensity=chance,
            score=score,
            cost=cost,
            cost_unit=traffic.table.cost_unit,
            chosen=np.zeros(len(taken), dtype=bool),
        )


def saved(trained, folder):
    """A trained policy as it is loaded online."""
    return LearnedPolicy.load(trained.save(folder))
