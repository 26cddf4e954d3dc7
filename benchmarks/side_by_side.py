"""Two checkouts measured in turn, so that what else the machine does falls on both."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
RESULTS = HERE / "benchmarks" / "results"


@dataclass(frozen=True)
class Checkout:
    """A working copy of the library, whose code is run in processes of its own."""

    root: Path

    @property
    def commit(self):
        """Its commit; `+` marks a package that differs from it."""
        commit = self._git("rev-parse", "HEAD")
        return commit + "+" * bool(self._git("status", "--porcelain", "--", "adaptive_reasoner"))

    def start(self, *arguments):
        """Python with this checkout's library, compiled as an installed one is, and pipes to it."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment | {"PYTHONPATH": str(self.root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def holds(self, file):
        """Refuse a measurement of any other copy of the library."""
        if not Path(file).is_relative_to(self.root):
            raise RuntimeError(f"measured {file}, which is not in {self.root}")

    def _git(self, *arguments):
        return subprocess.check_output(["git", "-C", self.root, *arguments], text=True).strip()


def pair(against):
    """This checkout and another one."""
    return {"here": Checkout(HERE), "against": Checkout(Path(against).resolve())}


def commits(checkouts):
    return {name: checkout.commit for name, checkout in checkouts.items()}


def compared(here, against, *, digits=4):
    """Times of both, taken in turn, and the ratio of this checkout's to the other's.

    Args:
        here: This checkout's times, one a round.
        against: The other's, of the same rounds.
        digits: Decimal places of the times.

    Returns:
        Minimum and median of each; the ratio of minima, the ratio of medians, and the median ratio of a
        round with its 95% interval by a bootstrap over rounds.
    """
    ours, theirs = np.array(here), np.array(against)
    ratios = ours / theirs
    draws = np.random.default_rng(0).integers(len(ratios), size=(2000, len(ratios)))
    low, high = np.quantile(np.median(ratios[draws], axis=1), [0.025, 0.975])
    times = {
        name: {
            "minimum": round(float(each.min()), digits),
            "median": round(statistics.median(each.tolist()), digits),
        }
        for name, each in (("here", ours), ("against", theirs))
    }
    ratio = {
        "of_minima": ours.min() / theirs.min(),
        "of_medians": np.median(ours) / np.median(theirs),
        "of_a_round": np.median(ratios),
        "low": low,
        "high": high,
    }
    return times | {"ratio": {name: round(float(value), 3) for name, value in ratio.items()}}


def write(path, fields):
    """Put fields into a result file; those of other runs stay."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(kept | fields, indent=1) + "\n")
