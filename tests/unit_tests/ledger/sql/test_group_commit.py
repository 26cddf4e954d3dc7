"""Changes that wait together: who runs them, and what becomes of those that fail."""

import threading

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.sql.group_commit import GroupCommit, PendingChange
from adaptive_reasoner.ledger.store import Wanted


class Runs:
    """Runs changes as a ledger would, and keeps which ran together; the first run waits for the gate."""

    def __init__(self, failing=()):
        self.together, self.gate, self.started = [], threading.Event(), threading.Event()
        self._failing = set(failing)

    def __call__(self, changes):
        self.together.append([change.run(None) or change.outcome() for change in changes])
        if len(self.together) == 1:
            self.started.set()
            assert self.gate.wait(30.0)
        if len(self.together) in self._failing:
            raise KeyboardInterrupt


def queued(batches, wanted, runs):
    """A thread for each, in their order: the first leads, the others wait until it is through."""
    threads = []
    for number, each in enumerate(wanted):
        change = PendingChange(lambda _, number=number: number, each)
        thread = threading.Thread(target=batches.pass_through, args=(change,))
        thread.start()
        threads.append(thread)
        assert runs.started.wait(30.0)
        while number and len(batches.waiting) < number:
            pass
    runs.gate.set()
    for thread in threads:
        thread.join(30.0)


def charge(key, question=None):
    return Wanted(key, question or key, "")


@pytest.mark.parametrize(
    ("wanted", "together"),
    [
        ([charge("a"), charge("b"), charge("c"), charge("d")], [[0], [1, 2, 3]]),
        ([charge("a"), charge("b"), charge("b"), charge("c")], [[0], [1], [2, 3]]),
        ([charge("a"), charge("b", "run"), charge("c", "run"), charge("d", "other")], [[0], [1], [2, 3]]),
        ([charge("a"), charge("b", "run"), charge("run"), charge("c")], [[0], [1], [2, 3]]),
        ([charge("a"), charge("b"), None, charge("c"), charge("d")], [[0], [1], [2], [3, 4]]),
    ],
)
def test_changes_that_wait_run_together_unless_they_may_touch_the_same(wanted, together):
    runs = Runs()
    queued(GroupCommit(runs), wanted, runs)
    assert runs.together == together


def test_the_next_leads_after_a_run_that_was_interrupted():
    runs = Runs(failing=[1])
    batches = GroupCommit(runs)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading, "excepthook", lambda _: None)
        queued(batches, [charge("a"), charge("b"), charge("c")], runs)
    assert runs.together == [[0], [1, 2]]
    change = PendingChange(lambda _: "later", charge("d"))
    batches.pass_through(change)
    assert change.outcome() == "later"


def test_a_change_that_never_ran_is_to_be_repeated():
    with pytest.raises(LedgerError, match="repeat the call"):
        PendingChange(lambda _: None, None).outcome()
