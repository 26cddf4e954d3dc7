"""The live page of a ledger: what it serves, whom it serves, and that it only reads."""

import json
import threading
import urllib.error
import urllib.request

import pytest

from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.reading import LedgerReader
from adaptive_reasoner.watch.looks import Looks
from adaptive_reasoner.watch.server import WatchServer, page
from tests.unit_tests.ledger.stand_ins import Clock


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
    with WatchServer(reader, every=0.01) as server:
        running = threading.Thread(target=server.run)
        running.start()
        yield server
        server.stop()
        running.join()


def fetch(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
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
    threading.Event().wait(0.05)
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


def test_a_look_is_taken_only_when_the_last_has_grown_old(reader):
    clock = Clock()
    looks = Looks(reader, every=1.0, clock=clock)
    for step in (0.0, 0.5, 0.6, 0.2):
        clock.now += step
        looks.take()
    assert len(looks.since()["looks"]) == 2


def test_a_database_that_goes_away_is_said_and_what_was_seen_stays(reader, tmp_path):
    clock = Clock()
    looks = Looks(reader, clock=clock)
    looks.take()
    reader.close()
    (tmp_path / "ledger.sqlite").rename(tmp_path / "moved.sqlite")
    clock.now += 1.0
    looks.take()
    seen = looks.since()
    assert "database failed" in seen["error"]
    assert len(seen["looks"]) == 1
    assert "database failed" in page(looks)
