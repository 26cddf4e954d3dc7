"""Nodes without labels, what they log, and what a run brings along."""

import asyncio
import dataclasses
import threading
import time

import pytest
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.integrations.context import AdaptiveContext
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.reasoner import sample_log
from tests.fakes import ScriptedModel
from tests.unit_tests.integrations.node_graphs import (
    ASKED,
    KEYS,
    counts,
    graph_of,
    graph_of_messages,
    node,
)


async def test_on_day_one_a_model_and_a_budget_are_enough(ask):
    model = ScriptedModel(answers=("Answer: 14",))
    made = AdaptiveComputeNode(model, budget=6.0)
    graph = graph_of_messages(made)
    for _ in range(30):
        state = await ask(graph, {"messages": [HumanMessage("5 + 9?")]})
    assert state["messages"][-1].text == "Answer: 14"
    assert counts(made)[0] == 30
    assert made.reasoner.ledger.average <= 6.0
    record = state["messages"][-1].response_metadata["adaptive_reasoner"]
    assert (record["action"], record["policy_id"]) == ("adaptive_vote", "label_free")


async def test_on_day_one_disagreement_draws_more_samples(ask):
    agreeing = AdaptiveComputeNode(ScriptedModel(answers=("Answer: 1",)), budget=9.0, **KEYS)
    split = AdaptiveComputeNode(ScriptedModel(answers=("Answer: 1", "Answer: 2")), budget=9.0, **KEYS)
    drawn = [(await ask(graph_of(made), ASKED))["decision"]["samples"] for made in (agreeing, split)]
    assert drawn[0] < drawn[1]


async def test_on_day_one_a_hard_cap_holds(ask):
    ledger = open_ledger("memory://", target=6.0, hard_cap=120.0)
    made = AdaptiveComputeNode(Source(ScriptedModel(), max_tokens=10), ledger=ledger, **KEYS)
    graph, actions = graph_of(made), []

    async def exhaust():
        while True:
            actions.append((await ask(graph, ASKED))["decision"]["action"])

    with pytest.raises(BudgetExceededError):
        await exhaust()
    assert ledger.snapshot().spent <= 120.0
    assert (actions[0], actions[-1]) == ("adaptive_vote", "single_pass")


@pytest.mark.parametrize(("room", "action"), [(9, "adaptive_vote"), (4, "adaptive_vote"), (2, "single_pass")])
async def test_on_day_one_a_vote_needs_room_for_three_samples_only(ask, room, action):
    model = Source(ScriptedModel(answers=("Answer: 1", "Answer: 2")), max_tokens=10)  # a reply has two tokens
    made = AdaptiveComputeNode(model, budget=20.0, **KEYS)
    decided = (await ask(graph_of(made), ASKED, context=AdaptiveContext(max_cost=room * 10.0)))["decision"]
    assert (decided["action"], decided["samples"] > 2) == (action, action == "adaptive_vote")
    assert decided["cost"] <= room * 10.0


async def test_a_round_that_does_not_fit_ends_the_vote(ask):
    model = Source(ScriptedModel(answers=tuple(f"{'w ' * 8}Answer: {i}" for i in range(7))), max_tokens=10)
    made = AdaptiveComputeNode(model, budget=35.0, **KEYS)
    decided = (await ask(graph_of(made), ASKED, context=AdaptiveContext(max_cost=40.0)))["decision"]
    assert decided["cost"] == 40.0
    assert decided["samples"] == 4 + len(decided["failed"]) == 6  # a round of two


