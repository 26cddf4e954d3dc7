"""One split of a table: who is asked, on which questions, and what each then plays at each budget."""

import hashlib
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import adaptive_reasoner
from adaptive_reasoner.kit.allocation.concave_hull import best_at
from adaptive_reasoner.kit.backtesting.imitators import (
    Split,
    fitted_imitator,
    label_shares,
    value_shares,
)
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import split_by_text

DRIVERS = Path(__file__).parent / "drivers"
VALIDATION = 0.3  # of the questions that are not held out
OURS = "imitator"
OURS_TUNED = "imitator, tuned as the peers"
LABELS = "oracle labels, 0/1"
LOOKUP = "lookup by group"
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
    answer = kept / f"{Path(driver).stem}-{_digest([DRIVERS / driver, DRIVERS / 'job.py'], job)}.npz"
    seconds = answer.with_suffix(".seconds")
    if not seconds.exists():
        start = time.perf_counter()
        _drive(DRIVERS / driver, python, job, answer, os.environ | _OFFLINE | shell)
        seconds.write_text(f"{time.perf_counter() - start:.1f}")
    return _read(answer), float(seconds.read_text())


def our_choices(parts, kept):
    """What the imitator chooses, kept likewise under a digest of parts and library.

    Returns:
        By policy and budget the choices on test questions of the imitator as `backtest` plays it ungated, and
        of the paper's: both fitted on all that is not held out, price included. And by policy and variant the
        dial of the imitator handicapped: fitted on the train part alone, for a price set on the validation
        part.
    """
    library = sorted((Path(adaptive_reasoner.__file__).parent / "kit").rglob("*.py"))
    job = parts.job() | {"features": parts.features, "budgets": np.array(parts.budgets)}
    answer = kept / f"ours-{_digest([Path(__file__), *library], job)}.npz"
    if not answer.exists():
        chosen = dict(_fitted_on_all(parts)) | {f"{OURS_TUNED}|as it is": _fitted_on_train(parts)}
        np.savez_compressed(answer, **chosen)
    stored = _read(answer)
    dial = {OURS_TUNED: stored.pop(OURS_TUNED)}
    played = {
        (policy, float(budget)): choice
        for policy, by_budget in stored.items()
        for budget, choice in by_budget.items()
    }
    return played, dial


def _fitted_on_all(parts):
    split = Split.of(parts.table, parts.features, parts.fit, parts.test)
    imitator = fitted_imitator(split, parts.budgets, seed=parts.seed)
    values = value_shares(imitator, split, parts.budgets)
    labels = label_shares(split, parts.budgets, seed=parts.seed)
    for budget, value, labelled in zip(parts.budgets, values, labels, strict=True):
        yield f"{OURS}|{budget}", value.ungated.argmax(axis=1).astype(np.uint8)
        yield f"{LABELS}|{budget}", labelled.argmax(axis=1).astype(np.uint8)


def _fitted_on_train(parts):
    imitator = Imitator(seed=parts.seed).fit(parts.features[parts.train], parts.table.select(parts.train))
    foreseen = imitator.predict(parts.features[parts.asked])
    slopes = np.diff(foreseen.accuracy, axis=1) / np.maximum(np.diff(foreseen.cost, axis=1), 1e-9)
    prices = np.unique(np.quantile(np.maximum(slopes, 0.0), np.linspace(0, 1, _PRICES)))
    return np.array([best_at(foreseen.accuracy, foreseen.cost, price) for price in prices], dtype=np.uint8)


def _digest(files, job):
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    for cells in job.values():
        digest.update(np.ascontiguousarray(cells).tobytes())
    return digest.hexdigest()[:24]


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


def _read(answer):
    policies = {}
    with np.load(answer, allow_pickle=False) as stored:
        for name in stored.files:
            policy, variant = name.split("|", 1)
            policies.setdefault(policy, {})[variant] = stored[name]
    return policies


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
