"""What people wait for votes: against votes run order by order, each wave as long as its slowest sample."""

import itertools

import numpy as np
import pytest

from adaptive_reasoner.kit.backtesting.latency import waits
from adaptive_reasoner.kit.backtesting.stop_rules import replay_rules
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.votes.permutations import (
    ReplayedVotes,
    after_probe,
    at_once,
    by_state,
    by_window,
    sample_groups,
)
from adaptive_reasoner.strategies.stop_rules import Lossless, SamplePrice
from adaptive_reasoner.strategies.vote_state import Votes, VoteState
from tests.unit_tests.kit.votes.ballots import ballots_of


def samples_of(*ballots, seconds=None, **fields):
    def each(q, i):
        return fields if seconds is None else {**fields, "seconds": seconds(q, i)}

    return ballots_of(ballots, each=each)


def votes_of(samples):
    groups = sample_groups(samples, "cot", samples.question_ids)
    return ReplayedVotes.of(groups, groups[0].codes.shape[1])


def table_of(rule, limit):
    wave = np.zeros((limit + 1,) * 3, dtype=np.intp)
    for drawn, top, second in itertools.product(range(limit), repeat=3):
        if second <= top and top + second <= drawn:
            wave[drawn, top, second] = rule.wave(VoteState(top, second, drawn, limit), SamplePrice())
    return wave


def run(ballot, next_wave):
    """The waves of a vote in every order of a ballot."""
    for order in itertools.permutations(range(len(ballot))):
        votes, waves = Votes(limit=len(ballot)), []
        while wave := next_wave(votes, [ballot[i] for i in order[: votes.drawn]]):
            waves.append(order[votes.drawn : votes.drawn + wave])
            votes.add(ballot[i] for i in waves[-1])
        yield waves


def in_windows(size):
    def next_wave(votes, so_far):
        latest = so_far[-size:]
        agreed = len(latest) == size and len(set(latest)) == 1 and None not in latest
        return 0 if agreed and len(so_far) % size == 0 else min(size, votes.limit - len(so_far))

    return next_wave


BALLOTS = [["a", "b", "a", "a"], ["a", None, "a", "b"], ["a", "a", "a", "a"], ["b", "a", "c", "d"]]
SECONDS = [[1.0, 2.0, 4.0, 8.0], [3.0, 3.0, 9.0, 1.0], [5.0, 0.5, 0.25, 2.0], [1.0, 1.0, 1.0, 7.0]]
FIRST = np.array([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("schedule", "next_wave"),
    [
        (at_once(3), lambda votes, _: 0 if votes.drawn else 3),
        (by_state(table_of(Lossless(), 4)), lambda votes, _: votes.needed),
        (by_window(2), in_windows(2)),
        (by_window(3), in_windows(3)),
        (lambda replayed, drawn: after_probe(FIRST[replayed.question])(replayed, drawn), None),
    ],
    ids=["at once", "lossless", "windows of 2", "windows of 3", "after the first"],
)
def test_rounds_and_seconds_are_those_of_the_vote_in_every_order(schedule, next_wave):
    replayed = votes_of(samples_of(*BALLOTS, seconds=lambda q, i: SECONDS[q][i]))
    rounds, every = [], []
    for number, (ballot, seconds) in enumerate(zip(BALLOTS, SECONDS, strict=True)):
        mine = next_wave or (lambda votes, _, n=number: [1, FIRST[n] - 1, 0, 0, 0][min(votes.drawn, 2)])
        played = list(run(ballot, mine))
        rounds.append(np.mean([len(waves) for waves in played]))
        every += [sum(max(seconds[i] for i in wave) for wave in waves) for waves in played]
    found = waits(replayed, [schedule], np.ones(1))
    np.testing.assert_allclose(found.rounds, rounds)
    assert found.p95_seconds == np.quantile(every, 0.95, method="inverted_cdf")


def test_questions_count_alike_and_a_mixture_waits_as_its_parts_do():
    replayed = votes_of(samples_of(["a"] * 4, ["a"] * 4, seconds=lambda q, _: [1.0, 10.0][q]))
    found = waits(replayed, [at_once(1), by_window(1), by_window(2)], np.array([0.97, 0.0, 0.03]))
    np.testing.assert_allclose(found.rounds, [1.0, 1.0])
    assert found.p95_seconds == 10.0
    slow_is_rare = votes_of(samples_of(*[["a"] * 4] * 40, seconds=lambda q, _: 10.0 if q == 7 else 1.0))
    assert waits(slow_is_rare, [at_once(4)], np.ones(1)).p95_seconds == 1.0


def test_seconds_are_reported_only_where_all_are_known():
    unknown = samples_of(*BALLOTS, seconds=lambda q, i: None if (q, i) == (2, 1) else 1.0)
    found = waits(votes_of(unknown), [at_once(4)], np.ones(1))
    assert found.p95_seconds is None
    assert found.rounds.tolist() == [1.0] * 4


def test_every_rule_says_how_long_it_takes():
    """Three of the first three agree: a Beta stop of .9 is done after one wave, and so is a lossless vote."""
    samples = samples_of(*[["a"] * 20 for _ in range(20)], seconds=lambda q, _: 1.0 + q)
    rules = replay_rules(samples, "cot", estimate(samples, votes=(1,)))
    fit, held_out = np.arange(0, 20, 2), np.arange(1, 20, 2)
    assert {"vote_k", "lossless", "beta_stop", "esc", "priced_stop", "after_first_sample"} <= set(rules)
    for name, rule in rules.items():
        play = rule.fit(fit, held_out).at(10.0)
        most = 2.0 if name == "after_first_sample" else 1.0
        assert 1.0 <= play.rounds.max() <= most, name
        assert play.p95_seconds == pytest.approx(20.0 * play.rounds.max()), name


def test_every_rule_pays_the_prompt_of_a_request_once_for_the_samples_of_a_wave():
    """A prompt makes half of a sample's cost, and requests are for two."""
    ballots = [ballot[:3] for ballot in BALLOTS]  # of three, all are drawn
    samples = samples_of(*ballots, prompt_cost=0.5, samples_per_request=2)
    rules = replay_rules(samples, "cot", estimate(samples, votes=(1,)))
    for name, parameter, next_wave in (
        ("vote_k", 2, lambda votes, _: 0 if votes.drawn else 3),
        ("lossless", 2, lambda votes, _: votes.needed),
        ("esc", 1, in_windows(2)),
    ):
        paid = [
            np.mean([sum(0.5 * len(w) + 0.5 * np.ceil(len(w) / 2) for w in waves) for waves in played])
            for played in (list(run(ballot, next_wave)) for ballot in ballots)
        ]
        np.testing.assert_allclose(rules[name].values[1][:, parameter], paid, err_msg=name)
    assert rules["beta_stop"].values[1].max() == 2.5  # three samples, the first two in one request
