"""A small collection: sums, two sources, a scripted model."""

import json

from adaptive_reasoner.answers import numeric
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel

ONCE = Retries(attempts=1)


def questions(n):
    return [Question(f"q{i}", f"What is {i} + 1?", str(i + 1), "sums") for i in range(n)]


def menu(model=None, *, samples=3, sources=("direct", "cot"), **settings):
    model = model or ScriptedModel(answers=("Answer: 1",))
    settings = {"retries": ONCE, **settings}
    return Menu(
        {name: Source(model, prompt=f"{name}: {{}}".format, max_tokens=8) for name in sources},
        samples=samples,
        grader=numeric,
        **settings,
    )


def judge_menu(judge, grader=Referee, **settings):
    """A judge as grader, beside a source that must not be called."""
    sources = {"cot": Source(ScriptedModel(failures={0: AssertionError()}), max_tokens=8)}
    return Menu(
        {**sources, "judge": Source(judge, max_tokens=8)},
        samples={"cot": 1, "judge": 0},
        grader=grader("judge"),
        **{"retries": ONCE, "concurrency": 1, **settings},
    )


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def keys_of(path):
    return [(row["question_id"], row["source"], row["sample"]) for row in rows_of(path)]
