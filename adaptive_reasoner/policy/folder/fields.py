"""What each field of `policy.json` may say, checked before anything is computed from it."""

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

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
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = 40


def check_fields(card: Mapping[str, Any], path: Path) -> None:
    """Refuse a card with a missing field or an impossible value.

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
    fields = _Fields(card, path)
    fields.check(actions=_NAMES)
    actions = card["actions"]
    among_actions = f"the {len(actions)} actions"
    fields.check(
        cost_unit=_TEXT,
        accuracy_unit=_or_null(_TEXT),
        verdict=_TEXT,
        ships=_Kind(lambda value: value in _SHIPS, f"one of {', '.join(_SHIPS)}"),
        budget=_or_null(_NUMBER),
        price=_AMOUNT,
        spread=_Kind(lambda value: _is_amount(value) and value <= 10, "a number from 0 to 10"),
        worst_cost=_for_each(_or_null(_AMOUNT), len(actions), among_actions),
        mean_accuracy=_for_each(_NUMBER, len(actions), among_actions),
        mean_cost=_for_each(_AMOUNT, len(actions), among_actions),
        mixture=_Kind(
            lambda value: _are_names(value) and set(value) <= set(actions), "a list of its actions"
        ),
    )
    files = (*_FILES, *(["stopping.onnx"] if card.get("stopping") else []))
    fields.inside("files").check(**dict.fromkeys(files, _DIGEST))
    _check_frontier(fields.inside("frontier"))
    fields.inside("familiarity").check(at_least=_NUMBER)
    fields.inside("features").check(vector=_count(WIDEST), surface=_list_of(_TEXT, WIDEST, "a list of texts"))
    _check_menu(fields, actions)
    fields.check_optional(dropped=_or_empty(_NAMES)._replace(meaning="a list of names"), updated_from=_DIGEST)
    if "trust" in card:
        _check_trust(fields.inside("trust"))
    if "stopping" in card:
        stopping = fields.inside("stopping")
        for source in stopping.values:
            _check_stop(stopping.inside(source))
    if "looking" in card:
        _check_looking(fields.inside("looking"), actions)
    if "report" in card:
        _check_report(fields.inside("report"))
    if "data" in card:
        fields.inside("data").check(digest=_DIGEST)
    if "drift" in card:
        drift = fields.inside("drift")
        for action in drift.values:
            drift.inside(action).check(accuracy=_AMOUNT, cost=_AMOUNT)


class _Kind(NamedTuple):
    """What a field may hold, and how an error calls that."""

    fits: Callable[[Any], bool]
    meaning: str


class _Fields:
    """The fields of one object of the file.

    Args:
        values: The object.
        path: The file.
        where: The place of the object in it, for errors.
    """

    def __init__(self, values: Mapping[str, Any], path: Path, where: str = "") -> None:
        self.values, self._path, self._where = values, path, where

    def check(self, /, **kinds: _Kind) -> None:
        """Refuse a field that is missing or of another kind."""
        for name, kind in kinds.items():
            place = f"{self._path}: {self._where}{_shown_name(name)}"
            if name not in self.values:
                raise PolicyFormatError(f"{place} is missing; train again")
            if not kind.fits(self.values[name]):
                raise PolicyFormatError(f"{place} is {_shown.repr(self.values[name])}, not {kind.meaning}")

    def check_optional(self, /, **kinds: _Kind) -> None:
        """Refuse a field of another kind; it may be missing."""
        self.check(**{name: kind for name, kind in kinds.items() if name in self.values})

    def inside(self, name: str) -> "_Fields":
        """The fields of the object that a field holds."""
        self.check(**{name: _OBJECT})
        return _Fields(self.values[name], self._path, f"{self._where}{_shown_name(name)}.")

    def each(self, name: str) -> Iterator["_Fields"]:
        """The fields of each object in a list."""
        for number, values in enumerate(self.values[name]):
            yield _Fields(values, self._path, f"{self._where}{name}[{number}].")


def _shown_name(name: str) -> str:
    """The name of a field as errors show it: the names of sources and actions may be any text."""
    return name if re.fullmatch(r"[\w.-]{1,60}", name) else _shown.repr(name)


def _check_frontier(frontier: _Fields) -> None:
    frontier.check(price=_POINTS, cost=_POINTS, low=_POINTS, high=_POINTS)
    frontier.check_optional(accuracy=_POINTS)


def _check_menu(card: _Fields, actions: Sequence[str]) -> None:
    if "menu" not in card.values:
        return
    menu = card.inside("menu")
    specs = menu.inside("actions") if "actions" in menu.values else menu
    for action in actions:
        if action in specs.values:
            specs.inside(action).check_optional(source=_or_null(_TEXT))


def _check_trust(trust: _Fields) -> None:
    trust.check(
        cost=_list_of(_AMOUNT, MOST_POINTS, f"{_POINTS.meaning} of at least 0"),
        levels=_or_empty(
            _list_of(_CHANCE, MOST_LEVELS, f"a list of at most {MOST_LEVELS} numbers from 0 to 1")
        ),
    )
    costs, levels = len(trust.values["cost"]), len(trust.values["levels"])
    trust.check(
        share=_for_each(_CHANCE, costs, f"its {costs} costs"),
        curves=_for_each(_OBJECT, levels, f"its {levels} levels"),
    )
    for curve in trust.each("curves"):
        curve.check(price=_POINTS, cost=_POINTS)


def _check_stop(stop: _Fields) -> None:
    stop.check(limit=_count(MOST_VOTES))
    limit = stop.values["limit"]
    stop.check_optional(
        cost=_or_null(_AMOUNT),
        seconds=_or_null(_AMOUNT),
        prompt_cost=_AMOUNT,
        samples_per_request=_count(1_000_000),
        unanswered=_CHANCE,
        accepted=_or_null(_column(_CHANCE, limit, f"{limit} probabilities")),
        tilt=_or_null(_TILT),
    )


def _check_looking(looking: _Fields, actions: Sequence[str]) -> None:
    looking.check(price=_AMOUNT, looks=_list_of(_OBJECT, MOST_LOOKS, f"a list of 1 to {MOST_LOOKS} objects"))
    _check_frontier(looking.inside("frontier"))
    taken = set(actions)
    for look in looking.each("looks"):
        look.check(name=_Kind(_other_than(taken), "a name of its own"))
        taken.add(look.values["name"])
        _check_look(look, len(actions))


def _check_look(look: _Fields, actions: int) -> None:
    among = f"positions among {actions} actions"
    look.check(
        limit=_count(MOST_LOOKED),
        sample=_Kind(_position(actions), f"one of the {among}"),
        others=_or_empty(_list_of(_Kind(_position(actions), ""), actions, f"a list of {among}")),
    )
    states, others = len(VoteStates.of(look.values["limit"]).drawn), len(look.values["others"])
    chances = _column(_CHANCE, states, f"a probability for each of {states} states")
    shift = _column(_NUMBER, others, f"{others} numbers")
    pair = _column(_AMOUNT, 2, "a pair of prices")
    look.check(
        right=chances,
        top=chances,
        second=chances,
        tilt=_TILT,
        mean=_NUMBER,
        shift=_for_each(shift, states, f"{states} states"),
        between=_list_of(pair, MOST_POINTS, "a list of pairs of prices"),
    )


def _check_report(report: _Fields) -> None:
    report.inside("gate").check(lift=_NUMBER, low=_NUMBER, high=_NUMBER)
    report.inside("held_out").check(cost=_NUMBER, accuracy=_NUMBER)
    calibration = report.inside("calibration")
    if "cost_spread" in calibration.values:
        spreads = calibration.inside("cost_spread")
        spreads.check(**dict.fromkeys(spreads.values, _NUMBER))


def _is_text(value: Any) -> bool:
    """A text that can be shown: half a character or a control character cannot."""
    return isinstance(value, str) and len(value) <= LONGEST_NAME and not _UNSHOWN.search(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST and isfinite(value)


def _is_amount(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _are_names(value: Any) -> bool:
    return _list_of(_TEXT, MOST_ACTIONS, "").fits(value) and len(set(value)) == len(value)


def _other_than(taken: set[str]) -> Callable[[Any], bool]:
    return lambda value: _is_text(value) and value not in taken


def _position(among: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < among


def _count(most: int) -> _Kind:
    """An integer from 1 on."""
    counted = _position(most + 1)
    return _Kind(lambda value: counted(value) and value >= 1, f"an integer from 1 to {most:,}")


def _or_null(kind: _Kind) -> _Kind:
    return _Kind(lambda value: value is None or kind.fits(value), f"{kind.meaning} or null")


def _or_empty(kind: _Kind) -> _Kind:
    return kind._replace(fits=lambda value: value == [] or kind.fits(value))


def _list_of(kind: _Kind, most: int, meaning: str) -> _Kind:
    """A list that is not empty."""
    return _Kind(
        lambda value: isinstance(value, list) and 1 <= len(value) <= most and all(map(kind.fits, value)),
        meaning,
    )


def _column(kind: _Kind, length: int, meaning: str) -> _Kind:
    """A list of this length."""
    return _Kind(
        lambda value: isinstance(value, list) and len(value) == length and all(map(kind.fits, value)), meaning
    )


def _for_each(kind: _Kind, length: int, those: str) -> _Kind:
    """A list with one for each of those, so many."""
    return _column(kind, length, f"{kind.meaning} for each of {those}")


_OBJECT = _Kind(lambda value: isinstance(value, dict), "an object")
_TEXT = _Kind(_is_text, "a text")
_DIGEST = _Kind(_is_text, "a digest")
_NAMES = _Kind(_are_names, f"a list of names, 1 to {MOST_ACTIONS:,} and each once")
_NUMBER = _Kind(_is_number, "a number")
_AMOUNT = _Kind(_is_amount, "a number of at least 0")
_CHANCE = _Kind(lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1")
_POINTS = _list_of(_NUMBER, MOST_POINTS, f"a list of 1 to {MOST_POINTS:,} numbers")
_TILT = _column(_NUMBER, 3, "three numbers")
