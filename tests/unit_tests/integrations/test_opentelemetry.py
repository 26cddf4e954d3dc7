import gc
from contextlib import aclosing, closing

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.integrations.opentelemetry import Telemetry
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.alarms import Alarms
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError
from tests.waiting import await_until

WORDY = ScriptedModel(answers=["It is, as far as one can see, this. Answer: 14"])
ASKED = {"messages": [HumanMessage("5 + 9?")]}


class Recorded:
    def __init__(self):
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        self._tracers = TracerProvider()
        self._tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        meters = MeterProvider(metric_readers=[self._metrics])
        self.handler = Telemetry(tracer_provider=self._tracers, meter_provider=meters)

    @property
    def spans(self):
        return self._spans.get_finished_spans()

    @property
    def metrics(self):
        found = self._metrics.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        return {metric.name: metric.data.data_points for metric in found}


@pytest.fixture
def recorded():
    return Recorded()


def test_an_alarm_is_counted_by_its_series(recorded):
    policy = Alarms(FixedPolicy("vote_3", expected_cost=6.0), run_length=1_000)
    made = AdaptiveReasoner(Source(ScriptedModel(answers=["14"])), **{**TERMS, "policy": policy})
    for number in range(60):
        asked = made if number < 40 else made.model_copy(update={"model": Source(WORDY)})
        asked.invoke("5 + 9?", {"callbacks": [recorded.handler]})
    (point,) = recorded.metrics["adaptive_reasoner.alarms"]
    attributes = {"series": "cost", "direction": "rises", "policy_id": "fixed:vote_3"}
    assert (point.value, dict(point.attributes)) == (1, attributes)
    assert "adaptive_reasoner.budget_events" not in recorded.metrics


def test_what_is_new_of_the_accuracy_floor_is_no_budget_event(recorded):
    policy = FixedPolicy("vote_3", expected_cost=6.0)
    policy.price = 0.002
    made = AdaptiveReasoner(
        Source(ScriptedModel(answers=["14"])), **{**TERMS, "policy": policy, "target_accuracy": 0.8}
    )
    made.invoke("5 + 9?", {"callbacks": [recorded.handler]})
    assert "adaptive_reasoner.budget_events" not in recorded.metrics
    assert recorded.metrics["adaptive_reasoner.questions"][0].value == 1


TERMS = {
    "policy": FixedPolicy("vote_3", expected_cost=6.0),
    "actions": {"vote_3": self_consistency(3), "single_pass": single_pass()},
    "budget": 10.0,
}


def reasoner(model):
    return AdaptiveReasoner(Source(model, max_tokens=50), **TERMS), "5 + 9?"


def node(model):
    made = AdaptiveComputeNode(Source(model, max_tokens=50), **TERMS)
    return made.attach(StateGraph(MessagesState)).add_edge(START, made.name).compile(), ASKED


def chat_model(model):
    return AdaptiveChatModel(model, **TERMS), "5 + 9?"


def agent(model):
    return create_agent(model, middleware=[AdaptiveComputeMiddleware(**TERMS)]), ASKED


@pytest.mark.parametrize("make", [reasoner, node, chat_model, agent])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_question_is_a_span_and_a_count_wherever_it_is_answered(recorded, make, is_async):
    runnable, asked = make(ScriptedModel(answers=("Answer: 14",)))
    config = {"callbacks": [recorded.handler]}
    for _ in range(2):
        await runnable.ainvoke(asked, config) if is_async else runnable.invoke(asked, config)
    assert [span.name for span in recorded.spans] == ["adaptive_reasoner.question"] * 2
    seen = recorded.spans[0].attributes
    assert seen["adaptive_reasoner.action"] == "vote_3"
    assert (seen["adaptive_reasoner.expected_cost"], seen["adaptive_reasoner.cost"]) == (6.0, 4.0)
    assert (seen["adaptive_reasoner.price"], seen["adaptive_reasoner.target"]) == (0.01, 10.0)
    assert "adaptive_reasoner.worst_cost" not in seen  # infinite
    metrics = recorded.metrics
    (count,) = metrics["adaptive_reasoner.questions"]
    assert (count.value, count.attributes["action"]) == (2, "vote_3")
    assert metrics["adaptive_reasoner.cost"][0].sum == 8.0
    assert metrics["adaptive_reasoner.average"][0].value == 4.0
    assert metrics["adaptive_reasoner.target"][0].value == 10.0
    assert metrics["adaptive_reasoner.price"][0].value > 0


def test_a_failure_is_a_span_with_an_error(recorded):
    runnable, asked = reasoner(ScriptedModel(failures={n: StatusError(500) for n in range(9)}))
    with pytest.raises(StatusError):
        runnable.invoke(asked, {"callbacks": [recorded.handler]})
    (span,) = recorded.spans
    assert (span.status.status_code, span.attributes["adaptive_reasoner.cost"]) == (StatusCode.ERROR, 0.0)
    assert recorded.metrics["adaptive_reasoner.questions"][0].attributes["outcome"] == "failed"


