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
max_prompt_tokens = 2000                    # where you know better than the bound that is worked out
samples_per_request = 4                     # where `n` samples of one request pay its prompt once
settings = { reasoning_effort = "low" }     # any other argument of a call

[actions.cot_vote_5]                        # without actions: each source, once and as votes of 3 and 5
source = "cot"
strategy = "self_consistency"
samples = 5

[actions.cot_priced]
source = "cot"
strategy = "adaptive_consistency"           # kit/recipes.py lists all strategies and their parameters
samples = 16                                # at most
stop = "priced"                             # ends at the price of compute; or lossless, beta, window

[actions.direct_then_cot]
source = "direct"
strategy = "cascade"
samples = 3
strong = "cot"                              # asked where the three agree less than this
accept = 0.6

[grader]
kind = "numeric"                            # exact, numeric, choice, math; or function = "my_graders:score";
                                            # or judge, and source = "a source whose samples are 0"

[prices]
unit = "usd"                                # or tokens (counts = "completion" or "total"), samples, calls,
prompt = 0.25                               # or seconds; dollars per million tokens
completion = 2.0
cached = 0.025                              # read from the provider's cache; `written` to it
# listed = true                             # in place of all three: the prices that genai-prices lists

[prices.sources.cot]                        # where a source has its own
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
attempts = 6                                # calls a sample may take, where calls fail
longest_wait = 300                          # seconds; a source that asks for a longer pause is given up

