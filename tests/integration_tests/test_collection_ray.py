"""Collection on a Ray cluster on loopback: the rows and bills of the local engine, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from math import inf
from pathlib import Path

import psutil
import pytest

from adaptive_reasoner.errors import MenuError, UnpricedUsageError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.ray_workers import RayEngine
from adaptive_reasoner.kit.menu.menu import Menu
from tests.command import start_command
from tests.integration_tests.http_menus import WANTED, menu_at, questions
from tests.stub_server import StubServer
from tests.unit_tests.kit.collecting.sums import keys_of, rows_of
from tests.waiting import PATIENCE, wait_until

ray = pytest.importorskip("ray")

PROJECT = Path(__file__).resolve().parents[2]
MENU = """
[sources.direct]
base_url = "{base_url}"
model = "stub"
prompt = "direct: {{question}}"
max_tokens = 8
samples = 4

[sources.cot]
base_url = "{base_url}"
model = "stub"
prompt = "cot: {{question}}"
max_tokens = 8
samples = 4

[grader]
{grader}

[limits]
concurrency = 8
attempts = {attempts}
"""
COLLECT = """
import sys
from tests.integration_tests.http_menus import questions
from adaptive_reasoner.kit import Menu, RayEngine, collect
collect(questions(), Menu.load(sys.argv[1]), sys.argv[2], max_cost=2000, engine=RayEngine(workers=2))
"""


@pytest.fixture(scope="module")
def cluster():
    """A cluster with room for four workers, which collections find because it is initialised."""
    ray.init(
        "local",
        num_cpus=4,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=100_000_000,
        log_to_driver=False,
    )
    yield RayEngine(workers=2)
    ray.shutdown()


@pytest.fixture
def menu_file(tmp_path):
    def write(base_url, *, grader='kind = "numeric"', attempts=1):
        path = tmp_path / "menu.toml"
        path.write_text(MENU.format(base_url=base_url, grader=grader, attempts=attempts))
        return path

    return write


def sums(prompt, _number):
    return f"Answer: {sum(prompt.encode())}"


def contents_of(path):
    """What the rows say, whatever their order, the time they took and what was lost on the way."""
    various = ("seconds", "cost", "attempts", "retries_cost", "estimated")
    rows = [{name: value for name, value in row.items() if name not in various} for row in rows_of(path)]
    return sorted(json.dumps(row) for row in rows)


def workers_of(process):
    """The ids of the processes of the workers of a cluster that `process` started."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        try:
            if "ray::Worker" in " ".join(child.cmdline()):
                found.append(child.pid)
        except psutil.Error:
            continue
    return found


def ports_of(process):
    """The ports of its connections."""
    return {connection.laddr.port for connection in psutil.Process(process).net_connections("tcp")}


def rows_in(out):
    return out.read_bytes().count(b"\n") if out.exists() else 0


def first_calls(stub, faults):
    """The faults of the first call with each of some prompts: a call that is made again meets no other."""
    left = dict(faults)
    return lambda number: left.pop(stub.bodies[number]["messages"][-1]["content"], None)


