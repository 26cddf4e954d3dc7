"""The life of a call: what is held before it is sent, and what it costs however it ends."""

import asyncio
from math import inf

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.memory import MemoryLedger
from adaptive_reasoner.ledger.settings import LedgerOptions
from adaptive_reasoner.models.metering import PriceMeter, SampleMeter, TokenMeter
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.hold import Hold
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.flow import Answer, usable_messages
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.integrations.node_graphs import ASKED, graph_of, node
from tests.unit_tests.reasoner.reasoners import CheapUnderPressure, reasoner

TASK = {"key": "task", "run_id": "run", "resumes": True}


class DeadProcess(BaseException):
    """What a process that is killed would leave behind: nothing runs any more."""


class Mortal(MemoryLedger):
    """A ledger whose process may die before it settles; it counts its transactions."""

    dies = False

    def __init__(self, **terms):
        super().__init__(LedgerOptions(**terms).account(), clock=lambda: 0.0)
        self.changes = 0

    def _atomically(self, change, wanted=None):
        self.changes += 1
        return super()._atomically(change, wanted)

    def settle(self, reservation, cost):
        if self.dies:
            raise DeadProcess
        return super().settle(reservation, cost)

    def release(self, reservation):
        if self.dies:
            raise DeadProcess
        return super().release(reservation)


def billed(model):
    """What the provider bills: two tokens a call that it answered."""
    return 2.0 * sum(1 for number in range(len(model.requests)) if number not in model.failures)


def in_turn(calls):
    """A flow of so many calls, one after another, that goes on where some fail."""

    def flow(task):
        replies = []
        for _ in range(calls):
            replies += yield [Request(task.messages, hidden_sample=True)]
        return Answer(usable_messages(replies)[0], "14")

    return flow


@pytest.fixture(params=["sync", "async"])
def answer(request):
    """Ask a reasoner either way."""

    async def sync(made, question, **terms):
        return made.answer(question, **terms)

    async def later(made, question, **terms):
        return await made.aanswer(question, **terms)

    return sync if request.param == "sync" else later


# Crashed


@pytest.mark.parametrize("crashes", [1, 2, 3])
async def test_the_calls_of_crashed_attempts_are_billed_and_the_run_that_answers_pays_its_own(
    answer, crashes
):
    ledger = Mortal(target=10.0)
    made = reasoner(policy=FixedPolicy("vote_3", expected_cost=6, worst_cost=150), ledger=ledger)
    ledger.dies = True
    for _ in range(crashes):
        with pytest.raises(DeadProcess):
            await answer(made, "5 + 9?", **TASK)
    ledger.dies = False
    result = await answer(made, "5 + 9?", **TASK)
    seen = ledger.snapshot()
    assert result.record["cost"] == 4.0
    assert (seen.spent, seen.questions, seen.in_flight) == (crashes * 150.0 + 4.0, 1, 0)
    assert seen.spent >= billed(made.source.runnable)


async def test_crash_after_crash_never_passes_the_cap(answer):
    ledger = Mortal(hard_cap=100.0, cost_unit="tokens")
    policy = FixedPolicy("single_pass", expected_cost=2, worst_cost=50)
    made = reasoner(policy=policy, ledger=ledger)
    ledger.dies = True
    for crash in range(9):
        with pytest.raises(DeadProcess if crash < 2 else BudgetExceededError):
            await answer(made, "5 + 9?", **TASK)
    ledger.dies = False
    assert len(made.source.runnable.requests) == 2
    assert ledger.snapshot().spent == 100.0


async def test_a_refused_attempt_releases_its_own_charge_only(answer):
    ledger = Mortal(target=10.0)
    made = reasoner(ledger=ledger, failures={number: StatusError(503) for number in range(1, 4)})
    ledger.dies = True
    with pytest.raises(DeadProcess):
        await answer(made, "5 + 9?", **TASK)
    ledger.dies = False
    held = ledger.snapshot().held
    made.source.runnable.failures.update({number: StatusError(503) for number in range(2, 9)})
    with pytest.raises(StatusError):
        await answer(made, "5 + 9?", **TASK)
    assert (ledger.snapshot().spent, ledger.snapshot().in_flight) == (held, 0)


