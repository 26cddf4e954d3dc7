import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.features import SURFACE_FEATURES, EncoderSession, surface_features
from tests.unit_tests.toys import DIMENSION, write_toy_encoder


def named(text, n_tokens=5):
    return dict(zip(SURFACE_FEATURES, surface_features(text, n_tokens).tolist(), strict=True))


def count(value):
    return round(float(np.expm1(value)))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return EncoderSession(write_toy_encoder(tmp_path_factory.mktemp("encoder")))


def test_names_are_unique():
    assert len(set(SURFACE_FEATURES)) == len(SURFACE_FEATURES)


@pytest.mark.parametrize(
    ("text", "feature", "expected"),
    [
        ("What is 12 + 345?", "numbers", 2),
        ("What is 12 + 345?", "digits", 5),
        ("What is 12 + 345?", "operators", 1),
        ("What is 12 + 345?", "wh_words", 1),
        ("If it is not so, then stop. Why?", "conditions", 1),
        ("If it is not so, then stop. Why?", "negations", 1),
        ("If it is not so, then stop. Why?", "sentences", 2),
        ("Pick one:\n(A) red\n(B) blue", "options", 2),
        ("How many apples?", "how_many", 1),
        ("apples, pears, plums", "longest_list", 2),
    ],
)
def test_counts_what_its_name_says(text, feature, expected):
    assert count(named(text)[feature]) == expected


def test_measures_numbers_and_brackets():
    values = named("((1 + 2) * 3456) - [7]")
    assert values["largest_number"] == 4
    assert values["bracket_depth"] == 2


def test_an_empty_text_gives_zeros():
    assert not surface_features("", 0).any()


@given(st.text(max_size=200), st.integers(0, 500))
def test_any_text_gives_finite_numbers(text, n_tokens):
    values = surface_features(text, n_tokens)
    assert values.shape == (len(SURFACE_FEATURES),)
    assert np.isfinite(values).all()


def test_vectors_have_length_one_and_do_not_depend_on_company(encoder):
    texts = ["what is 1 + 2 ?", "tom has 3 apples"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (2, encoder.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors[1], encoder.encode(texts[1:])[0])


def test_half_a_character_reads_as_a_question_mark(encoder):
    broken, whole = "what is 1 \ud83d", "what is 1 ?"
    assert np.array_equal(encoder.encode([broken]), encoder.encode([whole]))
    assert encoder.count_tokens(broken) == encoder.count_tokens(whole)
    assert np.isfinite(encoder.features(broken)).all()


def test_counts_the_tokens_it_cuts_off(encoder):
    assert encoder.count_tokens("what is " * 50) == 100


def test_features_are_the_vector_and_then_the_surface(encoder):
    text = "what is 1 + 2 ?"
    features = encoder.features(text)
    assert np.array_equal(features[:DIMENSION], encoder.encode([text])[0])
    assert np.array_equal(features[DIMENSION:], surface_features(text, encoder.count_tokens(text)))


def test_a_known_vector_is_taken_as_it_is(encoder):
    vector = np.eye(DIMENSION)[0]
    assert np.array_equal(encoder.features("what", vector)[:DIMENSION], vector)
    with pytest.raises(ValueError, match=r"shape \(8,\)"):
        encoder.features("what", [1.0])


def test_an_encoder_without_its_tokenizer_is_refused_by_name(tmp_path):
    (write_toy_encoder(tmp_path) / "tokenizer.json").unlink()
    with pytest.raises(PolicyFormatError, match=r"tokenizer\.json is missing"):
        EncoderSession(tmp_path)


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path):
    (write_toy_encoder(tmp_path) / "encoder.onnx").write_bytes(b"not a model")
    with pytest.raises(PolicyFormatError, match=r"encoder\.onnx"):
        EncoderSession(tmp_path)
