"""What each field of `policy.json` may say, checked before anything is computed from it."""

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.strategies.look_plans import VoteStates

MOST_ACTIONS = 1_000
MOST_POINTS = 100_000  # of the curve of price against cost
MOST_LEVELS = 100  # of trust in predictions
MOST_VOTES = 200  # samples of one vote whose stop is learned
MOST_LOOKS = 16
MOST_LOOKED = 20  # samples of one look
LONGEST_NAME = 1_000  # characters
WIDEST = 100_000  # numbers of a vector
LARGEST = 1e100  # of prices, costs and accuracies

_FILES = ("encoder.onnx", "tokenizer.json", "imitator.onnx")
_SHIPS = ("imitator", "mixture")
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_Check = Callable[[Any], bool]
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = 40


def check_fields(card: Mapping[str, Any], path: Path) -> None:
    """Refuse a card of which a field is missing, or says what no policy says.

    Args:
        card: What `policy.json` says.
        path: Where it says so, for the error.

    Raises:
        PolicyFormatError: It names the file, the field and what the field should be.

    Example:
        >>> check_fields({}, Path("policy.json"))
        Traceback (most recent call last):
        adaptive_reasoner.errors.PolicyFormatError: policy.json: actions is missing; train again
    """
    _check(card, path, "", "actions", _names, f"a list of names, 1 to {MOST_ACTIONS:,} and each once")
    actions = card["actions"]
    each = f"for each of the {len(actions)} actions"
    for name, fits, meaning in (
        ("cost_unit", _text, "a text"),
        ("accuracy_unit", _or_none(_text), "a text or null"),
        ("verdict", _text, "a text"),
        ("ships", lambda value: value in _SHIPS, f"one of {', '.join(_SHIPS)}"),
        ("budget", _or_none(_number), "a number or null"),
        ("price", _amount, "a number of at least 0"),
        ("spread", lambda value: _amount(value) and value <= 10, "a number from 0 to 10"),
        ("worst_cost", _column(_or_none(_amount), len(actions)), f"a number of at least 0 or null {each}"),
        ("mean_accuracy", _column(_number, len(actions)), f"a number {each}"),
        ("mean_cost", _column(_amount, len(actions)), f"a number of at least 0 {each}"),
        ("mixture", lambda value: _names(value) and set(value) <= set(actions), "a list of its actions"),
        ("frontier", _is_object, "an object"),
        ("familiarity", _is_object, "an object"),
        ("features", _is_object, "an object"),
        ("files", _is_object, "an object"),
    ):
        _check(card, path, "", name, fits, meaning)
    for name in (*_FILES, *(["stopping.onnx"] if card.get("stopping") else [])):
        _check(card["files"], path, "files.", name, _text, "a digest")
    points = _list_of(_number, MOST_POINTS)
    optional = ("accuracy",) if "accuracy" in card["frontier"] else ()
    for name in ("price", "cost", "low", "high", *optional):
        _check(card["frontier"], path, "frontier.", name, points, f"a list of 1 to {MOST_POINTS:,} numbers")
    _check(card["familiarity"], path, "familiarity.", "at_least", _number, "a number")
    _check(card["features"], path, "features.", "vector", _count(WIDEST), f"an integer from 1 to {WIDEST:,}")
    _check(card["features"], path, "features.", "surface", _list_of(_text, WIDEST), "a list of texts")
    _check_menu(card, path)
    if "dropped" in card:
        _check(card, path, "", "dropped", lambda names: names == [] or _names(names), "a list of names")
    if "trust" in card:
        _check_trust(card["trust"], path)
    if "stopping" in card:
        _check(card, path, "", "stopping", _is_object, "an object")
        for source, stop in card["stopping"].items():
            _check_stop(stop, path, source)
    if "looking" in card:
        _check_looking(card["looking"], path, actions)
    if "report" in card:
        _check(card, path, "", "report", _is_object, "an object")
        for name in ("gate", "held_out", "calibration"):
            _check(card["report"], path, "report.", name, _is_object, "an object")
        for action in card["report"]["calibration"].get("cost_spread", {}):
            where = "report.calibration.cost_spread."
            _check(card["report"]["calibration"]["cost_spread"], path, where, action, _number, "a number")
        for name in ("cost", "accuracy"):
            _check(card["report"]["held_out"], path, "report.held_out.", name, _number, "a number")
        for name in ("lift", "low", "high"):
            _check(card["report"]["gate"], path, "report.gate.", name, _number, "a number")
    if "data" in card:
        _check(card, path, "", "data", _is_object, "an object")
        _check(card["data"], path, "data.", "digest", _text, "a digest")
    if "updated_from" in card:
        _check(card, path, "", "updated_from", _text, "a digest")
    if "drift" in card:
        _check(card, path, "", "drift", _is_object, "an object")
        for action, factors in card["drift"].items():
            _check({action: factors}, path, "drift.", action, _is_object, "an object")
            for name in ("accuracy", "cost"):
                _check(factors, path, f"drift.{action}.", name, _amount, "a number of at least 0")


def _check_menu(card: Mapping[str, Any], path: Path) -> None:
    menu = card.get("menu", {})
    _check({"menu": menu}, path, "", "menu", _is_object, "an object")
    specs = menu.get("actions", menu)
    _check({"actions": specs}, path, "menu.", "actions", _is_object, "an object")
    for action in card["actions"]:
        spec = specs.get(action, {})
        _check({action: spec}, path, "menu.", action, _is_object, "an object")
        source = spec.get("source")
        _check({"source": source}, path, f"menu.{action}.", "source", _or_none(_text), "a text or null")


