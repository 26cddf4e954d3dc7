"""Alarms hear what becomes of decisions: rarely while nothing changes, soon when something does."""

import asyncio
import pickle

import numpy as np
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from pyarrow import parquet

from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.alarms import Alarms
from adaptive_reasoner.policy.base import Decision, FixedPolicy, Policy
from adaptive_reasoner.policy.change_detection import ChangeDetector
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.versions import HearsOutcomes, Outcome, version_of
from adaptive_reasoner.policy.watching import WatchedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import ScriptedModel
from tests.unit_tests.policy.forged_folders import GOOD
from tests.unit_tests.policy.stored import made, reasoner_of, replaced

VOTE = FixedPolicy("vote", expected_cost=40.0, expected_accuracy=0.8)
BEFORE, AFTER = 1_500, 300
ASKED = "what is 12 + 7 ?"


def decision(action="vote", *, expected_cost=40.0, accuracy=0.8, reason="policy", policy_id=VOTE.policy_id):
    return Decision(action, expected_cost, 1e9, accuracy, 0.0, reason, policy_id)


def told(alarms, number, cost=40.0, *, of=None, **outcome):
    return alarms.hear(Outcome(decision=of or decision(), question=str(number), cost=cost, **outcome))


def delay(alarms, before, after):
    """How many answers after a change the first alarm comes; those before it must raise none."""
    for number in range(BEFORE):
        before(number)
    assert alarms.raised == ()
    for number in range(AFTER):
        after(BEFORE + number)
        if alarms.raised:
            return number + 1
    return None


@pytest.mark.parametrize("seed", range(3))
def test_a_doubled_cost_with_heavy_tails_alarms(seed):
    rng, alarms = np.random.default_rng(seed), Alarms(VOTE)

    def ask(number, factor):
        told(alarms, number, factor * 40 * rng.lognormal(0.0, 1.0))

    assert delay(alarms, lambda number: ask(number, 1), lambda number: ask(number, 2)) <= 150
    (alarm,) = alarms.raised
    assert (alarm.series, alarm.direction) == ("cost", "rises")
    assert alarm.before == pytest.approx(1.0, rel=0.15)
    assert 1.4 < alarm.now < 4.5
    assert alarm.seen == pytest.approx(BEFORE, abs=60)
    assert f"cost rises: {alarm.now:.3g} times what was expected over the latest" in str(alarm)


def test_a_halved_cost_alarms_too():
    rng, alarms = np.random.default_rng(0), Alarms(VOTE)

    def ask(number, factor):
        told(alarms, number, factor * 40 * rng.lognormal(0.0, 0.5))

    assert delay(alarms, lambda number: ask(number, 1), lambda number: ask(number, 0.5)) <= 100
    assert [(alarm.series, alarm.direction) for alarm in alarms.raised] == [("cost", "falls")]


def test_falling_agreement_alarms():
    rng, alarms = np.random.default_rng(0), Alarms(VOTE)

    def ask(number, chance):
        told(alarms, number, agreement=rng.binomial(5, chance) / 5)

    assert delay(alarms, lambda number: ask(number, 0.8), lambda number: ask(number, 0.65)) <= 100
    (alarm,) = alarms.raised
    assert (alarm.series, alarm.now < alarm.before) == ("agreement", True)


@pytest.mark.parametrize("late", [0, 40])
def test_falling_grades_alarm_also_when_they_come_late(late):
    rng, heard = np.random.default_rng(3), []
    alarms = Alarms(VOTE, on_alarm=heard.append)

    def ask(number, chance):
        told(alarms, number)
        if number >= late:
            alarms.feedback(str(number - late), float(rng.random() < chance))

    assert delay(alarms, lambda number: ask(number, 0.8), lambda number: ask(number, 0.65)) <= 300
    assert [alarm.series for alarm in heard] == ["accuracy"]
    assert [event["series"] for event in told(alarms, "next")] == ["accuracy"]  # sent with the next answer
    assert told(alarms, "after that") == []


def test_a_rising_share_of_fallbacks_alarms():
    rng, alarms = np.random.default_rng(0), Alarms(VOTE)

    def ask(number, share):
        told(alarms, number, of=decision(reason="fallback" if rng.random() < share else "policy"))

    assert delay(alarms, lambda number: ask(number, 0.03), lambda number: ask(number, 0.18)) <= 150
    assert [alarm.series for alarm in alarms.raised] == ["fallback"]


def test_a_rising_share_of_answers_with_nothing_to_compare_alarms():
    rng, alarms = np.random.default_rng(0), Alarms(VOTE)

    def ask(number, share):
        told(alarms, number, comparable=bool(rng.random() > share))

    assert delay(alarms, lambda number: ask(number, 0.1), lambda number: ask(number, 0.25)) <= 200
    assert [alarm.series for alarm in alarms.raised] == ["not_comparable"]


