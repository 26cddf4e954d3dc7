"""A file is written whole or not at all."""

import pytest

from adaptive_reasoner.atomic_file import replaced_whole


def test_a_file_is_replaced_only_when_the_block_is_through(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text("old")
    with replaced_whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_file_is_as_it_was_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replaced_whole(path) as part:
        part.write_text("half \ud800", encoding="utf-8")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_anything_written_the_error_names_the_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError), replaced_whole(tmp_path / "table.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []
