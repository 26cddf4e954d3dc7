"""Alarms that a ledger keeps stand in every process that has it open, and are raised by its grades."""

import numpy as np
import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.alarm_keeping import alarm_keeper, keep_alarms
from adaptive_reasoner.ledger.journal import JournaledLedger
from adaptive_reasoner.ledger.memory import MemoryLedger
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.ledger.settings import LedgerOptions
from adaptive_reasoner.ledger.tenants import TenantLedger
from adaptive_reasoner.policy.alarms import Alarms
from adaptive_reasoner.policy.base import Decision, FixedPolicy
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.versions import Outcome
from adaptive_reasoner.policy.watching import WatchedPolicy
from tests.unit_tests.ledger.stand_ins import Clock
from tests.unit_tests.policy.forged_folders import GOOD
from tests.unit_tests.policy.stored import made, reasoner_of, replaced

ASKED = "what is 12 + 7 ?"
VOTE = FixedPolicy("vote", expected_cost=40.0, expected_accuracy=0.8)


@pytest.fixture(params=["memory", "sqlite", "journal", "tenant"])
def reopened(request, tmp_path):
    """A function that opens the ledger; what is in a database is found again, also by another process."""
    url, opened = f"sqlite:///{tmp_path / 'ledger.sqlite'}?synchronous=normal", []
    shared = open_ledger("memory://", target=50.0)

    def opening():
        if request.param == "memory":
            return shared
        ledger = open_ledger(url, target=50.0, cost_unit="tokens")
        if request.param == "journal":
            ledger = JournaledLedger(ledger, tmp_path / f"journal{len(opened)}", retry_after=0.0)
        if request.param == "tenant":
            ledger = TenantLedger(open_ledger("memory://"), ledger, tenant="acme")
        opened.append(ledger)
        return ledger

    yield opening
    for ledger in opened:
        ledger.close()


def watching(ledger, policy=VOTE, **options):
    """Alarms as a reasoner has them: with the ledger that its answers are charged to."""
    alarms = Alarms(policy, every=0.0, **options)
    keep_alarms(alarms, ledger)
    return alarms


def answer(alarms, number, cost=40.0, ledger=None, reason="policy"):
    decision = Decision("vote", 40.0, 1e9, 0.8, 0.0, reason, alarms.policy_id)
    keeper = ledger and alarm_keeper(ledger)
    return alarms.hear(Outcome(decision=decision, question=str(number), cost=cost, ledger=keeper))


def raise_alarm(alarms, ledger=None):
    for number in range(1_000):
        answer(alarms, number, 40.0 if number < 500 else 90.0, ledger)
        if alarms._raised:
            return
    raise AssertionError(alarms)


def test_a_take_over_survives_a_restart_until_it_is_reset_anywhere(reopened):
    policy, ledger = LearnedPolicy.load(GOOD), reopened()
    first = Alarms(policy, take_over=True)
    assert reasoner_of(first, ledger=ledger).answer(ASKED).record["reason"] == "policy"
    raise_alarm(first)
    again = Alarms(policy, take_over=True, every=0.0)
    reasoner = reasoner_of(again, ledger=reopened())
    assert again.raised == first.raised != ()
    assert reasoner.answer(ASKED).record["reason"] == "mixture"
    first.reset()
    assert (again.taken_over, again.raised) == (False, ())
    assert reasoner.answer(ASKED).record["reason"] == "policy"
    assert alarm_keeper(reopened()).alarms() == []


def test_an_alarm_of_another_process_stands_here_after_the_next_answer_and_is_not_raised_again(reopened):
    here, there = reopened(), reopened()
    heard, alarms, other = [], watching(here), watching(there)
    alarms.on_alarm = heard.append
    for number in range(500):
        answer(alarms, number)
    raise_alarm(other)
    answer(alarms, "next", 90.0, here)
    assert alarms._raised == other._raised
    for number in range(500, 600):
        answer(alarms, number, 90.0)
    assert (len(alarms.raised), heard) == (1, [])