def test_another_mix_of_actions_is_no_change():
    """Each action is compared with itself: one costs ten times the other, and agrees less."""
    rng, alarms = np.random.default_rng(0), Alarms(VOTE)
    for number in range(3_000):
        dear = rng.random() < (0.1 if number < 1_500 else 0.9)
        of = decision("dear" if dear else "cheap")
        cost, agreed = (400.0, 0.5) if dear else (40.0, 0.9)
        told(alarms, number, cost * rng.lognormal(), of=of, agreement=rng.binomial(5, agreed) / 5)
    assert alarms.raised == ()


def test_an_alarm_compares_before_and_after_within_the_actions_taken_since():
    """Costs double while the mix moves to the action that costs less than it was expected to."""
    rng, alarms = np.random.default_rng(0), Alarms(VOTE)
    for number in range(1_000):
        changed = number >= 900
        dear = rng.random() < (0.1 if changed else 0.9)
        cost = (400.0 if dear else 4.0) * (2 if changed else 1)
        told(alarms, number, cost, of=decision("dear" if dear else "cheap"))
        if alarms.raised:
            break
    (alarm,) = alarms.raised
    assert (alarm.direction, alarm.seen) == ("rises", 900)
    assert alarm.now / alarm.before == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("policy", "more", "said"),
    [
        ("policies/", {}, "policy is one that decides, such as .*, not 'policies/'"),
        (Alarms(VOTE), {}, "not Alarms"),
        (VOTE, {"on_alarm": "mail"}, "on_alarm is a function of an alarm, not 'mail'"),
    ],
)
def test_what_cannot_be_watched_or_called_is_refused_at_once(policy, more, said):
    with pytest.raises(TypeError, match=said):
        Alarms(policy, **more)


def test_an_alarm_is_raised_once_and_what_is_usual_is_learned_anew():
    alarms = Alarms(VOTE)
    for number in range(2_000):
        told(alarms, number, 40.0 if number < 500 else 90.0)
    assert len(alarms.raised) == 1
    for number in range(100):
        told(alarms, number, 200.0)
    assert [alarm.now for alarm in alarms.raised] == pytest.approx([90 / 40, 200 / 40])
    assert [(alarm.before, alarm.seen) for alarm in alarms.raised] == [
        (1.0, 500),
        (pytest.approx(2.25), 1490),
    ]


def test_real_costs_and_grades_raise_no_false_alarm(shared_data):
    table = parquet.read_table(shared_data / "bbh_direct_cot.outcomes.parquet").to_pydict()
    cot = np.array(table["action"]) == "cot"
    rng, alarms = np.random.default_rng(0), Alarms(VOTE)
    rows = rng.integers(cot.sum(), size=4_000)
    costs, scores = (np.array(table[column])[cot][rows] for column in ("cost", "accuracy"))
    for number, (cost, score) in enumerate(zip(costs, scores, strict=True)):
        told(alarms, number, cost, of=decision(expected_cost=190.0, accuracy=0.74))
        alarms.feedback(str(number), score)
    assert alarms.raised == ()


def test_the_series_together_alarm_as_rarely_as_one_was_asked_to():
    alarms = Alarms(VOTE, run_length=20_000)
    rates = [1 / watch.run_length for watch in alarms._watches.values()]
    assert sum(rates) == pytest.approx(1 / 20_000)
    assert all(isinstance(watch._detector, ChangeDetector) for watch in alarms._watches.values())


def test_a_grade_counts_once_and_lies_from_0_to_1():
    alarms = Alarms(VOTE)
    told(alarms, "q")
    for score in (1.0, 0.0, 0.0):
        alarms.feedback("q", score)
    with pytest.raises(LookupError, match="'never asked' is none of the latest 1 answers of this process"):
        alarms.feedback("never asked", 0.0)
    (watch,) = [watch for (series, _), watch in alarms._watches.items() if series == "accuracy"]
    assert (watch._counts.total(), sum(watch._sums.values())) == (1, pytest.approx(0.2))
    with pytest.raises(ValueError, match="a score lies from 0"):
        alarms.feedback("q", 1.5)


