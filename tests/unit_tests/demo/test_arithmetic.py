import re
from collections import Counter

import pytest

from adaptive_reasoner.demo.arithmetic import FAMILIES, problems
from adaptive_reasoner.demo.prompts import EXAMPLE_QUESTIONS

pytest.importorskip("reasoning_gym")


@pytest.fixture(scope="module")
def many():
    return problems(480, seed=5)


def test_equal_seeds_give_equal_questions_and_other_seeds_others():
    assert problems(24, seed=1) == problems(24, seed=1)
    first, second = ({question.question for question in problems(60, seed)} for seed in (1, 2))
    assert len(first & second) < 15


def test_the_families_are_equally_frequent_and_mixed(many):
    assert Counter(question.group for question in many) == dict.fromkeys(FAMILIES, 80)
    assert len({question.group for question in many[:12]}) > 2


def test_no_text_comes_twice_and_none_stands_in_a_prompt(many):
    texts = {question.question for question in many}
    assert len(texts) == len({question.question_id for question in many}) == 480
    assert not texts & EXAMPLE_QUESTIONS


def test_questions_that_were_trained_on_are_left_out(many):
    texts = [question.question for question in many]
    new = problems(120, seed=5, without=texts)
    assert not {question.question for question in new} & set(texts)
    assert Counter(question.group for question in new) == dict.fromkeys(FAMILIES, 20)


def test_the_gold_of_an_expression_is_its_value(many):
    expressions = [question for question in many if question.group in ("products", "sums", "chains")]
    assert len(expressions) == 240
    for question in expressions:
        assert re.fullmatch(r"[\d +*-]+", question.question)
        assert question.gold == str(eval(question.question))


def test_a_word_problem_is_one_step_from_its_two_numbers(many):
    adds = r"buys|finds|gets|wins|together|in both"
    words = [question for question in many if question.group == "words"]
    assert len(words) == 80
    for question in words:
        larger, smaller = map(int, re.findall(r"\d+", question.question))
        sign = 1 if re.search(adds, question.question) else -1
        assert question.gold == str(larger + sign * smaller)
        assert larger > smaller > 1


def test_the_gold_of_a_divisor_lists_every_number_that_is_right(many):
    divisors = [question for question in many if question.group == "divisors"]
    assert len(divisors) == 80
    for question in divisors:
        lower, upper, number = map(int, re.findall(r"\d+", question.question))
        right = [each for each in range(lower, upper + 1) if number % each == 0]
        assert number > upper
        assert question.gold == " or ".join(map(str, right))


def test_more_than_there_are_is_refused_with_the_number():
    with pytest.raises(ValueError, match=r"the products end; ask for at most 20[0-9][0-9]"):
        problems(3_000)
