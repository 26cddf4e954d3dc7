"""What can be learned from incomplete samples, and the least collection for the rest."""

import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.coverage import coverage_of
from adaptive_reasoner.kit.importing.plan import plan_collection
from adaptive_reasoner.kit.learning.held_out_trust import FEWEST
from adaptive_reasoner.kit.tables.files import read_rows, write_rows

COSTS = {"small": 2.0, "large": 30.0}


def rows_of(seen, **more):
    """A row for each question and source: `seen` has the sources of each question."""
    return [
        {
            "question_id": f"q{number:03}",
            "question": f"{number} + 1?",
            "source": source,
            "sample": sample,
            "cost": COSTS[source],
            "cost_unit": "tokens",
            **more,
        }
        for number, sources in enumerate(seen)
        for sample, source in enumerate(sources)
    ]


def test_what_can_be_learned_is_counted_by_source():
    rows = rows_of([["small"] * 3, ["large"], ["small", "large"]], correct=1.0)
    rows.append({**rows[0], "sample": 9, "error": "Timeout", "cost": 0.0})
    found = coverage_of(rows)
    small, large = found.sources
    assert (small.questions, small.replies, small.failed, small.graded, small.repeated) == (2, 4, 1, 4, 1)
    assert (small.mean_cost, large.mean_cost, large.questions) == (2.0, 30.0, 2)
    assert (found.questions, found.compared, found.complete, found.graded) == (3, 1, 1, 3)


def test_enough_complete_questions_repeated_replies_and_propensities_can_be_learned_from():
    one = coverage_of(rows_of([["small"]] * FEWEST))
    assert any("only small" in sentence for sentence in one.cannot)
    assert any("none is graded" in sentence for sentence in one.cannot)
    both = coverage_of(rows_of([["small"] * 3 + ["large"]] * FEWEST, correct=0.5, propensity=0.5))
    assert both.cannot == ()
    said = " ".join(both.can)
    assert all(
        words in said
        for words in ("which source", "a vote of small", "right on the", "80 replies with a prop")
    )


def test_a_plan_asks_only_for_what_is_missing():
    seen = [["small"], ["large"], ["small", "large"], []]
    plan = plan_collection(coverage_of(rows_of(seen)), questions=3)
    assert (plan.questions, plan.complete, plan.calls, plan.cost) == (3, 1, 2, 32.0)
    assert {each.source: each.question_ids for each in plan.sources} == {
        "small": ("q001",),
        "large": ("q000",),
    }
    again = [["small", "large"], ["large", "small"], ["small", "large"]]
    assert plan_collection(coverage_of(rows_of(again)), questions=3).sources == ()


def test_questions_that_are_complete_come_first_and_the_others_at_random():
    seen = [["small"]] * 50 + [["large"]] * 49 + [["small", "large"]]
    found = coverage_of(rows_of(seen))
    plan = plan_collection(found, questions=20)
    assert plan.question_ids[0] == "q099"
    assert len({name < "q050" for name in plan.question_ids[1:]}) == 2
    assert plan.question_ids == plan_collection(coverage_of(rows_of(seen)[::-1]), questions=20).question_ids
    assert plan_collection(found, questions=1_000).questions == 100


def test_more_samples_of_each_source_and_votes_of_a_source_that_is_alone_are_planned():
    found = coverage_of(rows_of([["small"], ["large"]]))
    assert {each.source: each.calls for each in plan_collection(found, samples=3).sources} == {
        "small": 5,
        "large": 5,
    }
    alone = coverage_of(rows_of([["small"]] * 4))
    assert [(each.source, each.calls, each.cost) for each in plan_collection(alone).sources] == [
        ("small", 16, 32.0)
    ]
    with pytest.raises(ValueError, match="questions is 0; a plan takes at least 1"):
        plan_collection(found, questions=0)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_questions_of_a_plan_are_written_with_their_right_answers(tmp_path, form):
    rows = rows_of([["small"], ["large"]], gold=None) + rows_of([["large"]], gold="1")
    write_rows(tmp_path / "samples.jsonl", rows)
    plan = plan_collection(coverage_of(rows))
    plan.write_questions(tmp_path / "samples.jsonl", tmp_path / f"todo.{form}")
    found = {row["question_id"]: row["gold"] for row in read_rows(tmp_path / f"todo.{form}")}
    assert found == {"q000": "1", "q001": None}
    write_rows(tmp_path / "samples.jsonl", rows[:1])
    with pytest.raises(OutcomesError, match=r"samples.jsonl: has 1 of the plan's 2 questions"):
        plan.write_questions(tmp_path / "samples.jsonl", tmp_path / "todo.jsonl")


def test_samples_without_rows_are_refused():
    with pytest.raises(OutcomesError, match="there are no samples"):
        coverage_of([])
