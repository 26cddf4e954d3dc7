"""One split of a table: who is asked, on which questions, and what each then plays at each budget."""

import hashlib
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adaptive_reasoner.kit.backtesting.contenders import Split, label_shares, value_shares
from adaptive_reasoner.kit.backtesting.lift import Play
from adaptive_reasoner.kit.concave import best_at
from adaptive_reasoner.kit.imitation import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.splits import split_by_text

DRIVERS = Path(__file__).parent / "drivers"
VALIDATION = 0.3  # of the questions that are not held out
OURS = "imitator"
OURS_TUNED = "imitator, tuned as the peers"
LABELS = "oracle labels, 0/1"
_PRICES = 256
_OFFLINE = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}


@dataclass(frozen=True, eq=False)
class Parts:
    """A table divided for one split.

    Attributes:
        table: All questions; actions from cheap to dear.
        vectors: Of all questions, shape (n, d).
        features: Vectors and surface features, as our policies see them.
        train, validation, test: Positions; we fit on the first two together, as we need no validation part.
        budgets: Mean costs to be kept.
        seed: Of the split and of everything random.
    """

    table: Outcomes
    vectors: np.ndarray
    features: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    budgets: tuple
    seed: int

    @classmethod
    def of(cls, table, features, width, budgets, seed):
        """Half is held out; of the rest, a part is for validation. Equal texts stay on one side."""
        fit, test = split_by_text(table.questions, test_size=0.5, seed=seed)
        inner = split_by_text(table.questions[fit], test_size=VALIDATION, seed=seed)
        train, validation = (fit[part] for part in inner)
        return cls(table, features[:, :width], features, train, validation, test, budgets, seed)

    @property
    def fit(self):
        """All that is not held out."""
        return np.sort(np.concatenate([self.train, self.validation]))

    @property
    def asked(self):
        """Where drivers are asked to choose: validation, then test questions."""
        return np.concatenate([self.validation, self.test])

    def job(self):
        """What drivers are given; the outcomes of the test part are blank."""
        blank = [np.array(cells) for cells in (self.table.accuracy, self.table.cost)]
        for cells in blank:
            cells[self.test] = np.nan
        return {
            "vectors": self.vectors,
            "accuracy": blank[0],
            "cost": blank[1],
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
            "seed": np.array(self.seed),
        }


def choices_of(driver, python, parts, kept, shell):
    """What a driver's policies choose on validation and test questions, by policy and variant.

    The driver runs in its own environment and never sees the outcomes of the test part. Its answer is kept in
    the folder `kept` under a digest of driver and job, and taken from there the next time.

    Returns:
        The choices, and the seconds it took.
    """
    job = parts.job()
    digest = hashlib.sha256((DRIVERS / driver).read_bytes() + (DRIVERS / "job.py").read_bytes())
    for cells in job.values():
        digest.update(np.ascontiguousarray(cells).tobytes())
    answer = kept / f"{Path(driver).stem}-{digest.hexdigest()[:24]}.npz"
    seconds = answer.with_suffix(".seconds")
    if not seconds.exists():
        start = time.perf_counter()
        _drive(DRIVERS / driver, python, job, answer, os.environ | _OFFLINE | shell)
        seconds.write_text(f"{time.perf_counter() - start:.1f}")
    policies = {}
    with np.load(answer, allow_pickle=False) as stored:
        for name in stored.files:
            policy, variant = name.split("|", 1)
            policies.setdefault(policy, {})[variant] = stored[name]
    return policies, float(seconds.read_text())


def _drive(driver, python, job, answer, environment):
    with tempfile.TemporaryDirectory() as scratch:
        given = Path(scratch) / "job.npz"
        np.savez(given, **job)
        subprocess.run(
            [str(python), str(driver), str(given), str(answer)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
        )


def our_plays(parts):
    """The imitator as `backtest` plays it ungated: fitted on all that is not held out, its price too."""
    split = Split.of(parts.table, parts.features, parts.fit, parts.test)
    values = value_shares(split, parts.budgets, seed=parts.seed)
    labels = label_shares(split, parts.budgets, seed=parts.seed)
    for budget, (_, ungated), labelled in zip(parts.budgets, values, labels, strict=True):
        yield (OURS, budget), Play.of(split.held_out, ungated)
        yield (LABELS, budget), Play.of(split.held_out, labelled)


def our_choices(parts):
    """The imitator handicapped: fitted on the train part alone, its price set on the validation part."""
    imitator = Imitator(seed=parts.seed).fit(parts.features[parts.train], parts.table.select(parts.train))
    foreseen = imitator.predict(parts.features[parts.asked])
    slopes = np.diff(foreseen.accuracy, axis=1) / np.maximum(np.diff(foreseen.cost, axis=1), 1e-9)
    prices = np.unique(np.quantile(np.maximum(slopes, 0.0), np.linspace(0, 1, _PRICES)))
    choices = [best_at(foreseen.accuracy, foreseen.cost, price) for price in prices]
    return {OURS_TUNED: {"as it is": np.array(choices, dtype=np.uint8)}}


def read_table(path):
    """A table with its actions from cheap to dear, which is how drivers know weak from strong."""
    table = Outcomes.read(path)
    order = np.argsort(table.cost.mean(axis=0), kind="stable")
    return replace(
        table,
        actions=tuple(table.actions[at] for at in order),
        accuracy=table.accuracy[:, order],
        cost=table.cost[:, order],
        samples=table.samples[:, order],
        halves=None,
    )
