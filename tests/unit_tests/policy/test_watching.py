"""A watched policy decides each question on one version, and keeps the last good one."""

import asyncio
import copy
import logging
import os
import pickle
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import InfeasibleBudgetError, PolicyFormatError, UnknownActionError
from adaptive_reasoner.integrations.context import Tenants, options_from_context
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.policy.alarms import Alarms
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.store import PolicyStore
from adaptive_reasoner.policy.versions import version_of
from adaptive_reasoner.policy.watching import WatchedPolicy
from tests.fakes import ScriptedModel
from tests.unit_tests.policy.forged_folders import CARD
from tests.unit_tests.policy.stored import ACTIONS, made, reasoner_of, replaced
from tests.waiting import PATIENCE

ASKED = "what is 12 + 7 ?"


@pytest.fixture
def folder(tmp_path):
    return made(tmp_path / "policy")


@pytest.fixture
def still():
    """A clock that stands still, so that only the test looks at the folder."""
    return lambda: 0.0


def watched(folder, still):
    return WatchedPolicy(folder, LearnedPolicy, clock=still)


def id_of(folder):
    return LearnedPolicy.load(folder).policy_id


def test_a_new_version_decides_the_next_question(folder, still):
    policy = watched(folder, still)
    reasoner, before = reasoner_of(policy), id_of(folder)
    assert reasoner.answer(ASKED).record["policy_id"] == before
    assert not policy.check()
    after = id_of(replaced(folder, 1))
    assert reasoner.answer(ASKED).record["policy_id"] == before  # nothing has looked yet
    assert policy.check()
    assert reasoner.answer(ASKED).record["policy_id"] == after != before
    assert policy.policy_id == after


def test_a_question_causes_a_look_when_one_is_due_and_does_not_wait_for_it(folder):
    now, loading, go_on = [0.0], threading.Event(), threading.Event()

    def load(path):
        if threading.current_thread().name == "policy-watch":
            loading.set()
            assert go_on.wait(PATIENCE)
        return LearnedPolicy(path)

    policy = WatchedPolicy(folder, load, every=5.0, clock=lambda: now[0])
    before = policy.policy_id
    after = id_of(replaced(folder, 1))
    now[0] = 4.9
    assert policy.decide(ASKED).policy_id == before
    assert not loading.is_set()
    now[0] = 5.0
    assert policy.decide(ASKED).policy_id == before
    assert loading.wait(PATIENCE)
    assert policy.decide(ASKED).policy_id == before  # loading is under way
    go_on.set()
    policy._watch._checking.acquire()  # until the look is over
    policy._watch._checking.release()
    assert policy.decide(ASKED).policy_id == after


def test_a_question_under_way_ends_on_the_version_it_began_with(folder, still):
    policy = watched(folder, still)
    reasoner, before = reasoner_of(policy), policy.policy_id
    stream = reasoner.stream_answer(ASKED)
    next(stream)
    replaced(folder, 1)
    assert policy.check()
    *_, last = stream
    assert last.response_metadata["adaptive_reasoner"]["policy_id"] == before
    assert reasoner.answer(ASKED).record["policy_id"] == policy.policy_id != before


def damaged(folder):
    (replaced(folder, 1) / "imitator.onnx").write_bytes(b"half")


def newer(folder):
    replaced(folder, 1, format=99)


def without_a_file(folder):
    (replaced(folder, 1) / "encoder.onnx").unlink()


def gone(folder):
    shutil.rmtree(folder)


def in_dollars(folder):
    replaced(folder, 1, cost_unit="usd", counts=None)


def counting_prompts(folder):
    replaced(folder, 1, counts="total")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damaged, r"imitator\.onnx was changed"),
        (newer, "is of format 99, newer"),
        (without_a_file, r"encoder\.onnx is missing"),
        (gone, r"policy\.json is missing"),
        (in_dollars, "cost_unit is 'usd', and was 'tokens'"),
        (counting_prompts, "counts is 'total', and was 'completion'"),
    ],
)
def test_what_cannot_replace_the_last_good_version_is_refused_and_named_once(
    folder, still, harm, said, caplog
):
    policy = watched(folder, still)
    before = policy.policy_id
    harm(folder)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not policy.check()
    assert policy.decide(ASKED).policy_id == before
    (warning,) = caplog.messages
    assert str(folder) in warning
    assert policy.refused is not None
    assert str(policy.refused) == warning
    assert re.search(said, policy.refused.reason)
    shutil.rmtree(folder, ignore_errors=True)
    after = id_of(made(folder, 2))
    assert policy.check()
    assert (policy.policy_id, policy.refused) == (after, None)


