"""An alarm, which is a change of live answers as a value, and the protocol of ledgers that keep alarms."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from adaptive_reasoner.amounts import written

Series = Literal["cost", "agreement", "accuracy", "fallback", "not_comparable"]
Direction = Literal["rises", "falls"]

_AGAINST: dict[Series, str] = {"cost": " times what was expected", "accuracy": " above what was expected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What has changed.

    Attributes:
        series: `"cost"` (over what the policy expects of the action), `"agreement"` (of the samples of a
            vote), `"accuracy"` (grades, less what the policy expects), `"fallback"` (share of questions
            unlike the training questions) or `"not_comparable"` (share of answers with nothing to compare).
        direction: `"rises"` or `"falls"`.
        before: Its mean before the change, of the actions taken since and as often as these, so that another
            mix of actions is no part of it. For the cost the typical ratio, by the mean of logarithms.
        now: Its mean since the change.
        seen: How many answers it was seen on before the change.
        since: How many answers ago the change has most likely begun.
        policy_id: The policy that decided.
        taken_over: Whether the policy's mixture of fixed actions decides from now on.
        at: When it was raised, in seconds since the epoch.
    """

    series: Series
    direction: Direction
    before: float
    now: float
    seen: int
    since: int
    policy_id: str
    taken_over: bool = False
    at: float = 0.0

    def __str__(self) -> str:
        now = f"{written(self.now, 3)}{_AGAINST.get(self.series, '')}"
        moved = f"{self.series} {self.direction}: {now} over the latest {self.since:,} answers"
        return f"{moved}, {written(self.before, 3)} over the {self.seen:,} before (policy {self.policy_id})"

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values, with its sentence."""
        return {**asdict(self), "text": str(self)}

    def as_event(self) -> dict[str, Any]:
        """The alarm as a plain dict, as callback handlers receive it."""
        return {"event": "alarm", **asdict(self)}


@runtime_checkable
class KeepsAlarms(Protocol):
    """A ledger that keeps the alarms of policies for every process that has it open."""

    def put_alarm(self, alarm: Alarm) -> None:
        """Keep an alarm, once however often it is put."""

    def alarms(self) -> list[Alarm]:
        """The alarms that stand, oldest first."""

    def drop_alarms(self, policy_id: str) -> None:
        """Forget the alarms of a policy."""

    def grades(self, since: float | None) -> tuple[Mapping[str, float], float]:
        """The grades of questions that were given since a moment, and the moment to ask from the next time.

        Several calls may return the same grade. None asks for no grade, only for the moment.
        """


@runtime_checkable
class RaisesAlarms(Protocol):
    """A policy that raises alarms."""

    def keep_in(self, ledger: KeepsAlarms) -> None:
        """Keep its alarms there, and take grades from there."""
