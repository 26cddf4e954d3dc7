"""Labels one by one: keys, and what they write."""

import json
import os
import pty
import select
import subprocess
import termios
from dataclasses import replace

import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner import AdaptiveComputeNode
from adaptive_reasoner.answers import numeric
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.sample_file import SampleFile
from adaptive_reasoner.kit.labelling.session import LabelSession
from adaptive_reasoner.kit.labelling.terminal import KEYS, label_in_terminal
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.regrading.regrading import Label, regrade
from adaptive_reasoner.kit.samples import Samples
from tests.command import start_command
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.collecting.sums import menu
from tests.unit_tests.kit.labelling.unlabelled import labels_of, read, rows, write
from tests.waiting import PATIENCE, wait_until


class Screen(list):
    def print(self, *objects, **options):
        self.append(" ".join(map(str, objects)))


@pytest.fixture
def samples(tmp_path):
    return write(tmp_path / "samples.jsonl")


@pytest.fixture
def sit(samples):
    """Press keys, and see what was shown."""

    def run(keys, *, typed=(), **settings):
        screen, keys, typed = Screen(), iter(keys), iter(typed)
        run.session = LabelSession(samples, **settings)
        run.labels = label_in_terminal(run.session, screen, lambda: next(keys), lambda: next(typed))
        return screen

    return run


def names(session):
    return [each.question_id for each in session.questions]


def test_keys_label_skip_and_quit_and_each_label_is_written_at_once(sit, samples):
    shown = sit("1s0q")
    first, skipped, third, last = names(sit.session)
    written = labels_of(samples)
    assert written[first][0] == sit.session.questions[0].answers[0].answer
    assert written[third][:2] == (None, [0.0] * 4)
    assert written[third][2] == sit.session.questions[2].drawn
    assert (written[skipped], written[last]) == ((None, [None] * 4, None),) * 2
    assert sit.labels == 2
    assert any("1 of 4" in line for line in shown)


def test_the_right_answer_can_be_typed(sit, samples):
    sit("ttq", typed=["  ", "The Amazon"])
    assert labels_of(samples)[names(sit.session)[0]][0] == "The Amazon"


def test_back_takes_another_look_and_the_new_label_replaces_the_old_one(sit, samples):
    sit("0b1q")
    assert labels_of(samples)[names(sit.session)[0]][0] == sit.session.questions[0].answers[0].answer
    assert sit.labels == 1


def test_other_keys_are_met_with_the_keys_and_the_question_is_not_repeated(sit, samples):
    before = samples.read_bytes()
    shown = sit("9xb\x1b\x04")
    assert samples.read_bytes() == before
    assert sum("1 of 4" in line for line in shown) == 1
    assert shown.count(KEYS) == 5


def test_capitals_are_keys_too_and_a_question_shows_the_label_it_has(sit):
    shown = sit("0BTbQ", typed=["nile"])
    assert "  labelled: none of these" in shown
    assert "  labelled: nile" in shown


def test_a_label_of_another_command_stays_and_that_is_said(samples):
    session, screen = LabelSession(samples), Screen()
    regrade(samples, labels={names(session)[0]: Label("y")})
    keys = iter("0q")
    label_in_terminal(session, screen, lambda: next(keys), input)
    assert labels_of(samples)[names(session)[0]][0] == "y"
    assert "another command labelled this question; that label stays" in screen


def test_it_is_blind(sit):
    assert not {"direct", "cot"} & set(" ".join(sit("q")).split())


def test_it_ends_with_the_last_question(sit, samples):
    sit("0000")
    assert {grades[0] for _, grades, _ in labels_of(samples).values()} == {0.0}
    assert sit("") == []


def test_count_and_seed_choose_what_is_asked(samples):
    assert len(LabelSession(samples, count=2).questions) == 2
    orders = {tuple(names(LabelSession(samples, seed=seed))) for seed in range(8)}
    assert len(orders) > 1


