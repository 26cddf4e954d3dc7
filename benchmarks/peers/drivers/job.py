"""What a driver is given and what it hands back. Runs in every peer's environment: numpy alone.

A driver is started as `python DRIVER JOB.npz ANSWER.npz`. It trains on the training part, may look at the
validation part, and says what its policies would choose on validation and test questions at every setting of
their dials. Which setting meets a budget is decided outside, by the same code for all peers.
"""

import sys
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Job:
    """A table and its parts; outcomes of the test part are not in it (NaN).

    Attributes:
        vectors: Unit vectors of all questions, shape (n, d).
        accuracy: Outcomes of the k actions, from cheap to dear, shape (n, k).
        cost: Likewise.
        train, validation, test: Positions in the table.
        seed: Of everything random.
    """

    vectors: np.ndarray
    accuracy: np.ndarray
    cost: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    seed: int

    @classmethod
    def given(cls):
        """The job named on the command line."""
        with np.load(sys.argv[1], allow_pickle=False) as stored:
            cells = {name: stored[name] for name in stored.files}
        return cls(**cells | {"seed": int(cells["seed"])})

    @property
    def asked(self):
        """Positions of validation and test questions, in the order in which choices are handed back."""
        return np.concatenate([self.validation, self.test])

    @property
    def fixed_cost(self):
        """Mean cost of each action on the training part, shape (k,)."""
        return self.cost[self.train].mean(axis=0)


class Answer:
    """Collects what the policies choose, then writes it."""

    def __init__(self):
        self.dials = {}

    def add(self, policy, variant, choices):
        """A variant (hyperparameters) of a policy: choices at each setting of its dial, shape (s, asked)."""
        self.dials[f"{policy}|{variant}"] = np.asarray(choices, dtype=np.uint8)

    def hand_back(self):
        """Write to the file named on the command line."""
        np.savez_compressed(sys.argv[2], **self.dials)


def by_price(accuracy, cost, settings=256):
    """Choices of argmax accuracy - price * cost at prices between which little happens, shape (settings, m).

    For two actions: these are the prices at which one question after another changes its action.
    """
    gain, extra = accuracy[:, 1] - accuracy[:, 0], cost[:, 1] - cost[:, 0]
    score = np.where(extra > 0, gain / np.where(extra > 0, extra, 1), np.where(gain > 0, np.inf, -np.inf))
    return by_threshold(score, settings)


def by_threshold(score, settings=256):
    """Choices of "strong where the score is above a threshold", at quantiles of the score."""
    known = score[np.isfinite(score)]
    thresholds = np.unique(np.quantile(known, np.linspace(0, 1, settings)))
    return score[None, :] > np.concatenate([[-np.inf], thresholds])[:, None]