async def test_on_day_one_samples_are_held_for_the_kit_unasked(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = AdaptiveComputeNode(ScriptedModel(answers=("Answer: 14",)), budget=9.0, **KEYS)
    drawn = (await ask(graph_of(made), ASKED))["decision"]["samples"]
    samples = Samples.from_rows(made.log.rows).graded({ASKED["question"]: "14"})
    assert samples.sources == ("single_pass",)
    assert [reply.correct for reply in samples.of(samples.question_ids[0], "single_pass")] == [1.0] * drawn
    assert list(tmp_path.iterdir()) == []
    assert node().log is None


def test_a_log_in_memory_holds_the_latest(monkeypatch):
    monkeypatch.setattr(sample_log, "KEPT", 3)
    log = sample_log.SampleLog()
    sample = {"answer": "7", "cost": 2.0, "seconds": 0.1, "error": None, "tokens": {}}
    for number in range(3):
        log.write("3 + 4?", {"key": f"q{number}", "action": "cot", "cost_unit": "tokens"}, [sample, sample])
    assert [row["question_id"] for row in log.rows] == ["q1", "q2", "q2"]


@pytest.mark.parametrize("budget", ["300", -1.0, 0.0, float("nan"), float("inf")])
def test_a_budget_that_is_no_amount_is_refused_by_name(budget):
    with pytest.raises(LedgerError, match=f"budget must be a finite number above 0, got {budget!r}"):
        AdaptiveComputeNode(ScriptedModel(), budget=budget)


def test_a_meter_by_name_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"such as TokenMeter\(\) .* not 'tokens'"):
        AdaptiveComputeNode(ScriptedModel(), budget=9.0, meter="tokens")


async def test_samples_are_logged_for_the_kit(ask, tmp_path):
    answers = ("Answer: 14", "Answer: 15", "Answer: 14")
    made = node(*answers, log=tmp_path / "samples.jsonl")
    for question in ("5 + 9?", "1 + 13?"):
        await ask(graph_of(made), {"question": question})
    samples = Samples.read(tmp_path / "samples.jsonl")
    assert (samples.questions, samples.sources) == (("5 + 9?", "1 + 13?"), ("vote_3",))
    replies = samples.of(samples.question_ids[0], "vote_3")
    assert sorted(reply.answer for reply in replies) == ["14", "14", "15"]  # of calls at the same time
    assert [(reply.cost, reply.prompt_tokens) for reply in replies] == [(2.0, 10.0)] * 3
    assert samples.ungraded == 6
    graded = samples.graded({"5 + 9?": "14"}).of(samples.question_ids[0], "vote_3")
    assert all(reply.correct == (reply.answer == "14") for reply in graded)


async def test_failed_replies_are_logged_with_their_cost(ask, tmp_path):
    log = tmp_path / "new" / "samples.jsonl"
    made = node(model=ScriptedModel(failures={0: TimeoutError("late")}), log=log)
    await ask(graph_of(made), ASKED)
    samples = Samples.read(log)
    (failed,) = (reply for reply in samples.of(samples.question_ids[0], "vote_3") if reply.error)
    assert (failed.error, failed.cost) == ("TimeoutError: late", 50.0)


async def test_a_reply_whose_usage_cannot_be_is_logged_at_its_worst_case_and_without_tokens(ask, tmp_path):
    usage = {"input_tokens": 10, "output_tokens": -5, "total_tokens": 5}
    made = node(
        model=FakeMessagesListChatModel(responses=[AIMessage("Answer: 14", usage_metadata=usage)]),
        log=tmp_path / "samples.jsonl",
    )
    await ask(graph_of(made), ASKED)
    samples = Samples.read(tmp_path / "samples.jsonl")
    replies = samples.of(samples.question_ids[0], "vote_3")
    assert {(reply.answer, reply.cost, reply.prompt_tokens) for reply in replies} == {("14", 50.0, None)}


async def test_on_day_one_a_long_conversation_is_part_of_the_worst_case(ask):
    meter = TokenMeter(counts="total")
    ledger = open_ledger("memory://", target=50.0, cost_unit="tokens", hard_cap=1_000.0)
    source = Source(ScriptedModel(), max_tokens=10)
    made = AdaptiveComputeNode(source, ledger=ledger, meter=meter)
    asked = {"messages": [HumanMessage("x" * 500), AIMessage("y" * 400), HumanMessage("5 + 9?")]}
    state = await ask(graph_of_messages(made), asked)
    record = state["messages"][-1].response_metadata["adaptive_reasoner"]
    assert (record["action"], record["worst_cost"]) == ("single_pass", 500 + 400 + 6 + 3 * 16 + 10)


@dataclasses.dataclass
class Own:
    max_cost: float | None = None
    price: float | None = None
    tenant: str | None = None
    budget: float | None = None


