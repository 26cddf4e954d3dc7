"""Which questions are labelled first."""

from collections import Counter
from dataclasses import replace
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_reasoner.kit.labelling.selection import questions_to_label
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.kit.labelling.unlabelled import rows

AGREED, DISPUTED = {"direct": ["1", "1"], "cot": ["1", "1"]}, {"direct": ["1", "1"], "cot": ["2", "2"]}


def table(said, *, groups=None, labels=()):
    """Samples of questions by what their sources said; `labels` are question -> how it was picked."""
    labels = dict(labels)
    return Samples.from_rows(
        {
            "question_id": name,
            "question": f"{name}?",
            **({} if groups is None else {"group": groups[name]}),
            "source": source,
            "sample": sample,
            "answer": answer,
            "gold": "1" if name in labels else None,
            "correct": float(answer == "1") if name in labels else None,
            "label_drawn": labels.get(name),
            "cost": 1,
            "cost_unit": "tokens",
        }
        for name, answers in said.items()
        for source, given_answers in answers.items()
        for sample, answer in enumerate(given_answers)
    )


def ids(samples, count=None, **settings):
    return [each.question_id for each in questions_to_label(samples, count, **settings)]


def test_questions_on_which_the_actions_differ_come_first():
    samples = table(
        {"agreed": AGREED, "disputed": DISPUTED, "half": {"direct": ["1", "2"], "cot": ["2", "2"]}}
    )
    assert ids(samples, random_share=0.0) == ["disputed", "half", "agreed"]
    variances = [each.variance for each in questions_to_label(samples, random_share=0.0)]
    assert variances == sorted(variances, reverse=True)
    assert variances[-1] == 0.0


def test_a_single_source_is_labelled_where_its_votes_differ_from_its_replies():
    samples = table({"sure": {"cot": ["1"] * 4}, "split": {"cot": ["1", "1", "1", "2"]}})
    assert ids(samples, 1, random_share=0.0) == ["split"]


def test_the_variance_is_that_of_the_difference_in_accuracy_given_the_replies():
    (asked,) = questions_to_label(table({"q": {"direct": ["1", "2"], "cot": ["2", "2"]}}))
    right = {"1": 0.25 * 4 / 5, "2": 0.75 * 4 / 5, "neither": 1 / 5}
    actions = [  # direct, cot, and their votes, of which that of direct is tied
        {"1": 0.5, "2": 0.5, "neither": 0},
        {"1": 0, "2": 1, "neither": 0},
        {"1": 0.5, "2": 0.5, "neither": 0},
        {"1": 0, "2": 1, "neither": 0},
    ]
    pairs = [(a, b) for a in range(4) for b in range(a)]
    variances = []
    for a, b in pairs:
        gaps = np.array([actions[a][v] - actions[b][v] for v in right])
        chance = np.array(list(right.values()))
        variances.append(chance @ gaps**2 - (chance @ gaps) ** 2)
    assert asked.variance == pytest.approx(np.mean(variances))


def test_disputed_questions_are_taken_from_all_groups_and_from_those_with_few_labels_first():
    said = {f"q{at}": DISPUTED for at in range(40)}
    groups = {name: "big" if at < 34 else f"small {at % 2}" for at, name in enumerate(said)}
    first = ids(table(said, groups=groups), 9, random_share=0.0)
    assert Counter(groups[name] for name in first) == {"big": 3, "small 0": 3, "small 1": 3}
    labelled = {name: "chosen" for name in said if groups[name] == "small 0"}
    again = ids(table(said, groups=groups, labels=list(labelled.items())[:2]), 4, random_share=0.0)
    assert Counter(groups[name] for name in again) == {"big": 2, "small 1": 2}


def test_without_groups_they_are_taken_from_all_pairs_of_sources_that_differ():
    said = {f"a{at}": {"x": ["1"], "y": ["2"], "z": ["2"]} for at in range(20)}
    said |= {f"b{at}": {"x": ["2"], "y": ["1"], "z": ["2", "2"]} for at in range(5)}
    first = ids(table(said), 8, random_share=0.0)
    assert {name[0] for name in first} == {"a", "b"}


