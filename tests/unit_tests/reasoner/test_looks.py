"""From recorded samples to a policy folder, and from the folder to answers: a look does online what it was
replayed to do, its bill is right, and the ledger's price moves it."""

import asyncio

import numpy as np
import pytest
from langchain.agents import create_agent
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner import AdaptiveReasoner, LearnedPolicy, Source, TokenMeter, open_ledger, single_pass
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.fitted_looks import Chooser
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.alarms import Alarms
from adaptive_reasoner.policy.draws import uniform_from_key
from adaptive_reasoner.strategies.modifiers import on
from tests.fakes import ScriptedModel
from tests.unit_tests.toys import toy_encoder

QUESTIONS, BUDGET = 160, 8.0
PRICE = 0.03  # at which two cheap samples are worth it, and the dear one straight away is not
DEAR = "Thinking about it for a while gives what is asked. Answer: 7"  # 12 tokens
SURE, UNSURE = "Answer: 7", ("Answer: 1", "Answer: 2")  # 2 tokens each


def recorded():
    """Samples of a cheap source that is right where it agrees with itself, and of a dear one."""
    rng = np.random.default_rng(0)
    rows, sure = [], rng.permutation(QUESTIONS) % 2 == 0
    for number in range(QUESTIONS):
        asked = {"question_id": f"q{number}", "question": text_of(number), "gold": "7", "cost_unit": "tokens"}
        for sample in range(6):
            answer = "7" if sure[number] else str(10 + rng.integers(30))
            row = {**asked, "source": "cheap", "sample": sample, "answer": answer, "cost": 2.0}
            rows.append({**row, "correct": float(answer == "7"), "completion_tokens": 2})
        row = {**asked, "source": "dear", "sample": 0, "answer": "7", "correct": 1.0, "cost": 12.0}
        rows.append({**row, "completion_tokens": 12})
    return Samples.from_rows(rows)


def text_of(number):
    return f"what is {number} + {3 * number % 7} ?"


def trained_in(folder, menu):
    samples = recorded()
    table, encoder = estimate(samples, votes=(1,)), toy_encoder()
    cache = VectorCache(encoder, encoder.folder)
    trained = train(table, budget=BUDGET, samples=samples, encoder=encoder, cache=cache, menu=menu)
    return LearnedPolicy.load(trained.save(folder))


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    menu = {"cheap": {"source": "cheap", "max_tokens": 2}, "dear": {"source": "dear", "max_tokens": 12}}
    return trained_in(tmp_path_factory.mktemp("policy") / "folder", menu)


def actions_of(cheap, dear):
    sources = {"cheap": Source(cheap, max_tokens=2), "dear": Source(dear, max_tokens=12)}
    return {name: on(source, single_pass()) for name, source in sources.items()}


def ask(policy, cheap, question, **options):
    dear = ScriptedModel(answers=(DEAR,))
    model = ScriptedModel(answers=cheap)
    reasoner = AdaptiveReasoner(
        Source(model), policy=policy, actions=actions_of(model, dear), meter=TokenMeter(), **options
    )
    return reasoner.answer(question, key=question)


def test_the_folder_knows_its_looks_and_decides_for_them_only_when_asked(policy):
    assert policy.looks == ("cheap_look_3",)
    assert {policy.decide(text_of(n)).action for n in range(40)} <= {"cheap", "dear"}
    decision = policy.with_looks().decide(text_of(1), price=PRICE)
    assert decision.action == "cheap_look_3"
    assert decision.expected_cost == pytest.approx(4 + 6, rel=0.15)  # two samples, and the dear one for half
    assert decision.expected_accuracy > 0.9
    assert decision.worst_cost == pytest.approx(6 + 12)  # a third sample where two have no answer
    assert "plan" not in decision.as_state()


def test_a_look_is_decided_for_and_never_drawn(policy):
    cheap, dear = ScriptedModel(answers=(SURE,)), ScriptedModel(answers=(DEAR,))
    made = AdaptiveReasoner(
        Source(cheap), policy=policy, actions=actions_of(cheap, dear), meter=TokenMeter(), explore=0.5
    )
    records = [made.answer(text_of(1), key=f"q{number}", price=PRICE).record for number in range(40)]
    kept = {
        (record["action"], record["reason"] == "explored", round(record["propensity"], 3))
        for record in records
    }
    assert kept == {("cheap_look_3", False, 0.667), ("cheap", True, 0.167), ("dear", True, 0.167)}


def test_agreement_stops_and_disagreement_goes_to_the_dear_source(policy):
    agreed, differed = (ask(policy, answers, text_of(1), price=PRICE) for answers in ((SURE,), UNSURE))
    assert (agreed.answer, agreed.record["cost"], agreed.record["samples"]) == ("7", 4.0, 2)
    assert (differed.answer, differed.record["cost"], differed.record["samples"]) == ("7", 16.0, 3)
    assert agreed.record["action"] == differed.record["action"] == "cheap_look_3"


