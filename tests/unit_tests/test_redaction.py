"""What is kept of texts and errors in files that others may read."""

import pytest

from adaptive_reasoner.redaction import Redaction, digest, is_digest

SECRET = "Ada's account"


def hide_ada(text):
    return text.replace("Ada", "[name]")


def test_a_text_is_kept_unless_something_else_is_asked():
    assert Redaction().text(SECRET) == SECRET
    assert Redaction(hide_ada).text(SECRET) == "[name]'s account"
    assert Redaction(texts=False).text(SECRET) == digest(SECRET)


def test_a_digest_is_of_what_redaction_left():
    assert Redaction(hide_ada, texts=False).text(SECRET) == digest("[name]'s account")


def test_half_a_character_has_a_digest():
    assert is_digest(digest("\ud83d"))


@pytest.mark.parametrize("kind", ["ValueError", "httpx.ReadTimeout", "429"])
def test_an_error_keeps_its_kind_and_its_message_is_a_text(kind):
    error = f"{kind}: no {SECRET}"
    assert Redaction().error(error) == error
    assert Redaction(hide_ada).error(error) == f"{kind}: no [name]'s account"
    assert Redaction(texts=False).error(error) == kind


@pytest.mark.parametrize(
    "error", [SECRET, f"{SECRET}: closed", f"{SECRET}\nValueError: closed", f"at {SECRET}:9"]
)
def test_an_error_without_a_kind_is_a_text_as_a_whole(error):
    assert Redaction().error(error) == error
    assert Redaction(hide_ada).error(error) == hide_ada(error)
    assert Redaction(texts=False).error(error) == digest(error)


def test_an_error_without_a_message_is_its_kind():
    assert Redaction(texts=False).error("TimeoutError: ") == "TimeoutError"
