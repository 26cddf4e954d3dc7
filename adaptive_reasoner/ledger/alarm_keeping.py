"""The part of a ledger that keeps the alarms of policies, and gives the grades by which they are raised."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

from adaptive_reasoner.ledger.async_verbs import AsyncVerbs
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.entries import check_name
from adaptive_reasoner.ledger.proxy import innermost
from adaptive_reasoner.ledger.store import Transaction
from adaptive_reasoner.policy.alarm import Alarm, KeepsAlarms, RaisesAlarms
from adaptive_reasoner.policy.base import Policy

T = TypeVar("T")


class AlarmKeeping(AsyncVerbs):
    """Keeps alarms in the ledger's own store, where every process that has it open finds them."""

    _clock: Callable[[], float]
    _reread = 10.0  # seconds of grades that are read again: a commit may be late, and another clock behind

    def put_alarm(self, alarm: Alarm) -> None:
        """Keep an alarm, once however often it is put."""
        check_name(alarm.policy_id)
        self._change(lambda transaction: transaction.put_alarm(alarm))

    def alarms(self) -> list[Alarm]:
        """The alarms that stand, oldest first."""
        return list(self._change(lambda transaction: transaction.alarms()))

    def drop_alarms(self, policy_id: str) -> None:
        """Forget the alarms of a policy: where its mixture had taken over, the policy decides again."""
        self._change(lambda transaction: transaction.drop_alarms(check_name(policy_id)))

    def grades(self, since: float | None) -> tuple[Mapping[str, float], float]:
        """The grades of questions that were given since a moment, and the moment to ask from the next time.

        Several calls may return the same grade. None asks for no grade, only for the moment.
        """
        until = self._clock() - self._reread
        if since is None:
            return {}, until
        return self._change(lambda transaction: transaction.scores_since(since)), until

    @abstractmethod
    def _change(self, change: Callable[[Transaction], T]) -> T:
        """Run a change of the store in one transaction."""


def alarm_keeper(ledger: Ledger) -> KeepsAlarms | None:
    """The ledger that keeps alarms for a ledger: itself, or the one behind it; None without one."""
    own = innermost(ledger)
    return own if isinstance(own, KeepsAlarms) else None


def keep_alarms(policy: Policy, ledger: Ledger) -> None:
    """Keep what a policy with alarms raises in the ledger that its answers are charged to."""
    keeper = alarm_keeper(ledger)
    if isinstance(policy, RaisesAlarms) and keeper is not None:
        policy.keep_in(keeper)
