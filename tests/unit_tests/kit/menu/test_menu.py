import json
import os
import re

import pytest

from adaptive_reasoner.answers import exact, numeric
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu import toml_file
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.recipes import Recipe
from adaptive_reasoner.models.listed_prices import ListedPrice
from adaptive_reasoner.models.metering import PriceMeter, PriceTable, SampleMeter, TokenMeter
from adaptive_reasoner.reasoner.policy_and_actions import vote_actions
from tests.unit_tests.kit.menu.menus import ASK, source

FULL = """
[sources.direct]
model = "openai:gpt-5-mini"
prompt = "Answer {with a number}.\\n{question}"
max_tokens = 32
samples = 8

[sources.cot]
base_url = "http://127.0.0.1:1/v1"
model = "qwen3-8b"
api_key_env = "QWEN_KEY"
prompt = { function = "my_prompts:cot" }
temperature = 0.7
stop = ["\\n\\n"]
max_tokens = 1024
timeout = 60
settings = { reasoning_effort = "low" }

[actions.quick]
source = "direct"

[actions.vote]
source = "cot"
strategy = "self_consistency"
samples = 5

[actions.think]
source = "cot"
strategy = "extended_thinking"
effort = "high"
max_tokens = 4096

[grader]
kind = "numeric"

[prices]
unit = "usd"
prompt = 0.25
completion = 2.0

[prices.sources.cot]
prompt = 0.1
completion = 0.4
cached = 0.01

[limits]
max_cost = 5
concurrency = 16
requests_per_minute = 500
tokens_per_minute = 2e5
attempts = 3
longest_wait = 90

[code]
modules = ["my_prompts"]
"""


def test_loads_all_a_menu_can_say(load):
    menu = load(FULL)
    assert (menu.samples_of("direct"), menu.samples_of("cot")) == (8, 5)
    assert menu.sources["direct"].prompt("6 * 7") == "Answer {with a number}.\n6 * 7"
    assert menu.sources["cot"].prompt("6 * 7") == "Think: 6 * 7"
    assert menu.sources["cot"].settings == {"temperature": 0.7, "stop": ["\n\n"], "reasoning_effort": "low"}
    assert (menu.sources["cot"].max_tokens, menu.max_cost, menu.concurrency) == (1024, 5, 16)
    assert (menu.requests_per_minute, menu.tokens_per_minute, menu.retries.attempts) == (500, 2e5, 3)
    assert menu.retries.longest_wait == 90
    assert list(menu.actions) == ["quick", "vote", "think"]
    assert menu.grader is numeric
    assert menu.meter_of("direct") == PriceMeter(prompt=0.25, completion=2.0)
    assert menu.meter_of("cot") == PriceMeter(prompt=0.1, completion=0.4, cached=0.01)


def test_the_example_in_the_docs_loads(load):
    example = toml_file.__doc__.partition("\n\n")[2]
    menu = load(re.sub("^    ", "", example, flags=re.MULTILINE).replace("my_graders", "my_prompts"))
    assert list(menu.sources) == ["direct", "cot"]


def test_loading_makes_no_model_so_needs_no_key(load, monkeypatch):
    monkeypatch.delenv("QWEN_KEY", raising=False)
    cot = load(FULL).sources["cot"]
    with pytest.raises(MenuError, match="takes its key from QWEN_KEY, which is not set"):
        cot.runnable  # noqa: B018
    monkeypatch.setenv("QWEN_KEY", "secret")
    assert cot.runnable.model_name == "qwen3-8b"
    assert cot.runnable.request_timeout == 60


def test_a_menu_of_one_source_has_defaults(load):
    menu = load('[sources.ask]\nmodel = "m"\nbase_url = "http://127.0.0.1:1/v1"')
    assert list(menu.actions) == ["ask", "ask_vote_3", "ask_vote_5"]
    assert (menu.grader, menu.meter, menu.max_cost) == (exact, TokenMeter(), None)


