"""The report, the live page and the page that takes labels as people see them, in a real browser."""

import itertools
import time
from pathlib import Path

import pytest

from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.labelling.label_server import LabelServer
from adaptive_reasoner.kit.labelling.session import LabelSession
from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.reporting.build import outcomes_report
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.comparisons import ComparedAnswer
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.policy.features import EncoderSession
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.watch.server import WatchServer
from tests.browser import SMALL, WIDE, window
from tests.serving import running
from tests.unit_tests.kit.labelling.unlabelled import read, write
from tests.unit_tests.toys import write_toy_encoder

pytestmark = pytest.mark.slow

RECORDED = Path(__file__).parents[2] / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"
DRAWN = "document.documentElement.dataset.ready === 'yes'"
LIVE = "document.querySelectorAll('#charts svg .line').length === 3"
EVERY_SECTION = {"frontier", "compute", "price", "calibration", "learning", "labels", "regret"}
LIGHT_PAPER, DARK_PAPER = "rgb(255, 255, 255)", "rgb(17, 20, 24)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with window(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report on a recorded run of the demo, with every section, and where it is."""
    folder = tmp_path_factory.mktemp("report")
    encoder = EncoderSession(write_toy_encoder(folder / "encoder"))
    samples = Samples.read(RECORDED)
    fit, held_out = estimate(samples, votes=(1, 3)).split(0.5)
    cache = VectorCache(encoder, folder)
    train(fit, budget=9.0, encoder=encoder, cache=cache).save(folder / "policy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPTIVE_REASONER_CACHE", str(folder))
        policy = LearnedPolicy.load(folder / "policy")
        page = outcomes_report(held_out, samples=samples, policy=policy)
    page.write(folder / "report.html")
    return page, (folder / "report.html").as_uri()


@pytest.fixture
def ledger(tmp_path):
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", target=10.0, cost_unit="tokens") as opened:
        for number in range(50):
            opened.charge(8.0 + number % 5, f"q{number}", action="cot" if number % 2 else "direct")
        yield opened


