import re

import pytest

from adaptive_reasoner.demo import prompts
from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.checks import can_check, check

pytest.importorskip("reasoning_gym")

ASKED = {
    "products": "7 * 8",
    "sums": "13 - 42",
    "chains": "5 + 2 - 9",
    "words": "Ada has 5 eggs. Ada buys 3 more eggs. How many eggs does Ada have now?",
    "equations": "Solve for k: 2*k + 1 = 7",
    "divisors": "Name a number from 2 to 9 that divides 49.",
}


@pytest.mark.parametrize("prompt", [prompts.direct, prompts.cot])
@pytest.mark.parametrize("question", ASKED.values())
def test_a_prompt_ends_with_the_question_and_the_place_for_its_answer(prompt, question):
    ending = prompt(question).rpartition(question)[2]
    assert ending in (" =", ":", "\nAnswer:", "\nSteps:")


@pytest.mark.parametrize("prompt", [prompts.direct, prompts.cot])
def test_the_answer_to_every_example_ends_with_its_line(prompt):
    for question in ASKED.values():
        examples = prompt(question).removesuffix(question)
        shown = [example for example in prompts.EXAMPLE_QUESTIONS if example in examples]
        assert len(shown) >= 2, question
        for example in shown:
            answer = examples.partition(example)[2]
            assert len(answer.lstrip("\n").partition("\n")[0]) < 50


@pytest.mark.parametrize("prompt", [prompts.direct, prompts.cot])
def test_the_prompt_is_chosen_by_the_text_and_never_by_the_family(prompt):
    def examples(question):
        return prompt(question).rpartition(question)[0]

    assert len({examples(question) for question in ASKED.values()}) == len(ASKED)
    for question in problems(60, seed=3):
        assert examples(question.question) == examples(ASKED[question.group])


def test_the_steps_of_every_example_are_right_and_end_with_its_answer():
    for example in prompts.EXAMPLES:
        *steps, last = example.steps.split(", ")
        for step in [*steps, last] if last.count("=") else steps:
            left, right = step.split("=")
            assert eval(left) == int(right), example
        assert re.findall(r"-?\d+", last)[-1] == example.answer
        if can_check(example.question):
            assert check(example.question, example.answer)
        elif "?" not in example.question:
            assert eval(example.question) == int(example.answer)
