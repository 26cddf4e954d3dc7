"""Spans of generative models, made by OpenTelemetry's own SDK and exporters."""

import io
import json

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adaptive_reasoner import AdaptiveComputeNode
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.integrations.opentelemetry import Telemetry
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.importing.logs import imported, of, write_lines

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.response.model": "gpt-5-mini-2025-08-07",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 4,
}
ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "6 * 7?"}]},
]
REPLIED = [
    {"role": "assistant", "parts": [{"type": "text", "content": "It is 42."}], "finish_reason": "stop"}
]
PLAIN_ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "6 * 7?"}]
INDEXED = {
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": json.dumps([{"type": "text", "text": "6 * 7?"}]),
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "It is 42.",
    "gen_ai.completion.0.finish_reason": "stop",
}
OPEN_INFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-5-mini",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.contents.0.message_content.type": "text",
    "llm.input_messages.0.message.contents.0.message_content.text": "6 * 7?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "It is 42.",
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 4,
}
OLDER = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.usage.prompt_tokens": 10,
    "gen_ai.usage.completion_tokens": 4,
}
MESSAGES = {"gen_ai.input.messages": json.dumps(ASKED), "gen_ai.output.messages": json.dumps(REPLIED)}
CONVENTIONS = {
    "messages as attributes": ({**CALL, **MESSAGES}, []),
    "messages in an event": (CALL, [("gen_ai.client.inference.operation.details", MESSAGES)]),
    "an attribute each": ({**OLDER, **INDEXED}, []),
    "an event of all prompts": (
        OLDER,
        [
            ("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(PLAIN_ASKED)}),
            ("gen_ai.content.completion", {"gen_ai.completion": json.dumps([{"content": "It is 42."}])}),
        ],
    ),
    "an event each": (
        OLDER,
        [
            ("gen_ai.system.message", {"content": "Be brief."}),
            ("gen_ai.user.message", {"content": "6 * 7?"}),
            (
                "gen_ai.choice",
                {"index": 0, "finish_reason": "stop", "message": json.dumps({"content": "It is 42."})},
            ),
        ],
    ),
    "a run of LangSmith": (
        {
            **CALL,
            "langsmith.span.kind": "llm",
            "gen_ai.prompt": json.dumps(
                {
                    "messages": [
                        [
                            {
                                "lc": 1,
                                "type": "constructor",
                                "id": ["langchain", "schema", "messages", "HumanMessage"],
                                "kwargs": {"content": "6 * 7?"},
                            }
                        ]
                    ]
                }
            ),
            "gen_ai.completion": json.dumps(
                {"generations": [[{"text": "It is 42.", "message": {"type": "ai", "content": "It is 42."}}]]}
            ),
        },
        [],
    ),
    "OpenInference": (OPEN_INFERENCE, []),
}


class Tracing:
    """Spans of a provider of their own, and what exporters make of them."""

    def __init__(self):
        self.kept = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))

    def span(self, attributes, events=(), *, error=None):
        tracer = trace.get_tracer("test", tracer_provider=self.provider)
        with tracer.start_as_current_span("chat", attributes=attributes) as span:
            for name, told in events:
                span.add_event(name, told)
            if error is not None:
                span.set_status(trace.Status(trace.StatusCode.ERROR, error))
        return self

    def otlp(self, **settings):
        """What the exporter of OTLP sends, as JSON."""
        encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.trace_encoder")
        json_format = pytest.importorskip("google.protobuf.json_format")
        return json_format.MessageToDict(encoder.encode_spans(self.kept.get_finished_spans()), **settings)

    def console(self):
        """What the exporter to the console prints."""
        printed = io.StringIO()
        ConsoleSpanExporter(out=printed).export(self.kept.get_finished_spans())
        return printed.getvalue()


@pytest.fixture
def tracing():
    return Tracing()


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("form", ["otlp", "otlp by field names", "console"])
def test_replies_are_found_by_every_convention_in_every_form(tracing, tmp_path, convention, form):
    tracing.span(*CONVENTIONS[convention])
    log = tmp_path / "spans.json"
    if form == "console":
        log.write_text(tracing.console())
    else:
        write_lines(log, [tracing.otlp(preserving_proto_field_name="names" in form)])
    done, rows = imported(log, "otel", tmp_path)
    assert of(rows, "question", "source", "sample", "answer", "prompt_tokens", "completion_tokens") == [
        ("6 * 7?", "gpt-5-mini", 0, "42", 10, 4)
    ]
    assert rows[0]["cost"] == pytest.approx((10 * 0.25 + 4 * 2) / 1e6)
    assert (done.cost_unit, rows[0]["seconds"] >= 0) == ("usd", True)
    assert imported(log, "otel", tmp_path)[0].added == 0


@pytest.mark.parametrize("version", [1, 2])
def test_a_trace_as_grafana_tempo_answers_it_is_read(tracing, tmp_path, version):
    sent = tracing.span(*CONVENTIONS["OpenInference"]).otlp()
    answer = {"batches": sent["resourceSpans"]} if version == 1 else {"trace": sent, "metrics": {}}
    _, rows = imported([answer], "otel", tmp_path)
    assert of(rows, "question", "answer") == [("6 * 7?", "42")]


