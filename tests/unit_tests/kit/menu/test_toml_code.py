"""A menu runs the code that it names itself and no other, and sends keys only where they belong."""

import os
import sys

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question

ASK = '[sources.ask]\nmodel = "m"\nbase_url = "http://127.0.0.1:1/v1"\nmax_tokens = 8\n'
PLACES = {
    "prompt": "prompt = {{ function = '{}' }}\n",
    "grader": "[grader]\nfunction = '{}'\n",
    "scorer": "[actions.best]\nsource = 'ask'\nstrategy = 'best_of_n'\nsamples = 3\nscorer = '{}'\n",
    "checker": "[actions.best]\nsource = 'ask'\nstrategy = 'best_of_n'\nsamples = 3\nchecker = '{}'\n",
}
QUESTION = Question("q", "touch ran.txt", "42")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    ran = "from pathlib import Path\nPath('ran.txt').write_text('x')\n"
    (tmp_path / "my_code.py").write_text(ran + "def mine(*given):\n    return 'Q'\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(folder, text, **settings):
    (folder / "menu.toml").write_text(text)
    return Menu.load(folder / "menu.toml", **settings)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("address", ["my_code:mine", "os:system", "subprocess:run"])
def test_code_that_a_menu_does_not_name_is_refused_with_the_line_to_add(folder, place, address):
    module = address.partition(":")[0]
    with pytest.raises(MenuError, match=rf'{address} runs code .* \[code\] and modules = \["{module}"\]'):
        load(folder, ASK + PLACES[place].format(address))
    with pytest.raises(MenuError, match=rf'modules = \["my_other", "{module}"\]'):
        load(folder, ASK + PLACES[place].format(address) + "[code]\nmodules = ['my_other']")
    assert not (folder / "ran.txt").exists()


@pytest.mark.parametrize("place", PLACES)
def test_code_that_a_menu_names_is_loaded_left_or_refused(folder, place):
    text = ASK + PLACES[place].format("my_code:mine") + "[code]\nmodules = ['my_code']"
    with pytest.raises(MenuError, match="my_code:mine is code of the menu's, and --no-code refuses it"):
        load(folder, text, code="refuse")
    load(folder, text, code="leave")
    assert not (folder / "ran.txt").exists()
    assert "ask" in load(folder, text).sources
    assert (folder / "ran.txt").read_text() == "x"


def test_a_menu_that_is_only_looked_at_prices_what_needs_no_function(folder):
    named = "[code]\nmodules = ['my_code']"
    graded = load(folder, ASK + PLACES["grader"].format("my_code:mine") + named, code="leave")
    assert forecast([QUESTION], graded, "samples.jsonl").bound == 5 * 8
    prompted = load(folder, ASK + PLACES["prompt"].format("my_code:mine") + named, code="leave")
    with pytest.raises(MenuError, match=r"\[sources.ask\] my_code:mine is a function.* add --allow-code"):
        forecast([QUESTION], prompted, "samples.jsonl")
    assert not (folder / "ran.txt").exists()


@pytest.mark.parametrize("modules", ["['../my_code']", "['my code']", "[7]", "'my_code'"])
def test_modules_are_named_not_addressed(folder, modules):
    with pytest.raises(MenuError, match=r"\[code\] modules"):
        load(folder, f"{ASK}[code]\nmodules = {modules}")


def keyed(variable, base_url):
    return f'[sources.ask]\nmodel = "m"\nbase_url = "{base_url}"\napi_key_env = "{variable}"\n'


@pytest.mark.parametrize("variable", ["HOME", "DATABASE_URL", "AWS_PROFILE", "PASSWORD", "MONKEY"])
def test_only_a_variable_with_the_name_of_a_key_is_sent(folder, variable):
    with pytest.raises(MenuError, match=f"api_key_env is '{variable}', which is not the name of a key"):
        load(folder, keyed(variable, "https://example.org/v1"))


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "QWEN_KEY", "HF_TOKEN", "KEY", "MY_APIKEY"])
def test_the_usual_names_of_keys_are_taken(folder, variable):
    menu = load(folder, keyed(variable, "https://example.org/v1"))
    assert menu.keys == {variable: ["example.org"]}


@pytest.mark.parametrize("host", ["example.org", "10.0.0.7:80", "localhost.example.org", "[2001:db8::1]:80"])
def test_a_key_never_crosses_a_network_in_the_clear(folder, host):
    with pytest.raises(MenuError, match="the key in QWEN_KEY would go unencrypted"):
        load(folder, keyed("QWEN_KEY", f"http://{host}/v1"))


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:1", "[::1]:8000"])
def test_a_key_may_go_to_this_machine(folder, host):
    assert load(folder, keyed("QWEN_KEY", f"http://{host}/v1")).keys["QWEN_KEY"]