def test_a_share_is_drawn_at_random_at_every_length():
    said = {f"q{at}": DISPUTED if at % 3 else AGREED for at in range(400)}
    order = questions_to_label(table(said))
    drawn = [each.drawn for each in order]
    for length in (1, 4, 20, 100, 300):
        assert drawn[:length].count("random") == -(-length // 4)
    assert len(order) == len({each.question_id for each in order}) == 400


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 50), st.integers(1, 6))
def test_over_all_rounds_the_random_labels_are_those_first_in_a_fixed_random_order(seed, per_round):
    said = {f"q{at}": DISPUTED if at % 3 else AGREED for at in range(60)}
    labels = {}
    for _ in range(3):
        for each in questions_to_label(table(said, labels=labels.items()), per_round, seed=seed):
            assert each.question_id not in labels
            labels[each.question_id] = each.drawn
    drawn = [name for name, how in labels.items() if how == "random"]
    everything = [each for each in questions_to_label(table(said), seed=seed) if each.drawn == "random"]
    assert drawn == [each.question_id for each in everything][: len(drawn)]


def test_random_questions_are_like_all_questions():
    said = {f"q{at}": DISPUTED if at % 2 else AGREED for at in range(2_000)}
    order = questions_to_label(table(said), 400)
    disputed = [each.variance > 0 for each in order if each.drawn == "random"]
    assert len(disputed) == 100
    assert 0.35 < np.mean(disputed) < 0.65
    assert all(each.variance > 0 for each in order if each.drawn == "chosen")


def test_the_order_goes_by_the_seed_alone():
    said = {f"q{at}": DISPUTED for at in range(40)}
    shuffled = dict(sorted(said.items(), key=lambda each: each[0][::-1]))
    assert ids(table(said)) == ids(table(shuffled)) != ids(table(said), seed=1)


def test_answers_come_in_an_order_that_does_not_tell_which_are_frequent():
    said = {f"q{at}": {"cot": ["1", "1", "1", "2"]} for at in range(200)}
    first = Counter(each.answers[0].answer for each in questions_to_label(table(said)))
    assert 60 < first["1"] < 140


def test_questions_with_a_label_are_not_asked_again_unless_replies_came_after_it():
    lines = [row | ({"gold": "42", "correct": 1.0} if row["question_id"] == "sum" else {}) for row in rows()]
    assert "sum" not in ids(Samples.from_rows(lines))
    lines += [{**lines[-1], **{name: lines[4][name] for name in ("question_id", "question")}, "sample": 9}]
    assert lines[4]["question_id"] == "sum"
    assert "sum" in ids(Samples.from_rows(lines))


def test_replies_without_answers_and_failed_calls_are_asked_about_last():
    silent = {"direct": [None, None], "cot": [None, None]}
    assert ids(table({"silent": silent, "q": DISPUTED}), random_share=0.0) == ["q", "silent"]


@pytest.mark.parametrize("name", ["bbh_direct_cot", "exams_a_gpt"])
def test_on_real_replies_the_chosen_labels_tell_actions_apart_and_the_random_ones_are_fair(shared_data, name):
    known = Samples.read(shared_data / f"{name}.samples.parquet")
    hidden = {
        pair: tuple(replace(reply, gold=None, correct=nan) for reply in replies)
        for pair, replies in known.replies.items()
    }

    def told(question_id):
        """The mean squared difference of two sources' accuracy on a question."""
        means = [
            np.mean([reply.correct for reply in known.votes(question_id, name)]) for name in known.sources
        ]
        return np.mean([(one - other) ** 2 for at, one in enumerate(means) for other in means[:at]])

    order = questions_to_label(replace(known, replies=hidden), 400)
    chosen, random = (
        np.array([told(each.question_id) for each in order if each.drawn == drawn])
        for drawn in ("chosen", "random")
    )
    everything = np.array([told(question_id) for question_id in known.question_ids])
    assert chosen[:75].mean() > 1.7 * everything.mean()
    assert abs(random.mean() - everything.mean()) < 3 * everything.std() / len(random) ** 0.5


@pytest.mark.parametrize("wrong", [{"random_share": 1.5}, {"count": 0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match=r"share|count"):
        questions_to_label(table({"q": DISPUTED}), **wrong)