@pytest.mark.parametrize("spans_first", [True, False])
def test_messages_that_were_logged_beside_a_span_are_brought_together_with_it(tracing, tmp_path, spans_first):
    logs = pytest.importorskip("opentelemetry.sdk._logs")
    export = pytest.importorskip("opentelemetry.sdk._logs.export")
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common._log_encoder")
    json_format = pytest.importorskip("google.protobuf.json_format")
    events = pytest.importorskip("opentelemetry._logs")
    kept, provider = export.InMemoryLogRecordExporter(), logs.LoggerProvider()
    provider.add_log_record_processor(export.SimpleLogRecordProcessor(kept))
    tracer = trace.get_tracer("test", tracer_provider=tracing.provider)
    with tracer.start_as_current_span("chat", attributes=CALL):
        for name, body in (
            ("gen_ai.user.message", {"content": "6 * 7?"}),
            ("gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": "It is 42."}}),
        ):
            provider.get_logger("test").emit(events.LogRecord(event_name=name, body=body))
    lines = [tracing.otlp(), json_format.MessageToDict(encoder.encode_logs(kept.get_finished_logs()))]
    log = write_lines(tmp_path / "log.jsonl", lines if spans_first else lines[::-1])
    _, rows = imported(log, "otel", tmp_path)
    assert of(rows, "question", "answer") == [("6 * 7?", "42")]
    provider.shutdown()


def test_what_is_no_call_of_a_model_is_left_out(tracing, tmp_path):
    tracing.span({**CALL, **MESSAGES})
    tracing.span({"http.method": "GET"}).span(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"}
    )
    tracing.span({**CALL, "gen_ai.operation.name": "embeddings"}).span(
        {**CALL, **MESSAGES, "gen_ai.operation.name": "invoke_agent"}
    )
    done, rows = imported([tracing.otlp(), {"resourceMetrics": []}], "otel", tmp_path)
    assert (len(rows), done.left_out) == (1, {"a span that is no call of a model": 4})


def test_spans_without_texts_are_refused_with_the_reason(tracing, tmp_path):
    with pytest.raises(
        OutcomesError, match=r"no reply in it \(1 left out: no text of the question was recorded\)"
    ):
        imported([tracing.span(CALL).otlp()], "otel", tmp_path)


def test_attributes_are_named_as_columns_and_evaluations_grade(tracing, tmp_path):
    evaluated = {"gen_ai.evaluation.name": "correctness", "gen_ai.evaluation.score.value": 0.5}
    attributes = {**CALL, **MESSAGES, "app.task": "product", "app.right": "42", "app.p": 0.1}
    tracing.span(attributes, [("gen_ai.evaluation.result", evaluated)])
    columns = {"group": "app.task", "gold": "app.right", "propensity": "app.p"}
    _, rows = imported([tracing.otlp()], "otel", tmp_path, columns=columns)
    assert of(rows, "group", "gold", "correct", "propensity") == [("product", "42", 0.5, 0.1)]
    with pytest.raises(
        OutcomesError, match=r"there is no column 'app.gold'; there are gen_ai.operation.name, "
    ):
        imported([tracing.otlp()], "otel", tmp_path / "x", columns={"gold": "app.gold"})


def test_a_span_that_failed_is_a_row_with_its_error(tracing, tmp_path):
    tracing.span({**CALL, **MESSAGES})
    tracing.span(
        {**CALL, "gen_ai.input.messages": json.dumps(ASKED), "error.type": "timeout"}, error="too slow"
    )
    done, rows = imported([tracing.otlp()], "otel", tmp_path)
    assert of(rows, "sample", "error", "cost") == [
        (0, None, pytest.approx(1.05e-5)),
        (1, "timeout: too slow", 0.0),
    ]
    assert done.failed == 1


def test_spans_of_this_library_bring_their_cost_and_their_policy(tracing, tmp_path):
    model = ScriptedModel(answers=("Answer: 42",))
    node = AdaptiveComputeNode(model, budget=100.0)

    class Recording(Telemetry):
        """As an application does that wants its texts in the trace."""

        def _end(self, data):
            span = trace.get_current_span()
            span.set_attribute("gen_ai.input.messages", json.dumps(PLAIN_ASKED))
            span.set_attribute("gen_ai.output.messages", json.dumps(REPLIED))
            super()._end(data)

    graph = StateGraph(MessagesState)
    graph.add_node("think", node)
    graph.add_edge(START, "think")
    graph.add_edge("think", END)
    telemetry = Recording(tracer_provider=tracing.provider)
    graph.compile().invoke({"messages": [("human", "6 * 7?")]}, {"callbacks": [telemetry]})
    (span,) = tracing.kept.get_finished_spans()
    done, rows = imported([tracing.otlp()], "otel", tmp_path)
    assert of(rows, "question", "answer", "cost_unit", "policy_id") == [
        (
            "6 * 7?",
            "42",
            span.attributes["adaptive_reasoner.cost_unit"],
            span.attributes["adaptive_reasoner.policy_id"],
        )
    ]
    assert done.cost == span.attributes["adaptive_reasoner.cost"] > 0


def test_a_file_that_is_no_export_is_refused_with_its_fields(tmp_path):
    log = write_lines(tmp_path / "log.jsonl", [{"question": "6 * 7?", "answer": "42"}])
    with pytest.raises(
        OutcomesError,
        match="row 1: there is no resourceSpans: not an export of OpenTelemetry; there are question, answer",
    ):
        imported(log, "otel", tmp_path)
