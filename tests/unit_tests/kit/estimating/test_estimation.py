"""From samples to outcomes: names, costs, halves, refusals, speed."""

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.estimating.voting import vote_accuracy, vote_cost
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.outcome_parts import HALVES


def rows(question, source, answers, *, gold="42", cost=10.0, **more):
    return [
        {
            "question_id": question,
            "question": f"Question {question}",
            "group": "sums",
            "source": source,
            "sample": i,
            "answer": answer,
            "gold": gold,
            "correct": float(answer == gold),
            "cost": cost,
            "cost_unit": "tokens",
            **more,
        }
        for i, answer in enumerate(answers)
    ]


def test_each_source_gives_an_action_a_size():
    samples = Samples.from_rows(rows("q", "direct", "a", cost=2) + rows("q", "cot", ["42", "42", "7"]))
    outcomes = estimate(samples, votes={"direct": (1,), "cot": (3, 1)})
    assert outcomes.actions == ("direct", "cot", "cot_vote_3")
    assert outcomes.accuracy[0].tolist() == pytest.approx([0, 2 / 3, 1])
    assert outcomes.cost[0].tolist() == pytest.approx([2, 10, 20 + 10 * 2 / 3])  # two agree in 1 of 3 orders
    assert outcomes.samples[0].tolist() == [1, 3, 3]
    assert (outcomes.groups.tolist(), outcomes.cost_unit) == (["sums"], "tokens")


def test_a_best_of_k_costs_k_samples():
    replies = rows("q", "cot", ["42", "7", "7"], score=0.5)
    replies[0]["score"] = 0.9
    outcomes = estimate(Samples.from_rows(replies), votes=(1,), best_of=(2, 3))
    assert outcomes.actions == ("cot", "cot_best_of_2", "cot_best_of_3")
    assert outcomes.accuracy[0].tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert outcomes.cost[0].tolist() == pytest.approx([10, 20, 30])
    with pytest.raises(OutcomesError, match="question 'q', source 'cot': a reply has no score to choose by"):
        estimate(Samples.from_rows(rows("q", "cot", ["42", "7"])), best_of=(2,), votes=())


def test_failed_calls_are_no_samples_but_were_paid_for():
    replies = rows("q", "cot", ["42", "7", None])
    replies[2]["error"] = "timed out"
    outcomes = estimate(Samples.from_rows(replies), votes=(1,))
    assert outcomes.accuracy[0, 0] == 0.5
    assert outcomes.cost[0, 0] == 15  # 30 tokens bought two replies
    assert outcomes.samples[0, 0] == 2


def test_a_vote_larger_than_the_samples_is_refused_by_name():
    with pytest.raises(
        OutcomesError, match=r"question 'q', source 'cot': 5 samples are needed .*, there are 3"
    ):
        estimate(Samples.from_rows(rows("q", "cot", "aaa")), votes=(1, 5))
    with pytest.raises(OutcomesError, match="at least 1 is needed"):
        estimate(Samples.from_rows(rows("q", "cot", "aaa")), votes=(0,))
    with pytest.raises(OutcomesError, match="no sizes"):
        estimate(Samples.from_rows(rows("q", "cot", "aaa")), votes=())


FREE_TEXT = [
    row
    for question in ("p", "q")
    for row in rows(question, "essay", [None, None, "42", None]) + rows(question, "direct", ["42"] * 4)
]


def test_votes_of_free_text_are_refused_with_source_share_and_way_out():
    samples = Samples.from_rows(FREE_TEXT)
    with pytest.raises(OutcomesError, match=r"6 of 8 samples of source 'essay' .*\(75%\)") as refused:
        estimate(samples, votes=(1, 3))
    assert "--votes 'essay=1 ...'" in str(refused.value)
    assert 'kind or key = "similar" under [grader]' in str(refused.value)
    assert estimate(samples, votes={"essay": (1,), "direct": (1, 3)}).actions == (
        "essay",
        "direct",
        "direct_vote_3",
    )


def test_free_text_is_scored_as_before_where_a_scorer_chooses():
    scored = [{**row, "score": float(row["sample"])} for row in FREE_TEXT]
    assert "essay_best_of_3" in estimate(Samples.from_rows(scored), votes=(1,), best_of=(3,)).actions


