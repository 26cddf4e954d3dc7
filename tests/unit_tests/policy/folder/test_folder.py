import json

import pytest

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.folder.policy_folder import FORMAT, read_policy_folder, write_policy_folder


@pytest.fixture
def folder(tmp_path):
    part = tmp_path / "part"
    part.write_bytes(b"learnt")
    write_policy_folder(tmp_path / "policy", {"price": 0.1}, {"imitator.onnx": part})
    return tmp_path / "policy"


def rewrite(folder, **changes):
    card = json.loads((folder / "policy.json").read_text())
    (folder / "policy.json").write_text(json.dumps(card | changes))


def test_reads_back_what_was_written(folder):
    card = read_policy_folder(folder)
    assert (card["price"], card["format"], list(card["files"])) == (0.1, FORMAT, ["imitator.onnx"])


def test_equal_policies_have_equal_digests_and_others_do_not(folder, tmp_path):
    part = folder / "imitator.onnx"
    digest = read_policy_folder(folder)["digest"]
    assert write_policy_folder(tmp_path / "same", {"price": 0.1}, {"imitator.onnx": part}) == digest
    assert write_policy_folder(tmp_path / "other", {"price": 0.2}, {"imitator.onnx": part}) != digest


def test_a_changed_file_is_refused_by_name(folder):
    (folder / "imitator.onnx").write_bytes(b"forged")
    with pytest.raises(PolicyFormatError, match=r"imitator\.onnx was changed"):
        read_policy_folder(folder)


def test_a_missing_file_is_refused_by_name(folder):
    (folder / "imitator.onnx").unlink()
    with pytest.raises(PolicyFormatError, match=r"imitator\.onnx is missing"):
        read_policy_folder(folder)


def test_a_changed_card_is_refused(folder):
    rewrite(folder, price=0.2)
    with pytest.raises(PolicyFormatError, match=r"policy\.json was changed"):
        read_policy_folder(folder)


def test_a_newer_format_is_refused_with_both_versions(folder):
    rewrite(folder, format=FORMAT + 1)
    with pytest.raises(PolicyFormatError, match=f"format {FORMAT + 1}, newer than the {FORMAT} read here"):
        read_policy_folder(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"policy"'])
def test_a_card_that_is_none_is_refused(folder, text):
    (folder / "policy.json").write_text(text)
    with pytest.raises(PolicyFormatError, match=r"policy\.json"):
        read_policy_folder(folder)


def test_no_folder_at_all_is_refused(tmp_path):
    with pytest.raises(PolicyFormatError, match="cannot be read"):
        read_policy_folder(tmp_path / "nowhere")


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path):
    part = tmp_path / "part"
    part.write_bytes(b"")
    (tmp_path / "policy").mkdir()
    with pytest.raises(PolicyFormatError, match="not a file of the folder"):
        write_policy_folder(tmp_path / "policy", {}, {"../part": part})


def test_an_older_policy_is_replaced_and_leaves_nothing_behind(folder):
    write_policy_folder(folder, {"price": 0.3}, {})
    assert read_policy_folder(folder)["price"] == 0.3
    assert [path.name for path in folder.iterdir()] == ["policy.json"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["part", "policy"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(FileExistsError, match="not a policy folder"):
        write_policy_folder(tmp_path, {}, {})
    assert (tmp_path / "thesis.tex").read_text() == "ten years of work"


def test_a_write_that_fails_leaves_the_older_policy(folder, tmp_path):
    with pytest.raises(FileNotFoundError):
        write_policy_folder(folder, {"price": 9}, {"encoder.onnx": tmp_path / "absent"})
    assert read_policy_folder(folder)["price"] == 0.1
