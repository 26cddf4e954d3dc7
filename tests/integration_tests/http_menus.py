"""Questions, and a menu whose sources call an endpoint over HTTP."""

import pytest

from adaptive_reasoner.answers import numeric
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.models.source import Source

openai = pytest.importorskip("langchain_openai")

WANTED = sorted(
    (f"q{i}", source, sample) for i in range(30) for source in ("direct", "cot") for sample in range(4)
)
"""Question, source and number of each sample that is collected."""


def questions(n=30):
    return [Question(f"q{i}", f"What is {i} + 1?", str(i + 1)) for i in range(n)]


def menu_at(base_url, *, samples=4, attempts=1, timeout=30.0):
    model = openai.ChatOpenAI(base_url=base_url, api_key="none", model="stub", max_retries=3)
    sources = {
        name: Source(model, prompt=f"{name}: {{}}".format, max_tokens=8, timeout=timeout)
        for name in ("direct", "cot")
    }
    retries = Retries(attempts, first_pause=0.01)
    return Menu(sources, samples=samples, grader=numeric, retries=retries)
