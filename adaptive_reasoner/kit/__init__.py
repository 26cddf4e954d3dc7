"""The offline half: collect samples, estimate outcomes, solve for the oracle, train its imitator, test it.

In the order of the data:

    questions -> collect -> samples -> estimate -> outcomes -> solve -> allocation
                                       outcomes -> train -> policy folder -> backtest, report
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adaptive_reasoner.kit.allocation import Allocation, Frontier, Hull, frontier, solve, uniform_hull
    from adaptive_reasoner.kit.collection import Collected, collect
    from adaptive_reasoner.kit.estimation import estimate
    from adaptive_reasoner.kit.evaluation import Backtest, backtest
    from adaptive_reasoner.kit.imitation import Imitator, train
    from adaptive_reasoner.kit.menu import Menu
    from adaptive_reasoner.kit.outcomes import Outcomes
    from adaptive_reasoner.kit.questions import Question, read_questions
    from adaptive_reasoner.kit.replay import RecordedModel, recorded_sources
    from adaptive_reasoner.kit.report import Report, outcomes_report
    from adaptive_reasoner.kit.samples import Samples

_HOME = {
    "Allocation": "allocation",
    "Backtest": "evaluation",
    "Collected": "collection",
    "Frontier": "allocation",
    "Hull": "allocation",
    "Imitator": "imitation",
    "Menu": "menu",
    "Outcomes": "outcomes",
    "Question": "questions",
    "RecordedModel": "replay",
    "Report": "report",
    "Samples": "samples",
    "backtest": "evaluation",
    "collect": "collection",
    "estimate": "estimation",
    "frontier": "allocation",
    "outcomes_report": "report",
    "read_questions": "questions",
    "recorded_sources": "replay",
    "solve": "allocation",
    "train": "imitation",
    "uniform_hull": "allocation",
}

__all__ = [
    "Allocation",
    "Backtest",
    "Collected",
    "Frontier",
    "Hull",
    "Imitator",
    "Menu",
    "Outcomes",
    "Question",
    "RecordedModel",
    "Report",
    "Samples",
    "backtest",
    "collect",
    "estimate",
    "frontier",
    "outcomes_report",
    "read_questions",
    "recorded_sources",
    "solve",
    "train",
    "uniform_hull",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