def test_many_samples_with_nothing_to_compare_are_said():
    samples = Samples.from_rows(rows("q", "cot", ["42", "13", None, "42"]) + rows("q", "direct", ["42"] * 4))
    assert samples.nothing_to_compare("cot") == (1, 4)
    with pytest.warns(UserWarning, match=r"1 of 4 samples of source 'cot' .*\(25%\), and never vote"):
        estimate(samples, votes=(1, 3))


def test_failed_calls_offer_nothing_that_counts():
    failed = rows("q", "cot", [None, None], error="TimeoutError: late")
    failed[0]["sample"], failed[1]["sample"] = 8, 9
    samples = Samples.from_rows(rows("q", "cot", ["42", "13", "42"]) + failed)
    assert samples.nothing_to_compare("cot") == (0, 3)


def test_a_question_that_lacks_a_source_is_left_out_with_a_warning():
    both = rows("q1", "direct", "a") + rows("q1", "cot", "a")
    lacking = rows("q2", "direct", "a") + rows("q2", "cot", "a", error="refused")
    with pytest.warns(UserWarning, match="left out 1 of 2 questions: question 'q2' has 0 usable samples of"):
        outcomes = estimate(Samples.from_rows(both + lacking), votes=(1,))
    assert outcomes.question_ids.tolist() == ["q1"]
    with pytest.raises(OutcomesError, match="no question is complete: question 'q2'"):
        estimate(Samples.from_rows(lacking), votes=(1,))
    two_of_three = rows("q3", "cot", "aaa")
    two_of_three[0]["error"] = "timed out"
    with pytest.warns(UserWarning, match="'q3' has 2 usable samples of source 'cot', where 3 are needed"):
        outcomes = estimate(Samples.from_rows(rows("q1", "cot", "aaa") + two_of_three), votes=(1, 3))
    assert outcomes.question_ids.tolist() == ["q1"]
    # Of a source that is not asked for, nothing is needed.
    assert len(estimate(Samples.from_rows(both + lacking), votes={"direct": (1,)})) == 2


def test_by_default_votes_are_as_large_as_the_samples_of_every_question_allow():
    few, many = rows("q1", "cot", "aab"), rows("q2", "cot", "aabbb")
    with pytest.warns(UserWarning, match="without votes of 5 samples .* as question 'q1' has 3"):
        assert estimate(Samples.from_rows(few + many)).actions == ("cot", "cot_vote_3")
    with pytest.warns(UserWarning, match="single calls only: 6 of 8 samples of source 'essay'"):
        assert estimate(Samples.from_rows(FREE_TEXT)).actions == ("essay", "direct", "direct_vote_3")
    lacking = Samples.from_rows(few + rows("q2", "direct", "a")).select([0])
    with pytest.raises(OutcomesError, match="'q1' has 0 usable samples of source 'direct'"):
        estimate(lacking)


def test_the_halves_are_disjoint_and_average_to_the_whole():
    rng = np.random.default_rng(0)
    replies = [r for q in range(30) for r in rows(f"q{q}", "cot", rng.choice(["42", "7", "8"], 10).tolist())]
    outcomes = estimate(Samples.from_rows(replies), votes=(1, 3, 6))
    halves = outcomes.halves
    assert np.isfinite([halves.accuracy_a[:, :2], halves.cost_b[:, :2]]).all()
    assert np.isnan(
        [getattr(halves, name)[:, 2] for name in HALVES]
    ).all()  # a half has five samples, not six
    np.testing.assert_allclose((halves.accuracy_a + halves.accuracy_b)[:, 0] / 2, outcomes.accuracy[:, 0])
    again = estimate(Samples.from_rows(replies), votes=(1, 3, 6)).halves
    np.testing.assert_array_equal(halves.accuracy_a, again.accuracy_a)
    other = estimate(Samples.from_rows(replies), votes=(1, 3, 6), seed=1).halves
    assert (halves.accuracy_a != other.accuracy_a)[:, 0].any()


def test_of_an_odd_number_of_samples_the_larger_half_may_know_more():
    halves = estimate(Samples.from_rows(rows("q", "cot", ["42"] * 5)), votes=(1, 3)).halves
    assert np.isnan(halves.accuracy_a).tolist() == [[False, True]]
    assert np.isnan(halves.accuracy_b).tolist() == [[False, False]]
    assert estimate(Samples.from_rows(rows("q", "cot", ["42"])), votes=(1,)).halves is None