def test_a_menu_with_a_model_that_cannot_be_sent_names_the_way_out(tmp_path):
    menu = menu_at("http://127.0.0.1:1/v1")
    with pytest.raises(MenuError, match=r"cannot be sent to workers.*load_menu"):
        collect(questions(1), menu, tmp_path / "samples.jsonl", engine=RayEngine(workers=1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_rows_are_those_of_the_local_engine_and_the_cap_holds(cluster, tmp_path, menu_file):
    there, here, capped = (tmp_path / f"{name}.jsonl" for name in ("there", "here", "capped"))
    with StubServer(sums) as stub:
        menu = Menu.load(menu_file(stub.base_url))
        done = collect(questions(), menu, there, engine=cluster)
        assert (done.there, done.cost) == (240, stub.billed)
        local = collect(questions(), menu, here)
        assert contents_of(there) == contents_of(here)
        assert (done.there, done.failed, done.cost) == (local.there, local.failed, local.cost)
        before = stub.billed
        stopped = collect(questions(), menu, capped, engine=cluster, max_cost=100, concurrency=16)
        assert stub.billed - before == stopped.cost <= 100 < stopped.cost + 8
        assert stopped.stopped == "max_cost"


@pytest.mark.slow
def test_refusals_on_workers_are_judged_as_those_in_this_process(cluster, tmp_path, menu_file):
    out = tmp_path / "samples.jsonl"
    faults = {2: "503", 5: "429", 9: "cut", 12: "400", 27: "429"}
    with StubServer(sums) as stub:
        stub.faults = first_calls(stub, {f"cot: What is {n} + 1?": fault for n, fault in faults.items()})
        path = menu_file(stub.base_url, attempts=2)
        done = collect(questions(), Menu.load(path), out, engine=cluster)
        assert (done.there, done.failed, done.retried) == (240, 1, 4)
        assert done.cost == stub.priced
    (failed,) = [row for row in rows_of(out) if "error" in row]
    assert failed["error"].startswith("OpenAIInvalidRequestError: Error code: 400")  # as the local engine
    with StubServer(faults={0: "no usage"}) as stub:
        menu = Menu.load(menu_file(stub.base_url))
        with pytest.raises(UnpricedUsageError, match="no token usage"):
            collect(questions(1), menu, tmp_path / "unpriced.jsonl", engine=RayEngine(workers=1))


@pytest.mark.slow
def test_slow_graders_run_on_the_workers_which_load_their_code_themselves(cluster, tmp_path, menu_file):
    (tmp_path / "my_graders.py").write_text(
        "import os\ndef pid(answer, gold):\n"
        f"    open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')\n    return 1.0\n"
    )
    grader = 'function = "my_graders:pid"\n[code]\nmodules = ["my_graders"]'
    with StubServer(sums) as stub:
        path = menu_file(stub.base_url, grader=grader)
        engine = RayEngine(workers=1, load_menu=partial(Menu.load, path))
        done = collect(questions(5), Menu.load(path), tmp_path / "samples.jsonl", engine=engine)
    graded_in = (tmp_path / "pids").read_text().split()
    assert (done.there, done.ungraded, len(graded_in)) == (40, 0, 40)
    assert str(os.getpid()) not in graded_in


@pytest.mark.slow
def test_a_menu_that_a_worker_cannot_load_ends_the_collection_with_the_reason(cluster, tmp_path, menu_file):
    menu = Menu.load(menu_file("http://127.0.0.1:1/v1"))
    engine = RayEngine(workers=1, load_menu=partial(Menu.load, tmp_path / "elsewhere.toml"))
    with pytest.raises(MenuError, match=r"a worker cannot load the menu: MenuError: .*elsewhere\.toml"):
        collect(questions(1), menu, tmp_path / "samples.jsonl", engine=engine)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_calls_are_billed_and_made_again(cluster, tmp_path, menu_file):
    there, here, cap = tmp_path / "there.jsonl", tmp_path / "here.jsonl", 2000
    with StubServer(sums, replies=40) as stub:
        menu, done = Menu.load(menu_file(stub.base_url)), []
        work = threading.Thread(
            target=lambda: done.append(
                collect(questions(), menu, there, max_cost=cap, concurrency=8, engine=RayEngine(workers=4))
            )
        )
        work.start()
        lost = 0
        for replies in (100, inf):
            wait_until(lambda: len(stub.bodies) == stub.replies + 8 and len(workers_of(os.getpid())) == 4)
            held = {pid: ports_of(pid).intersection(stub.ports[-8:]) for pid in workers_of(os.getpid())}
            killed = max(held, key=lambda pid, held=held: len(held[pid]))
            os.kill(killed, signal.SIGKILL)
            lost += len(held[killed])
            made_again = stub.replies + 8 + len(held[killed])
            wait_until(lambda made_again=made_again: len(stub.bodies) == made_again)
            stub.replies = replies
        work.join()
        billed, asked = stub.billed, len(stub.bodies)
        collect(questions(), menu, here)
    assert contents_of(there) == contents_of(here)
    assert (asked, billed) == (240 + lost, 3 * (240 + lost))
    assert done[0].cost == 240 * 3 + lost * 8  # 3 an answer; 8, its worst case, a call that was lost
    assert 0 < sum(row.get("estimated", False) for row in rows_of(there)) <= lost


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # a kill may cut a row, which warns
def test_a_killed_driver_is_run_again_and_no_row_is_lost_or_doubled(cluster, tmp_path, menu_file):
    there, here = tmp_path / "there.jsonl", tmp_path / "here.jsonl"
    with StubServer(sums, replies=60) as stub:
        path = menu_file(stub.base_url)
        with subprocess.Popen([sys.executable, "-c", COLLECT, path, there], cwd=PROJECT) as driver:
            wait_until(lambda: rows_in(there) == 60 and stub.in_flight == 8)
            own = [psutil.Process(pid) for pid in workers_of(driver.pid)]
            driver.kill()
        stub.replies = inf
        wait_until(lambda: stub.in_flight == 0)
        done = collect(questions(), Menu.load(path), there, max_cost=2000, engine=cluster)
        billed, asked = stub.billed, len(stub.bodies)
        collect(questions(), Menu.load(path), here)
    assert sorted(keys_of(there)) == WANTED
    assert contents_of(there) == contents_of(here)
    assert (done.new, done.lost) == (180, 8 * 8)
    assert (asked, billed) == (240 + 8, 3 * (240 + 8))
    assert done.cost == 240 * 3 + 8 * 8
    assert psutil.wait_procs(own, timeout=PATIENCE)[1] == []  # the workers end with their driver


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_ctrl_c_ends_the_command_and_the_cluster_that_it_started(tmp_path, menu_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"question": question.question, "gold": question.gold}) for question in questions()]
    Path("questions.jsonl").write_text("\n".join(lines))
    with StubServer(sums, replies=20) as stub:
        menu = menu_file(stub.base_url)
        command = ("collect", "questions.jsonl", "--config", menu, "--out", "samples.jsonl")
        started = start_command(*command, "--engine", "ray", "--workers", 1, stderr=subprocess.PIPE)
        wait_until(lambda: rows_in(Path("samples.jsonl")) == 20)
        own = psutil.Process(started.pid).children(recursive=True)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=PATIENCE)
    assert started.returncode == 130
    assert rows_in(Path("samples.jsonl")) == 20
    assert said.splitlines()[-1].startswith("adaptive-reasoner: stopped: 20 of 240 samples are kept")
    assert psutil.wait_procs(own, timeout=PATIENCE)[1] == []
