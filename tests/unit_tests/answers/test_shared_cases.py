"""The handed-out table of replies, under the rule that its README states."""

import json

import pytest

from adaptive_reasoner.answers import groups
from tests.unit_tests.answers.pair_counts import message, pair_counts


@pytest.fixture
def cases(shared_data):
    file = shared_data.parent / "answers" / "cases.jsonl"
    if not file.is_file():
        pytest.skip("the table of labelled replies is not beside the project")
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("asked", [True, False])
def test_different_replies_are_never_one_vote_and_equal_ones_seldom_two(cases, asked):
    compared = [case for case in cases if not case["free"]]
    counts = [
        pair_counts(case["replies"], case["same"], case["question"] if asked else "") for case in compared
    ]
    merged, rival, together, equal = map(sum, zip(*counts, strict=True))
    assert merged == 0
    assert rival * 5 <= equal
    assert together * 2 >= equal


@pytest.mark.parametrize("asked", [True, False])
def test_free_text_offers_nothing_to_compare(cases, asked):
    free = [case for case in cases if case["free"]]
    assert free
    for case in free:
        replies = [message(reply) for reply in case["replies"]]
        assert set(groups(replies, question=case["question"] if asked else "")) == {None}, case["case"]
