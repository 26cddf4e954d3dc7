"""Runs of LangSmith, traced by its client and by LangChain, and kept by a stub of its API."""

import json

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers import LangChainTracer
from langsmith import traceable
from langsmith.run_helpers import tracing_context
from langsmith.schemas import Run

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.langsmith import langsmith_runs
from adaptive_reasoner.kit.tables.files import write_rows
from tests.fakes import ScriptedModel
from tests.langsmith_stub import KEY, LangSmithStub
from tests.unit_tests.kit.importing.logs import imported, of, write_lines

PROJECT = "traffic"
SESSION = "00000000-0000-0000-0000-000000000002"


class PricedModel(ScriptedModel):
    """A scripted model that names itself, as LangSmith needs it to know the price."""

    def _get_ls_params(self, stop=None, **kwargs):
        return {**super()._get_ls_params(stop, **kwargs), "ls_model_name": "priced"}


@pytest.fixture
def service():
    with LangSmithStub() as stub:
        stub.answer("POST", "/sessions", {}, {"name": PROJECT})
        yield stub


@pytest.fixture
def tracer(service):
    return LangChainTracer(project_name=PROJECT, client=service.client())


@pytest.fixture
def traced(service, tracer):
    """Two chains and a call of a model of its own."""
    model = PricedModel(answers=("The answer is 42.", "The answer is 46.", "Answer: 54"))
    chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | model | StrOutputParser()
    chain.invoke({"question": "6 * 7?"}, {"callbacks": [tracer], "run_name": "assistant"})
    chain.invoke({"question": "6 * 8?"}, {"callbacks": [tracer], "run_name": "assistant"})
    model.invoke([("system", "Be brief."), ("human", "6 * 9?")], {"callbacks": [tracer]})
    tracer.wait_for_futures()
    return service


def test_whole_traces_are_replies_with_the_usage_and_cost_of_all_their_calls(traced, tmp_path):
    done, rows = imported(write_lines(tmp_path / "runs.jsonl", traced.exported()), "langsmith", tmp_path)
    rows = sorted(rows, key=lambda row: row["question"])
    assert of(rows, "question", "source", "answer", "prompt_tokens", "completion_tokens") == [
        ("6 * 7?", "assistant", "42", 10, 4),
        ("6 * 8?", "assistant", "46", 10, 4),
        ("6 * 9?", "priced", "54", 10, 2),
    ]
    assert rows[0]["cost"] == pytest.approx(10e-6 + 4 * 4e-6)
    assert rows[0]["seconds"] >= 0
    assert (done.cost_unit, done.replies) == ("usd", 3)
    assert sum(done.left_out.values()) == 6
    assert imported(tmp_path / "runs.jsonl", "langsmith", tmp_path)[0].added == 0


def test_the_calls_of_models_within_traces_can_be_taken_instead(traced, tmp_path):
    log = tmp_path / "runs.json"
    log.write_text(json.dumps({"runs": traced.exported(), "cursors": {"next": None}}))
    _, rows = imported(log, "langsmith", tmp_path, runs="llm")
    assert sorted(of(rows, "question", "source", "answer")) == [
        ("6 * 7?", "priced", "42"),
        ("6 * 8?", "priced", "46"),
        ("6 * 9?", "priced", "54"),
    ]


@pytest.mark.parametrize("form", ["schema", "json", "parquet", "csv"])
def test_runs_are_read_in_the_forms_in_which_they_are_exported(traced, tmp_path, form):
    runs = [Run(**run) for run in traced.exported()]
    match form:
        case "schema":
            log = iter(runs)
        case "json":
            log = tmp_path / "runs.json"
            log.write_text(f"[{','.join(run.model_dump_json(indent=1) for run in runs)}]")
        case _:
            log = tmp_path / f"runs.{form}"
            plain = [run.model_dump(mode="json", exclude={"attachments"}) for run in runs]
            nested = ("inputs", "outputs", "extra", "feedback_stats")
            names = (
                "id",
                "name",
                "run_type",
                "parent_run_id",
                "prompt_tokens",
                "completion_tokens",
                "total_cost",
            )
            write_rows(
                log,
                [
                    {
                        **{name: run[name] for name in names},
                        **{name: json.dumps(run[name]) for name in nested},
                    }
                    for run in plain
                ],
            )
    done, rows = imported(log, "langsmith", tmp_path)
    assert sorted(of(rows, "question", "answer")) == [("6 * 7?", "42"), ("6 * 8?", "46"), ("6 * 9?", "54")]
    assert done.cost_unit == "usd"


