import asyncio
import json
import time
import warnings
from math import isnan

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import ConfigurableField
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from adaptive_reasoner.errors import BudgetExceededError, UnknownActionError, UnpricedUsageError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS, SampleMeter, TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.policy_and_actions import vote_actions
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.optimal_stopping import VoteModel, beta_vote_model
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency, single_pass
from tests.fakes import IN_TURN, ScriptedModel, StatusError
from tests.unit_tests.reasoner.reasoners import ACTIONS, CheapUnderPressure, reasoner
from tests.waiting import await_until


def test_decides_reserves_runs_and_settles(result_of):
    made = reasoner("Answer: 14", "Answer: 14", "Answer: 15", budget=10.0)
    result = result_of(made, "5 + 9?")
    assert (result.answer, result.record["cost"], result.record["samples"]) == ("14", 4.0, 2)
    assert result.message.usage_metadata["output_tokens"] == 4
    assert result.message.response_metadata["adaptive_reasoner"] == result.record
    snapshot = made.ledger.snapshot()
    assert (snapshot.spent, snapshot.reserved, snapshot.in_flight, snapshot.questions) == (4.0, 0.0, 0, 1)
    assert snapshot.actions == {"vote_3": 1.0}


def test_each_sample_is_told_of_under_its_own_number(result_of):
    told = []
    result_of(reasoner("Answer: 14", "Answer: 15", "Answer: 14"), "5 + 9?", IN_TURN, on_event=told.append)
    samples = [event for event in told if event["event"] == "sample"]
    assert [event["sample"] for event in samples] == [0, 1, 2]
    assert [event["answer"] for event in samples] == ["14", "15", "14"]


def test_the_record_is_plain_data():
    record = reasoner().answer("5 + 9?").record
    assert json.dumps(json.loads(json.dumps(record))) == json.dumps(record)
    assert (sum(record["votes"].values()), record["rounds"]) == (record["samples"], 1)


def test_settles_at_metered_cost_when_the_reply_cannot_be_priced(result_of):
    made = reasoner(usage=False, budget=10.0)
    with pytest.raises(UnpricedUsageError):
        result_of(made, "5 + 9?")
    assert made.ledger.snapshot().spent == 100
    assert made.ledger.snapshot().in_flight == 0


def test_a_run_that_failed_before_anything_was_billed_is_no_question(result_of):
    made = reasoner(failures={n: StatusError(429) for n in range(3)}, budget=10.0)
    with pytest.raises(StatusError):
        result_of(made, "5 + 9?")
    snapshot = made.ledger.snapshot()
    assert (snapshot.questions, snapshot.in_flight, snapshot.spent) == (0, 0, 0)


def test_a_repeated_key_is_billed_once(result_of):
    made = reasoner(budget=10.0)
    for _ in range(2):
        result_of(made, "5 + 9?", key="question-1")
    assert (made.ledger.snapshot().questions, made.ledger.snapshot().spent) == (1, 4.0)


def test_charges_of_one_run_are_one_question(result_of):
    made = reasoner(budget=10.0)
    for step in range(8):
        result_of(made, "5 + 9?", key=f"step-{step}", run_id="run")
    assert made.ledger.snapshot().average == 8 * 4.0


def test_under_a_hard_cap_the_best_action_that_fits_is_taken_and_then_refused(result_of):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=160.0)
    made = reasoner(policy=CheapUnderPressure(), ledger=ledger)
    taken = []
    while ledger.snapshot().spent + 50 <= 160:
        taken.append(result_of(made, "5 + 9?").record["action"])
    with pytest.raises(BudgetExceededError):
        result_of(made, "5 + 9?")
    assert taken[0] == "vote_3"
    assert set(taken[3:]) == {"single_pass"}
    assert ledger.snapshot().spent <= 160
    assert ledger.snapshot().in_flight == 0


