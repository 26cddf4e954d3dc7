# %% [markdown]
# # 10. Programs, and the tests that check them
#
# Two programs may say the same in other words, and a program that looks right may be
# wrong. This notebook votes on programs by what they are, checks them by running their
# tests in a sandbox, and compares what both cost and solve.
#
# The 24 problems in `data/programming_problems.jsonl` were written for this notebook,
# each with a few examples, with tests, with one right program and with two or three wrong
# ones. The model is *scripted*: it draws among these programs by chance. So the numbers
# below show how the parts work together; they say nothing of how well any model programs.

# %%
MODEL = None  # a model to ask, such as "openai:gpt-5-mini"; None takes the scripted one

# %%
import json
import random
from itertools import count
from pathlib import Path

from langchain_core.language_models import SimpleChatModel

lines = Path("data/programming_problems.jsonl").read_text().splitlines()
problems = {problem["question"]: problem for problem in map(json.loads, lines)}
question = next(iter(problems))
print(len(problems), "problems, for example:\n", question)


# %%
class Scripted(SimpleChatModel):
    """Draws the right program four times in ten, and writes it down in one of three ways."""

    def __init__(self):
        super().__init__()
        self._draws = count()

    @property
    def _llm_type(self):
        return "scripted"

    def _call(self, messages, *_, **__):
        problem = problems[messages[-1].text]
        draw = random.Random(f"{problem['question_id']} {next(self._draws)}")
        right = draw.random() < 0.4
        program = problem["right"] if right else draw.choice(problem["wrong"])
        return draw.choice(
            [
                f"```python\n{program}\n```",
                f"Here is a solution:\n\n```python\n# as short as it gets\n{program}\n```",
                f"```python\n{program}\n```\n\nLet me know if you need anything else.",
            ]
        )


if MODEL:
    from langchain.chat_models import init_chat_model

    model = init_chat_model(MODEL)
else:
    model = Scripted()

# %% [markdown]
# ## The sandbox
#
# `run_tests` loads a program and runs its tests in a process of its own. The process can
# start no other one, open no connection and write no file; it has a deadline and a bound
# on memory.

# %%
from adaptive_reasoner.sandbox.running import run_tests

problem = problems[question]
programs = {
    "right": problem["right"],
    "wrong": problem["wrong"][0],
    "endless": "while True:\n    pass",
    "deletes": "import os\nos.remove('data/programming_problems.jsonl')",
    "exits early": "import os\nos._exit(0)",
    "greedy": "data = bytearray(10 * 2**30)",
}
for name, program in programs.items():
    print(f"{name:12} {run_tests(program, problem['tests'], seconds=1)}")

# %% [markdown]
# ## Equal programs
#
# `code("python")` compares programs by their syntax trees. Comments, layout and the names
# of local variables make no difference.

# %%
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import code, groups

replies = [
    "```python\ndef add(a, b):\n    return a + b  # the sum\n```",
    "Sure!\n```python\ndef add(x: int, y: int) -> int:\n    '''+'''\n    return x + y\n```",
    "```python\ndef add(a, b):\n    return a - b\n```",
]
print(groups([AIMessage(reply) for reply in replies], key=code("python")))

# %% [markdown]
# ## A vote, and a search with tests
#
# - `single` is one call.
# - `vote` draws up to eight programs, and the most frequent one wins.
# - `examples` draws until a program passes the examples in the problem, at most eight.
# - `tests` draws until a program passes the tests, at most eight.
#
# All are graded by examples and tests together. So `tests` sees what it is graded by, as
# you do if your tests say what "right" means; `examples` shows what is left of that with
# weak tests.

# %%
from langchain_core.messages import HumanMessage

from adaptive_reasoner import (
    Checker,
    SampleMeter,
    Source,
    best_of_n,
    passes_tests,
    self_consistency,
    single_pass,
)
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.strategies.flow import Task, run

examples = {text: each["examples"] for text, each in problems.items()}
tests = {text: f"{each['examples']}\n{each['tests']}" for text, each in problems.items()}
is_right = passes_tests(tests, seconds=1)
ways = {
    "single": single_pass(key=code("python")),
    "vote": self_consistency(8, key=code("python")),
    "examples": best_of_n(8, Checker(passes_tests(examples, seconds=1))),
    "tests": best_of_n(8, Checker(passes_tests(tests, seconds=1))),
}
print(f"{'':9} solved  calls")
for name, way in ways.items():
    solved = calls = 0
    for text in list(problems)[:: 8 if MODEL else 1]:
        caller = CallExecutor(Source(model, max_tokens=1024), SampleMeter())
        answer = run(way, Task([HumanMessage(text)]), caller)
        solved += is_right(text, answer.message)
        calls += len(caller.bill)
    print(f"{name:9} {solved:6} {calls:6}")

# %% [markdown]
# A vote helps as far as the right program is the most frequent one. The search with tests
# pays for no more calls than it needs. The search with two or three examples takes many
# wrong programs for right: a checker is as good as its tests.
#
# In a menu, the same check grades samples: `kind = "python_tests"` under `[grader]`, with
# the tests as the gold answers. A program runs in one process with its tests. One that is
# written to deceive them, by looking into the interpreter, can pass; keep that in mind
# before you train on the grades.
