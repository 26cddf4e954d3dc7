"""What is kept of prompts and answers: as asked for, and never at the answer's cost."""

import asyncio
import json
import logging
import os
import stat
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import ConfigurableField
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner import SampleLog
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.ledger.stand_ins import Clock

SAMPLE = {"answer": "7", "cost": 2.0, "seconds": 0.1, "error": None, "tokens": {"prompt_tokens": 5}}
RECORD = {"key": "q1", "action": "cot", "cost_unit": "tokens"}


def logged(log, question="3 + 4?", key="q1", **sample):
    log.write(question, {**RECORD, "key": key}, [{**SAMPLE, **sample}])


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def voting(log, *answers, **fields):
    return AdaptiveComputeNode(
        ScriptedModel(answers=answers or ("Answer: 7",), **fields),
        policy=FixedPolicy("v", expected_cost=6),
        actions={"v": self_consistency(3)},
        log=log,
    )


def asked(node, asynchronous, events=None, question="3 + 4?"):
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()

    async def stream():
        return [event async for event in graph.astream(state, stream_mode=["custom", "values"])]

    state = {"messages": [("user", question)]}
    parts = (
        asyncio.run(stream()) if asynchronous else list(graph.stream(state, stream_mode=["custom", "values"]))
    )
    if events is not None:
        events += [event for mode, event in parts if mode == "custom"]
    return parts[-1][1]["messages"][-1]


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def not_there(tmp_path):
    (tmp_path / "file").touch()
    return tmp_path / "file" / "samples.jsonl"


def redact_fails(tmp_path):
    return SampleLog(tmp_path / "samples.jsonl", redact=lambda text: text.nothing)


BROKEN = {
    "a folder": lambda tmp_path: tmp_path,
    "a folder that is a file": not_there,
    "a full disk": lambda tmp_path: "/dev/full",
    "a redact that fails": redact_fails,
}


@both
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_failing_log_is_a_warning_and_an_event_and_the_answer_stands(
    tmp_path, caplog, broken, asynchronous
):
    node, events = voting(broken(tmp_path)), []
    caplog.set_level(logging.WARNING)
    with pytest.warns(UserWarning, match="2 samples were not logged") as warned:
        replies = [asked(node, asynchronous, events) for _ in range(2)]
    assert [reply.text for reply in replies] == ["Answer: 7"] * 2
    assert len(warned) == 1  # of the first; each is logged and told of
    assert len(caplog.records) == 2
    failed = [event for event in events if event["event"] == "log_failed"]
    assert [(event["type"], event["node"], event["samples"]) for event in failed] == [
        ("adaptive_reasoner", "adaptive_compute", 2)
    ] * 2
    assert node.reasoner.ledger.snapshot().spent == 2 * 4.0


