"""The offline half: collect samples, estimate outcomes, solve for the oracle, train its imitator, test it.

In the order of the data:

    questions -> collect -> samples -> estimate -> outcomes -> solve -> allocation
                                       outcomes -> train -> policy folder -> backtest, report
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adaptive_reasoner.kit.allocation.solver import (
        Allocation,
        Frontier,
        Hull,
        frontier,
        solve,
        uniform_hull,
    )
    from adaptive_reasoner.kit.backtesting.evaluation import Backtest, backtest
    from adaptive_reasoner.kit.collecting.collector import collect
    from adaptive_reasoner.kit.collecting.cost_forecast import Forecast, forecast
    from adaptive_reasoner.kit.collecting.early_stopping import Adaptive
    from adaptive_reasoner.kit.collecting.progress import Collected, Progress
    from adaptive_reasoner.kit.estimating.estimation import estimate
    from adaptive_reasoner.kit.learning.first_sample import FirstLook, look_first
    from adaptive_reasoner.kit.learning.imitator import Imitator
    from adaptive_reasoner.kit.learning.training import train
    from adaptive_reasoner.kit.menu.llm_grader import Referee
    from adaptive_reasoner.kit.menu.menu import Menu
    from adaptive_reasoner.kit.menu.presets import preset_menu
    from adaptive_reasoner.kit.menu.retries import Retries
    from adaptive_reasoner.kit.outcomes import Outcomes
    from adaptive_reasoner.kit.public_questions import open_questions
    from adaptive_reasoner.kit.questions import Question, read_questions
    from adaptive_reasoner.kit.recorded_model import RecordedModel, recorded_sources
    from adaptive_reasoner.kit.reporting.build import outcomes_report
    from adaptive_reasoner.kit.reporting.html_page import Report
    from adaptive_reasoner.kit.samples import Samples

_HOME = {
    "Adaptive": "collecting.early_stopping",
    "Allocation": "allocation.solver",
    "Backtest": "backtesting.evaluation",
    "Collected": "collecting.collector",
    "FirstLook": "learning.first_sample",
    "Forecast": "collecting.cost_forecast",
    "Frontier": "allocation.solver",
    "Hull": "allocation.solver",
    "Imitator": "learning.training",
    "Menu": "menu.menu",
    "Outcomes": "outcomes",
    "Progress": "collecting.collector",
    "Question": "questions",
    "RecordedModel": "recorded_model",
    "Referee": "menu.llm_grader",
    "Report": "reporting.build",
    "Retries": "menu.retries",
    "Samples": "samples",
    "backtest": "backtesting.evaluation",
    "collect": "collecting.collector",
    "estimate": "estimating.estimation",
    "forecast": "collecting.cost_forecast",
    "frontier": "allocation.solver",
    "look_first": "learning.first_sample",
    "open_questions": "public_questions",
    "outcomes_report": "reporting.build",
    "preset_menu": "menu.presets",
    "read_questions": "questions",
    "recorded_sources": "recorded_model",
    "solve": "allocation.solver",
    "train": "learning.training",
    "uniform_hull": "allocation.solver",
}

__all__ = [
    "Adaptive",
    "Allocation",
    "Backtest",
    "Collected",
    "FirstLook",
    "Forecast",
    "Frontier",
    "Hull",
    "Imitator",
    "Menu",
    "Outcomes",
    "Progress",
    "Question",
    "RecordedModel",
    "Referee",
    "Report",
    "Retries",
    "Samples",
    "backtest",
    "collect",
    "estimate",
    "forecast",
    "frontier",
    "look_first",
    "open_questions",
    "outcomes_report",
    "preset_menu",
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