@pytest.mark.parametrize("schema", [AdaptiveContext, Own])
async def test_a_run_brings_its_own_price_and_most_cost(ask, schema):
    made = AdaptiveComputeNode(Source(ScriptedModel(), max_tokens=10), budget=9.0, **KEYS)
    graph = graph_of(made, context=schema)
    decision = (await ask(graph, ASKED, context=schema(price=0.25, max_cost=20.0)))["decision"]
    assert (decision["price"], decision["action"]) == (0.25, "single_pass")
    assert (await ask(graph, ASKED))["decision"]["action"] == "adaptive_vote"


async def test_a_budget_of_a_run_moves_the_price(ask):
    made = AdaptiveComputeNode(ScriptedModel(), budget=9.0, **KEYS)
    graph = graph_of(made, context=AdaptiveContext)
    prices = [
        (await ask(graph, ASKED, context={"budget": budget}))["decision"]["price"] for budget in (9.0, 90.0)
    ]
    assert prices[0] / prices[1] == pytest.approx(10, rel=0.2)
    with pytest.raises(ValueError, match="has no price for a budget of 90; give a price"):
        await ask(graph_of(node(), context=AdaptiveContext), ASKED, context={"budget": 90.0})


async def test_the_ledger_counts_a_run_against_its_own_budget(ask):
    made = AdaptiveComputeNode(ScriptedModel(), budget=9.0, **KEYS)
    cost = (await ask(graph_of(made, context=AdaptiveContext), ASKED, context={"budget": 90.0}))["decision"][
        "cost"
    ]
    assert made.reasoner.ledger.snapshot().credit == pytest.approx((90.0 - cost) / 9.0)


@pytest.mark.parametrize("terms", [{"budget": 0}, {"budget": "90"}, {"price": -1.0}, {"max_cost": "9"}])
async def test_a_context_that_is_no_amount_is_refused_by_name(ask, terms):
    made = AdaptiveComputeNode(ScriptedModel(), budget=9.0, **KEYS)
    with pytest.raises(ValueError, match=f"{next(iter(terms))} is a number"):
        await ask(graph_of(made, context=AdaptiveContext), ASKED, context=terms)
    assert counts(made) == (0, 0.0, 0)


async def test_a_tenant_is_charged_beside_the_common_ledger(ask):
    own = {name: open_ledger("memory://", target=5.0) for name in ("acme", "ajax")}
    made = node(tenants=own.__getitem__)
    graph = graph_of(made, context=AdaptiveContext)
    for tenant in ("acme", "acme", "ajax", None):
        await ask(graph, ASKED, context={"tenant": tenant})
    assert [ledger.snapshot().spent for ledger in own.values()] == [8.0, 4.0]
    assert counts(made) == (4, 16.0, 0)


async def test_a_tenant_without_a_name_is_refused_and_not_charged_to_all(ask):
    opened = []
    made = node(tenants=opened.append)
    graph = graph_of(made, context=AdaptiveContext)
    for name in ("", "a/b"):
        with pytest.raises(LedgerError, match="a tenant's name must not be empty or hold a slash"):
            await ask(graph, ASKED, context={"tenant": name})
    assert (opened, made.ledger.spent) == ([], 0)


def test_a_tenant_without_a_ledger_of_its_own_is_counted():
    made = node()
    graph_of(made, context=AdaptiveContext).invoke(ASKED, context={"tenant": "acme"})
    assert made.tenants.ledger_of("acme").snapshot().spent == 4.0


async def test_the_ledger_of_a_tenant_is_opened_once_and_off_the_loop():
    opened = []

    def opening(tenant):
        opened.append((tenant, threading.current_thread()))
        time.sleep(0.05)  # as a database that is slow to answer
        return open_ledger("memory://", target=5.0)

    made = node(tenants=opening)
    graph = graph_of(made, context=AdaptiveContext)
    await asyncio.gather(*(graph.ainvoke(ASKED, context={"tenant": "acme"}) for _ in range(8)))
    ((tenant, thread),) = opened
    assert (tenant, thread is threading.current_thread()) == ("acme", False)
    assert made.tenants.ledger_of("acme").snapshot().spent == counts(made)[1] == 32.0