def _check_trust(trust: Any, path: Path) -> None:
    _check({"trust": trust}, path, "", "trust", _is_object, "an object")
    points = f"a list of 1 to {MOST_POINTS:,} numbers"
    _check(trust, path, "trust.", "cost", _list_of(_amount, MOST_POINTS), f"{points} of at least 0")
    shares = _column(_chance, len(trust["cost"]))
    _check(
        trust,
        path,
        "trust.",
        "share",
        shares,
        f"a number from 0 to 1 for each of its {len(trust['cost'])} costs",
    )
    _check(trust, path, "trust.", "levels", _levels, f"a list of at most {MOST_LEVELS} numbers from 0 to 1")
    _check(
        trust, path, "trust.", "curves", _column(_is_object, len(trust["levels"])), "a curve for each level"
    )
    for curve in trust["curves"]:
        for name in ("price", "cost"):
            _check(curve, path, "trust.curves.", name, _list_of(_number, MOST_POINTS), points)


def _check_stop(stop: Any, path: Path, source: str) -> None:
    where = f"stopping.{_shown.repr(source)}"
    _check({where: stop}, path, "", where, _is_object, "an object")
    where = f"{where}."
    _check(stop, path, where, "limit", _count(MOST_VOTES), f"an integer from 1 to {MOST_VOTES}")
    limit, optional = stop["limit"], {"prompt_cost": 0.0, "samples_per_request": 1}
    for name, fits, meaning in (
        ("cost", _or_none(_amount), "a number of at least 0 or null"),
        ("seconds", _or_none(_amount), "a number of at least 0 or null"),
        ("prompt_cost", _amount, "a number of at least 0"),
        ("samples_per_request", _count(1_000_000), "an integer of at least 1"),
        ("accepted", _or_none(_column(_chance, limit)), f"{limit} probabilities or null"),
        ("tilt", _or_none(_column(_number, 3)), "three numbers or null"),
    ):
        _check({name: stop.get(name, optional.get(name))}, path, where, name, fits, meaning)


def _check_looking(looking: Any, path: Path, actions: Sequence[str]) -> None:
    _check({"looking": looking}, path, "", "looking", _is_object, "an object")
    for name, fits, meaning in (
        ("price", _amount, "a number of at least 0"),
        ("frontier", _is_object, "an object"),
        ("looks", _list_of(_is_object, MOST_LOOKS), f"a list of 1 to {MOST_LOOKS} objects"),
    ):
        _check(looking, path, "looking.", name, fits, meaning)
    points = _list_of(_number, MOST_POINTS)
    for name in ("price", "cost", "low", "high"):
        where = "looking.frontier."
        _check(looking["frontier"], path, where, name, points, f"a list of 1 to {MOST_POINTS:,} numbers")
    names: list[str] = []
    for number, look in enumerate(looking["looks"]):
        where = f"looking.looks[{number}]."
        _check(look, path, where, "name", _other_than({*actions, *names}), "a name of its own")
        names.append(look["name"])
        _check_look(look, path, where, len(actions))


def _check_look(look: Mapping[str, Any], path: Path, where: str, actions: int) -> None:
    among = f"positions among {actions} actions"
    for name, fits, meaning in (
        ("limit", _count(MOST_LOOKED), f"an integer from 1 to {MOST_LOOKED}"),
        ("sample", _position(actions), f"one of the {among}"),
        ("others", _or_empty(_list_of(_position(actions), actions)), f"a list of {among}"),
    ):
        _check(look, path, where, name, fits, meaning)
    states, others = len(VoteStates.of(look["limit"]).drawn), len(look["others"])
    each = f"for each of {states} states"
    chances, shifts = _column(_chance, states), _column(_column(_number, others), states)
    for name, fits, meaning in (
        ("right", chances, f"a probability {each}"),
        ("top", chances, f"a probability {each}"),
        ("second", chances, f"a probability {each}"),
        ("tilt", _column(_number, 3), "three numbers"),
        ("mean", _number, "a number"),
        ("shift", shifts, f"{others} numbers {each}"),
        ("between", _list_of(_column(_amount, 2), MOST_POINTS), "a list of pairs of prices"),
    ):
        _check(look, path, where, name, fits, meaning)


def _check(card: Mapping[str, Any], path: Path, where: str, name: str, fits: _Check, meaning: str) -> None:
    if name not in card:
        raise PolicyFormatError(f"{path}: {where}{name} is missing; train again")
    if not fits(card[name]):
        raise PolicyFormatError(f"{path}: {where}{name} is {_shown.repr(card[name])}, not {meaning}")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _text(value: Any) -> bool:
    """A text that can be shown: half a character or a control character cannot."""
    return isinstance(value, str) and len(value) <= LONGEST_NAME and not _UNSHOWN.search(value)


def _names(value: Any) -> bool:
    return _list_of(_text, MOST_ACTIONS)(value) and len(set(value)) == len(value)


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST and isfinite(value)


def _amount(value: Any) -> bool:
    return _number(value) and value >= 0


def _chance(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _other_than(taken: set[str]) -> _Check:
    return lambda value: _text(value) and value not in taken


def _position(among: int) -> _Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < among


def _count(most: int) -> _Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _levels(value: Any) -> bool:
    return value == [] or _list_of(_chance, MOST_LEVELS)(value)


def _or_none(fits: _Check) -> _Check:
    return lambda value: value is None or fits(value)


def _or_empty(fits: _Check) -> _Check:
    return lambda value: value == [] or fits(value)


def _list_of(fits: _Check, most: int) -> _Check:
    return lambda value: isinstance(value, list) and 1 <= len(value) <= most and all(map(fits, value))


def _column(fits: _Check, length: int) -> _Check:
    return lambda value: isinstance(value, list) and len(value) == length and all(map(fits, value))