def test_labels_are_graded_by_the_menu_or_the_grader_of_the_file_and_never_by_a_judge(samples):
    def graders():
        return {row.get("graded_by") for row in read(samples)}

    session = LabelSession(samples)
    session.give(0, "x")
    assert graders() == {None, "exact"}
    session = LabelSession(samples, menu=menu())
    session.give(0, "x")
    assert graders() == {None, "exact", "numeric"}
    with pytest.raises(OutcomesError, match="cannot be graded by a judge"):
        LabelSession(samples, menu=replace(menu(), grader=Referee("cot")))
    regrade(samples, menu=replace(menu(), grader=numeric))
    LabelSession(samples).give(0, "x")
    assert graders() == {None, "numeric"}


def test_what_another_command_writes_meanwhile_is_kept(samples):
    session = LabelSession(samples)
    first, second = names(session)[:2]
    session.give(0, "x")
    regrade(samples, labels={second: Label("y")})
    with samples.open("a") as file:
        file.write(json.dumps(next(rows()) | {"question_id": "late", "question": "Late?"}) + "\n")
    session.give(2, "z")
    found = labels_of(samples)
    assert [found[first][0], found[second][0], found["late"][1]] == ["x", "y", [None]]


def test_a_label_that_another_command_gave_meanwhile_is_not_overwritten(samples):
    session = LabelSession(samples)
    first = names(session)[0]
    regrade(samples, labels={first: Label("y")})
    assert not session.give(0, "x")
    assert (labels_of(samples)[first][0], session.given[first].gold) == ("y", "y")
    assert session.give(0, "y")
    assert session.give(0, None, instead_of=Label("y"))
    assert labels_of(samples)[first][1] == [0.0] * 4


@pytest.mark.skipif(os.name == "nt", reason="needs permissions")
def test_a_file_that_only_its_owner_may_read_stays_so(samples):
    samples.chmod(0o600)
    LabelSession(samples).give(0, "x")
    assert samples.stat().st_mode & 0o777 == 0o600


def test_the_log_of_a_node_is_labelled_while_it_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    node = AdaptiveComputeNode(ScriptedModel(answers=("Answer: 42",)), budget=100.0, log=path)
    node.invoke({"messages": [HumanMessage("6 * 7?")]})
    session = LabelSession(path)
    assert [each.answers[0].answer for each in session.questions] == ["42"]
    assert session.give(0, "42")
    node.invoke({"messages": [HumanMessage("5 + 9?")]})
    found = Samples.read(path)
    assert [found.of(name, found.sources[0])[0].gold for name in found.question_ids] == ["42", None]


def test_a_label_that_cannot_be_written_is_said_and_asked_for_again(samples):
    session, screen = LabelSession(samples), Screen()

    def keys():
        with SampleFile(samples, "tokens"):
            yield "0"
        yield "0"
        yield "q"

    pressed = keys()
    assert label_in_terminal(session, screen, lambda: next(pressed), input) == 1
    assert any("not written" in line and "another collection" in line for line in screen)


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal")
def test_the_command_reads_single_keys_in_a_real_terminal(samples):
    ours, theirs = pty.openpty()
    started = start_command(
        *("label", samples, "--json"), terminal="xterm", stdin=theirs, stderr=theirs, stdout=subprocess.PIPE
    )
    seen = ""
    for key, after in ((b"0", "1 of 4"), (b"s", "2 of 4"), (b"q", "3 of 4")):
        while not (after in seen and seen.endswith("q quit\x1b[0m\r\n")):
            assert select.select([ours], [], [], PATIENCE)[0]
            seen += os.read(ours, 10_000).decode()
        # What is typed before the command listens is lost, so that no key counts twice.
        wait_until(lambda: not termios.tcgetattr(theirs)[3] & termios.ICANON)
        os.write(ours, key)
    printed, _ = started.communicate(timeout=PATIENCE)
    os.close(ours)
    os.close(theirs)
    assert (started.returncode, json.loads(printed)) == (0, {"file": str(samples), "labels": 1, "left": 3})
    assert sum(grades[0] == 0.0 for _, grades, _ in labels_of(samples).values()) == 1
