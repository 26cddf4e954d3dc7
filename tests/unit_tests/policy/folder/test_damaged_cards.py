"""A policy whose card lacks a field, has nonsense in one, or is hardly JSON is refused."""

import json

import pytest

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.policy.forged_folders import CARD, check, forged, opened, sealed
from tests.unit_tests.toys import toy_outcomes


def fields_of(card, at=()):
    """Every place in the card that holds a value, of a list its first item."""
    items = (
        card.items() if isinstance(card, dict) else [(0, card[0])] if isinstance(card, list) and card else []
    )
    for name, value in items:
        yield (*at, name)
        yield from fields_of(value, (*at, name))


def changed(at, value):
    """The card with another value at one place; without it for `...`."""
    card = json.loads(json.dumps(CARD))
    inner = card
    for name in at[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return card


NESTED = json.loads("[" * 60 + "]" * 60)
OTHERS = {
    "gone": ...,
    "null": None,
    "text": "x",
    "escape": "\x1b[2J\n",
    "half": "\ud800",
    "minus": -1,
    "zero": 0,
    "whole": 7,
    "truth": True,
    "fraction": 0.5,
    "huge": 10**300,
    "long": 10**4000,
    "large": 2**40,
    "list": [],
    "object": {},
    "nested": NESTED,
    "pair": [1, "a"],
}
PLACES = [at for at in fields_of(CARD) if at[0] not in ("versions", "digest") and len(at) < 4]


def forged_cards(folder, places, names):
    """A folder for each place in the card and each other value there."""
    for place in places:
        for name in names:
            yield forged(folder / f"{'.'.join(map(str, place))} {name}", changed(place, OTHERS[name]))


def test_a_card_without_a_field_or_with_nonsense_in_it(tmp_path):
    top = [place for place in PLACES if len(place) == 1]
    check(opened(list(forged_cards(tmp_path, top, ("gone", "text", "list", "minus")))))


@pytest.mark.slow
def test_each_field_of_the_card_with_each_other_value(tmp_path):
    check(opened(list(forged_cards(tmp_path, PLACES, OTHERS))))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "it is not JSON"),
        ('{"a":' * 900 + "1" + "}" * 900, "format"),
        ('{"format": 1, "price": NaN}', "holds NaN"),
        ('{"format": 1, "a": ' + "9" * 5000 + "}", "it is not JSON"),
        ("\xff\xfe{", "it is not JSON"),
        (" " * 4_000_001, "at most 4,000,000"),
    ],
    ids=["endless", "nested", "nan", "digits", "encoding", "large"],
)
def test_a_card_that_is_hardly_json_is_refused(tmp_path, text, reason):
    forged(tmp_path / "policy")
    (tmp_path / "policy" / "policy.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(PolicyFormatError, match=reason):
        LearnedPolicy.load(tmp_path / "policy")


def test_a_name_of_a_file_that_leads_elsewhere_is_refused(tmp_path):
    for number, name in enumerate(("../x", "..", "", ".", "a/b", "a\0b", "policy.json")):
        folder = tmp_path / str(number)
        folder.mkdir()
        sealed(folder, CARD | {"files": CARD["files"] | {name: "0"}})
        with pytest.raises(PolicyFormatError):
            LearnedPolicy.load(folder)


GOOD_TRUST = {
    "cost": [1.0, 2.0],
    "share": [0.0, 1.0],
    "levels": [0.5],
    "curves": [{"price": [0.1, 0.2], "cost": [2.0, 1.0]}],
}


@pytest.mark.parametrize(
    "damage",
    [
        {"cost": []},
        {"cost": [2.0, 1.0]},
        {"cost": [1.0, None]},
        {"share": [0.5]},
        {"share": [0.0, 1.5]},
        {"levels": [1.0]},
        {"levels": [0.5, 0.25]},
        {"curves": []},
        {"curves": [{"price": [0.1, 0.2]}]},
        {"curves": [{"price": [0.2, 0.1], "cost": [2.0, 1.0]}]},
        {"curves": "none"},
    ],
    ids=str,
)
def test_trust_that_is_none_is_refused(tmp_path, damage):
    assert LearnedPolicy.load(forged(tmp_path / "good", changed(("trust",), GOOD_TRUST))).trust
    with pytest.raises(PolicyFormatError):
        LearnedPolicy.load(forged(tmp_path / "bad", changed(("trust",), GOOD_TRUST | damage)))


@pytest.mark.parametrize(
    "damage",
    [[], {"cot": 2.0}, {"cot": {"accuracy": 1.0}}, {"cot": {"accuracy": "1", "cost": 1.0}}],
    ids=str,
)
def test_drift_that_is_none_is_refused(tmp_path, damage):
    good = {"cot": {"accuracy": 0.8, "cost": 2.0}}
    assert LearnedPolicy.load(forged(tmp_path / "good", changed(("drift",), good))).card["drift"] == good
    with pytest.raises(PolicyFormatError, match="drift"):
        LearnedPolicy.load(forged(tmp_path / "bad", changed(("drift",), damage)))


@pytest.mark.parametrize("name", ["data", "report"])
def test_a_report_of_a_policy_that_keeps_no_record_is_refused(tmp_path, name):
    policy = LearnedPolicy.load(forged(tmp_path / "policy", changed((name,), ...)))
    with pytest.raises(PolicyFormatError, match=f"{name} is missing"):
        Playing.on(policy, toy_outcomes(4))