[code]                                      # a menu that names functions is a program, and says so:
modules = ["my_prompts"]                    # those it may take them from
"""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from adaptive_reasoner.answers.extraction import AnswerKey, Grader, choice, choice_answer, exact, numeric
from adaptive_reasoner.answers.math_equivalence import math, math_answer
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.hosted_model import HostedModel, check_key
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.prices import meters_of
from adaptive_reasoner.kit.menu.recipes import DEFAULT_SAMPLES, Recipe
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.kit.menu.toml_code import CodeUse, MenuCode
from adaptive_reasoner.kit.menu.toml_entries import NUMBER, Entries, entries_of
from adaptive_reasoner.kit.tables.files import PathLike
from adaptive_reasoner.models.source import Source

_GRADERS: dict[str, Grader] = {"exact": exact, "numeric": numeric, "choice": choice, "math": math}
_KEYS: dict[str, AnswerKey] = {"choice": choice_answer, "math": math_answer}


@dataclass(frozen=True)
class Template:
    """A prompt with a place for the question. Other braces stay as they are."""

    text: str

    def __call__(self, question: str) -> str:
        """The prompt for a question."""
        return self.text.replace("{question}", question)


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
            raise MenuError("is no regular file")  # a pipe would be waited for, a device read without end
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MenuError(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise MenuError(f"is not TOML: {error}") from error
    return _menu(document, path.parent, code)


def _menu(document: Entries, folder: Path, use: CodeUse) -> dict[str, Any]:
    parts = entries_of(
        document, "the menu", sources=dict, actions=dict, grader=dict, prices=dict, limits=dict, code=dict
    )
    code = MenuCode.of(parts.get("code", {}), folder, use)
    sources, samples = {}, {}
    for name, entries in parts.get("sources", {}).items():
        sources[name], samples[name] = _source(entries, f"sources.{name}", code)
    recipes = {
        name: _recipe(entries, f"actions.{name}", code) for name, entries in parts.get("actions", {}).items()
    }
    return {
        "sources": sources,
        "samples": samples,
        "recipes": recipes or None,
        **_grading(parts.get("grader", {}), code),
        "meters": meters_of(parts.get("prices", {}), sources),
        **_limits(parts.get("limits", {})),
    }


def _limits(entries: Any) -> dict[str, Any]:
    given = entries_of(
        entries,
        "limits",
        max_cost=NUMBER,
        concurrency=int,
        requests_per_minute=NUMBER,
        tokens_per_minute=NUMBER,
        attempts=int,
        longest_wait=NUMBER,
    )
    own = {name: given.pop(name) for name in ("attempts", "longest_wait") if name in given}
    try:
        retries = Retries(**own)
    except ValueError as error:
        raise MenuError(f"[limits] {error}") from error
    return {**given, "retries": retries}


def _source(entries: Any, where: str, code: MenuCode) -> tuple[Source, int]:
    given = entries_of(
        entries,
        where,
        model=str,
        base_url=str,
        api_key_env=str,
        timeout=NUMBER,
        prompt=(str, dict),
        temperature=NUMBER,
        stop=list,
        max_tokens=int,
        max_prompt_tokens=int,
        samples=int,
        samples_per_request=int,
        settings=dict,
    )
    if "model" not in given:
        raise MenuError(f"[{where}] names no model")
    check_key(given.get("api_key_env"), given.get("base_url"), where, named_only=not code.modules)
    for room in ("max_tokens", "max_prompt_tokens"):
        if given.get(room, 1) < 1:
            raise MenuError(f"[{where}] {room} must be at least 1, not {given[room]}")
    call: dict[str, Any] = {name: given[name] for name in ("temperature", "stop") if name in given}
    model = HostedModel(
        **{name: given[name] for name in ("model", "base_url", "api_key_env", "timeout") if name in given}
    )
    settings = {**call, **given.get("settings", {})}
    _check_sendable(settings, where)
    timeout, at_once = given.get("timeout", inf), given.get("samples_per_request", 1)
    if not timeout > 0 or at_once < 1:
        raise MenuError(f"[{where}] timeout must be above 0 and samples_per_request at least 1")
    source = Source(
        model,
        prompt=_prompt(given.get("prompt"), where, code),
        settings=settings,
        max_tokens=given.get("max_tokens"),
        timeout=timeout,
        samples_per_request=at_once,
        max_prompt_tokens=given.get("max_prompt_tokens"),
    )
    return source, given.get("samples", DEFAULT_SAMPLES)


def _check_sendable(settings: Entries, where: str) -> None:
    """Refuse settings that no request can carry: dates, and numbers that are none."""
    for name, value in settings.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise MenuError(f"[{where}] {name} cannot be {value!r}: no request can carry it") from error


def _prompt(given: Any, where: str, code: MenuCode) -> Callable[[str], str] | None:
    if given is None:
        return None
    if isinstance(given, dict):
        return code.function(entries_of(given, f"{where}.prompt", function=str).get("function"), where)
    if "{question}" not in given:
        raise MenuError(f"[{where}] the prompt has no {{question}} in it")
    return Template(given)


def _recipe(entries: Any, where: str, code: MenuCode) -> Recipe:
    given = entries_of(
        entries,
        where,
        source=str,
        strategy=str,
        samples=int,
        effort=(str, int),
        max_tokens=int,
        stop=str,
        confidence=NUMBER,
        window=int,
        judge=str,
        scorer=str,
        checker=str,
        strong=str,
        accept=NUMBER,
    )
    if "source" not in given:
        raise MenuError(f"[{where}] names no source")
    for role in {"scorer", "checker"} & set(given):
        given[role] = code.function(given[role], where)
    return Recipe(given.pop("source"), given.pop("strategy", "single_pass"), given)


def _grading(entries: Entries, code: MenuCode) -> dict[str, Any]:
    """The grader and, where it needs one of its own, the key that finds answers."""
    given = entries_of(entries, "grader", kind=str, function=str, source=str)
    if "function" in given:
        return {"grader": code.function(given["function"], "grader")}
    kind = given.get("kind", "exact")
    if (kind == "judge") != ("source" in given):
        raise MenuError("[grader] kind judge names its source, and no other kind does")
    if kind == "judge":
        return {"grader": Referee(given["source"])}
    if kind not in _GRADERS:
        known = ", ".join([*_GRADERS, "judge"])
        raise MenuError(f"[grader] there is no kind {kind!r}; known are {known}, or a function")
    return {"grader": _GRADERS[kind], **({"key": _KEYS[kind]} if kind in _KEYS else {})}
