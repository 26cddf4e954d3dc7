"""A store has one current policy, and changes it only to one that opens."""

import shutil
from datetime import UTC, datetime

import pytest

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.store import PolicyStore
from tests.unit_tests.policy.stored import made


@pytest.fixture
def store(tmp_path):
    return PolicyStore(tmp_path / "store")


@pytest.fixture
def names(store, tmp_path):
    return [store.add(made(tmp_path / f"p{number}", number), name=f"week-{number}") for number in range(3)]


def states(store):
    return {policy.name: policy.state for policy in store.policies()}


def test_a_policy_is_copied_under_its_digest_and_only_once(store, tmp_path):
    folder = made(tmp_path / "policy")
    (folder / "notes.txt").write_text("not of the policy")
    name = store.add(folder)
    assert name == LearnedPolicy.load(folder).policy_id
    assert store.add(folder) == name
    shutil.rmtree(folder)
    assert LearnedPolicy.load(store.folder / name).policy_id == name
    assert not (store.folder / name / "notes.txt").exists()
    assert store.current is None
    assert [each.name for each in store.folder.iterdir()] == [name]


def test_the_list_tells_what_each_policy_is(store, names):
    store.activate(names[1])
    (policy,) = [each for each in store.policies() if each.name == names[1]]
    assert policy.state == "current"
    assert policy.digest == LearnedPolicy.load(store.folder / names[1]).policy_id
    assert (policy.budget, policy.cost_unit, policy.verdict) == (15.0, "tokens", "ship")
    assert datetime(2020, 1, 1, tzinfo=UTC) < policy.made
    assert policy.as_dict()["made"].startswith("20")


def test_activation_and_rollback_move_along_what_was_current(store, names):
    for name in names:
        store.activate(name)
    store.activate(names[2])  # again changes nothing
    assert states(store) == {names[0]: "", names[1]: "before", names[2]: "current"}
    assert store.rollback().name == names[1]
    assert store.current == store.folder / names[1]
    assert store.rollback().name == names[0]
    with pytest.raises(
        PolicyFormatError, match="has no earlier policy to return to; activate one by its name"
    ):
        store.rollback()
    assert states(store) == {names[0]: "current", names[1]: "", names[2]: ""}


def test_loading_a_store_loads_its_current_policy(store, names):
    store.activate(names[2])
    assert LearnedPolicy.load(store.folder).folder == store.folder / names[2]


def test_a_damaged_policy_is_listed_with_its_problem_and_never_made_current(store, names):
    store.activate(names[0])
    store.activate(names[1])
    for name in (names[0], names[2]):
        (store.folder / name / "imitator.onnx").write_bytes(b"half")
        with pytest.raises(PolicyFormatError, match=rf"{name}/imitator\.onnx was changed"):
            store.activate(name)
    with pytest.raises(PolicyFormatError, match=rf"{names[0]}/imitator\.onnx was changed"):
        store.rollback()
    assert store.current == store.folder / names[1]
    problems = {policy.name: policy.problem for policy in store.policies()}
    assert problems[names[1]] is None
    assert "imitator.onnx was changed" in problems[names[2]]


def test_a_current_policy_that_is_gone_is_listed_so(store, names):
    store.activate(names[0])
    shutil.rmtree(store.folder / names[0])
    (gone,) = [policy for policy in store.policies() if policy.state == "current"]
    assert "is missing" in gone.problem


def test_a_damaged_folder_is_not_added(store, tmp_path):
    folder = made(tmp_path / "policy")
    (folder / "encoder.onnx").write_bytes(b"half")
    with pytest.raises(PolicyFormatError, match=r"policy/encoder\.onnx was changed"):
        store.add(folder)
    assert not store.folder.exists()


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "/tmp", "current", "two\nlines", "a\0b"])
def test_a_name_that_is_no_folder_of_the_store_is_refused(store, names, tmp_path, name):
    with pytest.raises(PolicyFormatError, match="cannot be the name"):
        store.activate(name)
    with pytest.raises(PolicyFormatError, match="cannot be the name"):
        store.add(tmp_path / "p0", name=name)


def test_an_unknown_name_is_refused_with_those_that_are_there(store, names):
    with pytest.raises(PolicyFormatError, match="is not there; the store has week-0, week-1, week-2"):
        store.activate("week-9")


def test_a_name_is_not_given_to_another_policy(store, names, tmp_path):
    with pytest.raises(PolicyFormatError, match="week-0 is another policy"):
        store.add(tmp_path / "p1", name="week-0")


@pytest.mark.parametrize("content", ["", "../elsewhere\n", "\n", "\0\n"])
def test_a_damaged_pointer_is_named(store, names, content):
    (store.folder / "current").write_text(content)
    with pytest.raises(PolicyFormatError, match=r"store/current names"):
        store.policies()
    with pytest.raises(PolicyFormatError, match=r"store/current names"):
        store.rollback()


def test_a_policy_folder_is_no_store(tmp_path):
    with pytest.raises(PolicyFormatError, match="is a policy folder"):
        PolicyStore(made(tmp_path / "policy"))
    with pytest.raises(PolicyFormatError, match="is no policy store"):
        PolicyStore(tmp_path / "nothing").policies()


def test_what_was_current_is_remembered_up_to_a_number(store, names):
    (store.folder / "current").write_text(f"{names[0]}\n{names[1]}\n" * 75)
    store.activate(names[2])
    assert len((store.folder / "current").read_text().splitlines()) == 100


def test_a_folder_without_a_policy_is_refused_with_what_to_name_in_its_place(tmp_path, store):
    store.add(made(tmp_path / "policy"), name="monday")
    (tmp_path / "empty").mkdir()
    for folder, way_out in (
        ("store", "holds the policies monday; name one of them, or activate one"),
        ("nothing", "there is no such folder; `adaptive-reasoner train` writes one"),
        ("empty", "is no policy folder; `adaptive-reasoner train` writes one"),
    ):
        with pytest.raises(PolicyFormatError, match=f"policy.json is missing: .*{way_out}"):
            LearnedPolicy.watch(tmp_path / folder)
