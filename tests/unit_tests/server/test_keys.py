"""The file of API keys."""

import stat

import pytest

from adaptive_reasoner.server.errors import RequestError
from adaptive_reasoner.server.keys import Caller, KeyFile, KeyFileError, add_key


def test_a_key_is_known_by_its_hash_and_stands_nowhere(tmp_path):
    path = tmp_path / "keys.toml"
    first = add_key(path, Caller("acme-1", "acme", 20.0, 1_000.0))
    second = add_key(path, Caller("ops"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first not in path.read_text()
    keys = KeyFile.load(path)
    assert keys.caller(f"Bearer {first}") == Caller("acme-1", "acme", 20.0, 1_000.0)
    assert keys.caller(f"bearer {second}") == Caller("ops")
    with pytest.raises(RequestError, match="unknown"):
        keys.caller(f"Bearer {first}x")


def test_what_does_not_go_with_the_keys_of_a_file_is_refused_and_the_file_left(tmp_path):
    path = tmp_path / "keys.toml"
    add_key(path, Caller("acme-1", "acme", 20.0))
    before = path.read_text()
    for caller, reason in (
        (Caller("acme-1"), "the same name"),
        (Caller("acme-2", "acme", 30.0), "differ in budget"),
        (Caller("a/b"), "name"),
        (Caller("beta", "beta", -1.0), "greater than 0"),
    ):
        with pytest.raises(KeyFileError, match=f"^{path}: .*{reason}"):
            add_key(path, caller)
    assert path.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == ["keys.toml"]


@pytest.mark.parametrize(
    "text", ["keys = 3", "[[keys]]\nname = 'a'", "not toml", "[[keys]]\nname='a'\nsha256='x'"]
)
def test_a_file_that_is_no_file_of_keys_is_named(tmp_path, text):
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(KeyFileError, match=r"keys\.toml"):
        KeyFile.load(path)
