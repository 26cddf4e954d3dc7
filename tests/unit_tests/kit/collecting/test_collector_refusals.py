"""What a collection refuses before it spends, and what it keeps when it has to end early."""

import socket

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from adaptive_reasoner.errors import InfeasibleBudgetError, MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.collecting.early_stopping import Adaptive
from adaptive_reasoner.kit.menu.hosted_model import HostedModel
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.models.metering import SampleMeter, TokenMeter
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.kit.collecting.sums import ONCE, keys_of, menu, questions, rows_of


def named(name, **fields):
    class Named(ScriptedModel):
        model: str = name

    return Named(answers=("Answer: 1",), **fields)


def test_empty_lines_in_the_file_cost_no_samples_when_failed_ones_are_retried(out):
    menus = [menu(ScriptedModel(failures=failures)) for failures in ({0: StatusError(400)}, {})]
    collect(questions(3), menus[0], out, concurrency=1)
    first, *others = out.read_text().splitlines(keepends=True)
    out.write_text("\n" + first + "\n" + "".join(others[:4]) + "\n\n" + "".join(others[4:]))
    done = collect(questions(3), menus[1], out, retry_failed=True)
    assert (done.there, done.new, done.failed) == (18, 1, 0)
    assert len(set(keys_of(out))) == len(keys_of(out)) == 18


def test_samples_of_another_model_are_not_mixed(out):
    collect(questions(2), menu(named("small")), out)
    with pytest.raises(OutcomesError, match="'direct' was another model"):
        collect(questions(3), menu(named("large")), out)
    assert collect(questions(3), menu(named("small")), out).there == 18


def test_a_cap_that_no_worst_case_stands_behind_is_refused(out):
    model = ScriptedModel(answers=("word " * 9000,))
    unbounded = Menu({"cot": Source(model)})
    with pytest.raises(MenuError, match="'cot' declares no max_tokens"):
        collect(questions(2), unbounded, out, max_cost=10_000)
    assert model.requests == []
    assert collect(questions(1), unbounded, out).there == 5  # no cap, nothing to promise
    by_call = Menu({"cot": Source(model)}, meters=SampleMeter())
    assert collect(questions(2), by_call, out.with_name("calls.jsonl"), max_cost=3).cost == 3


@pytest.mark.parametrize("cap", [-1.0, float("nan")])
def test_a_cap_below_nothing_is_refused(out, cap):
    with pytest.raises(MenuError, match="max_cost must be at least 0"):
        collect(questions(1), menu(), out, max_cost=cap)


def test_formats_and_tools_count_in_the_worst_case(out):
    schema = {"type": "json_schema", "json_schema": {"name": "sum", "schema": {"description": "x" * 1000}}}
    sources = {
        name: Source(ScriptedModel(), settings=settings, max_tokens=8)
        for name, settings in (("plain", {}), ("formatted", {"response_format": schema}))
    }
    both = Menu(sources, samples=1, meters=TokenMeter("total"), retries=ONCE)
    plain, formatted = forecast(questions(1), both, out).sources
    assert formatted.bound > plain.bound + 1000
    assert collect(questions(1), both, out, max_cost=500).stopped == "max_cost"


@pytest.mark.parametrize("budget", [0.0, -3.0, float("nan"), float("inf")])
def test_labels_are_not_settled_for_no_budget(budget):
    with pytest.raises(InfeasibleBudgetError):
        Adaptive(budget=budget)


def test_a_pilot_of_failures_is_named_and_teaches_nothing(out):
    failures = {number: StatusError(500) for number in range(1, 10_000)}
    with pytest.raises(OutcomesError, match="none of the 8 questions to learn from was answered"):
        collect(
            questions(20),
            menu(ScriptedModel(failures=failures), samples=8),
            out,
            concurrency=1,
            adaptive=Adaptive(budget=10.0, pilot=8),
        )


