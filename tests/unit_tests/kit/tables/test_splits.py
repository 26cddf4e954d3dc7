"""Splits: every position once, equal texts together, as large as asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.tables.splits import split_by_text


@given(
    st.lists(st.sampled_from(["a", "b", "b ", " b", "c d", "c  d", "e", "f", "g"]), min_size=2, max_size=40),
    st.floats(0.05, 0.95),
    st.integers(0, 5),
)
def test_a_split_keeps_equal_texts_together_and_loses_none(texts, test_size, seed):
    words = [" ".join(text.split()) for text in texts]
    if len(set(words)) < 2:
        with pytest.raises(OutcomesError, match="two questions of different text"):
            split_by_text(texts, test_size=test_size, seed=seed)
        return
    fit, test = split_by_text(texts, test_size=test_size, seed=seed)
    assert sorted([*fit, *test]) == list(range(len(texts)))
    assert len(fit)
    assert len(test)
    assert not {words[i] for i in fit} & {words[i] for i in test}
    largest = max(words.count(word) for word in words)
    assert abs(len(test) - test_size * len(texts)) <= max(largest, 1)


def test_a_split_is_drawn_by_its_seed():
    texts = [str(i) for i in range(100)]
    same, again, other = (split_by_text(texts, seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(same, again)
    assert len(same) == len(other) == 50
    assert set(same) != set(other)


@pytest.mark.parametrize("size", [0, 1, -0.5, float("nan")])
def test_a_test_size_outside_0_to_1_is_refused(size):
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_by_text(["a", "b"], test_size=size)