def test_default_actions_have_the_names_of_vote_actions():
    sources = {"direct": source(), "cot": source()}
    assert list(Menu(sources).actions) == list(vote_actions(sources))
    assert list(Menu({"cot": source()}, samples=4).actions) == ["cot", "cot_vote_3"]


NAMED = "prompt = {{ function = '{0}:{1}' }}\n[code]\nmodules = ['{0}']"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "at least one source"),
        ("[sources", "is not TOML"),
        ("[sourcs.ask]", "no entry 'sourcs'; known are sources, actions"),
        ("[sources]\nask = 3", r"\[sources.ask\] must be a table"),
        ("[sources.ask]\nsamples = 3", r"\[sources.ask\] names no model"),
        (ASK + "promt = 'x'", r"\[sources.ask\] there is no entry 'promt'; known are model"),
        (ASK + "prompt = 'x'", r"the prompt has no \{question\}"),
        (
            ASK + NAMED.format("nowhere", "cot"),
            "nowhere:cot: No module named 'nowhere'",
        ),
        (
            ASK + NAMED.format("my_prompts", "none"),
            "has no function 'none'",
        ),
        (ASK + "prompt = { function = 'my_prompts' }", 'named as "module:name"'),
        (ASK + "prompt = { fn = 'a:b' }", "no entry 'fn'"),
        (ASK + "samples = 0", "at least one source needs at least 1 sample"),
        (ASK + "samples = 2.5", "samples cannot be 2.5"),
        (ASK + "samples = true", "samples cannot be True"),
        (ASK + "max_tokens = 0", "max_tokens must be at least 1"),
        (ASK + "max_prompt_tokens = 0", "max_prompt_tokens must be at least 1"),
        (ASK + "[actions.a]\nstrategy = 'single_pass'", r"\[actions.a\] names no source"),
        (ASK + "[actions.a]\nsource = 'asc'", "action 'a': there is no source 'asc'; known are ask"),
        (
            ASK + "[actions.a]\nsource = 'ask'\nstrategy = 'vote'",
            "there is no strategy 'vote'; known are single_pass",
        ),
        (
            ASK + "[actions.a]\nsource = 'ask'\nsamples = 3",
            "'single_pass' takes no parameters, not 'samples'",
        ),
        (ASK + "[actions.a]\nsource = 'ask'\nstrategy = 'self_consistency'", "missing .*'samples'"),
        (
            ASK + "[actions.a]\nsource = 'ask'\nstrategy = 'self_consistency'\nsamples = 0",
            "at least 1 sample",
        ),
        (
            ASK + "[actions.a]\nsource = 'ask'\nstrategy = 'cascade'",
            "'cascade' is missing 'strong' and 'accept'",
        ),
        (ASK + "timeout = nan", "timeout must be above 0, not nan"),
        (ASK + "samples_per_request = 0", r"\[sources.ask\] samples_per_request must be at least 1, not 0"),
        ("[sources.ask]\nmodle = 'm'", "no entry 'modle'; known are model"),
        (ASK + "[grader]\nkind = 'fuzzy'", "no kind 'fuzzy'; known are exact, numeric, choice"),
        (ASK + "[prices]\nunit = 'eur'", "no unit 'eur'; known are usd, tokens, samples"),
        (ASK + "[prices]\nprompt = 1.0", "names no unit"),
        (ASK + "[prices]\nunit = 'seconds'", "needs a timeout"),
        (ASK + "[prices]\nunit = 'usd'\nlisted = true", "no price for model 'm'"),
        (ASK + "[grader]\nkind = 'judge'", "kind judge names its source"),
        (ASK + "[grader]\nkind = 'fields'", "names them: fields ="),
        (ASK + "[grader]\nkind = 'exact'\nfields = ['a']", "fields belongs to kind"),
        (ASK + "[grader]\nkind = 'judge'\nsource = 'b'", "no source 'b'; known are ask"),
        (ASK + "[prices]\nunit = 'usd'\nprompt = 1.0", "needs a price for prompt and for completion"),
        (ASK + "[prices]\nunit = 'usd'", "listed = true takes the public price of its model"),
        (ASK + "[prices]\nunit = 'usd'\nprompt = -1\ncompletion = 1", "at least 0"),
        (ASK + "[prices]\nunit = 'usd'\n[prices.sources.b]\nprompt = 1", "no such source; known are ask"),
        (
            ASK + "[prices]\nunit = 'tokens'\ncounts = 'all'",
            "counts is 'all'; allowed are 'completion' or 'total'",
        ),
        (ASK + "[limits]\nmax_cost = 0", "max_cost must be above 0"),
        (ASK + "[limits]\nconcurrency = 0", "concurrency must be at least 1"),
        (ASK + "[limits]\nattempts = 0", r"\[limits\] attempts must be at least 1, not 0"),
        (ASK + "[limits]\nlongest_wait = inf", "longest_wait must be finite, not inf"),
        (ASK + "[prices]\nunit = 'usd'\nprompt = inf\ncompletion = 1", "prompt must be finite, not inf"),
        (ASK + "[limits]\ntokens_per_minute = -5", "tokens_per_minute must be above 0"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(load, tmp_path, text, reason):
    with pytest.raises(MenuError, match=reason) as caught:
        load(text)
    assert str(caught.value).startswith(f"{tmp_path / 'menu.toml'}: ")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MenuError, match=r"none\.toml: cannot be read: No such file"):
        Menu.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("prices", "meter"),
    [
        ("unit = 'samples'", SampleMeter()),
        ("unit = 'tokens'", TokenMeter()),
        ("unit = 'tokens'\ncounts = 'total'", TokenMeter(counts="total")),
    ],
)
def test_costs_are_counted_as_the_prices_say(load, prices, meter):
    assert load(f"{ASK}[prices]\n{prices}").meter == meter


