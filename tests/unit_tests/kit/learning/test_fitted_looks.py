"""Looks are learned where samples tell of other actions, and left where they do not."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.cost_response import Response
from adaptive_reasoner.kit.learning.fitted_looks import Chooser
from adaptive_reasoner.kit.learning.held_out_trust import shrunk
from adaptive_reasoner.kit.learning.trusted import Trusted
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.trust import Trust

CHEAP, DEAR = 1.0, 10.0
QUESTIONS = 200
ROWS = np.arange(QUESTIONS)
FOLD = ROWS % 5


def two_sources(*, told=True, questions=QUESTIONS, samples=8, seed=0):
    """On every other question the cheap source knows the answer; on the rest it guesses, the dear one knows.

    Args:
        told: Whether its guesses differ from each other; else it is as sure of what is wrong.
        questions: How many.
        samples: Of the cheap source.
        seed: Of the guesses.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(questions):
        easy = number % 2 == 0
        asked = {"question_id": f"q{number}", "question": f"question {number}", "gold": "right"}
        for sample in range(samples):
            wrong = f"wrong {rng.integers(9)}" if told else "wrong"
            answer = "right" if easy else wrong
            row = {**asked, "source": "cheap", "sample": sample, "answer": answer, "cost": CHEAP}
            rows.append({**row, "correct": float(answer == "right"), "cost_unit": "tokens"})
        row = {**asked, "source": "dear", "sample": 0, "answer": "right", "cost": DEAR}
        rows.append({**row, "correct": 1.0, "cost_unit": "tokens"})
    return Samples.from_rows(rows)


def fitted(samples, *, known=None):
    """Looks on top of a mixture or, where it is given what is known of each question, of predictions."""
    table = estimate(samples, votes={"cheap": (1,), "dear": (1,)})
    mean = Predictions(table.actions, table.accuracy.mean(0) + 0 * table.accuracy, table.cost, "tokens")
    mixture, trust = fixed_mixture(table), Trust.none() if known is None else Trust.full()
    predicted = mean if known is None else replace(mean, accuracy=known(table))
    expected = Trusted.of(predicted, mixture, trust, mixture.curve)
    chooser = Chooser.of(samples, table, among=mixture.vertices if known is None else None)
    return table, chooser, expected, chooser.fit(ROWS, expected, FOLD)


def test_disagreement_of_cheap_samples_hands_the_question_over():
    table, chooser, expected, looks = fitted(two_sources())
    assert [look.name for look in looks.looks] == ["cheap_look_4"]
    price = looks.curve.price_at(6.8)
    played, looked_at = chooser.play(looks.looks, ROWS, expected, np.array([price]))
    assert looked_at.mean() > 0.95
    assert played.cost.mean() == pytest.approx(6.8, rel=0.05)
    assert played.accuracy.mean() > 0.95  # two samples tell all but one hard question in nine
    mixed = fixed_mixture(table).shares(6.8)
    assert played.accuracy.mean() > (table.accuracy @ mixed).mean() + 0.13


def test_samples_that_tell_nothing_are_not_bought():
    _, chooser, expected, looks = fitted(two_sources(told=False))
    prices = looks.prices
    played, looked_at = chooser.play(looks.looks, ROWS, expected, prices)
    plain = chooser.question_only(ROWS, expected, prices)
    assert looked_at.mean() < 0.05
    assert (played.accuracy - plain.accuracy).mean() > -0.003


def test_too_few_questions_to_see_rare_losses_are_not_looked_at():
    samples = two_sources()
    _, chooser, expected, _ = fitted(samples)
    few, enough = (
        chooser.fit(ROWS[:questions], expected.only(slice(questions)), FOLD[:questions])
        for questions in (99, 100)
    )
    assert (len(few.looks), len(enough.looks)) == (0, 1)
    assert few.curve is expected.curve  # the question alone decides, at its own prices


def test_what_the_question_tells_already_is_not_bought():
    _, chooser, expected, looks = fitted(two_sources(), known=lambda table: table.accuracy)
    _, looked_at = chooser.play(looks.looks, ROWS, expected, looks.prices)
    assert not looked_at.any()


def test_a_look_is_bought_where_the_question_leaves_room():
    """Of half the questions it is known whether they are easy."""

    def known(table):
        sure = np.tile((np.arange(QUESTIONS) % 4 < 2)[:, None], (1, 2))
        return np.where(sure, table.accuracy, table.accuracy.mean(axis=0))

    _, chooser, expected, looks = fitted(two_sources(), known=known)
    _, looked_at = chooser.play(looks.looks, ROWS, expected, np.array([looks.curve.price_at(5.5)]))
    sure = ROWS % 4 < 2
    assert not looked_at[sure].any()
    assert looked_at[~sure].mean() > 0.8


