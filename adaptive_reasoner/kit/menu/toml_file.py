r"""A menu as a TOML file.

[sources.direct]
model = "openai:gpt-5-mini"                 # as for init_chat_model
prompt = "Answer with a number only.\n{question}"
max_tokens = 32
samples = 8

[sources.cot]
base_url = "http://localhost:8000/v1"       # or any OpenAI-compatible endpoint
model = "qwen3-8b"
api_key_env = "QWEN_KEY"                    # the variable that holds the key, where it needs one
prompt = { function = "my_prompts:cot" }    # a function of the question's text; my_prompts.py lies beside
temperature = 0.7
stop = ["\n\n"]
max_tokens = 1024
samples = 8
timeout = 60.0                              # seconds that a call may take
max_prompt_tokens = 2000                    # if you know a tighter bound than the computed one
samples_per_request = 4                     # where `n` samples of one request pay its prompt once
settings = { reasoning_effort = "low" }     # any other argument of a call

[actions.cot_vote_5]                        # without actions: each source, once and as votes of 3 and 5
source = "cot"
strategy = "self_consistency"
samples = 5

[actions.cot_priced]
source = "cot"
strategy = "adaptive_consistency"           # kit/menu/recipes.py lists all strategies and their parameters
samples = 16                                # at most
stop = "priced"                             # ends at the price of compute; or lossless, beta, window

[actions.direct_then_cot]
source = "direct"
strategy = "cascade"
samples = 3
strong = "cot"                              # asked where the three agree less than this
accept = 0.6

[grader]
kind = "numeric"                            # how answers are found and compared, by votes and by the grader:
                                            # auto, exact, numeric, choice, math, json; or fields, and
                                            # fields = ["city", "year"]; or code, and language = "python" or
                                            # "sql"; or python_tests; or similar, and encoder = "policy", a
                                            # folder with an encoder; or judged, and model = "a source whose
                                            # samples are 0"; or function = "my_graders:score"; or judge or,
                                            # for free text, preference, and source = "such a source"
# key = "numeric"                           # how votes compare, where a function or a judge grades

[prices]
unit = "usd"                                # or tokens (counts = "completion" or "total"), samples, calls,
prompt = 0.25                               # or seconds; dollars per million tokens
completion = 2.0
cached = 0.025                              # read from the provider's cache; `written` to it
# listed = true                             # in place of all three: the prices that genai-prices lists

[prices.sources.cot]                        # for a source with other prices
prompt = 0.1
completion = 0.4

[prices.models."gpt-5-mini"]                # or for all sources of a model
prompt = 0.25
completion = 2.0

[limits]
max_cost = 5.0                              # the most that a samples file may cost
concurrency = 16
requests_per_minute = 500                   # the pace of collection, all sources together
tokens_per_minute = 200_000
attempts = 6                                # calls that a sample may take, if calls fail
longest_wait = 300                          # seconds; a source that asks for a longer pause is given up

[code]                                      # required in a menu that names functions:
modules = ["my_prompts"]                    # the modules it may take them from
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.hosted_model import HostedModel, check_key
from adaptive_reasoner.kit.menu.prices import meters_of
from adaptive_reasoner.kit.menu.recipes import DEFAULT_SAMPLES, Recipe
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.kit.menu.toml_code import CodeUse, MenuCode
from adaptive_reasoner.kit.menu.toml_grader import grading
from adaptive_reasoner.kit.menu.toml_tables import Amount, Count, Entries, MenuTable, Number
from adaptive_reasoner.kit.tables.files import PathLike
from adaptive_reasoner.models.prompts import TextTemplate
from adaptive_reasoner.models.source import Source


class _Menu(MenuTable):
    sources: Entries
    actions: Entries
    grader: Entries
    prices: Entries
    limits: Entries
    code: Entries


class _Source(MenuTable):
    model: str
    base_url: str | None = None
    api_key_env: str | None = None
    timeout: Annotated[Number, Field(gt=0)] = inf
    prompt: str | dict[str, Any] | None = None
    temperature: Number | None = None
    stop: list[Any] | None = None
    max_tokens: Count | None = None
    max_prompt_tokens: Count | None = None
    samples: int = DEFAULT_SAMPLES
    samples_per_request: Count = 1
    settings: Entries


class _Prompt(MenuTable):
    function: str | None = None


class _Action(MenuTable):
    source: str
    strategy: str = "single_pass"
    samples: int | None = None
    effort: str | int | None = None
    max_tokens: int | None = None
    stop: str | None = None
    confidence: Number | None = None
    window: int | None = None
    judge: str | None = None
    scorer: str | None = None
    checker: str | None = None
    strong: str | None = None
    accept: Number | None = None


class _Limits(MenuTable):
    max_cost: Number | None = None
    concurrency: int | None = None
    requests_per_minute: Number | None = None
    tokens_per_minute: Number | None = None
    attempts: Count | None = None
    longest_wait: Amount | None = None


def read_menu(path: PathLike, code: CodeUse = "run") -> dict[str, Any]:
    """The arguments of `Menu`, from a TOML file.

    Args:
        path: The file.
        code: What to do with the functions that it names.

    Raises:
        MenuError: The file cannot be read, or has an unknown or wrong entry; it names the entry.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise MenuError("is not a regular file")  # a pipe would be waited for, a device read without end
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MenuError(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise MenuError(f"is not TOML: {error}") from error
    return _menu(document, path.parent, code)


def has_code(path: PathLike) -> bool:
    """Whether a menu that was read names modules of functions."""
    return bool(tomllib.loads(Path(path).read_text(encoding="utf-8")).get("code"))


def _menu(document: Any, folder: Path, use: CodeUse) -> dict[str, Any]:
    tables = _Menu.read(document, "the menu")
    code = MenuCode.of(tables.code, folder, use)
    sources, samples = {}, {}
    for name, entries in tables.sources.items():
        sources[name], samples[name] = _source(entries, f"sources.{name}", code)
    recipes = {name: _recipe(entries, f"actions.{name}", code) for name, entries in tables.actions.items()}
    return {
        "sources": sources,
        "samples": samples,
        "recipes": recipes or None,
        **grading(tables.grader, code, sources),
        "meters": meters_of(tables.prices, sources),
        **_limits(tables.limits),
    }


def _limits(entries: Any) -> dict[str, Any]:
    limits = _Limits.read(entries, "limits").model_dump(exclude_unset=True)
    own = {name: limits.pop(name) for name in ("attempts", "longest_wait") if name in limits}
    return {**limits, "retries": Retries(**own)}


def _source(entries: Any, where: str, code: MenuCode) -> tuple[Source, int]:
    table = _Source.read(entries, where)
    check_key(table.api_key_env, table.base_url, where, named_only=not code.modules)
    hosted = {"model", "base_url", "api_key_env", "timeout"}
    settings = {
        **table.model_dump(include={"temperature", "stop"}, exclude_unset=True),
        **table.settings,
    }
    _check_sendable(settings, where)
    source = Source(
        HostedModel(**table.model_dump(include=hosted, exclude_unset=True)),
        prompt=_prompt(table.prompt, where, code),
        settings=settings,
        max_tokens=table.max_tokens,
        timeout=table.timeout,
        samples_per_request=table.samples_per_request,
        max_prompt_tokens=table.max_prompt_tokens,
    )
    return source, table.samples


def _check_sendable(settings: Mapping[str, Any], where: str) -> None:
    """Refuse settings that cannot be sent in a request: dates, NaN and infinity."""
    for name, value in settings.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise MenuError(f"[{where}] {name} cannot be {value!r}: no request can carry it") from error


def _prompt(prompt: str | dict[str, Any] | None, where: str, code: MenuCode) -> Callable[[str], str] | None:
    if prompt is None:
        return None
    if isinstance(prompt, dict):
        return code.function(_Prompt.read(prompt, f"{where}.prompt").function, where)
    if "{question}" not in prompt:
        raise MenuError(f"[{where}] the prompt has no {{question}} in it")
    return TextTemplate(prompt)


def _recipe(entries: Any, where: str, code: MenuCode) -> Recipe:
    table = _Action.read(entries, where)
    parameters = {name: value for name, value in entries.items() if name not in ("source", "strategy")}
    for role in {"scorer", "checker"} & set(parameters):
        parameters[role] = code.function(parameters[role], where)
    return Recipe(table.source, table.strategy, parameters)
