"""What a look is worth, against every course that a vote could take."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.folder.fields import check_fields
from adaptive_reasoner.policy.looks import Look, best_look
from adaptive_reasoner.strategies.look_plans import AGAIN, STOP, VoteStates
from tests.unit_tests.policy.forged_folders import CARD

SEEDS = st.integers(0, 10**6)


def random_look(rng, *, limit=2, others=2):
    states = VoteStates.of(limit)
    z = len(states.drawn)
    right = np.where(states.top > 0, rng.random(z), 0.0)
    top, rest = rng.random(z), rng.random(z)
    return Look(
        name="cheap_look_2",
        sample=0,
        others=np.arange(1, 1 + others),
        limit=limit,
        right=right,
        top=top,
        second=(1 - top) * rest,
        tilt=(1.5, 0.7, -0.4),
        mean=0.5,
        shift=rng.normal(size=(z, others)) * 0.2,
        between=[(0.0, 10.0)],
    )


def worth_of(course, outlook, price):
    """What a course is worth on the first question, by following every sample."""
    states = outlook.states

    def from_state(state):
        if course[state] == AGAIN:
            ahead = zip(states.after[state], outlook.chances[0, state], strict=True)
            return sum(chance * from_state(after) for after, chance in ahead) - price * outlook.sample[0]
        if course[state] == STOP:
            return outlook.right[0, state]
        return outlook.others[0, state, course[state]] - price * outlook.cost[0, course[state]]

    return from_state(0)


@given(SEEDS)
def test_a_plan_is_worth_more_than_every_other_course(seed):
    rng = np.random.default_rng(seed)
    look = random_look(rng, others=1)
    accuracy, cost, price = rng.random((1, 2)), rng.random((1, 2)), float(rng.random())
    outlook = look.outlook(accuracy, cost)
    planned = look.plans(accuracy, cost, np.array([price]))
    z, last = len(look.states.drawn), look.states.drawn == look.limit
    options = [(AGAIN,) if s == 0 else ((STOP, 0) if last[s] else (AGAIN, STOP, 0)) for s in range(z)]
    best = max(worth_of(course, outlook, price) for course in itertools.product(*options))
    assert planned.worth[0] == pytest.approx(best)
    assert worth_of(planned.course[0], outlook, price) == pytest.approx(best)
    assert planned.accuracy[0] - price * planned.cost[0] == pytest.approx(best)


@given(SEEDS)
def test_a_look_is_worth_less_the_higher_the_price_and_without_jumps(seed):
    rng = np.random.default_rng(seed)
    look = random_look(rng, limit=4)
    accuracy, cost = rng.random((1, 3)), rng.random((1, 3))
    prices = np.linspace(0.0, 2.0, 400)
    planned = look.plans(np.repeat(accuracy, 400, 0), np.repeat(cost, 400, 0), prices)
    steps = np.diff(planned.worth)
    assert (steps <= 1e-12).all()
    assert (np.abs(steps) <= np.diff(prices) * (4 * cost[0, 0] + cost.max()) + 1e-12).all()


@given(SEEDS)
def test_a_look_comes_back_from_json_as_it_was(seed):
    look = random_look(np.random.default_rng(seed), limit=3)
    again = Look.of(json.loads(json.dumps(look.as_card())))
    rng = np.random.default_rng(seed)
    accuracy, cost, price = rng.random((5, 3)), rng.random((5, 3)), rng.random(5)
    for one, other in zip(look.plans(accuracy, cost, price), again.plans(accuracy, cost, price), strict=True):
        assert (one == other).all()


def test_a_look_is_taken_only_where_it_pays_and_is_worth_more():
    look = random_look(np.random.default_rng(3))
    accuracy, cost = np.array([0.5, 0.6, 0.7]), np.array([1.0, 2.0, 3.0])
    worth = look.plans(accuracy[None], cost[None], np.array([0.01])).worth[0]
    assert best_look([look], accuracy, cost, 0.01, than=worth - 1e-9).look is look
    assert best_look([look], accuracy, cost, 0.01, than=worth + 1e-9) is None
    assert best_look([look], accuracy, cost, 11.0, than=-1e9) is None
    assert best_look([look], accuracy, cost, 0.01, than=-1e9, asked=11.0) is None
    assert best_look([look], accuracy, cost, 11.0, than=-1e9, asked=0.01).look is look


@given(SEEDS)
def test_the_worst_cost_is_that_of_the_longest_way_of_the_course(seed):
    rng = np.random.default_rng(seed)
    look = random_look(rng, limit=3)
    chosen = best_look([look], rng.random(3), rng.random(3), float(rng.random()), than=-1e9)
    worst = rng.random(3)

    def dearest(state):
        if chosen.course[state] == AGAIN:
            return worst[0] + max(dearest(after) for after in look.states.after[state])
        return 0.0 if chosen.course[state] == STOP else worst[look.others[chosen.course[state]]]

    assert chosen.worst(worst) == pytest.approx(dearest(0))


def card_with(look, **changed):
    """A policy's card with a look, of which some fields are changed."""
    looking = {"looks": [look.as_card() | changed], "frontier": CARD["frontier"], "price": 0.1}
    return json.loads(json.dumps({**CARD, "looking": looking}))


def test_a_card_with_a_look_is_taken():
    check_fields(card_with(random_look(np.random.default_rng(0), others=1)), "policy.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", CARD["actions"][0]),  # it would take the place of an action
        ("sample", len(CARD["actions"])),
        ("others", [-1]),
        ("limit", 10**6),
        ("right", [0.5]),
        ("top", [2.0] * 7),
        ("shift", [[0.0, 0.0]] * 7),
        ("shift", [[None]] * 7),
        ("tilt", [1.0]),
        ("mean", "x"),
        ("between", [[0.1]]),
    ],
)
def test_a_card_with_a_damaged_look_is_refused_by_the_name_of_the_field(field, value):
    card = card_with(random_look(np.random.default_rng(0), others=1), **{field: value})
    with pytest.raises(PolicyFormatError, match=rf"looking\.looks\[0\]\.{field}"):
        check_fields(card, "policy.json")