@pytest.fixture
def watched(ledger, tmp_path):
    with (
        LedgerReader(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as reader,
        WatchServer(reader, every=0.1) as server,
        running(server),
    ):
        yield server


@pytest.mark.parametrize("dark", [False, True])
def test_the_report_opens_without_a_complaint_in_both_themes(browser, report, dark):
    page, url = report
    browser.look(url, dark=dark, ready=DRAWN)
    assert browser.complaints() == []
    assert {section.name for section in page.sections} == EVERY_SECTION
    figures = sum(len(section.figures) for section in page.sections)
    assert len(browser.find(".live svg")) == figures
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == (
        DARK_PAPER if dark else LIGHT_PAPER
    )
    ink = browser.ask("getComputedStyle(document.querySelector('.live svg .role-legend-label text')).fill")
    assert ink == ("rgb(232, 236, 241)" if dark else "rgb(27, 31, 36)")


def test_verdict_and_frontier_are_on_the_first_screen(browser, report):
    page, url = report
    browser.look(url, ready=DRAWN)
    assert browser.ask("document.getElementById('verdict').innerText").startswith(page.verdict.word)
    for selector in ("#verdict", "#frontier .live svg", ".dial", ".facts"):
        assert browser.on_first_screen(selector), selector
    names = browser.ask(
        "[...document.querySelectorAll('#frontier .live svg text')].map(text => text.textContent)"
    )
    assert {"direct", "policy", "random mixture of them", "hindsight, cross-fitted"} <= set(names)


@pytest.mark.parametrize("size", [WIDE, (1000, 800), SMALL])
def test_no_legend_reaches_beyond_its_figure(browser, report, size):
    browser.look(report[1], size=size, ready=DRAWN)
    beyond = browser.ask(
        "[...document.querySelectorAll('.figure')].flatMap(figure =>"
        " [...figure.querySelectorAll('.live .role-legend-label text')].map(text =>"
        " text.getBoundingClientRect().right - figure.getBoundingClientRect().right))"
    )
    assert beyond
    assert max(beyond) <= 0


def test_the_tables_say_it_all_without_a_script(browser, report):
    page, url = report
    browser.look(url, script=False)
    assert browser.complaints() == []
    shown = browser.ask("document.body.innerText")
    for section in page.sections:
        assert section.title in shown
        for table in section.tables:
            assert table.caption in shown
    assert len(browser.find(".drawn svg")) == sum(len(section.figures) for section in page.sections)
    assert browser.on_first_screen("#frontier .drawn svg")
    assert not browser.find(".dial:not([hidden]), button:not([hidden])")


def test_the_report_is_used_by_keyboard(browser, report):
    from selenium.webdriver.common.keys import Keys

    _, url = report
    browser.look(url, ready=DRAWN)
    assert browser.press(Keys.TAB).text == "Skip to the verdict"
    assert browser.press(Keys.TAB).get_attribute("id") == "theme"
    outline = browser.ask("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    browser.press(Keys.ENTER)
    browser.wait(f"getComputedStyle(document.body).backgroundColor === '{DARK_PAPER}'")
    slider = browser.press(Keys.TAB)
    assert slider.get_attribute("id") == "dial"
    said = browser.ask("document.getElementById('dial-says').innerText")
    assert "the policy" in said
    browser.press(Keys.HOME)
    assert browser.ask("document.getElementById('dial-says').innerText") != said
    assert slider.get_attribute("aria-valuetext").endswith("tokens")
    assert browser.press(Keys.TAB).tag_name == "summary"
    assert not browser.ask("document.querySelector('#frontier details').open")
    browser.press(Keys.ENTER)
    assert browser.ask("document.querySelector('#frontier details').open")
    assert browser.complaints() == []


def test_a_screen_reader_finds_names_for_everything(browser, report):
    _, url = report
    browser.look(url, ready=DRAWN)
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {}
    for node in tree:
        if not node["ignored"]:
            named.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert all(named["image"])
    assert all(named["table"])
    assert named["slider"][0].startswith("At a budget of")
    assert any(name.startswith("Change to") for name in named["button"])
    assert named["heading"][0].startswith("What a budget buys")


def test_the_report_fits_a_phone(browser, report):
    _, url = report
    browser.look(url, size=SMALL, ready=DRAWN)
    assert browser.ask("document.documentElement.scrollWidth") <= SMALL[0]
    assert browser.on_first_screen("#verdict")
    assert browser.complaints() == []


@pytest.mark.parametrize("size", [WIDE, SMALL])
def test_names_in_the_frontier_do_not_overlap(browser, tmp_path, size):
    page = outcomes_report(estimate(Samples.read(RECORDED), votes=(1, 3, 5)))
    page.write(tmp_path / "report.html")
    browser.look((tmp_path / "report.html").as_uri(), size=size, ready=DRAWN)
    boxes = browser.ask(
        "[...document.querySelectorAll('#frontier .live .mark-text text')]"
        ".filter(text => getComputedStyle(text).visibility === 'visible')"
        ".map(text => text.getBoundingClientRect()).map(box => [box.left, box.right, box.top, box.bottom])"
    )
    assert boxes
    for a, b in itertools.combinations(boxes, 2):
        assert a[0] > b[1] or b[0] > a[1] or a[2] > b[3] or b[2] > a[3]


def test_a_report_without_a_policy_opens_without_a_complaint(browser, tmp_path):
    samples = Samples.read(RECORDED)
    page = outcomes_report(estimate(samples, votes=(1, 3)), samples=samples)
    page.write(tmp_path / "report.html")
    browser.look((tmp_path / "report.html").as_uri(), ready=DRAWN)
    assert browser.complaints() == []
    assert browser.on_first_screen("#frontier .live svg")


@pytest.mark.parametrize("dark", [False, True])
def test_the_live_page_moves_with_the_ledger(browser, watched, ledger, dark):
    browser.look(watched.url, dark=dark, ready=LIVE)
    assert "50 questions" in browser.ask("document.getElementById('sentence').innerText")
    ledger.reserve(9.0, "open", action="vote_5")
    ledger.charge(40.0, "dear", action="cot")
    browser.wait("document.getElementById('sentence').innerText.includes('51 questions')")
    cards = browser.ask("document.getElementById('cards').innerText")
    assert "In flight\n1" in cards
    names = browser.ask("[...document.querySelectorAll('#shares .name')].map(name => name.textContent)")
    assert names == ["cot", "direct"]
    assert browser.find("#chart-average .target")
    assert browser.complaints() == []
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == (
        DARK_PAPER if dark else LIGHT_PAPER
    )


def test_the_live_page_shows_what_was_saved_and_explored_once_there_is_something(browser, ledger, tmp_path):
    for number in range(20):
        name, better = f"q{number}", float(number % 2)
        ledger.put_comparison(
            ComparedAnswer(name, name, "judged", "direct", "strong", 0.1, 10.0, 30.0, better, at=number)
        )
    ledger.charge(9.0, "drawn", action="strong", explored=True)
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with LedgerReader(url) as reader, WatchServer(reader, every=0.1) as server, running(server):
        browser.look(server.url, ready=LIVE)
        shown = browser.ask("document.getElementById('savings-section').innerText")
        assert "strong" in shown
        assert "Saved: 4,000 (4,000 to 4,000) tokens on 200 questions. 20 judged" in shown
        assert "Explored\n1" in browser.ask("document.getElementById('cards').innerText")
        assert browser.complaints() == []
        browser.look(server.url, size=SMALL, ready=LIVE)
        assert browser.ask("document.documentElement.scrollWidth") <= SMALL[0]
        browser.driver.get("about:blank")


def test_the_live_page_waits_for_the_first_question(browser, tmp_path):
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    with (
        open_ledger(url, target=10.0),
        LedgerReader(url) as reader,
        WatchServer(reader, every=0.1) as server,
        running(server),
    ):
        browser.look(server.url, ready="document.getElementById('sentence').innerText")
        assert browser.ask("document.getElementById('sentence').innerText") == "Nothing has been spent yet."
        assert browser.complaints() == []
        browser.driver.get("about:blank")


def test_the_live_page_fits_one_screen_and_a_phone(browser, watched):
    browser.look(watched.url, ready=LIVE)
    for selector in ("#sentence", "#cards", "#charts"):
        assert browser.on_first_screen(selector), selector
    browser.look(watched.url, size=SMALL, ready=LIVE)
    assert browser.ask("document.documentElement.scrollWidth") <= SMALL[0]


def test_the_live_page_is_readable_without_a_script(browser, watched):
    browser.look(watched.url, script=False)
    rows = dict(row.text.split(" ", 1) for row in browser.find("#rows tr") if row.text.startswith("target"))
    assert rows == {"target": "10"}


def test_the_live_page_is_paused_by_keyboard_and_says_when_the_watcher_ends(browser, watched, ledger):
    from selenium.webdriver.common.keys import Keys

    browser.look(watched.url, ready=LIVE)
    browser.press(Keys.TAB)
    assert browser.press(Keys.TAB).text == "Pause"
    browser.press(Keys.ENTER)
    ledger.charge(40.0, "dear")
    time.sleep(0.5)  # several looks, were it not paused
    assert "50 questions" in browser.ask("document.getElementById('sentence').innerText")
    browser.press(Keys.ENTER)
    browser.wait("document.getElementById('sentence').innerText.includes('51 questions')")
    assert browser.ask("document.getElementById('state').innerText") == "live"
    assert browser.complaints() == []


ASKED = "document.getElementById('question').textContent"


@pytest.fixture
def labelling(tmp_path):
    """The page that takes labels, and its samples."""
    path = write(tmp_path / "samples.jsonl")
    with LabelServer(LabelSession(path)) as server, running(server):
        yield server, path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_label_page_shows_a_question_and_its_answers_on_the_first_screen(browser, labelling, dark):
    server, _ = labelling
    for size in (WIDE, SMALL):
        browser.look(server.url, size=size, dark=dark, ready=f"{ASKED} !== ''")
        for selector in ("#question", ".answer", "#none", "#text", "#skip", "#progress"):
            assert browser.on_first_screen(selector), selector
        assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
        paper = browser.ask("getComputedStyle(document.body).backgroundColor")
        assert paper == (DARK_PAPER if dark else LIGHT_PAPER)
    assert browser.complaints() == []


def test_keys_label_on_the_page_and_back_changes_a_label(browser, labelling):
    server, path = labelling
    browser.look(server.url, ready=f"{ASKED} !== ''")
    first = browser.ask(ASKED)
    answer = browser.ask("document.querySelector('.answer .text').textContent")

    def press(key, then):
        browser.press(key)
        browser.wait(then)

    def labelled():
        return {row["question"]: (row["gold"], row["correct"]) for row in read(path)}

    press("1", f"{ASKED} !== {first!r}")
    assert labelled()[first][0] == answer
    press("b", f"{ASKED} === {first!r}")
    assert browser.ask("document.querySelector('.answer').getAttribute('aria-pressed')") == "true"
    press("0", f"{ASKED} !== {first!r}")
    assert labelled()[first] == (None, 0.0)
    second = browser.ask(ASKED)
    press("s", f"{ASKED} !== {second!r}")
    third = browser.ask(ASKED)
    browser.press("t")
    browser.press(*"10 s")  # keys in the field are text
    press("\ue007", f"{ASKED} !== {third!r}")
    assert labelled()[third] == ("10 s", 0.0)
    assert labelled()[second] == (None, None)
    assert "2 of 4" in browser.ask("document.getElementById('progress').textContent")
    assert browser.complaints() == []


def test_a_second_tab_leaves_the_label_of_the_first(browser, labelling):
    server, path = labelling
    browser.look(server.url, ready=f"{ASKED} !== ''")
    server._server.session.give(0, "from the other tab")
    browser.press("0")
    browser.wait("document.getElementById('saved').textContent.includes('another window')")
    browser.wait("document.getElementById('progress').textContent.startsWith('1 of 4')")
    assert [row["gold"] for row in read(path)].count("from the other tab") == 4
    browser.complaints()  # the console notes the refused request


def test_a_command_that_has_ended_is_said(browser, tmp_path):
    with LabelServer(LabelSession(write(tmp_path / "samples.jsonl"))) as server, running(server):
        browser.look(server.url, ready=f"{ASKED} !== ''")
    browser.press("0")
    browser.wait("document.getElementById('alert').textContent.includes('was not written')")
    browser.complaints()
