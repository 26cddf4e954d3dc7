"""What every ledger with a store of its own keeps of the alarms of policies, and of grades for them."""

from dataclasses import replace

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.alarm_keeping import alarm_keeper
from adaptive_reasoner.policy.alarm import Alarm

ALARM = Alarm(
    series="cost",
    direction="rises",
    before=1.0,
    now=2.25,
    seen=500,
    since=12,
    policy_id="p1",
    taken_over=True,
    at=7.5,
)
OTHER = replace(ALARM, series="agreement", direction="falls", policy_id="p2", taken_over=False, at=9.0)


class AlarmsContract:
    def test_keeps_alarms_once_until_those_of_their_policy_are_dropped(self, make):
        keeper = alarm_keeper(make(target=50.0))
        for alarm in (ALARM, OTHER, ALARM):
            keeper.put_alarm(alarm)
        assert keeper.alarms() == [ALARM, OTHER]
        assert [type(alarm.taken_over) for alarm in keeper.alarms()] == [bool, bool]
        keeper.drop_alarms("p1")
        assert keeper.alarms() == [OTHER]

    def test_a_reset_forgets_alarms_and_a_name_that_cannot_be_kept_is_refused(self, make):
        ledger = make(target=50.0)
        keeper = alarm_keeper(ledger)
        with pytest.raises(LedgerError, match="NUL"):
            keeper.put_alarm(replace(ALARM, policy_id="a\0"))
        keeper.put_alarm(ALARM)
        ledger.reset()
        assert keeper.alarms() == []

    def test_tells_which_grades_have_come_since_it_was_asked_last(self, make):
        ledger = make(target=50.0)
        keeper = alarm_keeper(ledger)
        ledger.feedback("before", 0.5)
        graded, moment = keeper.grades(None)
        assert graded == {}
        ledger.feedback("q1", 1.0)
        ledger.feedback("q2", 0.25)
        ledger.feedback("q1", 0.0)
        graded, later = keeper.grades(moment)
        assert {name: graded[name] for name in ("q1", "q2")} == {"q1": 0.0, "q2": 0.25}
        assert later >= moment
        assert keeper.grades(later + 3600.0)[0] == {}