def test_a_folder_that_is_still_being_written_is_left_for_the_next_look(folder, still, caplog):
    """The encoder is there only once the first file was read."""

    def load(path):
        if path.stat().st_mtime_ns != began:
            (path / "imitator.onnx").write_bytes(whole)
            raise PolicyFormatError(f"{path / 'imitator.onnx'}: it was half")
        return LearnedPolicy(path)

    began = folder.stat().st_mtime_ns
    policy = WatchedPolicy(folder, load, clock=still)
    whole = (folder / "imitator.onnx").read_bytes()
    replaced(folder, 1)
    assert not policy.check()
    assert (policy.refused, caplog.messages) == (None, [])


def test_a_version_with_an_action_that_nobody_supplied_waits_for_it(folder, still, caplog):
    policy = watched(folder, still)
    reasoner = reasoner_of(policy)
    before = id_of(replaced(folder, 5))
    assert policy.check()
    assert reasoner.answer(ASKED).record["policy_id"] == before
    fields = {"actions": ["direct", "long"], "mixture": ["direct", "long"], "menu": {}}
    after = id_of(replaced(folder, 1, **fields))
    assert policy.check()
    for _ in range(3):
        assert reasoner.answer(ASKED).record["policy_id"] == before
    (warning,) = caplog.messages
    assert "unknown action 'long'" in warning
    assert policy.refused.digest == after
    assert policy.policy_id == before  # what it says of itself is of the version that decides
    assert policy.decide(ASKED).policy_id == before
    reasoner.add_action("another", ACTIONS["cot"])
    assert reasoner.answer(ASKED).record["policy_id"] == before
    reasoner.add_action("long", ACTIONS["cot"])
    assert reasoner.answer(ASKED).record["policy_id"] == after
    with pytest.raises(UnknownActionError, match="'long'"):
        reasoner_of(watched(folder, still))


def test_alarms_go_on_while_a_version_is_refused(folder, still):
    policy = watched(folder, still)
    alarms = Alarms(policy)
    reasoner, before = reasoner_of(alarms), policy.policy_id
    replaced(folder, 1, actions=["direct", "long"], mixture=["direct", "long"], menu={})
    assert policy.check()
    for _ in range(5):
        assert alarms.price > 0
        assert reasoner.answer(ASKED).record["policy_id"] == before
    assert {watch._counts.total() for (series, _), watch in alarms._watches.items() if series == "cost"} == {
        5
    }


def test_reasoners_that_share_a_watch_each_have_the_version_they_can_run(folder, still):
    policy = watched(folder, still)
    few, before = reasoner_of(policy), policy.policy_id
    many = reasoner_of(policy, ACTIONS | {"long": ACTIONS["cot"]})
    fields = {"actions": ["direct", "long"], "mixture": ["direct", "long"], "menu": {}}
    after = id_of(replaced(folder, 1, **fields))
    policy.check()
    for _ in range(2):
        assert many.answer(ASKED).record["policy_id"] == after
        assert few.answer(ASKED).record["policy_id"] == before


def test_a_version_that_cannot_keep_to_the_budget_is_refused(folder, still, caplog):
    policy = watched(folder, still).at(budget=20.0)
    assert policy.budget == 20.0
    reasoner, before = reasoner_of(policy), policy.policy_id
    assert reasoner.ledger.target == 20.0
    frontier = CARD["frontier"] | {"cost": [cost + 100 for cost in CARD["frontier"]["cost"]]}
    replaced(folder, 1, frontier=frontier)
    policy.check()
    assert reasoner.answer(ASKED).record["policy_id"] == before == policy.policy_id
    assert "a budget of 20 tokens per question is below" in caplog.messages[-1]
    with pytest.raises(InfeasibleBudgetError):
        policy.at(budget=1e-9)


def test_each_version_is_moved_to_the_budget_that_was_asked_for(folder, still):
    policy = watched(folder, still).at(budget=20.0)
    replaced(folder, 1, budget=10.0)
    assert policy.check()
    assert (policy.budget, policy.price) == (20.0, LearnedPolicy.load(folder).at(budget=20.0).price)


def test_the_current_policy_of_a_store_is_followed(tmp_path, still, caplog):
    store = PolicyStore(tmp_path / "store")
    names = [store.add(made(tmp_path / f"p{number}", number)) for number in range(3)]
    with pytest.raises(PolicyFormatError, match=r"policy\.json is missing"):
        watched(store.folder, still)
    store.activate(names[0])
    policy = watched(store.folder, still)
    assert policy.policy_id == names[0]
    store.activate(names[1])
    assert policy.check()
    assert policy.policy_id == names[1]
    store.rollback()
    assert policy.check()
    assert policy.policy_id == names[0]
    (store.folder / "current").write_text("../p2\n")
    assert not policy.check()
    assert "names '../p2', which is not a file of the folder" in caplog.messages[-1]
    assert policy.policy_id == names[0]