def test_the_answer_stands_also_where_warnings_are_errors(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asked(voting(tmp_path), False).text == "Answer: 7"


def test_a_question_that_failed_raises_its_own_error_and_not_the_log_s(tmp_path):
    node = voting(tmp_path, failures={number: TimeoutError("slow") for number in range(9)})
    with pytest.warns(UserWarning, match="not logged"), pytest.raises(TimeoutError, match="slow"):
        asked(node, False)


def test_a_write_that_fails_half_way_leaves_no_half_line(tmp_path):
    path = tmp_path / "samples.jsonl"
    logged(SampleLog(path))
    limit = path.stat().st_size + 100
    program = f"""
import resource, signal
from adaptive_reasoner import SampleLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    SampleLog({str(path)!r}).write("3 + 4?", {RECORD!r}, [{SAMPLE!r}])
except OSError as error:
    print("refused", error.errno)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused")
    logged(SampleLog(path), key="q2")
    assert Samples.read(path).question_ids == ("q1", "q2")


@pytest.mark.parametrize(("cut", "kept"), [('{"question_id": "q', ("q2",)), (None, ("q1", "q2"))])
def test_a_row_goes_after_the_last_whole_line(tmp_path, cut, kept):
    path = tmp_path / "samples.jsonl"
    logged(SampleLog(path))
    path.write_text(path.read_text().rstrip("\n") if cut is None else cut)
    logged(SampleLog(path), key="q2")
    assert Samples.read(path).question_ids == kept


@both
def test_half_a_character_is_logged_and_read_again(tmp_path, asynchronous):
    path = tmp_path / "samples.jsonl"
    reply = "Answer: caf\u00e9 \ud83d"
    assert asked(voting(path, reply), asynchronous, question="caf\u00e9 \udc80?").text == reply
    assert b"\\udc80" in path.read_bytes()
    samples = Samples.read(path)
    assert samples.questions == ("caf\u00e9 \udc80?",)
    assert samples.of(samples.question_ids[0], "v")[0].answer == "caf\u00e9 \ud83d"


def test_texts_are_kept_as_redact_returns_them(tmp_path):
    path = tmp_path / "samples.jsonl"
    log = SampleLog(path, redact=lambda text: text.replace("Ada", "[name]"))
    logged(log, "Who is Ada?", answer="Ada L.", error=None)
    logged(log, "Who is Ada?", answer=None, error="ValueError: no Ada here")
    assert "Ada" not in path.read_text()
    first, second = rows_of(path)
    assert (first["question"], first["answer"]) == ("Who is [name]?", "[name] L.")
    assert second["error"] == "ValueError: no [name] here"


@pytest.mark.parametrize("to_file", [False, True])
def test_without_texts_a_digest_takes_their_place_and_votes_still_count(tmp_path, to_file):
    path = tmp_path / "samples.jsonl" if to_file else None
    log = SampleLog(path, texts=False)
    answers = ("7", "8", "7")
    log.write("3 + 4?", RECORD, [{**SAMPLE, "answer": answer} for answer in answers])
    log.write("3 + 4?", {**RECORD, "key": "q2"}, [{**SAMPLE, "answer": None, "error": "ValueError: 3 + 4?"}])
    rows = rows_of(path) if to_file else log.rows
    assert "3 + 4" not in json.dumps(rows)
    assert all(row["question"].startswith("sha256:") for row in rows)
    assert rows[0]["question"] == rows[3]["question"]
    assert rows[0]["answer"] == rows[2]["answer"] != rows[1]["answer"]
    assert rows[3]["error"] == "ValueError"
    assert len(Samples.from_rows(rows).votes("q1", "cot")) == 3


@pytest.mark.parametrize("to_file", [False, True])
def test_rows_older_than_keep_are_dropped(tmp_path, to_file):
    path = tmp_path / "samples.jsonl" if to_file else None
    clock = Clock()
    log = SampleLog(path, keep=1.0, clock=clock)

    def kept():
        return [row["question_id"] for row in (rows_of(path) if to_file else log.rows)]

    logged(log, key="q1")
    logged(log, key="q2")
    assert kept() == ["q1", "q2"]
    clock.now += 1.1
    if not to_file:
        assert kept() == []
    logged(log, key="q3")
    assert kept() == ["q3"]
    if to_file:
        assert Samples.read(path).question_ids == ("q3",)


def test_rows_of_unknown_age_begin_to_age_when_keep_is_set(tmp_path):
    path = tmp_path / "samples.jsonl"
    logged(SampleLog(path), key="old")
    path.chmod(0o600)
    clock = Clock()
    log = SampleLog(path, keep=1.0, clock=clock)
    logged(log, key="q1")
    assert [row["question_id"] for row in rows_of(path)] == ["old", "q1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    clock.now += 1.1
    logged(log, key="q2")
    assert [row["question_id"] for row in rows_of(path)] == ["q2"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0.0, -1.0, float("inf"), float("nan")])
def test_a_keep_that_is_no_time_is_refused(keep):
    with pytest.raises(ValueError, match="seconds above 0"):
        SampleLog(keep=keep)


def test_several_writers_of_one_file_lose_no_row_while_old_ones_go(tmp_path):
    path = tmp_path / "samples.jsonl"
    logs = [SampleLog(path, keep=3_600.0) for _ in range(4)]
    logged(logs[0], key="old")
    row = rows_of(path)[0]
    path.write_text(json.dumps({**row, "time": row["time"] - 7_200}) + "\n")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: logged(logs[n % 4], key=f"q{n}"), range(80)))
    assert sorted(row["question_id"] for row in rows_of(path)) == sorted(f"q{n}" for n in range(80))


def test_a_relative_path_stays_where_it_was_made(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    log = SampleLog("samples.jsonl")
    logged(log, key="q1")
    os.chdir(tmp_path / "elsewhere")
    logged(log, key="q2")
    assert [row["question_id"] for row in rows_of(tmp_path / "samples.jsonl")] == ["q1", "q2"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_node_told_to_keep_no_log_keeps_none():
    node = AdaptiveComputeNode(ScriptedModel(), budget=9.0, log=False)
    asked(node, False)
    assert node.log is None
    assert AdaptiveComputeNode(ScriptedModel(), budget=9.0).log is not None


@both
@pytest.mark.parametrize("kind", [AdaptiveReasoner, AdaptiveChatModel])
def test_a_reasoner_and_a_chat_model_log_what_they_explore(tmp_path, kind, asynchronous):
    path = tmp_path / "samples.jsonl"
    policy = FixedPolicy("v", expected_cost=6)
    actions = {"v": self_consistency(3), "single_pass": single_pass()}
    model = kind(ScriptedModel(answers=("Answer: 7",)), policy=policy, actions=actions, explore=0.5, log=path)
    for number in range(20):
        if asynchronous:
            asyncio.run(model.ainvoke(f"3 + {number}?"))
        else:
            list(model.stream(f"3 + {number}?"))
    decisions = Decisions.read(path)
    assert set(decisions.actions) == {"v", "single_pass"}
    assert set(np.round(decisions.propensity, 6)) == {0.25, 0.75}
    assert set(decisions.questions) == {f"3 + {number}?" for number in range(20)}


@both
@pytest.mark.parametrize("kind", [AdaptiveReasoner, AdaptiveChatModel])
def test_a_reasoner_and_a_chat_model_answer_also_where_their_log_fails(tmp_path, kind, asynchronous):
    policy = FixedPolicy("v", expected_cost=6)
    actions, failed = {"v": self_consistency(3)}, []

    class Listening(BaseCallbackHandler):
        def on_custom_event(self, name, data, **_):
            failed.extend([data["samples"]] if data["event"] == "log_failed" else [])

    model = kind(ScriptedModel(answers=("Answer: 7",)), policy=policy, actions=actions, log=tmp_path)
    config = {"callbacks": [Listening()]}
    ask = (
        (lambda: asyncio.run(model.ainvoke("?", config)))
        if asynchronous
        else (lambda: model.invoke("?", config))
    )
    with pytest.warns(UserWarning, match="2 samples were not logged"):
        said = ask()
    assert (said.text, failed) == ("Answer: 7", [2])


def test_a_model_made_anew_from_a_chat_model_logs_on_and_a_log_in_memory_is_read_back():
    log = SampleLog()
    model = AdaptiveChatModel(ScriptedModel(answers=("Answer: 7",)), budget=60.0, log=log)
    again = model.model_copy(update={}).configurable_fields(max_tokens=ConfigurableField(id="most"))
    again.with_config(configurable={"most": 9}).invoke("3 + 4?")
    model.invoke("5 + 2?")
    assert model.log is model.reasoner.log is log
    assert {row["question"] for row in log.rows} == {"3 + 4?", "5 + 2?"}