@pytest.mark.parametrize("graded_by", ["this process", "another"])
def test_grades_that_the_ledger_is_given_raise_alarms(reopened, graded_by):
    rng, ledger = np.random.default_rng(3), reopened()
    grading, heard = ledger if graded_by == "this process" else reopened(), []
    alarms = watching(ledger, on_alarm=heard.append)
    late = 0
    grading.feedback("of a question that another process answered", 0.0)
    for number in range(500):
        answer(alarms, number, ledger=ledger if number % 10 == 0 else None)
        grading.feedback(str(number), float(rng.random() < (0.8 if number < 300 else 0.3)))
        if alarms._raised:
            late = number - 300
            break
    assert 0 < late < 150
    assert [alarm.series for alarm in heard] == ["accuracy"]
    grading.feedback("0", 0.0)  # a second grade of a question changes nothing here
    alarms.feedback("0", 0.0)
    assert len(alarms.raised) == 1


def test_grades_are_seen_when_one_asks_for_the_alarms(reopened):
    ledger = reopened()
    alarms = watching(ledger)
    for number in range(200):
        answer(alarms, number)
    for number in range(200):
        ledger.feedback(str(number), float(number < 150))
    assert [alarm.series for alarm in alarms.raised] == ["accuracy"]


def test_a_reset_begins_from_a_clear_state(reopened):
    """Neither answers nor grades from before it count, also of answers whose grades are still to come."""
    ledger = reopened()
    alarms = watching(ledger)
    raise_alarm(alarms)
    for number in range(100):
        answer(alarms, f"late {number}", 90.0)
    alarms.reset()
    assert alarms.raised == ()
    for number in range(100):
        ledger.feedback(f"late {number}", 0.0)
    answer(alarms, "next", 90.0, ledger)
    counts = {watch.series: watch._counts.total() for watch in alarms._watches.values()}
    assert counts == {"cost": 1, "agreement": 0, "accuracy": 0, "fallback": 1, "not_comparable": 0}
    assert all(watch._detector.statistic < 5 for watch in alarms._watches.values())
    for number in range(300):
        answer(alarms, f"usual by now {number}", 90.0)
    assert alarms.raised == ()


def test_a_new_version_ends_the_take_over_for_good(reopened, tmp_path):
    folder = made(tmp_path / "policy")
    watched = WatchedPolicy(folder, LearnedPolicy, clock=lambda: 0.0)
    alarms = Alarms(watched, take_over=True, every=0.0)
    reasoner = reasoner_of(alarms, ledger=reopened())
    raise_alarm(alarms)
    replaced(folder, 1)
    assert watched.check()
    assert reasoner.answer(ASKED).record["reason"] == "policy"
    replaced(folder, 0)  # back to the version that raised it
    assert watched.check()
    assert reasoner.answer(ASKED).record["reason"] == "policy"
    assert alarm_keeper(reopened()).alarms() == []


class Away(MemoryLedger):
    """A ledger that does not answer for a while."""

    away = False

    def _atomically(self, change, wanted=None):
        if self.away:
            raise LedgerError("the ledger's database failed")
        return super()._atomically(change, wanted)


def test_an_alarm_is_kept_once_the_ledger_answers_again_and_no_answer_fails_before(caplog):
    ledger = Away(LedgerOptions(target=50.0).account(), clock=lambda: 0.0)
    alarms = watching(ledger)
    ledger.away = True
    raise_alarm(alarms, ledger)
    assert caplog.text.count("alarms are not kept: the ledger's database failed") == 1
    ledger.away = False
    assert ledger.alarms() == []
    answer(alarms, "next", 90.0, ledger)
    assert ledger.alarms() == list(alarms._raised) != []


def test_a_grade_of_a_machine_whose_clock_is_behind_is_not_missed(tmp_path):
    url, here, there = f"sqlite:///{tmp_path / 'ledger.sqlite'}", Clock(), Clock()
    there.now -= 5.0
    with open_ledger(url, target=50.0, clock=here) as ledger, open_ledger(url, clock=there) as other:
        _, moment = ledger.grades(None)
        other.feedback("q", 0.5)
        assert ledger.grades(moment)[0] == {"q": 0.5}


def test_a_ledger_in_a_database_is_looked_at_now_and_then_not_with_every_answer(tmp_path):
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", target=50.0, cost_unit="tokens") as ledger:
        alarms = Alarms(VOTE, every=3600.0)
        keep_alarms(alarms, ledger)
        raise_alarm(watching(ledger))
        answer(alarms, "next", ledger=ledger)
        assert alarms._raised == ()
        assert len(alarms.raised) == 1
    with pytest.raises(ValueError, match="every is a number of seconds"):
        Alarms(VOTE, every=-1.0)