def test_one_meter_for_sources_of_several_prices_goes_by_the_model_that_answers(load):
    menu = load(FULL)
    assert menu.meter == PriceTable({"gpt-5-mini": menu.meter_of("direct"), "qwen3-8b": menu.meter_of("cot")})


def test_two_prices_of_one_model_cannot_be_told_apart(load):
    menu = load(FULL.replace("openai:gpt-5-mini", "openai:qwen3-8b"))
    with pytest.raises(MenuError, match="source 'cot' has another price than an earlier one of its model"):
        menu.meter  # noqa: B018
    several = Menu({"a": source(), "b": source()}, meters={"a": PriceMeter(1, 2), "b": PriceMeter(1, 3)})
    with pytest.raises(MenuError, match="source 'a' names no model to tell them apart by"):
        several.meter  # noqa: B018


def test_prices_come_by_source_then_by_model_then_from_the_list(load):
    pytest.importorskip("genai_prices")
    sources = "".join(f'[sources.{name}]\nmodel = "openai:gpt-4o-mini"\n' for name in ("a", "b"))
    sources += '[sources.c]\nmodel = "openai:gpt-4o"\n'
    prices = "[prices]\nunit = 'usd'\nlisted = true\n[prices.sources.a]\nprompt = 1\ncompletion = 2\n"
    prices += "[prices.models.'gpt-4o']\nprompt = 3\ncompletion = 4\n"
    menu = load(sources + prices)
    assert menu.meter_of("a") == PriceMeter(1, 2)
    assert menu.meter_of("b") == ListedPrice("openai:gpt-4o-mini")
    assert menu.meter_of("c") == PriceMeter(3, 4)


@pytest.mark.parametrize("unit", ["calls", "seconds"])
def test_calls_and_seconds_are_units_too(load, unit):
    menu = load(f'{ASK}timeout = 9\n[prices]\nunit = "{unit}"')
    assert (menu.cost_unit, menu.meter.worst_cost([], 100)) == (unit, {"calls": 1.0, "seconds": 9.0}[unit])


