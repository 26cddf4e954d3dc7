"""The built-in model, for real: SmolLM2-135M behind its endpoint."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptive_reasoner.answers import final_answer, numeric
from adaptive_reasoner.demo import prompts
from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.local_model import LocalModelServer
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.source import Source

pytest.importorskip("xllamacpp")
pytest.importorskip("langchain_openai")
pytest.importorskip("reasoning_gym")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with LocalModelServer(slots=4) as running:
        yield running


def tokens(server, text):
    """How many tokens the server reads in a text; what it writes may be split otherwise."""
    request = urllib.request.Request(
        server.base_url.removesuffix("/v1") + "/tokenize",
        json.dumps({"content": text}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as reply:
        return len(json.load(reply)["tokens"])


def drawn(reply):
    """How many tokens the model drew, with the one that ended the reply."""
    shown = reply.response_metadata["logprobs"]["content"]
    return len(shown) + (reply.response_metadata["finish_reason"] == "stop")


@pytest.mark.parametrize("prompt", [prompts.direct, prompts.cot])
@pytest.mark.parametrize(
    "question", ["5 + 9", "4 * 6", "Ada has 7 eggs. Ada finds 3 more eggs. How many now?"]
)
def test_the_prompt_goes_in_as_it_is_and_the_usage_is_what_was_drawn(server, prompt, question):
    asked = prompt(question)
    reply = server.chat_model().invoke(asked, stop=["\n"], max_tokens=48, logprobs=True)
    usage = reply.usage_metadata
    assert usage["input_tokens"] == tokens(server, asked)
    assert usage["output_tokens"] == drawn(reply)
    assert "\n" not in reply.text
    assert reply.response_metadata["model_name"] == "smollm2-135m"


def test_samples_of_one_prompt_differ_and_each_has_its_own_usage(server):
    model = server.chat_model(temperature=1.0)
    asked = prompts.cot("13 + 29")
    replies = model.batch([asked] * 6, stop=["\n"], max_tokens=32, logprobs=True)
    assert len({reply.text for reply in replies}) > 1
    assert [reply.usage_metadata["output_tokens"] for reply in replies] == [drawn(reply) for reply in replies]


def test_a_reply_that_is_cut_at_max_tokens_says_so_and_has_no_answer(server):
    reply = server.chat_model().invoke(prompts.cot("27 + 58"), max_tokens=3)
    assert reply.response_metadata["finish_reason"] == "length"
    assert reply.usage_metadata["output_tokens"] == 3
    assert final_answer(reply) is None


def test_a_block_inside_another_shares_its_server(server):
    with LocalModelServer() as same:
        assert same.base_url == server.base_url
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda _: server.chat_model().invoke("1, 2, 3,", max_tokens=2).text, range(8)))
    assert all(texts)


def test_collects_from_the_model_and_again_nothing(server, tmp_path):
    asked, out = problems(8, seed=3), tmp_path / "samples.jsonl"
    settings = {"stop": ["\n"], "temperature": 0.7}
    sources = {
        "direct": Source(server.chat_model, prompt=prompts.direct, settings=settings, max_tokens=8),
        "cot": Source(server.chat_model, prompt=prompts.cot, settings=settings, max_tokens=48),
    }
    menu = Menu(sources, samples=2, grader=numeric)
    done = collect(asked, menu, out, concurrency=4)
    assert (done.there, done.new, done.failed) == (32, 32, 0)
    assert collect(asked, menu, out).new == 0
    samples = Samples.read(out)
    costs = {source: samples.of_source(source) for source in ("direct", "cot")}
    mean = {
        source: sum(reply.cost for replies in part.replies.values() for reply in replies) / 16
        for source, part in costs.items()
    }
    assert mean["direct"] < 9 < mean["cot"]


def test_it_is_quiet_and_lets_go_of_its_port():
    program = (
        "from adaptive_reasoner.demo.local_model import LocalModelServer\n"
        "with LocalModelServer(slots=1) as server:\n"
        "    url = server.base_url\n"
        "    server.chat_model().invoke('1, 2, 3,', max_tokens=2)\n"
        "print(url)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    assert ran.stdout.count("\n") == 1
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(ran.stdout.strip() + "/models", timeout=5)