async def test_an_explicit_key_does_not_take_over_a_dead_attempt_either(answer):
    ledger = Mortal(target=10.0)
    made = reasoner(policy=FixedPolicy("vote_3", expected_cost=6, worst_cost=150), ledger=ledger)
    ledger.dies = True
    with pytest.raises(DeadProcess):
        await answer(made, "5 + 9?", key="question-1")
    ledger.dies = False
    await answer(made, "5 + 9?", key="question-1")
    assert (ledger.snapshot().spent, ledger.snapshot().questions) == (154.0, 1)


async def test_a_key_that_is_billed_once_asks_for_nothing_more(answer):
    made = reasoner("Answer: 1", budget=10.0)
    for calls in (1, 3):
        made.actions["vote_3"] = in_turn(calls)
        await answer(made, "5 + 9?", key="question-1")
    assert made.ledger.snapshot().spent == 2.0


async def test_five_live_processes_on_one_task_are_all_billed(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    ledgers = [open_ledger(url, target=10.0, cost_unit="tokens") for _ in range(5)]
    made = [
        reasoner(policy=FixedPolicy("vote_3", expected_cost=6, worst_cost=150), ledger=ledger, latency=0.05)
        for ledger in ledgers
    ]
    results = await asyncio.gather(*(each.aanswer("5 + 9?", **TASK) for each in made))
    assert len({result.record["key"] for result in results}) == 5
    seen = ledgers[0].snapshot()
    assert (seen.spent, seen.questions, seen.in_flight) == (20.0, 1, 0)  # each settled what had expired
    for ledger in ledgers:
        ledger.close()


def test_a_hold_that_was_dropped_counts_as_dead():
    ledger = open_ledger("memory://", target=10.0)
    Hold(ledger, "task", "run", resumes=True).reserve(4.0, 60.0, "vote_3")
    living = Hold(ledger, "task", "run", resumes=True)
    living.reserve(4.0, 60.0, "vote_3")
    beside = Hold(ledger, "task", "run", resumes=True)
    beside.reserve(4.0, 60.0, "vote_3")
    assert [charge.status for charge in ledger.history()] == ["expired", "open", "open"]


def test_a_task_that_runs_a_hundred_times_asks_the_ledger_but_once_a_run_for_its_key():
    ledger = Mortal(target=10.0)
    made = reasoner(ledger=ledger)
    made.answer("5 + 9?", **TASK)
    made.answer("5 + 9?", **TASK)
    before = ledger.changes
    for _ in range(100):
        made.answer("5 + 9?", **TASK)
    assert ledger.changes - before <= 3 * 100
    assert ledger.spent == 102 * 4.0


# Held


@pytest.mark.parametrize(("worst", "extensions"), [(150.0, 0), (60.0, 0), (50.0, 2), (10.0, 2), (inf, 2)])
def test_only_a_run_that_needs_more_than_was_declared_asks_for_it(worst, extensions):
    ledger = Mortal(target=10.0)
    policy = FixedPolicy("vote_3", expected_cost=6, worst_cost=worst)
    made = reasoner(policy=policy, ledger=ledger)
    made.actions["vote_3"] = in_turn(3)  # which hold 50, then 52, then 54
    made.answer("5 + 9?")
    assert ledger.changes == 2 + extensions
    assert ledger.snapshot().spent == 6.0


async def test_where_the_cap_has_no_room_in_the_middle_the_answer_comes_from_what_arrived(answer):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=61.0)
    made = reasoner(ledger=ledger)
    made.actions["vote_3"] = in_turn(10)
    result = await answer(made, "5 + 9?")
    # Each call needs room for 50: six calls of 2 find it, and then 12 are spent and 49 left.
    assert result.answer == "14"
    assert (len(made.source.runnable.requests), result.record["samples"], result.record["cost"]) == (
        6,
        10,
        12.0,
    )
    assert [said[:50] for said in result.record["failed"]] == [
        "BudgetExceededError: 62 tokens wanted, 61 left und"
    ] * 4
    assert ledger.snapshot().spent == 12.0


