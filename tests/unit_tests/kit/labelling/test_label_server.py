"""The page that takes labels: what it serves and to whom, that it is blind, and that two tabs do no harm."""

import http.client
import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from adaptive_reasoner.kit.collecting.sample_file import SampleFile
from adaptive_reasoner.kit.labelling.label_server import LabelServer
from adaptive_reasoner.kit.labelling.session import LabelSession
from tests.command import start_command
from tests.serving import running
from tests.unit_tests.kit.labelling.unlabelled import labels_of, rows, write
from tests.waiting import PATIENCE


@pytest.fixture
def samples(tmp_path):
    return write(tmp_path / "samples.jsonl")


@pytest.fixture
def served(samples):
    with LabelServer(LabelSession(samples)) as server, running(server):
        yield server


def ask(server, name, label=None, *, token=None, kind="application/json", **headers):
    """Status and body of a request; a POST where there is a label."""
    there = urlsplit(server.url)
    path = there.path if token is None else f"/{token}/"
    connection = http.client.HTTPConnection(there.netloc, timeout=PATIENCE)
    body = None if label is None else label if isinstance(label, bytes) else json.dumps(label)
    headers = {"Content-Type": kind, **headers} if body is not None else headers
    connection.request("GET" if body is None else "POST", path + name, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if answer.headers.get_content_subtype() == "json" else text


def place_of(server, question):
    return next(at for at in range(4) if ask(server, f"question.json?at={at}")[1]["question"] == question)


def test_a_label_is_written_at_once_with_how_its_question_was_picked(served, samples):
    at = place_of(served, "What is 17 * 23?")
    status, shown = ask(served, "label.json", {"at": at, "gold": "391", "instead_of": None})
    assert (status, shown["label"], shown["labelled"], shown["of"]) == (200, {"gold": "391"}, 1, 4)
    gold, grades, drawn = labels_of(samples)["product"]
    assert (gold, grades, drawn in ("random", "chosen")) == ("391", [0.0, 0.0, 1.0, 1.0], True)
    at = place_of(served, "Which river is longest?")
    assert ask(served, "label.json", {"at": at, "gold": None, "instead_of": None})[0] == 200
    assert labels_of(samples)["river"][:2] == (None, [0.0] * 4)


def test_questions_come_until_each_has_a_label(served):
    for labelled in range(4):
        shown = ask(served, f"question.json?from={labelled * 3}")[1]
        assert (shown["label"], shown["labelled"]) == (None, labelled)
        ask(served, "label.json", {"at": shown["at"], "gold": "x", "instead_of": None})
    assert ask(served, "question.json?from=0")[1] == {"at": None, "labelled": 4, "of": 4}


def test_the_page_is_blind(served):
    shown = ask(served, "question.json?from=0")[1]
    assert set(shown) == {"at", "labelled", "of", "question", "group", "answers", "label"}
    assert not {"direct", "cot"} & set(json.dumps(shown).replace('"', " ").split())
    assert all(isinstance(answer, str) for answer in shown["answers"])


def test_two_tabs_never_overwrite_each_other(served, samples):
    def give(gold):
        return ask(served, "label.json", {"at": 1, "gold": gold, "instead_of": None})[0]

    with ThreadPoolExecutor(8) as tabs:
        statuses = list(tabs.map(give, "abcdefgh"))
    assert sorted(statuses) == [200] + [409] * 7
    (written,) = {gold for gold, *_ in labels_of(samples).values() if gold is not None}
    assert written == "abcdefgh"[statuses.index(200)]
    assert ask(served, "label.json", {"at": 1, "gold": "new", "instead_of": {"gold": "other"}})[0] == 409
    assert ask(served, "label.json", {"at": 1, "gold": "new", "instead_of": {"gold": written}})[0] == 200


def test_only_those_who_have_the_address_are_served(served):
    assert ask(served, "")[0] == 200
    for token in ("", "x", served.url.split("/")[-2][:-1]):
        assert ask(served, "question.json?from=0", token=token)[0] == 404
    assert ask(served, "question.json?from=0", Host="labels.example:80")[0] == 421
    assert ask(served, "../../etc/passwd")[0] == 404
    label = {"at": 0, "gold": "x", "instead_of": None}
    assert ask(served, "label.json", label, Origin="https://elsewhere.example")[0] == 403
    assert ask(served, "label.json", label, Origin="null")[0] == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert ask(served, "label.json", label, kind=kind)[0] == 403  # what a form elsewhere can send
    assert ask(served, "question.json", label)[0] == 404
    assert ask(served, "question.json?from=0")[1]["labelled"] == 0


@pytest.mark.parametrize(
    "label",
    [
        b"",
        b"[]",
        b"[" * 10_000,
        b"\xff",
        {"at": 0},
        {"at": 0, "gold": " "},
        {"at": 0, "gold": 7},
        {"at": 99, "gold": "x"},
        {"at": -1, "gold": "x"},
        {"at": True, "gold": "x"},
        {"at": "0", "gold": "x"},
        {"gold": "x"},
    ],
)
def test_what_is_no_label_is_refused(served, samples, label):
    before = samples.read_bytes()
    assert ask(served, "label.json", label) == (400, {"error": "this is no label of a question here"})
    assert samples.read_bytes() == before


def test_a_label_that_cannot_be_written_is_not_taken(served, samples):
    label = {"at": 0, "gold": "x", "instead_of": None}
    with SampleFile(samples, "tokens"):
        status, refused = ask(served, "label.json", label)
        assert (status, "another collection is writing to it" in refused["error"]) == (500, True)
    assert ask(served, "question.json?at=0")[1]["label"] is None
    assert ask(served, "label.json", label)[0] == 200


def test_nothing_is_loaded_from_elsewhere_and_texts_are_no_markup(tmp_path):
    path = write(tmp_path / "<b>.jsonl", [row | {"answer": "<script>1</script>"} for row in rows()])
    with LabelServer(LabelSession(path)) as server, running(server):
        page = ask(server, "")[1]
        parts = [ask(server, name)[1] for name in ("label.js", "label.css")]
        assert ask(server, "question.json?at=0")[1]["answers"] == ["<script>1</script>"]
    assert "&lt;b&gt;.jsonl" in page
    assert "<b>" not in page
    assert not any("//" in part and "http" in part for part in (page, *parts))
    assert "innerHTML" not in parts[0]


def test_ctrl_c_ends_the_page_and_says_what_was_labelled(samples):
    started = start_command(
        "label", samples, "--page", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    page = json.loads(started.stdout.readline())
    assert page["questions"] == 4

    class Served:
        url = page["page"]

    assert ask(Served, "label.json", {"at": 0, "gold": "x", "instead_of": None})[0] == 200
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=PATIENCE)
    assert started.returncode == 0
    assert "1 of 4 questions were labelled" in said