def test_questions_with_different_numbers_of_samples_are_each_estimated_from_all_of_theirs():
    replies = rows("q1", "cot", ["42", "7", "42"]) + rows("q2", "cot", ["42", "7", "7", "7", "42"])
    outcomes = estimate(Samples.from_rows(replies), votes=(1, 3))
    assert outcomes.samples.tolist() == [[3, 3], [5, 5]]
    expected = vote_accuracy(["42", "7", "7", "7", "42"], [1, 0, 0, 0, 1], (1, 3))
    assert outcomes.accuracy[1].tolist() == pytest.approx(expected.tolist())
    codes = np.array([[0, 1, 1, 1, 0]])
    assert outcomes.cost[1].tolist() == pytest.approx(
        vote_cost(codes, np.full((1, 5), 10.0), (1, 3))[0].tolist()
    )


def test_the_estimate_is_unbiased_over_what_was_sampled():
    """The mean over many questions of seven samples meets the vote of five on samples without end."""
    rng = np.random.default_rng(3)
    chances = [0.45, 0.35, 0.2]
    replies = [
        r
        for q in range(3000)
        for r in rows(f"q{q}", "cot", rng.choice(["42", "7", "8"], 7, p=chances).tolist())
    ]
    few = estimate(Samples.from_rows(replies), votes=(1, 5)).accuracy.mean(axis=0)
    trials = rng.multinomial(5, chances, 200_000)
    won = (trials[:, :1] == trials.max(axis=1, keepdims=True))[:, 0]
    truth = (won / (trials == trials.max(axis=1, keepdims=True)).sum(axis=1)).mean()
    assert few[1] == pytest.approx(truth, abs=0.015)


SHARING = {"prompt_cost": 6.0, "samples_per_request": 4}


def test_samples_that_start_together_pay_the_prompt_of_their_request_once():
    replies = [{**row, **SHARING, "score": 0.5} for row in rows("q", "cot", ["42"] * 9)]
    alone = estimate(Samples.from_rows(rows("q", "cot", ["42"] * 9)), votes=(1, 3, 9))
    found = estimate(Samples.from_rows(replies), votes=(1, 3, 9), best_of=(4, 5))
    assert alone.cost.tolist() == [[10, 20, 50]]  # two of three, and five of nine, decide
    assert found.cost.tolist() == [[10, 20 - 6, 50 - 3 * 6, 40 - 3 * 6, 50 - 3 * 6]]
    np.testing.assert_array_equal(found.halves.cost_a[0, :2], [10, 14])


def test_only_the_samples_of_one_wave_share_a_prompt():
    """Of votes of three on two answers, those that do not agree at first draw a second wave."""
    replies = [{**row, **SHARING} for row in rows("q", "cot", ["42", "42", "7"])]
    saved = estimate(Samples.from_rows(rows("q", "cot", ["42", "42", "7"])), votes=(3,)).cost
    np.testing.assert_allclose(estimate(Samples.from_rows(replies), votes=(3,)).cost, saved - 6.0)


def test_estimates_survive_a_round_trip(tmp_path):
    outcomes = estimate(Samples.from_rows(rows("q", "cot", ["42", "7", "42", "8"])), votes=(1, 2, 3))
    outcomes.write(tmp_path / "outcomes.parquet")
    again = Outcomes.read(tmp_path / "outcomes.parquet")
    np.testing.assert_array_equal(again.accuracy, outcomes.accuracy)
    np.testing.assert_array_equal(again.halves.cost_b, outcomes.halves.cost_b)


def test_real_samples_give_the_known_accuracies(shared_data):
    outcomes = estimate(Samples.read(shared_data / "letters_gpt35.samples.parquet"), votes=(1, 5, 40))
    assert outcomes.accuracy.mean(axis=0).tolist() == pytest.approx([0.787, 0.807, 0.816], abs=0.001)
    saved = 1 - outcomes.cost.mean(axis=0) / [1, 5, 40]
    assert saved[0] == pytest.approx(0)
    assert 0.29 < saved[1] < saved[2] < 0.43