def test_the_decisions_online_are_those_of_the_replay(policy):
    """At every price, for every question: the same choice, the same course, the same expectations."""
    looking, samples = policy.with_looks(), recorded()
    table = estimate(samples, votes=(1,))
    rows = np.arange(QUESTIONS)
    expected = _expected(policy)
    chooser, taken = Chooser.of(samples, table), []
    for price in np.geomspace(0.003, 0.3, 7).tolist():
        online = [looking.decide(text_of(row), price=price, key=str(row)) for row in rows]
        paid = [price * np.exp(0.1 * (2 * uniform_from_key(str(row)) - 1)) for row in rows]
        (look,) = looking._looks
        planned = look.plans(expected.accuracy, expected.cost, np.array(paid))
        best = (expected.accuracy - np.array(paid)[:, None] * expected.cost).max(axis=1)
        pays = np.array([look.pays_at(each) for each in paid])
        looked = np.array([decision.plan is not None for decision in online])
        assert (looked == (pays & (planned.worth > best))).all()
        for row in np.flatnonzero(looked):
            assert (online[row].plan.course == planned.course[row]).all()
            assert online[row].expected_cost == pytest.approx(planned.cost[row])
        accuracy, cost = chooser.candidates[0].play(rows, planned.course, chooser.truth)
        taken.append(looked.sum())
        if looked.any():
            assert cost[looked].mean() == pytest.approx(planned.cost[looked].mean(), rel=0.1)
            assert accuracy[looked].mean() == pytest.approx(planned.accuracy[looked].mean(), abs=0.05)
    assert np.count_nonzero(taken) > 1


def _expected(policy):
    """What a policy expects of the recorded questions."""
    full = len(policy.trust.steps) - 1
    found = [policy._expectations(text_of(row), None, full) for row in range(QUESTIONS)]
    accuracy, cost = (np.stack([each[part] for each in found]) for part in (0, 1))
    return Predictions(policy.actions, accuracy, cost, policy.cost_unit)


@pytest.mark.parametrize("of", [Alarms, lambda policy: LearnedPolicy.watch(policy.folder)])
def test_a_watched_policy_and_one_with_alarms_look_where_looks_can_be_run(policy, of):
    made = of(policy)
    assert ask(made, (SURE,), text_of(1), price=PRICE).record["action"] == "cheap_look_3"
    assert {made.decide(text_of(n), price=PRICE).action for n in range(40)} <= {"cheap", "dear"}


def test_the_price_of_the_ledger_moves_it(policy):
    chosen = [
        {ask(policy, (SURE,), text_of(number), price=price).record["action"] for number in range(6)}
        for price in (PRICE, 10.0)
    ]
    assert chosen == [{"cheap_look_3"}, {"cheap"}]


def test_a_ledger_holds_its_average_with_looks(policy):
    spent = []
    ledger = open_ledger("memory://", target=BUDGET, policy=policy.with_looks())
    for number in range(300):
        answers = (SURE,) if number % 2 == 0 else UNSURE
        result = ask(policy, answers, text_of(number), ledger=ledger)
        spent.append(result.record["cost"])
    assert ledger.spent == pytest.approx(sum(spent))
    assert ledger.average == pytest.approx(BUDGET, rel=0.02)


def test_a_look_that_may_cost_too_much_is_not_taken(policy):
    assert ask(policy, UNSURE, text_of(1), price=PRICE, max_cost=18.0).record["action"] == "cheap_look_3"
    assert ask(policy, UNSURE, text_of(1), price=PRICE, max_cost=17.0).record["action"] in ("cheap", "dear")
    with pytest.raises(BudgetExceededError):
        ask(policy, UNSURE, text_of(1), max_cost=1.0)


def test_a_look_of_which_no_worst_cost_is_known_goes_by_its_first_calls(tmp_path):
    policy = trained_in(tmp_path / "folder", menu=None)
    records = [
        ask(policy, UNSURE, text_of(1), price=PRICE, max_cost=most).record for most in (16.0, 14.0, 9.0)
    ]
    assert [(record["action"], record["cost"]) for record in records] == [
        ("cheap_look_3", 16.0),
        ("cheap_look_3", 4.0),  # the dear source does not fit after two samples
        ("cheap", 2.0),  # two samples fit, and what a look costs on average does not
    ]


def test_an_agent_with_the_middleware_looks_too(policy):
    cheap, dear = ScriptedModel(answers=UNSURE), ScriptedModel(answers=(DEAR,))
    ledger = open_ledger("memory://", target=10.0, policy=policy.at(budget=10.0).with_looks())
    budgeted = AdaptiveComputeMiddleware(
        policy=policy, actions=actions_of(cheap, dear), meter=TokenMeter(), ledger=ledger
    )
    agent = create_agent(cheap, middleware=[budgeted])
    message = agent.invoke({"messages": [("user", text_of(1))]})["messages"][-1]
    record = message.response_metadata["adaptive_reasoner"]
    assert (record["action"], record["answer"]) == ("cheap_look_3", "7")
    assert ledger.spent == 2 * (len(cheap.requests)) + 12 * len(dear.requests)


@pytest.mark.parametrize("answers", [(SURE,), UNSURE])
def test_node_and_chat_model_look_too(policy, answers):
    dear = ScriptedModel(answers=(DEAR,))
    cheap = ScriptedModel(answers=answers)
    terms = {"policy": policy, "actions": actions_of(cheap, dear), "meter": TokenMeter()}
    terms["ledger"] = open_ledger("memory://", target=10.0, policy=policy.at(budget=10.0).with_looks())
    node = AdaptiveComputeNode(Source(cheap), **terms)
    graph = StateGraph(MessagesState).add_node("answer", node).add_edge(START, "answer").compile()
    message = graph.invoke({"messages": [("user", text_of(1))]})["messages"][-1]
    record = message.response_metadata["adaptive_reasoner"]
    assert (record["action"], record["answer"]) == ("cheap_look_3", "7")
    chat, before = AdaptiveChatModel(model=cheap, **terms), (len(cheap.requests), len(dear.requests))
    message = asyncio.run(chat.ainvoke(text_of(1)))
    record = message.response_metadata["adaptive_reasoner"]
    assert (record["action"], record["answer"]) == ("cheap_look_3", "7")
    assert record["cost"] == 2 * (len(cheap.requests) - before[0]) + 12 * (len(dear.requests) - before[1])
