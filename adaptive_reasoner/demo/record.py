"""The demo's samples: a recorded run of the local model, or one made now."""

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from adaptive_reasoner.console import progress
from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.checks import right
from adaptive_reasoner.demo.local_model import LocalModelServer
from adaptive_reasoner.demo.math_qa import math_sources
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.source import ChatModel

RECORD = "smollm2_six_families.samples.parquet"


def recorded() -> Samples:
    """The samples that come with the package: six families, `direct` and `cot`, eight of each per question.

    Example:
        >>> samples = recorded()
        >>> samples.sources, samples.cost_unit
        (('direct', 'cot'), 'tokens')
    """
    with as_file(files("adaptive_reasoner.demo") / RECORD) as path:
        return Samples.read(path)


def collected(folder: Path, *, n_questions: int, n_samples: int, seed: int) -> Samples:
    """Samples of the local model on new questions; those that are in the folder are not drawn again.

    Args:
        folder: Gets `samples.jsonl`.
        n_questions: Questions to ask.
        n_samples: Samples per question and source.
        seed: Draws the questions.

    Raises:
        ImportError: The local model is not installed.
    """
    questions, path = problems(n_questions, seed), folder / "samples.jsonl"
    with LocalModelServer() as server:
        menu = math_menu(server.chat_model(), n_samples)
        with progress("collecting samples", n_questions * n_samples * len(menu.sources)) as show:
            collect(questions, menu, path, on_progress=lambda now: show(now.there))
    return _of_questions(Samples.read(path), questions)


def math_menu(model: ChatModel | Callable[[], ChatModel], n_samples: int) -> Menu:
    """What the samples are collected with: both ways to ask, graded by the list of right answers."""
    return Menu(math_sources(model), samples=n_samples, grader=right, key="numeric")


def _of_questions(samples: Samples, questions: list[Question]) -> Samples:
    wanted = {question.question_id for question in questions}
    return samples.select([at for at, asked in enumerate(samples.question_ids) if asked in wanted])