async def test_where_nothing_arrived_the_refusal_is_raised_and_nothing_was_sent(answer):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=99.0)
    made = reasoner(ledger=ledger)
    with pytest.raises(BudgetExceededError, match=r"100 tokens wanted, 99 left"):
        await answer(made, "5 + 9?")
    assert (made.source.runnable.requests, ledger.snapshot().in_flight) == ([], 0)


async def test_a_declared_worst_cost_that_is_too_small_does_not_break_the_cap(answer):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=120.0)
    made = reasoner(
        policy=FixedPolicy("vote_3", expected_cost=3, worst_cost=3),
        ledger=ledger,
        failures={number: TimeoutError("late") for number in range(3)},
    )
    with pytest.raises(TimeoutError):
        await answer(made, "5 + 9?")
    seen = ledger.snapshot()
    assert (seen.spent, seen.cap_closed) == (100.0, False)  # the third call had no room, and was not sent


# Refused under a cap


@pytest.mark.parametrize("policy", [None, FixedPolicy("single_pass", expected_cost=5, worst_cost=50)])
async def test_under_a_cap_a_reply_of_any_length_is_refused_before_it_is_asked_for(answer, policy):
    model = ScriptedModel()
    ledger = open_ledger("memory://", target=5.0, cost_unit="tokens", hard_cap=10_000.0)
    actions = policy and {"single_pass": single_pass()}
    made = AdaptiveReasoner(model, policy=policy, actions=actions, ledger=ledger)
    with pytest.raises(BudgetExceededError, match=r"declare max_tokens, as Source\(model, max_tokens="):
        await answer(made, "5 + 9?")
    assert (model.requests, ledger.snapshot().in_flight) == ([], 0)


@pytest.mark.parametrize("said", ["source", "settings", "model", "bound", "meter"])
async def test_under_a_cap_it_is_enough_that_the_length_is_declared_anywhere(answer, said):
    model, options, terms = ScriptedModel(), {}, {}
    if said == "source":
        options = {"max_tokens": 50}
    elif said == "settings":
        terms = {"settings": {"max_completion_tokens": 50}}
    elif said == "model":
        model = type(
            "Declares", (ScriptedModel,), {"__annotations__": {"max_tokens": int}, "max_tokens": 50}
        )()
    elif said == "bound":
        model = model.bind(max_tokens=50)
    meter = SampleMeter() if said == "meter" else TokenMeter()
    ledger = open_ledger("memory://", cost_unit=meter.cost_unit, hard_cap=60.0)
    made = AdaptiveReasoner(
        Source(model, **options),
        policy=FixedPolicy("single_pass", expected_cost=1, cost_unit=meter.cost_unit),
        actions={"single_pass": single_pass()},
        ledger=ledger,
        meter=meter,
    )
    await answer(made, "5 + 9?", **terms)
    assert 0 < ledger.snapshot().spent <= 2


async def test_without_a_cap_a_lost_reply_of_any_length_is_estimated(answer):
    ledger = open_ledger("memory://", target=5.0, cost_unit="tokens")
    made = AdaptiveReasoner(
        ScriptedModel(failures={0: TimeoutError("late")}),
        policy=FixedPolicy("single_pass", expected_cost=5),
        actions={"single_pass": single_pass()},
        ledger=ledger,
    )
    with pytest.raises(TimeoutError):
        await answer(made, "5 + 9?")
    assert ledger.snapshot().spent == 4096.0


# Policies


class Ignores(CheapUnderPressure):
    """A policy that votes whatever that may cost."""

    policy_id = "spendthrift"

    def decide(self, question, *, price=None, max_cost=inf, key=None):
        return self._vote.decide(question, price=price, key=key)