@pytest.mark.parametrize("address", ["https://[bad/v1", "https://example.org:99999/v1"])
def test_an_address_that_is_none_is_named(folder, address):
    with pytest.raises(MenuError, match=r"base_url is .*, which is not an address"):
        load(folder, keyed("QWEN_KEY", address))


def test_a_forecast_says_which_keys_go_where(folder):
    text = keyed("QWEN_KEY", "https://user:secret@example.org:8443/v1")
    text += '[sources.other]\nmodel = "openai:gpt"\napi_key_env = "QWEN_KEY"\n'
    keys = forecast([QUESTION], load(folder, text), "samples.jsonl").as_dict()["keys"]
    assert keys == {"QWEN_KEY": ["example.org:8443", "openai"]}
    assert "QWEN_KEY" not in os.environ


@pytest.mark.parametrize("samples", [300_000_000, 100_001, -1])
def test_a_number_of_samples_nobody_means_is_named(folder, samples):
    with pytest.raises(MenuError, match=f"source 'ask' cannot have {samples} samples per question"):
        load(folder, f"{ASK}samples = {samples}")


def test_a_number_of_votes_nobody_means_is_named(folder):
    vote = "[actions.vote]\nsource = 'ask'\nstrategy = 'self_consistency'\nsamples = 300000000"
    with pytest.raises(MenuError, match="action 'vote' cannot take 300000000 samples"):
        load(folder, ASK + vote)


def test_a_module_beside_the_menu_is_run_once_and_may_hold_dataclasses(tmp_path):
    (tmp_path / "prompts_of_two.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from pathlib import Path\n"
        "with Path(__file__).with_name('runs').open('a') as file:\n"
        "    _ = file.write('run ')\n"
        "@dataclass\n"
        "class Style:\n"
        "    words: int = 5\n"
        "def brief(question): return f'{question} In {Style().words} words.'\n"
        "def plain(question): return question\n"
    )
    sources = "".join(
        f'[sources.{name}]\nmodel = "m"\nprompt = {{ function = "prompts_of_two:{name}" }}\n'
        for name in ("brief", "plain")
    )
    (tmp_path / "menu.toml").write_text(f'{sources}[code]\nmodules = ["prompts_of_two"]\n')
    menu = Menu.load(tmp_path / "menu.toml")
    assert menu.sources["brief"].prompt("Why?") == "Why? In 5 words."
    assert (tmp_path / "runs").read_text() == "run "
    del sys.modules["prompts_of_two"]


PROGRAMS = ASK + "[grader]\nkind = 'python_tests'\n"


def test_a_menu_that_runs_the_programs_in_replies_is_refused_without_code(folder):
    with pytest.raises(MenuError, match=r"python_tests runs the programs in replies, and --no-code refuses"):
        load(folder, PROGRAMS, code="refuse")


def test_a_menu_that_runs_programs_needs_a_machine_with_a_sandbox(folder, monkeypatch):
    monkeypatch.setattr("adaptive_reasoner.sandbox.running.platform.machine", lambda: "riscv64")
    with pytest.raises(MenuError, match=r"python_tests .* on Linux alone"):
        load(folder, PROGRAMS)
    assert load(folder, PROGRAMS, code="leave").sampled == ["ask"]


def test_programs_are_graded_by_the_tests_that_are_the_gold_answer(folder):
    if sys.platform != "linux":
        pytest.skip("there is no sandbox on this machine")
    menu = load(folder, PROGRAMS)
    replies = [f"```python\ndef add(a, b):\n    return a {sign} b\n```" for sign in "+-"]
    found = menu.comparison.keys([AIMessage(reply) for reply in [*replies, "I cannot."]])
    assert found[2] is None
    assert [menu.grader.grade(answer, "assert add(a=1, b=2) == 3") for answer in found] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("python", "def f(a): return a", "def f(b):\n    return b"),
        ("sql", "select a from t", "SELECT t.a FROM t"),
    ],
)
def test_code_is_compared_by_what_it_is(folder, language, one, other):
    menu = load(folder, ASK + f"[grader]\nkind = 'code'\nlanguage = '{language}'\n", code="refuse")
    first, second = menu.comparison.keys([AIMessage(one), AIMessage(other)])
    assert first == second
    assert menu.grader.grade(first, other) == 1.0


@pytest.mark.parametrize(
    ("grader", "reason"),
    [
        ("kind = 'code'", 'kind = "code" names its language'),
        ("kind = 'exact'\nlanguage = 'python'", 'language belongs to kind = "code"'),
        ("kind = 'code'\nlanguage = 'cobol'", "code in 'cobol' cannot be compared; known are python, sql"),
    ],
)
def test_a_grader_of_code_names_a_language_that_is_known(folder, grader, reason):
    with pytest.raises(MenuError, match=reason):
        load(folder, f"{ASK}[grader]\n{grader}\n")
