"""Rules of other papers, replayed: against the rules themselves, and against what they are known to do."""

import itertools
import math

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.backtesting.published_rules import SequentialTest, budget_allocation
from adaptive_reasoner.kit.backtesting.stop_rules import replay_rules
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes, draws_allowed, sample_groups
from adaptive_reasoner.strategies.stop_rules import SamplePrice
from adaptive_reasoner.strategies.vote_state import Votes, VoteState
from tests.unit_tests.kit.votes.ballots import ballots_of

HARD, EASY = ["a", "b", "a", "b", "a", "c", "a", "b"], ["a"] * 8


def samples_of(*ballots, logprob=None):
    def each(question, i):
        paid = {"cost": 1.0, "cost_unit": "samples"}
        return paid if logprob is None else {**paid, "logprob": logprob(question)}

    return ballots_of(ballots, each=each)


def replayed_votes(samples):
    groups = sample_groups(samples, "cot", list(samples.question_ids))
    return ReplayedVotes.of(groups, draws_allowed(groups))


def samples_spent(votes, schedule):
    return votes.played(schedule)[3]


def test_uncertain_questions_get_more_samples_by_their_log_probabilities():
    votes = replayed_votes(samples_of(EASY, EASY, logprob=lambda q: (-0.02, -0.5)[int(str(q).lstrip("q"))]))
    spent = np.array([samples_spent(votes, schedule) for schedule in budget_allocation(votes)])
    assert ((spent[:, 1] > spent[:, 0]).sum(), (spent < 1).sum()) > (5, 0)
    assert len(np.unique(spent, axis=0)) > 3


def test_each_gain_is_the_greedy_allocation_of_some_total():
    """Greedy on p (1 - p)^c, run as the paper has it, spends what the rule spends."""
    logprobs = [-0.05, -0.2, -0.4, -1.0]
    samples = samples_of(*[EASY] * 4, logprob=lambda q: logprobs[int(str(q).lstrip("q"))])
    votes = replayed_votes(samples)
    limit = votes.limit
    greedy = set()
    for sharpness in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
        p = np.exp(np.array(logprobs) / sharpness)
        counts = np.ones(4, dtype=int)
        greedy.add(tuple(counts))
        for _ in range(4 * (limit - 1)):
            gain = np.where(counts < limit, p * (1 - p) ** counts, -1.0)
            counts[np.argmax(gain)] += 1
            greedy.add(tuple(counts))
    spent = {tuple(samples_spent(votes, schedule).astype(int)) for schedule in budget_allocation(votes)}
    assert len(spent) > 3
    assert spent <= greedy


def test_without_log_probabilities_agreement_of_two_samples_is_the_probe():
    votes = replayed_votes(samples_of(EASY, HARD))
    spent = np.array([samples_spent(votes, schedule) for schedule in budget_allocation(votes)])
    assert spent.min() == 2
    assert (spent[:, 1] - spent[:, 0]).max() > 0.5


def test_a_log_probability_above_0_is_refused():
    row = {"question_id": "q", "question": "?", "source": "cot", "sample": 0, "answer": "7", "gold": "7"}
    row |= {"correct": 1.0, "cost": 1.0, "cost_unit": "samples"}
    assert Samples.from_rows([{**row, "logprob": -0.5}]).of("q", "cot")[0].logprob == -0.5
    with pytest.raises(OutcomesError, match=r"logprob is 0\.5, above 0"):
        Samples.from_rows([{**row, "logprob": 0.5}])


@pytest.mark.parametrize("chance", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_lead_is_where_the_posterior_of_the_leader_passes_a_confidence(chance, confidence):
    lead = math.ceil(math.log(confidence / (1 - confidence)) / math.log(chance / (1 - chance)) - 1e-9)
    test = SequentialTest(lead)
    for top, second in itertools.product(range(1, 7), range(7)):
        if second > top or top + second >= 20:
            continue
        odds = (chance / (1 - chance)) ** (top - second)
        sure = odds / (1 + odds) >= confidence - 1e-9
        assert (test.wave(VoteState(top, second, top + second, 40), SamplePrice()) == 0) == sure


def test_a_sequential_test_replayed_is_its_mean_over_all_orders():
    ballot = ["a", "b", "a", "a"]
    samples = samples_of(ballot, EASY[:4])
    rule = replay_rules(samples, "cot", estimate(samples, votes=(1,)))["optpo"]
    limit = 2
    for lead in range(1, limit + 1):
        scores, costs = [], []
        for order in itertools.permutations(ballot):
            votes = Votes(limit=limit)
            while wave := SequentialTest(lead).wave(votes.state, SamplePrice()):
                votes.add(order[votes.drawn : votes.drawn + wave])
            scores.append(votes.winner == "a")
            costs.append(votes.drawn)
        assert rule.values[0, 0, lead - 1] == pytest.approx(np.mean(scores))
        assert rule.values[1, 0, lead - 1] == pytest.approx(np.mean(costs))


def test_both_are_rows_of_a_replay():
    samples = samples_of(HARD, EASY, HARD)
    rules = replay_rules(samples, "cot", estimate(samples, votes=(1,)))
    for name in ("uab", "optpo"):
        fitted = rules[name].fit(np.array([0, 1]), np.array([2]))
        assert 1 <= fitted.at(3.0).cost.mean() <= 4
