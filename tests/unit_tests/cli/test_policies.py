"""The commands of a policy store."""

import json

import pytest

from tests.unit_tests.policy.stored import made


@pytest.fixture
def store(command, tmp_path):
    """A store of two policies, the second of which is current."""
    for number in range(2):
        folder = made(tmp_path / f"p{number}", number)
        code, _, err = command(
            "policy", "add", tmp_path / "store", folder, "--name", f"p{number}", "--activate"
        )
        assert (code, err) == (0, "")
    return tmp_path / "store"


def test_list_shows_each_policy_and_which_is_current(command, store):
    code, out, _ = command("policy", "list", store, "--json")
    rows = json.loads(out)["policies"]
    assert code == 0
    assert [(row["name"], row["state"], row["problem"]) for row in rows] == [
        ("p0", "before", None),
        ("p1", "current", None),
    ]
    assert {len(row["digest"]) for row in rows} == {16}
    _, table, _ = command("policy", "list", store)
    assert all(word in table for word in ("p0", "before", "p1", "current", "ship", "15"))


def test_rollback_and_activate_switch(command, store):
    code, out, _ = command("policy", "rollback", store, "--json")
    assert (code, json.loads(out)["name"], json.loads(out)["state"]) == (0, "p0", "current")
    code, out, _ = command("policy", "activate", store, "p1", "--json")
    assert (code, json.loads(out)["name"]) == (0, "p1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("activate", "{store}", "p7"), "p7 is not there; the store has p1"),
        (
            ("activate", "{store}", "../p0"),
            "'../p0' cannot be the name of a policy in a store; a name is that of a folder",
        ),
        (("activate", "{store}", "p0"), "p0/imitator.onnx was changed after it was written"),
        (("rollback", "{store}"), "p0/imitator.onnx was changed after it was written"),
        (("add", "{store}", "{store}/p0", "--name", "p9"), "p0/imitator.onnx was changed"),
        (("list", "{store}/nothing"), "nothing is no policy store"),
        (("rollback", "{store}/p1"), "is a policy folder"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_folder(command, store, arguments, said):
    (store / "p0" / "imitator.onnx").write_bytes(b"half")
    code, out, err = command("policy", *(each.format(store=store) for each in arguments))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert str(store) in err
    assert (store / "current").read_text().startswith("p1\n")


def test_a_policy_that_was_never_current_is_shown_as_stored(command, tmp_path, store):
    code, out, _ = command("policy", "add", store, made(tmp_path / "p2", 2), "--name", "p2")
    assert (code, "state: stored\n" in out) == (0, True)
    _, table, _ = command("policy", "list", store)
    assert "stored" in table
    _, listed, _ = command("policy", "list", store, "--json")
    assert {row["name"]: row["state"] for row in json.loads(listed)["policies"]}["p2"] == ""