def test_alarms_decide_as_the_policy_does():
    policy = LearnedPolicy.load(GOOD)
    alarms = Alarms(policy)
    assert isinstance(alarms, Policy)
    assert isinstance(alarms, HearsOutcomes)
    assert alarms.decide(ASKED) == policy.decide(ASKED)
    assert alarms.decide_batch([ASKED], budget=20.0) == policy.decide_batch([ASKED], budget=20.0)
    for name in ("actions", "cost_unit", "counts", "price", "budget", "slope", "policy_id"):
        assert getattr(alarms, name) == getattr(policy, name)
    aimed = [open_ledger("memory://", policy=each, target_accuracy=0.8).price for each in (alarms, policy)]
    assert aimed[0] == aimed[1]
    assert open_ledger("memory://", policy=Alarms(VOTE), target=40.0, target_accuracy=0.8).price > 0


def raise_alarm(alarms, policy_id):
    for number in range(1_000):
        told(alarms, number, 40.0 if number < 500 else 90.0, of=decision(policy_id=policy_id))
        if alarms.raised:
            return
    raise AssertionError(alarms)


def test_the_mixture_takes_over_where_it_was_asked_to_until_a_reset():
    policy = LearnedPolicy.load(GOOD)
    alarms = Alarms(policy, take_over=True)
    assert version_of(alarms, policy.actions) is policy
    raise_alarm(alarms, policy.policy_id)
    assert (alarms.taken_over, alarms.raised[0].taken_over) == (True, True)
    assert alarms.decide(ASKED).reason == "mixture"
    assert reasoner_of(alarms).answer(ASKED).record["reason"] == "mixture"
    alarms.reset()
    assert (alarms.taken_over, alarms.raised) == (False, ())
    assert reasoner_of(alarms).answer(ASKED).record["reason"] == "policy"
    with pytest.raises(TypeError, match="policy 'fixed:vote' has no mixture"):
        Alarms(VOTE, take_over=True)


def test_a_new_version_ends_the_take_over_and_is_judged_by_itself(tmp_path):
    folder = made(tmp_path / "policy")
    watched = WatchedPolicy(folder, LearnedPolicy, clock=lambda: 0.0)
    alarms = Alarms(watched, take_over=True)
    before = alarms.policy_id
    raise_alarm(alarms, before)
    assert alarms.decide(ASKED).reason == "mixture"
    replaced(folder, 1)
    assert watched.check()
    assert alarms.decide(ASKED).reason == "policy"
    assert (alarms.taken_over, alarms.raised) == (False, ())
    told(alarms, "late", 90.0, of=decision(policy_id=before))  # an answer of the version before
    counts = [watch._counts.total() for watch in alarms._watches.values()]
    assert counts == [0] * len(counts) != []


def test_a_callback_that_fails_leaves_the_answer_and_is_logged(caplog):
    alarms = Alarms(VOTE, on_alarm=lambda alarm: alarm.nothing)
    raise_alarm(alarms, VOTE.policy_id)
    assert "on_alarm failed on this alarm: cost rises" in caplog.text
    assert "AttributeError" in caplog.text


def test_alarms_survive_pickling():
    alarms = Alarms(LearnedPolicy.load(GOOD), take_over=True)
    raise_alarm(alarms, alarms.policy_id)
    again = pickle.loads(pickle.dumps(alarms))
    assert again.raised == alarms.raised
    assert again.decide(ASKED).reason == "mixture"


class Listening(BaseCallbackHandler):
    def __init__(self):
        self.alarms = []

    def on_custom_event(self, name, data, **_):
        if data["event"] == "alarm":
            self.alarms.append(data)


@pytest.mark.parametrize("ask", ["sync", "async"])
def test_a_model_that_becomes_wordy_and_disagrees_alarms_by_event_and_callback(ask):
    heard, listening = [], Listening()
    short, long = ("Answer: 7",), ("It may be so, or so, as one sees. Answer: 7", "Answer: 8", "Answer: 9")
    alarms = Alarms(FixedPolicy("vote", expected_cost=6.0), on_alarm=heard.append, run_length=1_000)
    events = []

    def questions(answers, number):
        model = Source(ScriptedModel(answers=answers), max_tokens=20)
        actions = {"vote": self_consistency(3)}
        reasoner = AdaptiveReasoner(model, policy=alarms, actions=actions, budget=6.0)
        config = {"callbacks": [listening]}
        for _ in range(number):
            if ask == "sync":
                reasoner.invoke("5 + 2?", config, on_event=events.append)
            else:
                asyncio.run(reasoner.ainvoke("5 + 2?", config, on_event=events.append))

    questions(short, 60)
    assert heard == []
    questions(long, 40)
    assert {alarm.series for alarm in heard} == {"cost", "agreement"}
    assert [data["series"] for data in listening.alarms] == [alarm.series for alarm in heard]
    told_of = [event["event"] for event in events]
    assert told_of[told_of.index("alarm") - 1] == "settled"
    assert listening.alarms[0].keys() >= {"key", "run_id", "cost_unit", "before", "now", "seen", "policy_id"}