@pytest.mark.parametrize("limit", ["hard cap", "max_cost"])
async def test_a_policy_that_ignores_max_cost_is_named_and_does_not_loop(answer, limit):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=60.0 if limit == "hard cap" else None)
    made = reasoner(policy=Ignores(), ledger=ledger)
    terms = {"max_cost": 60.0} if limit == "max_cost" else {}
    with pytest.raises(BudgetExceededError, match=r"'spendthrift' chose 'vote_3', which can cost 150 tokens"):
        await answer(made, "5 + 9?", **terms)
    assert ledger.snapshot().in_flight == 0


class Counting(Ignores):
    """A policy without worst costs, which is not asked for ever."""

    _vote = FixedPolicy("vote_3", expected_cost=6)
    asked = 0

    def decide(self, question, *, price=None, max_cost=inf, key=None):
        self.asked += 1
        assert self.asked < 5
        return super().decide(question, price=price, key=key)


async def test_a_closed_cap_refuses_what_would_fit_and_is_not_asked_again(answer):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=1_000.0)
    with pytest.raises(BudgetExceededError, match="the cap is closed"):
        ledger.settle(ledger.reserve(1.0, "before", worst=2.0), 3.0)
    made = reasoner(policy=Counting(), ledger=ledger)
    with pytest.raises(BudgetExceededError, match="the hard cap is closed"):
        await answer(made, "5 + 9?")
    assert ledger.snapshot().in_flight == 0


async def test_a_max_cost_that_nothing_fits_in_names_the_ways_out(answer):
    with pytest.raises(BudgetExceededError, match=r"a smaller max_tokens, or raise max_cost to 50"):
        await answer(reasoner(policy=CheapUnderPressure(), budget=9.0), "5 + 9?", max_cost=20.0)
    with pytest.raises(BudgetExceededError, match=r"can cost 100 tokens, .* raise max_cost to 100"):
        await answer(reasoner(budget=9.0), "5 + 9?", max_cost=20.0)


# Durable


@pytest.mark.parametrize("old", [False, True])
async def test_a_dead_attempt_is_corrected_by_what_its_known_samples_cost(ask, old, monkeypatch):
    if old:  # as version 0.1.0 wrote a sample's result
        monkeypatch.setattr(
            "adaptive_reasoner.integrations.durable_samples.DurableSamples.given",
            lambda self, message, *_: {"sample": {"message": message, "key": self.key}},
        )
    ledger = Mortal(target=10.0, cost_unit="tokens")
    model = ScriptedModel(failures={2: StatusError(500)})
    made = node(
        model=model,
        policy=FixedPolicy("strict", expected_cost=5, worst_cost=150),
        actions={"strict": in_turn(3)},
        durable=True,
        ledger=ledger,
    )
    graph = graph_of(made, compiled={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    ledger.dies = True
    with pytest.raises(DeadProcess):
        await ask(graph, ASKED, config)
    ledger.dies = False
    state = await ask(graph, None, config)
    assert len(model.requests) == 4  # the two that are in the checkpoint, the refused one, and the third
    assert state["decision"]["cost"] == 2.0
    dead = 150.0 if old else 150.0 - 2 * (50.0 - 2.0)
    assert (ledger.snapshot().spent, ledger.snapshot().questions) == (dead + 2.0, 1)


# The question's own worst case


def test_prompts_are_part_of_what_is_held():
    ledger = open_ledger("memory://", cost_unit="usd", hard_cap=1.0)
    made = AdaptiveReasoner(
        Source(ScriptedModel(), max_tokens=50),
        policy=FixedPolicy("vote_3", expected_cost=1e-6, cost_unit="usd"),
        actions={"vote_3": self_consistency(3)},
        ledger=ledger,
        meter=PriceMeter(prompt=1.0, completion=2.0),
    )
    seen = []
    made.answer("x" * 1_000, on_event=lambda event: seen.append(ledger.snapshot().held))
    assert seen[0] == pytest.approx(2 * (1_016 + 2 * 50) / 1e6)
