import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import PrivateAttr

from adaptive_reasoner.answers import numeric
from adaptive_reasoner.errors import InfeasibleBudgetError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.early_stopping import Adaptive, vote_accuracy
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.collecting.sums import rows_of


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(1, 5))
def test_a_vote_is_right_as_often_as_all_its_outcomes_say(right, wrong, rest, size):
    likelihoods = (np.array([right, wrong, rest]) + 1.0) / (right + wrong + rest + 3)
    expected = 0.0
    for replies in itertools.product(range(3), repeat=size):
        chance = np.prod(likelihoods[list(replies)])
        votes = Counter(reply if reply < 2 else f"rest {at}" for at, reply in enumerate(replies))
        leaders = [answer for answer, count in votes.items() if count == max(votes.values())]
        expected += chance * (0 in leaders) / len(leaders)
    assert vote_accuracy(likelihoods[None], size)[0] == pytest.approx(expected)


class Mixed(ScriptedModel):
    """Always right on even questions, by chance on odd ones."""

    _asked: Counter = PrivateAttr(default_factory=Counter)

    def _reply(self, messages, kwargs):
        number = int(messages[-1].text.split()[-3])
        self._asked[number] += 1
        right = number % 2 == 0 or self._asked[number] % 2 == 0
        answer = number + 1 if right else -self._asked[number]
        reply = super()._reply(messages, kwargs)
        return reply.model_copy(update={"content": f"Answer: {answer}"})


def questions(n):
    return [Question(f"q{i:03}", f"What is {i} + 1?", str(i + 1)) for i in range(n)]


def menu(samples=12):
    return Menu({"cot": Source(Mixed(), max_tokens=8)}, samples=samples, grader=numeric)


def drawn(path):
    return Counter(row["question_id"] for row in rows_of(path))


def test_stops_where_the_label_is_settled_and_says_what_that_saved(out):
    asked, adaptive = questions(60), Adaptive(budget=4.0, pilot=16)
    done = collect(asked, menu(), out, adaptive=adaptive)
    each = drawn(out)
    assert done.saved == done.wanted - done.there > 60
    assert min(each.values()) >= 5  # the largest vote of the menu
    assert sum(count == 12 for count in each.values()) >= 16  # the pilot, at least
    easy = [each[f"q{i:03}"] for i in range(0, 60, 2)]
    hard = [each[f"q{i:03}"] for i in range(1, 60, 2)]
    assert np.mean(easy) < np.mean(hard)


def test_a_second_run_finds_the_same_labels_settled(out):
    asked, adaptive = questions(60), Adaptive(budget=4.0, pilot=16)
    first = collect(asked, menu(), out, adaptive=adaptive)
    again = collect(asked, menu(), out, adaptive=adaptive)
    assert (again.new, again.saved) == (0, first.saved)
    whole = collect(asked, menu(), out)
    assert (whole.there, whole.saved) == (720, 0)


def test_more_confidence_costs_more_samples(out):
    counts = [
        collect(
            questions(60),
            menu(),
            out.with_name(f"{confidence}.jsonl"),
            adaptive=Adaptive(4.0, confidence=confidence, tolerance=tolerance, pilot=16),
        ).there
        for confidence, tolerance in [(0.5, 0.1), (0.9, 0.02), (0.999, 0.0)]
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_a_cap_in_the_pilot_stops_it_there(out):
    done = collect(questions(60), menu(), out, adaptive=Adaptive(4.0, pilot=16), max_cost=100)
    assert (done.stopped, done.saved) == ("max_cost", 0)
    assert done.cost <= 100


def test_what_makes_no_sense_is_refused(out):
    with pytest.raises(InfeasibleBudgetError, match="a budget of 0"):
        collect(questions(30), menu(), out, adaptive=Adaptive(0.1, pilot=8))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Adaptive(4.0, confidence=1.0)
    with pytest.raises(ValueError, match="at least 8 questions, not 2"):
        replace(Adaptive(4.0), pilot=2)
    with pytest.raises(ValueError, match="a batch is drawn whole"):
        collect(questions(3), menu(), out, adaptive=Adaptive(4.0), batch=True)
