"""The live page of a ledger: what it serves, whom it serves, and that it only reads."""

import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.alarm_keeping import alarm_keeper
from adaptive_reasoner.ledger.comparisons import ComparedAnswer
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.pages import loopback
from adaptive_reasoner.watch.poller import COMPARED, Poller
from adaptive_reasoner.watch.server import WatchServer, _shown, page
from tests.serving import running
from tests.unit_tests.ledger.contract_alarms import ALARM
from tests.unit_tests.ledger.stand_ins import Clock
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url):
    with open_ledger(url, target=10.0, cost_unit="tokens") as opened:
        opened.settle(opened.reserve(8.0, "q1", action="direct"), 12.0)
        yield opened


@pytest.fixture
def reader(ledger, url):
    with LedgerReader(url) as opened:
        yield opened


@pytest.fixture
def served(reader):
    with WatchServer(reader, every=0.01) as server, running(server):
        yield server


def fetch(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE) as answer:
        return answer.headers, answer.read().decode()


def looks_of(server, query=""):
    return json.loads(fetch(f"{server.url}ledger.json{query}")[1])


def test_serves_what_the_ledger_says_as_json(served, ledger):
    seen = looks_of(served)
    assert (seen["ledger"], seen["error"]) == ("default", None)
    latest = seen["looks"][-1]
    assert (latest["average"], latest["target"], latest["in_flight"]) == (12.0, 10.0, 0)
    assert latest["actions"] == {"direct": 1.0}
    ledger.reserve(8.0, "q2")
    time.sleep(0.05)  # until a look is due
    news = looks_of(served, f"?since={latest['at']}")["looks"]
    assert news
    assert all(look["at"] > latest["at"] for look in news)
    assert news[-1]["in_flight"] == 1


def test_the_page_holds_the_figures_without_a_script(served):
    headers, text = fetch(served.url)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<th scope="row">in flight</th><td>0</td>' in text
    assert '<th scope="row">target</th><td>10</td>' in text
    assert '<th scope="row">actions</th><td>direct 100%</td>' in text


@pytest.mark.parametrize("floor", [None, 0.9])
def test_the_page_says_what_grades_say_and_that_a_floor_without_grades_flies_blind(tmp_path, floor):
    url = f"sqlite:///{tmp_path / 'graded.sqlite'}"
    with open_ledger(url, target=10.0, target_accuracy=floor) as ledger, LedgerReader(url) as reader:
        looks = Poller(reader, every=0.0)
        looks.take()
        before = page(looks)
        for number in range(60):
            ledger.settle(ledger.reserve(8.0, f"q{number}"), 8.0)
            ledger.feedback(f"q{number}", float(number % 4 > 0))
        looks.take()
        after = page(looks)
    row = '<th scope="row">quality: {}</th><td>{}</td>'.format
    assert (row("blind", "yes") in before) == (floor is not None)
    assert row("target", "-" if floor is None else "0.9") in after
    for name, value in (("accuracy", "0.75"), ("feedbacks", "60"), ("blind", "no")):
        assert row(name, value) in after


@pytest.mark.parametrize(("name", "kind"), [("watch.js", "text/javascript"), ("watch.css", "text/css")])
def test_the_page_brings_its_script_and_style(served, name, kind):
    headers, text = fetch(served.url + name)
    assert headers["Content-Type"].startswith(kind)
    assert text


def test_serves_this_machine_alone_and_nothing_else(served):
    assert served.url.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="421"):
        fetch(served.url, Host="ledger.example:80")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(f"{served.url}../../etc/passwd")


def test_an_alarm_has_a_line_of_the_page_and_of_its_json(served, ledger):
    assert looks_of(served)["alarms"] == []
    alarm_keeper(ledger).put_alarm(replace(ALARM, policy_id="<p1>"))
    time.sleep(0.05)  # until a look is due
    assert [alarm["series"] for alarm in looks_of(served)["alarms"]] == ["cost"]
    assert "<li>cost rises: 2.25 times what was expected over the latest 12 answers" in fetch(served.url)[1]
    assert "(policy &lt;p1&gt;)</li>" in fetch(served.url)[1]


def test_a_look_is_taken_only_when_the_last_has_grown_old(reader):
    clock = Clock()
    looks = Poller(reader, every=1.0, clock=clock)
    for step in (0.0, 0.5, 0.6, 0.2):
        clock.now += step
        looks.take()
    assert len(looks.since()["looks"]) == 2


def test_a_database_that_goes_away_is_said_and_what_was_seen_stays(reader, tmp_path):
    clock = Clock()
    looks = Poller(reader, clock=clock)
    looks.take()
    reader.close()
    (tmp_path / "ledger.sqlite").rename(tmp_path / "moved.sqlite")
    clock.now += 1.0
    looks.take()
    seen = looks.since()
    assert "database failed" in seen["error"]
    assert len(seen["looks"]) == 1
    assert "database failed" in page(looks)


def connected(server):
    return socket.create_connection(("127.0.0.1", server._server.server_port), timeout=PATIENCE)


def test_a_viewer_that_sends_a_byte_now_and_then_is_let_go_and_others_are_served(served, monkeypatch):
    monkeypatch.setattr(loopback, "PATIENCE", 0.5)

    def drip(slow):
        for _ in range(400):
            slow.sendall(b"G")
            assert looks_of(served)["error"] is None
            time.sleep(0.05)

    with connected(served) as slow, pytest.raises(ConnectionError):  # the server closed the connection
        drip(slow)
    with connected(served) as silent:
        assert silent.recv(100) == b""


@pytest.mark.parametrize("line", [b"GET /" + b"a" * 100_000, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000])
def test_a_request_without_end_is_refused(served, line):
    with connected(served) as talker:
        try:
            talker.sendall(line)
            answer = talker.recv(100)
        except ConnectionError:
            answer = b""
    assert b"200 OK" not in answer
    assert looks_of(served)["error"] is None


def test_more_viewers_than_there_are_places_for_are_turned_away(served, monkeypatch):
    monkeypatch.setattr(loopback, "PATIENCE", 1.0)
    idle = [connected(served) for _ in range(loopback.VIEWERS)]
    with connected(served) as late:
        assert late.recv(100) == b""
    for viewer in idle:
        viewer.close()

    def served_again():  # once the idle ones are noticed
        try:
            return looks_of(served)["error"] is None
        except OSError:
            return False

    wait_until(served_again)


def test_the_line_of_exploration_is_served_too(served, ledger):
    ledger.settle(ledger.reserve(8.0, "q2", action="vote_5", explored=True), 9.0)
    time.sleep(0.02)  # until a look is due
    latest = looks_of(served)["looks"][-1]
    assert (latest["explored_questions"], latest["explored_spent"]) == (1, 9.0)


def test_what_was_saved_is_served_and_on_the_page_once_something_was_compared(url, ledger, reader):
    clock = Clock()
    looks = Poller(reader, every=1.0, clock=clock)
    looks.take()
    assert looks.since()["savings"]["questions"] == 0
    assert "shadow" not in page(looks)
    compared = ComparedAnswer("q1", "q1", "judged", "direct", "strong", 0.5, 12.0, 30.0, 1.0)
    ledger.put_comparison(compared)
    clock.now += COMPARED
    looks.take()
    found = looks.since()["savings"]
    assert (found["judged"], found["questions"], found["saved_total"]["mean"]) == (1, 2, 36.0)
    assert "shadow: saved total</th><td>36<" in page(looks)


def test_the_page_writes_no_figure_with_an_exponent():
    assert (_shown(6.48687e-06), _shown(1_234_567.0)) == ("0.000006487", "1234567")
