"""What training teaches a policy of votes."""

import numpy as np

from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.kit.learning.toy_training import trained
from tests.unit_tests.toys import toy_outcomes


def test_samples_teach_the_policy_when_to_stop_a_vote(tmp_path):
    table, rng = toy_outcomes(60), np.random.default_rng(0)
    samples = Samples.from_rows(
        {
            "question_id": table.question_ids[question],
            "question": table.questions[question],
            "source": "cot",
            "sample": number,
            "answer": f"{rng.integers(4)}",
            "gold": "0",
            "correct": float(rng.random() < 0.5),
            "cost": 30.0,
            "cost_unit": "tokens",
        }
        for question in range(len(table))
        for number in range(8)
    )
    policy = LearnedPolicy.load(trained(table, samples=samples).save(tmp_path / "policy"))
    assert policy.prospects("cot", 0.1) is policy.prospects("cot")  # of votes at random nothing can be told
    known = policy.prospects("cot")
    assert (known.limit, known.cost) == (4, 30.0)
    assert policy.prospects("direct") is None
    assert LearnedPolicy.load(trained(table).save(tmp_path / "other")).prospects("cot") is None


def test_what_the_policy_expects_of_a_question_reaches_its_votes(tmp_path):
    table, rng = toy_outcomes(200), np.random.default_rng(0)
    chance = np.where(table.groups == "story", 0.03, 0.45)
    right = rng.random((200, 12)) < chance[:, None]
    samples = Samples.from_rows(
        {
            "question_id": table.question_ids[question],
            "question": table.questions[question],
            "source": "direct",
            "sample": number,
            "answer": "0" if right[question, number] else f"{rng.integers(1, 12)}",
            "gold": "0",
            "correct": float(right[question, number]),
            "cost": 2.0,
            "cost_unit": "tokens",
        }
        for question in range(len(table))
        for number in range(12)
    )
    policy = LearnedPolicy.load(trained(table, samples=samples).save(tmp_path / "policy"))
    easy, hard = (policy.prospects("direct", expected) for expected in (0.9, 0.1))
    assert easy.right[1, 1, 0] > policy.prospects("direct").right[1, 1, 0] > hard.right[1, 1, 0]
    assert easy.cost == hard.cost == 2.0
