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
CLOCKS = ("wall", "processor")


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


def blocks(checkouts, worker, names, *, number, job=None):
    """Milliseconds of each measurement in a process of each checkout: the medians of blocks that take turns.

    Args:
        checkouts: By name.
        worker: A program that reads the job, answers with the file of the library that it imports, and then
            answers each line, the name of a measurement, with its milliseconds by each of `CLOCKS`.
        names: The measurements.
        number: Blocks of each.
        job: What the workers are told first, as JSON.

    Returns:
        By measurement, checkout and clock.
    """
    workers = {which: checkout.start(str(worker)) for which, checkout in checkouts.items()}
    try:
        for which, process in workers.items():
            checkouts[which].holds(_asked(process, json.dumps(job))["file"])
        found = {name: {which: [] for which in workers} for name in names}
        for block in range(number):
            for name in names:
                for which in sorted(workers, reverse=block % 2 == 1):
                    found[name][which].append(_asked(workers[which], name))
    finally:
        for process in workers.values():
            process.communicate()
    return {
        name: {
            which: {clock: statistics.median(row[clock] for row in rows) for clock in CLOCKS}
            for which, rows in times.items()
        }
        for name, times in found.items()
    }


def _asked(worker, line):
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


def compared_by_clock(found, checkouts):
    """`compared` for each measurement and clock of some rounds of `blocks`, by its name in result files."""
    return {
        f"{name}_{clock}_milliseconds": compared(
            *([row[name][which][clock] for row in found] for which in checkouts)
        )
        for name in found[0]
        for clock in CLOCKS
    }


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