def test_a_ledger_begins_at_the_price_of_the_version(folder, still):
    policy = watched(folder, still)
    loaded = LearnedPolicy.load(folder)
    ledger = open_ledger("memory://", policy=policy)
    assert (ledger.price, ledger.target) == (loaded.price, loaded.budget)
    aimed = [open_ledger("memory://", policy=each, target_accuracy=0.8).price for each in (policy, loaded)]
    assert aimed[0] == aimed[1]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of forks beside threads
def test_a_watched_policy_survives_pickling_copying_and_forking(folder):
    policy = LearnedPolicy.watch(folder, every=0).at(budget=20.0)
    expected = policy.decide(ASKED)
    assert pickle.loads(pickle.dumps(policy)).decide(ASKED) == expected
    assert copy.deepcopy(policy).decide(ASKED) == expected
    with policy._watch._checking:  # as held by a thread that looks, and that a fork leaves behind
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                replaced(folder, 1)
                os.write(write, b"new" if policy.check() else b"old")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert os.read(read, 3) == b"new"
    os.close(read)
    os.close(write)


def test_a_watch_needs_a_time_between_looks(folder):
    with pytest.raises(ValueError, match="every is a number of seconds"):
        LearnedPolicy.watch(folder, every=-1)


@pytest.mark.parametrize("reloads", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_no_question_fails_while_the_folder_is_replaced(tmp_path, caplog, reloads):
    """50 questions at a time, in threads and on an event loop; one folder is damaged and named."""
    store = PolicyStore(tmp_path / "store")
    names = [store.add(made(tmp_path / f"p{number}", number)) for number in range(4)]
    store.activate(names[0])
    policy = LearnedPolicy.watch(store.folder, every=0)
    reasoner, stop = reasoner_of(policy, latency=0.2), threading.Event()
    (store.folder / names[3] / "imitator.onnx").write_bytes(b"half")

    def ask(number):
        asked = []
        while not asked or not stop.is_set():
            asked.append(reasoner.answer(f"what is {number} + 7 ?").record["policy_id"])
        return asked

    async def ask_without_blocking(number):
        asked = []
        while not asked or not stop.is_set():
            answer = await reasoner.aanswer(f"what is {number} + 7 ?")
            asked.append(answer.record["policy_id"])
        return asked

    async def ask_at_once():
        return await asyncio.gather(*(ask_without_blocking(number) for number in range(25)))

    with ThreadPoolExecutor(26) as threads:
        asking = [threads.submit(ask, number) for number in range(25)]
        asking_at_once = threads.submit(asyncio.run, ask_at_once())
        for number in range(reloads):
            which = names[3] if number == reloads // 2 else names[number % 3]
            with replaced_whole(store.folder / "current") as part:
                part.write_text(f"{which}\n")
            policy.check()
            assert policy.policy_id == (names[(number - 1) % 3] if which == names[3] else which)
        stop.set()
        asked = [*(each.result() for each in asking), *asking_at_once.result()]
    assert min(map(len, asked)) > 0
    assert set().union(*asked) <= set(names[:3])
    (warning,) = caplog.messages
    assert "imitator.onnx was changed" in warning
    assert names[3] in warning


def test_a_policy_without_versions_is_its_own(folder):
    policy = LearnedPolicy.load(folder)
    assert version_of(policy) is policy is version_of(policy, ["direct"])


def test_a_run_s_own_budget_is_priced_by_the_version(folder):
    policy = LearnedPolicy.load(folder)
    tenants = Tenants(open_ledger("memory://", policy=policy), None)
    prices = {
        options_from_context({"budget": 20.0}, policy=each, tenants=tenants)["price"]
        for each in (policy, LearnedPolicy.watch(folder), Alarms(policy), Alarms(LearnedPolicy.watch(folder)))
    }
    assert prices == {policy.at(budget=20.0).price}


def test_a_node_asks_the_version_whether_it_takes_a_vector(folder):
    terms = {"actions": ACTIONS, "vector_key": "vector"}
    model = ScriptedModel(answers=("Answer: 7",))
    AdaptiveComputeNode(model, policy=Alarms(LearnedPolicy.watch(folder)), **terms)
    with pytest.raises(ValueError, match="policy 'fixed:cot' takes no vector"):
        AdaptiveComputeNode(model, policy=Alarms(FixedPolicy("cot")), **terms)
