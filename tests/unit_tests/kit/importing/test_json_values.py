"""Files of JSON, whole or broken, in lines or not."""

import gzip
import json

import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing import json_values as module
from adaptive_reasoner.kit.importing.json_values import read_json_values

VALUES = [{"id": 1, "text": "größer"}, {"id": 2, "nested": {"list": [1, 2]}}, {"id": 3}]
LAYOUTS = {
    "lines": "".join(json.dumps(value) + "\n" for value in VALUES),
    "lines without the last end": "\n".join(map(json.dumps, VALUES)),
    "an array": json.dumps(VALUES),
    "an array over several lines": json.dumps(VALUES, indent=2, ensure_ascii=False),
    "values over several lines": "\n".join(json.dumps(value, indent=4) for value in VALUES),
}


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "log.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_values_are_read_in_every_layout_and_encoding(file, layout, encoding):
    found = list(read_json_values(file(LAYOUTS[layout].encode(encoding))))
    assert [value for _, value in found] == VALUES
    assert [number for number, _ in found] == [1, 2, 3]


def test_values_longer_than_what_is_read_at_once_are_whole(file, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 3)
    for layout in ("an array", "an array over several lines", "values over several lines"):
        assert [value for _, value in read_json_values(file(LAYOUTS[layout]))] == VALUES


def test_a_packed_file_is_unpacked(tmp_path):
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(LAYOUTS["lines"].encode()))
    assert [value for _, value in read_json_values(path)] == VALUES
    path.write_bytes(b"\x1f\x8b nothing")
    with pytest.raises(OutcomesError, match=r"log.jsonl.gz: cannot be unpacked"):
        list(read_json_values(path))


def test_a_file_is_read_as_far_as_it_is_asked_for(file):
    for content in ('{"id": 1}\n{"id": ', '[{"id": 1}, {"id"'):
        assert next(read_json_values(file(content))) == (1, {"id": 1})


def test_a_last_line_that_was_cut_is_left_out_with_a_warning(file):
    with pytest.warns(UserWarning, match="row 2: cut in the middle"):
        assert list(read_json_values(file('{"id": 1}\n{"id": '))) == [(1, {"id": 1})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("question,answer\n6 * 7?,42\n", "row 1: not a line of JSON"),
        ('{"id": 1}\n{"id": oops}\n{"id": 3}\n', "row 2: not a line of JSON"),
        ('\n{"id": 1}\nno\n', "row 3: not a line of JSON"),
        ('[{"id": 1}, {"id": 2', "row 2: not JSON"),
        ('[{"id": 1} {"id": 2}]', "row 2: the array is not closed"),
        ('{"id": \n 1}\n{"id": \n', "row 2: not JSON"),
        (b'{"id": 1}\n{"id": "gr\xf6\xdfer"}\n', "row 2: not a line of JSON .'utf-8' codec"),
        (b'[{"id": 1},\n{"id": "gr\xf6\xdfer"}]', "'utf-8' codec can't decode"),
        ("[" * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_a_broken_file_is_refused_with_row_and_reason(file, content, reason):
    path = file(content)
    with pytest.raises(OutcomesError, match=reason) as refused:
        list(read_json_values(path))
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OutcomesError, match=r"gone.json: no such file"):
        list(read_json_values(tmp_path / "gone.json"))