@pytest.mark.parametrize("refusal", [StatusError(401), None], ids=["key", "host"])
def test_when_a_source_ends_it_all_the_other_calls_are_not_lost(out, refusal):
    if refusal is None:
        refusal = httpx.ConnectError("Request timed out.")
        refusal.__cause__ = socket.gaierror(-2, "Name or service not known")
    model = ScriptedModel(failures=dict.fromkeys(range(100), refusal), latency=0.01)
    with pytest.raises(MenuError, match=r"status 401|Name or service not known"):
        collect(questions(8), menu(model), out, concurrency=8)
    assert len(model.requests) == 8
    assert [path.name for path in out.parent.iterdir()] == ["samples.jsonl"]  # nothing is on the bill


def test_replies_under_way_when_a_source_ends_it_all_are_kept(out):
    slow, refused = (
        ScriptedModel(answers=("Answer: 1",), latency=1.0),
        ScriptedModel(failures={0: StatusError(403)}),
    )
    sources = {"slow": Source(slow, max_tokens=8), "refused": Source(refused, max_tokens=8)}
    with pytest.raises(MenuError, match="source 'refused' cannot be called"):
        collect(questions(2), Menu(sources, samples=1, retries=ONCE), out, concurrency=2)
    assert len(keys_of(out)) == 1


@pytest.mark.parametrize(
    ("model", "variable", "reason"),
    [
        ("openai:gpt-5-mini", "OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("google_genai:gemini-2.5-flash", "GOOGLE_API_KEY", "GOOGLE_API_KEY"),
        ("xai:grok-4", "XAI_API_KEY", "XAI_API_KEY"),
        ("groq:openai/gpt-oss-20b", "GROQ_API_KEY", "GROQ_API_KEY"),
        ("deepseek:deepseek-chat", "DEEPSEEK_API_KEY", "DEEPSEEK_API_KEY"),
        ("nobody:knows", None, "infer model provider"),
    ],
)
def test_a_model_that_cannot_be_made_is_named(out, monkeypatch, model, variable, reason):
    for name in (variable, "GEMINI_API_KEY", "OPENAI_ADMIN_KEY"):
        if name is not None:
            monkeypatch.delenv(name, raising=False)
    with pytest.raises(MenuError, match=f"model '{model}' cannot be called: .*{reason}") as refusal:
        collect(questions(1), Menu({"cot": Source(HostedModel(model))}), out)
    assert "\n" not in str(refusal.value)
    assert not out.exists()


def test_a_prompt_that_is_no_prompt_is_refused_where_it_is_given():
    with pytest.raises(TypeError, match="not int"):
        Source(ScriptedModel(), prompt=7)


@pytest.mark.parametrize(
    "prompt",
    [
        "Think. {question}",
        ChatPromptTemplate.from_template("Think. {question}"),
        PromptTemplate.from_template("Think. {task}"),
    ],
)
def test_prompt_templates_are_sent_and_recorded_like_functions(out, prompt):
    model = ScriptedModel(answers=("Answer: 1",))
    collect(questions(1), Menu({"cot": Source(model, prompt=prompt)}, samples=1), out)
    plain = out.with_name("plain.jsonl")
    said = ScriptedModel(answers=("Answer: 1",))
    collect(questions(1), Menu({"cot": Source(said, prompt="Think. {}".format)}, samples=1), plain)
    assert model.requests[0]["prompt"] == said.requests[0]["prompt"] == "Think. What is 0 + 1?"
    assert [row["prompt_sha"] for row in rows_of(out)] == [row["prompt_sha"] for row in rows_of(plain)]


def test_what_a_provider_filtered_is_no_answer_as_in_a_vote(out):
    filtered = AIMessage("The Answer: 1", response_metadata={"finish_reason": "content_filter"})
    collect(questions(1), menu(ScriptedModel(replies={0: filtered}), sources=("cot",)), out, concurrency=1)
    first, *_ = rows_of(out)
    assert (first["answer"], first["correct"], first["cost"]) == (None, 0.0, 2.0)
    assert "error" not in first