def test_costs_in_two_units_are_refused():
    with pytest.raises(MenuError, match="tokens and samples"):
        Menu({"a": source(), "b": source()}, meters={"a": TokenMeter(), "b": SampleMeter()})


def test_a_source_without_its_number_of_samples_is_named():
    with pytest.raises(MenuError, match="source 'b' has no number of samples"):
        Menu({"a": source(), "b": source()}, samples={"a": 3})


def test_the_digest_of_a_prompt_changes_with_what_is_sent():
    def sha(**settings):
        return Menu({"a": source(**settings)}).prompt_sha("a", "6 * 7")

    prompts = [
        sha(),
        sha(prompt="{} =".format),
        sha(settings={"temperature": 1}),
        sha(settings={"temperature": 0}),
        sha(max_tokens=3),
    ]
    assert len(set(prompts)) == len(prompts)
    assert sha(prompt="{} =".format) == prompts[1]


def test_specs_are_plain_json_with_the_worst_cost_of_an_action():
    recipes = {
        "quick": Recipe("a"),
        "vote": Recipe("a", "self_consistency", {"samples": 3}),
        "think": Recipe("a", "extended_thinking", {"effort": "high", "samples": 2, "max_tokens": 100}),
    }
    menu = Menu({"a": source(max_tokens=8, settings={"stop": ["\n"]})}, recipes=recipes)
    specs = json.loads(json.dumps(menu.specs()))
    assert {name: action["worst_cost"] for name, action in specs["actions"].items()} == {
        "quick": 8,
        "vote": 24,
        "think": 200,
    }
    vote = specs["actions"]["vote"]
    assert (vote["source"], vote["strategy"], vote["votes"], vote["max_tokens"]) == (
        "a",
        "self_consistency",
        3,
        8,
    )
    assert vote["prompt_sha"] == specs["actions"]["quick"]["prompt_sha"]
    assert (specs["cost_unit"], specs["samples"]) == ("tokens", {"a": 5})


def test_where_prompts_are_billed_the_worst_cost_depends_on_the_question():
    menu = Menu({"a": source(max_tokens=8)}, meters=TokenMeter(counts="total"))
    assert menu.specs()["actions"]["a"]["worst_cost"] is None


def test_a_function_in_a_file_that_is_no_python_is_named(load, tmp_path):
    tmp_path.joinpath("broken_prompts.py").write_text("def cot(:\n")
    with pytest.raises(MenuError, match=r"broken_prompts:cot: invalid syntax .*line 1"):
        load(ASK + NAMED.format("broken_prompts", "cot"))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("temperature = nan", "temperature"),
        ("stop = [inf]", "stop"),
        ("settings = { since = 1979-05-27 }", "since"),
        ("settings = { logit_bias = { a = nan } }", "logit_bias"),
        ("max_tokens = 0x" + "f" * 300, "max_tokens is too large"),
        ('base_url = ""', "base_url"),
        ('base_url = "localhost:8000/v1"', "base_url"),
        ('base_url = "ftp://127.0.0.1/v1"', "base_url"),
        ('base_url = "http://"', "base_url"),
    ],
)
def test_a_source_that_no_request_can_be_made_of_is_refused_before_anything_is_paid(tmp_path, entry, reason):
    file = tmp_path / "menu.toml"
    file.write_text(f'[sources.direct]\nmodel = "qwen3-8b"\n{entry}\n')
    with pytest.raises(MenuError, match=re.escape(f"[sources.direct] {reason}")):
        Menu.load(file)


def test_a_menu_that_is_nested_without_end_is_refused(tmp_path):
    file = tmp_path / "menu.toml"
    file.write_text("x = " + "[" * 100_000)
    with pytest.raises(MenuError, match="is not TOML"):
        Menu.load(file)


def test_a_menu_that_is_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "menu.toml")
    with pytest.raises(MenuError, match="not a regular file"):
        Menu.load(tmp_path / "menu.toml")