def test_feedback_grades_and_references_are_right_answers(traced, tmp_path):
    client = traced.client()
    roots = [run for run in traced.exported() if run.get("parent_run_id") is None]
    for run, correctness, stars in zip(roots, (1, 0, 1), (5, 1, 4), strict=True):
        for key, score in (("correctness", correctness), ("stars", stars)):
            client.create_feedback(run["id"], key, score=score, session_id=SESSION)
    log = write_lines(tmp_path / "runs.jsonl", traced.exported())
    _, rows = imported(log, "langsmith", tmp_path, columns={"score": "stars"})
    assert sorted(of(rows, "question", "correct", "score")) == [
        ("6 * 7?", 1.0, 4.0),
        ("6 * 8?", 0.0, 1.0),
        ("6 * 9?", 1.0, 5.0),
    ]
    with pytest.raises(OutcomesError, match=r"score of stars is 5; a number in \[0, 1\] is needed"):
        imported(log, "langsmith", tmp_path / "other", columns={"correct": "stars"})
    with pytest.raises(OutcomesError, match="there is no column 'thumbs'"):
        imported(log, "langsmith", tmp_path / "other", columns={"correct": "thumbs"})


def test_functions_that_are_traced_are_replies(service, tmp_path):
    @traceable(client=service.client(), project_name=PROJECT)
    def times_six(question, style):
        return {"answer": "42", "style": style}

    with tracing_context(enabled=True):
        times_six("7?", style="short")
    log = write_lines(tmp_path / "runs.jsonl", service.exported())
    _, rows = imported(log, "langsmith", tmp_path, columns={"group": "outputs.style"})
    assert of(rows, "question", "answer", "source", "group") == [("7?", "42", "times_six", "short")]


def test_a_failed_run_is_a_row_with_its_error_and_an_open_one_is_left_out(service, tracer, tmp_path):
    model = PricedModel(failures={0: TimeoutError("too slow")})
    with pytest.raises(TimeoutError):
        model.invoke("6 * 7?", {"callbacks": [tracer]})
    model.invoke("6 * 7?", {"callbacks": [tracer]})
    tracer.wait_for_futures()
    runs = service.exported()
    still_open = {**runs[0], "id": "open", "outputs": None, "end_time": None}
    done, rows = imported([*runs, still_open], "langsmith", tmp_path)
    assert sorted(str(row["error"])[:12] for row in rows if row.get("error")) == ["TimeoutError"]
    assert (done.failed, list(done.left_out)) == (1, ["a run that is not finished"])


@pytest.fixture
def key(service, monkeypatch):
    from langsmith import utils

    monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    utils.get_env_var.cache_clear()
    yield monkeypatch
    utils.get_env_var.cache_clear()


def test_a_project_is_read_through_the_client(traced, key, tmp_path):
    example = traced.answer(
        "POST",
        "/examples",
        {},
        {"dataset_id": "00000000-0000-0000-0000-000000000001", "outputs": {"answer": 56}},
    )[1]
    run = traced.exported(run_type="chain")[0]
    traced.runs[run["id"]]["reference_example_id"] = example["id"]
    _, rows = imported(f"langsmith://{PROJECT}", "langsmith", tmp_path)
    assert sorted(of(rows, "question", "answer", "gold", "correct"), key=str) == [
        ("6 * 7?", "42", None, None),
        ("6 * 8?", "46", "56", 0.0),
        ("6 * 9?", "54", None, None),
    ]
    assert traced.requests.count(("POST", "/runs/query")) == 2
    assert imported(f"langsmith://{PROJECT}", "langsmith", tmp_path, limit=1)[0].already == 1
    assert [run["run_type"] for run in langsmith_runs(PROJECT, runs="llm")] == ["llm"] * 3


