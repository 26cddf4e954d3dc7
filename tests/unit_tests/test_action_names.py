"""A name of an action is composed and read by one grammar."""

import pytest

from adaptive_reasoner.action_names import choice_action, source_of_action, vote_action, vote_of_action


@pytest.mark.parametrize("source", ["cot", "cot_vote_3", "a_vote_b"])
@pytest.mark.parametrize("size", [2, 3, 48])
def test_a_vote_is_read_as_it_was_composed(source, size):
    assert vote_of_action(vote_action(source, size)) == (source, size)


def test_one_sample_is_no_vote():
    assert vote_action("cot", 1) == "cot"
    assert vote_of_action("cot") is None
    assert vote_of_action("adaptive_vote") is None
    assert vote_of_action("cot_vote_many") is None


def test_a_choice_among_one_still_says_that_it_is_scored():
    assert choice_action("cot", 1) == "cot_best_of_1"
    assert vote_of_action(choice_action("cot", 3)) is None


def test_an_action_is_of_the_longest_source_that_its_name_begins_with():
    sources = ["co", "cot", "cot_long"]
    assert source_of_action(choice_action("cot_long", 3), sources) == "cot_long"
    assert source_of_action("cot", sources) == "cot"
    assert source_of_action("cots", sources) is None