@pytest.mark.parametrize("budget", [3.0, 5.0, 7.0])
def test_the_budget_holds_on_questions_it_was_not_fitted_on(budget):
    samples = two_sources(questions=2 * QUESTIONS)
    table = estimate(samples, votes={"cheap": (1,), "dear": (1,)})
    mean = Predictions(table.actions, table.accuracy.mean(0) + 0 * table.accuracy, table.cost, "tokens")
    mixture = fixed_mixture(table)
    expected = Trusted.of(mean, mixture, Trust.none(), mixture.curve)
    chooser = Chooser.of(samples, table, among=mixture.vertices)
    half = expected.only(slice(QUESTIONS))
    looks = chooser.fit(ROWS, half, FOLD)
    price = np.array([looks.curve.price_at(budget)])
    played, _ = chooser.play(looks.looks, ROWS + QUESTIONS, half, price)
    assert played.cost.mean() == pytest.approx(budget, rel=0.03)


def test_shuffled_outcomes_are_hardly_ever_looked_at():
    """Whether the cheap samples agree has nothing to do with what is right."""
    gains = []
    for seed in range(3):
        samples = two_sources(seed=seed)
        order = np.random.default_rng(seed).permutation(QUESTIONS)
        dealt = {f"q{number}": float(order[number] % 2) for number in range(QUESTIONS)}
        rows = [
            row | ({"correct": dealt[row["question_id"]]} if row["source"] == "cheap" else {})
            for row in samples.rows()
        ]
        _, chooser, expected, looks = fitted(Samples.from_rows(rows))
        played, _ = chooser.play(looks.looks, ROWS, expected, looks.prices)
        plain = chooser.question_only(ROWS, expected, looks.prices)
        gains.append(((played.accuracy - plain.accuracy) - looks.prices * (played.cost - plain.cost)).mean())
    assert min(gains) > -0.003


def test_the_replay_is_what_recorded_samples_give():
    """Every question's accuracy and cost on a course, against all orders of its samples."""
    samples = two_sources(questions=30, samples=4)
    table = estimate(samples, votes={"cheap": (1,), "dear": (1,)})
    (cheap, *_) = Chooser.of(samples, table).candidates
    rows = np.arange(30)
    look = cheap.fit(rows, Chooser.of(samples, table).truth, table.accuracy)
    states = look.states
    course = np.where(states.drawn < 2, -2, np.where(states.top == 2, -1, 0))
    truth = Chooser.of(samples, table).truth
    accuracy, cost = cheap.play(rows, np.tile(course, (30, 1)), truth)
    for row in rows:
        answers = [reply.answer for reply in samples.votes(f"q{row}", "cheap")]
        pairs = [(a, b) for i, a in enumerate(answers) for j, b in enumerate(answers) if i != j]
        agree = np.mean([a == b for a, b in pairs])
        right = np.mean([a == b == "right" for a, b in pairs])
        assert accuracy[row] == pytest.approx(right + (1 - agree) * 1.0, abs=0.12)
        assert cost[row] == pytest.approx(2 * CHEAP + (1 - agree) * DEAR, abs=1.2)


@pytest.mark.parametrize("share", [0.25, 0.6, 1.0])
def test_looks_are_bought_by_predictions_as_they_are_trusted(share):
    """What is played without looks costs what the policy's own curve expects, whatever the trust."""
    samples = two_sources()
    table = estimate(samples, votes={"cheap": (1,), "dear": (1,)})
    rng = np.random.default_rng(1)
    guessed = np.clip(table.accuracy + 0.4 * rng.normal(size=table.accuracy.shape), 0.0, 1.0)
    predicted = Predictions(table.actions, guessed, table.cost, "tokens")
    levels = (0.25, 0.5)
    curves = tuple(Response.of(shrunk(predicted, table, level), table).curve for level in levels)
    mixture, curve = fixed_mixture(table), Response.of(predicted, table).curve
    trust = Trust(np.array([1.0, 11.0]), np.array([share, share]), levels, curves)
    expected = Trusted.of(predicted, mixture, trust, curve)
    chooser = Chooser.of(samples, table)
    prices = np.array([curve.price_at(budget) for budget in (6.0, 4.0)])
    plain = chooser.question_only(ROWS, expected, prices)
    assert plain.cost.mean(axis=0) == pytest.approx([6.0, 4.0], rel=0.12)
    drawn = np.array(trust.steps)[expected.steps(prices)]
    assert drawn.mean() == pytest.approx(share, abs=0.02)
    full = drawn == 1
    alone = Trusted.of(predicted, mixture, Trust.full(), curve)
    by_all = chooser.question_only(ROWS, alone, prices)
    assert np.array_equal(plain.cost[full], by_all.cost[full])
    assert share == 1 or not np.array_equal(plain.cost, by_all.cost)
    looks = chooser.fit(ROWS, expected, FOLD)
    played, looked_at = chooser.play(looks.looks, ROWS, expected, np.array([looks.curve.price_at(5.0)]))
    assert looked_at.any()
    assert played.cost.mean() == pytest.approx(5.0, rel=0.12)