def test_no_prompt_and_no_answer_is_exported(recorded):
    made, question = reasoner(ScriptedModel(answers=("Answer: secret of Quux",)))
    made.invoke(f"{question} of patient Zygmunt", {"callbacks": [recorded.handler]})
    exported = "".join(span.to_json() for span in recorded.spans) + repr(recorded.metrics)
    assert "adaptive_reasoner.question" in exported
    assert not [text for text in ("Quux", "Zygmunt", "secret", "patient") if text in exported]


class Spy(ScriptedModel):
    """Keeps the span that is current in each call."""

    @property
    def _llm_type(self):
        return "spy"

    def _reply(self, messages, kwargs):
        CURRENT.append(trace.get_current_span())
        return super()._reply(messages, kwargs)


CURRENT = []


@pytest.mark.parametrize("make", [reasoner, node, chat_model, agent])
@pytest.mark.parametrize("is_async", [False, True])
async def test_the_span_of_a_question_is_current_while_its_calls_run(recorded, make, is_async):
    CURRENT.clear()
    before = trace.get_current_span()
    runnable, asked = make(Spy(answers=("Answer: 14",)))
    config = {"callbacks": [recorded.handler]}
    await runnable.ainvoke(asked, config) if is_async else runnable.invoke(asked, config)
    (question,) = recorded.spans
    assert len(CURRENT) == 2
    assert {span.get_span_context().span_id for span in CURRENT} == {question.context.span_id}
    assert trace.get_current_span() is before


@pytest.mark.parametrize("make", [reasoner, node, chat_model, agent])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_question_speaks_the_conventions_for_generative_models(recorded, make, is_async):
    runnable, asked = make(ScriptedModel(answers=("Answer: 14",)))
    config = {"callbacks": [recorded.handler], "metadata": {"thread_id": "7"}}
    await runnable.ainvoke(asked, config) if is_async else runnable.invoke(asked, config)
    seen = recorded.spans[0].attributes
    assert seen["gen_ai.operation.name"] == "chat"
    assert seen["gen_ai.conversation.id"] == "7"
    assert seen["gen_ai.response.model"] == "scripted"
    assert seen["gen_ai.provider.name"]
    assert (seen["gen_ai.usage.input_tokens"], seen["gen_ai.usage.output_tokens"]) == (20, 4)
    tokens = recorded.metrics["gen_ai.client.token.usage"]
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in tokens} == {
        "input": 20,
        "output": 4,
    }


def test_a_failure_names_the_type_of_its_error(recorded):
    runnable, asked = reasoner(ScriptedModel(failures={n: StatusError(500) for n in range(9)}))
    with pytest.raises(StatusError):
        runnable.invoke(asked, {"callbacks": [recorded.handler]})
    assert recorded.spans[0].attributes["error.type"] == "StatusError"


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_stream_that_is_left_ends_its_span(recorded, is_async):
    before = trace.get_current_span()
    once = {**TERMS, "policy": FixedPolicy("single_pass", expected_cost=6.0)}
    runnable = AdaptiveReasoner(Source(ScriptedModel(answers=("a b c d",)), max_tokens=50), **once)
    config = {"callbacks": [recorded.handler]}
    if is_async:
        async with aclosing(runnable.astream("5 + 9?", config)) as chunks:
            await anext(chunks)
        del chunks
        gc.collect()  # what LangChain wraps around a stream is closed with it, and what is inside by and by
        await await_until(lambda: recorded.spans)
    else:
        with closing(runnable.stream("5 + 9?", config)) as chunks:
            next(chunks)
    assert len(recorded.spans) == 1
    assert not trace.get_current_span().is_recording()
    assert not before.is_recording()


def test_instruments_have_units_and_buckets_that_tell_cents_apart(recorded):
    runnable, asked = reasoner(ScriptedModel(answers=("Answer: 14",)))
    runnable.invoke(asked, {"callbacks": [recorded.handler]})
    found = recorded._metrics.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    assert {metric.name.removeprefix("adaptive_reasoner."): metric.unit for metric in found} == {
        "questions": "{question}",
        "cost": "{cost}",
        "average": "{cost}",
        "target": "{cost}",
        "price": "1/{cost}",
        "gen_ai.client.token.usage": "{token}",
    }
    bounds = (
        next(metric for metric in found if metric.name.endswith("cost")).data.data_points[0].explicit_bounds
    )
    assert sum(0.0001 <= bound <= 0.1 for bound in bounds) >= 9


def test_a_budget_that_is_used_up_is_counted(recorded):
    terms = {**TERMS, "policy": FixedPolicy("vote_3", expected_cost=6.0, worst_cost=20.0), "run_budget": 10.0}
    made = create_agent(ScriptedModel(), middleware=[AdaptiveComputeMiddleware(**terms)])
    made.invoke(ASKED, {"callbacks": [recorded.handler]})
    (count,) = recorded.metrics["adaptive_reasoner.budget_events"]
    assert (count.value, count.attributes["event"]) == (1, "exhausted")