def test_a_project_that_cannot_be_read_is_one_line(service, key, tmp_path):
    with pytest.raises(OutcomesError, match=r"^langsmith://gone: LangSmith cannot be read: [^\n]*gone"):
        imported("langsmith://gone", "langsmith", tmp_path)
    key.delenv("LANGSMITH_API_KEY")
    from langsmith import utils

    utils.get_env_var.cache_clear()
    with pytest.raises(
        OutcomesError, match="langsmith://traffic: there is no key for LangSmith: set LANGSMITH_API"
    ):
        imported(f"langsmith://{PROJECT}", "langsmith", tmp_path)
    with pytest.raises(OutcomesError, match="a project of LangSmith is not read as csv"):
        imported(f"langsmith://{PROJECT}", "csv", tmp_path)


def test_a_record_that_is_no_run_is_refused_with_its_fields(tmp_path):
    log = write_lines(tmp_path / "log.jsonl", [{"question": "6 * 7?", "answer": "42"}])
    with pytest.raises(
        OutcomesError,
        match=r"row 1: there is no inputs and id: not a run of LangSmith; there are question.* is read as",
    ):
        imported(log, "langsmith", tmp_path)


NESTED = {
    "id": "r1",
    "run_type": "chain",
    "name": "agent",
    "inputs": {"question": "6 * 7?"},
    "outputs": {"output": "42"},
    "child_runs": [
        {"id": "t1", "run_type": "tool", "inputs": {"input": "6 * 7"}, "outputs": {"output": "42"}},
        {
            "id": "c1",
            "run_type": "chain",
            "inputs": {},
            "child_runs": [
                {
                    "id": "m1",
                    "run_type": "llm",
                    "name": "small",
                    "inputs": {"messages": [{"role": "user", "content": "What is 6 * 7?"}]},
                    "outputs": {"output": "It is 42."},
                }
            ],
        },
    ],
}


def test_runs_that_are_nested_in_an_exported_trace_are_found(tmp_path):
    done, rows = imported([NESTED], "langsmith", tmp_path)
    assert of(rows, "question", "source", "answer") == [("6 * 7?", "agent", "42")]
    assert sum(done.left_out.values()) == 3
    (tmp_path / "samples.jsonl").unlink()
    _, rows = imported([NESTED], "langsmith", tmp_path, runs="llm")
    assert of(rows, "question", "source", "answer") == [("What is 6 * 7?", "small", "42")]


def test_feedback_in_a_file_of_its_own_grades_its_runs(tmp_path):
    feedback = [
        {"id": "f1", "run_id": "r1", "key": "correctness", "score": 1.0},
        {"id": "f2", "run_id": "r1", "key": "stars", "score": 4},
        {"id": "f3", "run_id": "r9", "key": "correctness", "score": 0.0},
    ]
    given, runs = (
        write_lines(tmp_path / "feedback.jsonl", feedback),
        write_lines(tmp_path / "r.jsonl", [NESTED]),
    )
    done, rows = imported([given, runs], "langsmith", tmp_path, columns={"score": "stars"})
    assert of(rows, "correct", "score") == [(1.0, 4.0)]
    assert done.left_out["feedback on a run that is not in the files"] == 1
    (tmp_path / "samples.jsonl").unlink()
    done, rows = imported([runs, given], "langsmith", tmp_path)
    assert of(rows, "correct") == [(None,)]
    assert done.left_out["feedback that was read after its run: give the file of feedback first"] == 2
