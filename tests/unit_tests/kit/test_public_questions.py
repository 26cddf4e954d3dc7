import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.public_questions import (
    DRAWN,
    PUBLIC_SETS,
    PublicSet,
    _as_it_stands,
    drawn,
    open_questions,
)
from adaptive_reasoner.kit.questions import Question


def test_reads_gsm8k_with_the_answer_out_of_the_solution():
    rows = [{"question": "How many?", "answer": "He has 2,000 + 1 = <<2000+1=2001>>2,001.\n#### 2,001"}]
    (question,) = PUBLIC_SETS["gsm8k"].questions(rows)
    assert (question.question, question.gold, question.group) == ("How many?", "2001", None)


@pytest.mark.parametrize(("name", "group"), [("math", "type"), ("math500", "subject")])
def test_reads_math_with_the_answer_out_of_the_box(name, group):
    rows = [{"problem": "What?", "solution": r"As $x=1$, it is \boxed{\frac{1}{2}}.", group: "Algebra"}]
    (question,) = PUBLIC_SETS[name].questions(rows)
    assert (question.question, question.gold, question.group) == ("What?", r"\frac{1}{2}", "Algebra")


def test_a_row_without_an_answer_is_named():
    with pytest.raises(OutcomesError, match=r"HuggingFaceH4/MATH-500: row 1: the gold answer is empty"):
        PUBLIC_SETS["math500"].questions([{"problem": "What?", "solution": "", "subject": "Algebra"}])


def test_a_file_is_read_as_ever(tmp_path):
    path = tmp_path / "asked.jsonl"
    path.write_text('{"question": "6 * 7?", "gold": 42}\n')
    assert [question.gold for question in open_questions(str(path))] == ["42"]
    with pytest.raises(OutcomesError, match=r"missing\.csv"):
        open_questions(str(tmp_path / "missing.csv"))


def test_an_unknown_name_says_what_is_known():
    with pytest.raises(OutcomesError, match="gsm9k: there is no such file, and no data set; known are gsm8k"):
        open_questions("gsm9k")


@pytest.mark.filterwarnings("ignore")  # what the libraries of the hub warn of is theirs
def test_without_a_hub_it_says_so_and_what_to_do(monkeypatch, tmp_path):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(OutcomesError, match=r"gsm8k: openai/gsm8k cannot be downloaded here .* give a file"):
        open_questions("gsm8k")
    with pytest.raises(OutcomesError, match=r"nobody/nothing cannot be downloaded .* give a file"):
        open_questions("nobody/nothing")


def test_a_set_that_is_not_known_has_the_columns_of_a_file():
    (question,) = PublicSet("me/mine", gold=_as_it_stands).questions([{"question": "6 * 7?", "answer": 42}])
    assert (question.question, question.gold) == ("6 * 7?", "42")
    (question,) = PublicSet("me/mine", gold=_as_it_stands).questions([{"question": "6 * 7?"}])
    assert question.gold is None


def test_questions_are_drawn_from_several_sets_the_same_every_time():
    plain = [Question(f"p{at}", f"{at}?", "1") for at in range(50)]
    grouped = [Question(f"g{at}", f"{at}!", "1", "Algebra") for at in range(3)]
    asked = drawn({"plain": (plain, 20), "grouped": (grouped, 20)})
    assert [question.group for question in asked] == ["plain"] * 20 + ["Algebra"] * 3
    assert asked == drawn({"plain": (plain, 20), "grouped": (grouped, 20)})
    assert [int(question.question_id[1:]) for question in asked[:20]] != list(range(20))


def test_the_papers_ask_two_hundred_questions_of_each_set():
    assert DRAWN["paper"] == {"gsm8k": 200, "math": 200}
    assert DRAWN["paper"].keys() <= PUBLIC_SETS.keys()