def test_under_a_hard_cap_an_action_without_a_worst_case_is_held_by_the_bound_of_its_calls():
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=108.0)
    made = reasoner(ledger=ledger)
    assert [made.answer("5 + 9?").record["cost"] for _ in range(3)] == [4.0] * 3
    with pytest.raises(BudgetExceededError, match=r"100 tokens wanted, 96 left .* raise the cap to 112"):
        made.answer("5 + 9?")
    assert (ledger.spent, ledger.snapshot().in_flight) == (12.0, 0)


async def test_cancellation_settles_what_had_started():
    made = reasoner(latency=60.0, budget=10.0)
    task = asyncio.create_task(made.aanswer("5 + 9?"))
    await await_until(lambda: len(made.source.runnable.requests) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    snapshot = made.ledger.snapshot()
    assert (snapshot.spent, snapshot.in_flight) == (100, 0)


async def test_nothing_stays_held_where_a_cancellation_is_repeated_until_it_is_heeded(tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db", target=10.0)
    made = reasoner(latency=60.0, ledger=ledger)
    tasks = [asyncio.create_task(made.aanswer("5 + 9?")) for _ in range(20)]
    await await_until(lambda: len(made.source.runnable.requests) >= 2)
    while not all(task.done() for task in tasks):  # as the cancel scopes of anyio do it, under web servers
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
        time.sleep(0.001)  # a loop that only spun would leave the ledger's threads no turn on a busy machine
    snapshot = ledger.snapshot()
    assert (snapshot.in_flight, snapshot.reserved) == (0, 0)
    assert snapshot.spent >= 100


def test_is_a_runnable_in_a_chain():
    made = reasoner(policy=FixedPolicy("single_pass", expected_cost=2))
    chain = (lambda text: [HumanMessage(text)]) | made | (lambda message: message.text)
    assert chain.batch(["5 + 9?", "1 + 13?"]) == ["Answer: 14"] * 2
    assert made.ledger.snapshot().questions == 2


async def test_retries_and_fallbacks_of_a_chain_work_on_the_models_own_errors():
    flaky = reasoner(failures={0: StatusError(503)}, policy=FixedPolicy("single_pass", expected_cost=2))
    retried = flaky.with_retry(retry_if_exception_type=(StatusError,), wait_exponential_jitter=False)
    assert (await retried.ainvoke("5?")).text == "Answer: 14"
    broken = reasoner(failures={n: StatusError(503) for n in range(9)})
    assert isinstance(await broken.with_fallbacks([reasoner()]).ainvoke("5?"), AIMessage)


def test_the_record_is_strict_json_also_where_little_is_known():
    record = reasoner(policy=FixedPolicy("vote_3", expected_cost=6)).answer("5 + 9?").record
    assert (record["expected_accuracy"], record["worst_cost"]) == (None, None)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_actions_of_sources_and_votes_are_named_as_estimate_names_them():
    sources = {"direct": Source(ScriptedModel()), "cot": Source(ScriptedModel())}
    assert list(vote_actions(sources, votes=(1, 3))) == ["direct", "direct_vote_3", "cot", "cot_vote_3"]


def test_price_and_most_cost_are_configurable_fields():
    made = reasoner(policy=CheapUnderPressure(), budget=10.0)
    dialled = made.configurable_fields(
        price=ConfigurableField(id="price"), max_cost=ConfigurableField(id="max_cost")
    )
    config = {"configurable": {"price": 0.5, "max_cost": 60.0}}
    record = dialled.invoke("5 + 9?", config).response_metadata["adaptive_reasoner"]
    assert (record["action"], record["price"]) == ("single_pass", 0.5)
    assert dialled.invoke("5 + 9?").response_metadata["adaptive_reasoner"]["action"] == "vote_3"
    assert made.ledger.snapshot().questions == 2


async def test_a_batch_keeps_to_max_concurrency():
    made = reasoner(policy=FixedPolicy("single_pass", expected_cost=2), budget=10.0, latency=0.2)
    answers = await made.abatch(["5?"] * 6, {"max_concurrency": 2})
    assert [answer.text for answer in answers] == ["Answer: 14"] * 6
    assert made.source.runnable.peak == 2
    assert made.ledger.snapshot().questions == 6


@pytest.mark.parametrize("between", ["open", "settled"])
def test_a_task_that_runs_again_pays_anew_and_a_dead_attempt_costs_its_worst_case(between):
    made = reasoner(budget=10.0)
    if between == "open":
        made.ledger.reserve(6.0, "task", worst=150.0, question="run", action="vote_3")
    else:
        made.answer("5 + 9?", key="task", run_id="run", resumes=True)
    made.answer("5 + 9?", key="task", run_id="run", resumes=True)
    snapshot = made.ledger.snapshot()
    assert (snapshot.questions, snapshot.in_flight) == (1, 0)
    assert snapshot.spent == (150.0 + 4.0 if between == "open" else 8.0)


async def test_two_charges_under_way_with_one_key_are_both_billed():
    made = reasoner(budget=10.0, latency=0.01)
    questions = (made.aanswer("5 + 9?", key="task", run_id="run", resumes=True) for _ in range(3))
    results = await asyncio.gather(*questions)
    assert len({result.record["key"] for result in results}) == 3
    assert (made.ledger.snapshot().spent, made.ledger.snapshot().questions) == (12.0, 1)


def test_is_decided_on_in_its_context():
    class Reads(CheapUnderPressure):
        def decide(self, question, **kwargs):
            self.read = question
            return super().decide(question, **kwargs)

    policy = Reads()
    made = reasoner(policy=policy)
    made.answer([HumanMessage("Is 91 prime?"), AIMessage("No."), HumanMessage("And 97?")])
    assert policy.read == "Is 91 prime?\nNo.\nAnd 97?"
    made.answer("And 97?")
    assert policy.read == "And 97?"
    made.answer("And 97?", about="primes")
    assert policy.read == "primes"


@pytest.mark.parametrize(("known", "samples"), [(None, 2), ("all leaders are right", 1)])
def test_the_policy_says_when_a_priced_vote_is_over(result_of, known, samples):
    class Knows(FixedPolicy):
        def prospects(self, action, expected_accuracy):
            assert action == "vote"
            assert isnan(expected_accuracy)  # this policy expects none
            prior = beta_vote_model(9)
            return known and VoteModel(prior.right > 0, prior.top, prior.second, cost=2.0)

    made = AdaptiveReasoner(
        Source(ScriptedModel(answers=("Answer: 14",)), max_tokens=50),
        policy=Knows("vote", expected_cost=6),
        actions={"vote": adaptive_consistency(9, Priced())},
        budget=10.0,
    )
    assert result_of(made, "5 + 9?", price=0.015).record["samples"] == samples


async def test_a_deadline_is_kept_and_the_answer_is_of_what_arrived():
    made = reasoner(latency=0.05, budget=10.0)
    assert (await made.aanswer("5 + 9?", deadline=5.0)).answer == "14"
    with pytest.raises(TimeoutError):
        await made.aanswer("5 + 9?", deadline=0.001)
    assert made.ledger.snapshot().in_flight == 0


def test_the_most_tokens_of_a_reply_are_those_that_somebody_declared():
    model = ChatOpenAI(model="stub", api_key="none", max_tokens=300)
    assert Source(model).most_tokens == 300
    assert Source(model.bind(max_tokens=200)).most_tokens == 200
    assert Source(model, max_tokens=100).most_tokens == 100
    assert Source(ScriptedModel(profile={"max_output_tokens": 900})).most_tokens == 900
    assert Source(ScriptedModel()).most_tokens == UNDECLARED_MAX_TOKENS
    gemini = ChatGoogleGenerativeAI(model="gemini-2.5-flash", api_key="none", max_output_tokens=500)
    assert [Source(made).most_tokens for made in (gemini, gemini.bind(max_output_tokens=9))] == [500, 9]
    ollama = [ChatOllama(model="stub", num_predict=room) for room in (8_000, -1)]
    assert [Source(made).most_tokens for made in ollama] == [8_000, UNDECLARED_MAX_TOKENS]


def test_a_model_that_is_yet_to_be_made_is_not_made_to_ask_for_the_most_tokens():
    made = []
    source = Source(lambda: made.append(1) or ChatOpenAI(model="stub", api_key="none", max_tokens=9_000))
    assert (source.most_tokens, made) == (UNDECLARED_MAX_TOKENS, [])
    assert source.runnable.max_tokens == source.most_tokens == 9_000


@pytest.fixture
def cache():
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


@pytest.mark.parametrize("usage", [True, False])
def test_a_reply_out_of_the_cache_costs_nothing_and_a_vote_never_uses_it(cache, usage, result_of):
    meter = TokenMeter() if usage else SampleMeter()
    policy = FixedPolicy("single_pass", expected_cost=2, cost_unit=meter.cost_unit)
    model = ScriptedModel(answers=("Answer: 14",), usage=usage)
    made = AdaptiveReasoner(model, policy=policy, actions=ACTIONS, meter=meter, budget=9.0)
    costs = [result_of(made, "5 + 9?").record["cost"] for _ in range(3)]
    assert costs == [2.0 if usage else 1.0, 0.0, 0.0]
    assert len(model.requests) == 1
    voting = reasoner()
    for _ in range(2):
        result_of(voting, "5 + 9?")
    assert len(voting.source.runnable.requests) == 4


def test_an_action_added_at_run_time_is_known_from_the_next_question_on():
    asking = reasoner("Answer: 14")
    with pytest.raises(UnknownActionError, match="'vote_9'"):
        asking.answer("5 + 9?", policy=FixedPolicy("vote_9"))
    asking.add_action("vote_9", self_consistency(9))
    assert asking.answer("5 + 9?", policy=FixedPolicy("vote_9")).record["action"] == "vote_9"
    assert asking.answer("5 + 9?").record["action"] == "vote_3"
    with pytest.raises(ValueError, match="there is an action 'vote_3' already"):
        asking.add_action("vote_3", single_pass())
    with pytest.raises(TypeError, match="action 'vote_5'"):
        asking.add_action("vote_5", "vote")
    with pytest.raises(ValueError, match="an action has a name, such as 'cot_vote_7', not ''"):
        asking.add_action("", single_pass())


def test_an_action_without_its_strategy_is_refused_with_the_way_out():
    with pytest.raises(
        UnknownActionError, match=r"unknown action 'v'; .*: give actions=\{'v': \.\.\.\}, the"
    ):
        AdaptiveReasoner(ScriptedModel(), policy=FixedPolicy("v", expected_cost=6))


def told_of_budget(made, **terms):
    """What is told of the budget in 250 questions."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(250):
            made.answer("What is 3 + 4?", key=str(number), **terms)
    return [str(warning.message) for warning in caught if "questions have cost" in str(warning.message)]


@pytest.mark.parametrize(("budget", "told"), [(1.0, 1), (3.0, 0)])
def test_a_budget_below_the_cheapest_choice_is_told_once(budget, told):
    made = AdaptiveReasoner(ScriptedModel(answers=("Answer: 7",)), budget=budget)  # a call costs 2
    said = told_of_budget(made)
    assert len(said) == told
    assert all("200 questions have cost 2 tokens on average, and the budget is 1" in text for text in said)


def test_what_was_spent_under_a_former_target_is_no_debt():
    ledger = open_ledger("memory://", target=10.0)
    for number in range(50):
        ledger.charge(10.0, f"before-{number}")
    ledger.set_target(3.0)
    assert told_of_budget(AdaptiveReasoner(ScriptedModel(answers=("Answer: 7",)), ledger=ledger)) == []
    assert ledger.snapshot().average_low > 3.0


def test_what_is_spent_under_budgets_of_their_own_is_no_debt():
    ledger = open_ledger("memory://", target=1.0)
    made = AdaptiveReasoner(ScriptedModel(answers=("Answer: 7",)), ledger=ledger)
    assert told_of_budget(made, budget=4.0, price=1.0) == []
    assert ledger.snapshot().average_low > 1.0
