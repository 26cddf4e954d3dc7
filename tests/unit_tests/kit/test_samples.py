"""Single replies: every one kept, none twice, failures told apart from silence."""

import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.samples import Samples


def row(**change):
    return {
        "question_id": "q1",
        "question": "6 * 7",
        "source": "cot",
        "sample": 0,
        "answer": "42",
        "gold": "42",
        "correct": 1.0,
        "cost": 9.0,
        "cost_unit": "tokens",
        **change,
    }


REPLIES = [
    row(sample=2, answer=None, correct=0.0, completion_tokens=9),
    row(sample=0, score=0.5, seconds=1.5),
    row(sample=1, error="timed out", correct=None, cost=3, answer=None),
    row(source="direct", cost=1, prompt_sha="ab12"),
    row(question_id="q2", question="6 * 8", source="direct", answer="48", gold="48", cost=1),
]


def test_replies_are_found_by_question_and_source_in_the_order_of_their_numbers():
    samples = Samples.from_rows(REPLIES)
    assert (samples.question_ids, samples.sources, samples.cost_unit) == (
        ("q1", "q2"),
        ("cot", "direct"),
        "tokens",
    )
    assert [reply.sample for reply in samples.of("q1", "cot")] == [0, 1, 2]
    assert samples.of("q2", "cot") == ()
    assert len(samples) == 2


def test_a_failed_call_has_a_cost_but_no_vote_and_silence_is_a_vote_for_nothing():
    samples = Samples.from_rows(REPLIES)
    assert [reply.answer for reply in samples.votes("q1", "cot")] == ["42", None]
    failed = samples.of("q1", "cot")[1]
    assert (failed.error, failed.cost, failed.correct) == ("timed out", 3, 0)


def test_a_blank_answer_is_no_answer():
    assert Samples.from_rows([row(answer=" ")]).of("q1", "cot")[0].answer is None


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
@pytest.mark.parametrize("group", [{}, {"group": "products"}], ids=["bare", "grouped"])
def test_a_round_trip_changes_nothing(form, group, tmp_path):
    samples = Samples.from_rows([reply | group for reply in REPLIES])
    samples.write(tmp_path / f"samples.{form}")
    again = Samples.read(tmp_path / f"samples.{form}")
    assert again.replies == samples.replies
    assert (again.questions, again.groups) == (samples.questions, samples.groups)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "sample 0 of question 'q1', source 'cot' is already in row 1"),
        ({"sample": None}, "sample is missing"),
        ({"sample": 1.5}, "sample is 1.5; a whole number"),
        ({"sample": 1, "correct": 2}, r"correct is 2\.0, outside"),
        ({"sample": 1, "correct": None}, "correct is missing"),
        ({"sample": 1, "cost": -1}, r"cost is -1\.0; a finite number, not negative"),
        ({"sample": 1, "cost": float("nan")}, "cost is nan"),
        ({"sample": 1, "cost_unit": "usd"}, "cost_unit is 'usd', but 'tokens' in row 1"),
        ({"sample": 1, "question": "7 * 7"}, "question 'q1' has another text in row 1"),
        ({"sample": 1, "source": None}, "source is missing or empty"),
        ({"sample": 1, "score": "good"}, "score is 'good'; a number is needed"),
    ],
)
def test_a_bad_row_is_refused_with_row_and_reason(change, reason):
    with pytest.raises(OutcomesError, match=f"^row 2: {reason}"):
        Samples.from_rows([row(), row(**change)])


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "samples.jsonl").touch()
    with pytest.raises(OutcomesError, match="the table is empty"):
        Samples.read(tmp_path / "samples.jsonl")


def test_a_file_cut_in_the_middle_of_its_last_line_loses_that_line_only(tmp_path):
    path = tmp_path / "samples.jsonl"
    Samples.from_rows([row(), row(sample=1)]).write(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="row 2: cut in the middle"):
        assert len(Samples.read(path).of("q1", "cot")) == 1


def test_selects_questions_and_sources():
    samples = Samples.from_rows(REPLIES)
    one = samples.select([1])
    assert (one.question_ids, one.questions, len(one.replies)) == (("q2",), ("6 * 8",), 1)
    assert samples.of_source("direct").sources == ("direct",)
    assert samples.of_source("direct").of("q1", "cot") == ()
    with pytest.raises(OutcomesError, match="no source 'cto'; there are cot, direct"):
        samples.of_source("cto")


UNGRADED = [
    row(sample=number, answer=answer, gold=None, correct=None, error=error)
    for number, (answer, error) in enumerate([("42", None), ("13", None), (None, "timed out")])
]


def test_replies_that_nobody_has_graded_are_read_and_written_as_such(tmp_path):
    samples = Samples.from_rows(UNGRADED)
    assert samples.ungraded == 2
    samples.write(tmp_path / "samples.jsonl")
    again = Samples.read(tmp_path / "samples.jsonl")
    assert [line["correct"] for line in again.rows()] == [None, None, 0.0]


def test_ungraded_replies_make_no_estimate_until_the_right_answers_are_known():
    samples = Samples.from_rows(
        [*UNGRADED, *(line | {"question_id": "q3", "question": "7 * 7"} for line in UNGRADED)]
    )
    with pytest.raises(OutcomesError, match="4 replies are not graded"):
        estimate(samples, votes=(1,), labels="gold")
    graded = samples.graded({"6 * 7": "42.0"})
    assert (graded.question_ids, graded.ungraded) == (("q1",), 0)
    assert [reply.correct for reply in graded.of("q1", "cot")] == [1.0, 0.0, 0.0]
    assert estimate(graded, votes=(1,)).accuracy.tolist() == [[0.5]]
    with pytest.raises(OutcomesError, match="no right answer is known of any of 2 questions"):
        samples.graded({"1 + 1": "2"})


def test_a_missing_grade_beside_a_known_answer_is_an_error():
    with pytest.raises(OutcomesError, match="correct is missing"):
        Samples.from_rows([row(correct=None)])
    with pytest.raises(OutcomesError, match="correct is NaN"):
        Samples.from_rows([row(correct=float("nan"))])


def test_a_sample_that_failed_gives_way_to_a_later_row_of_it():
    failed = REPLIES[0] | {"error": "TimeoutError: late", "answer": None, "correct": 0.0}
    samples = Samples.from_rows([failed, *REPLIES])
    assert samples.replies == Samples.from_rows(REPLIES).replies
    with pytest.raises(OutcomesError, match="is already in row 1"):
        Samples.from_rows([REPLIES[0], failed])
