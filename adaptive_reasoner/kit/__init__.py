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

_NAMES = {
    "allocation.solver": "Allocation Frontier Hull frontier solve uniform_hull",
    "backtesting.evaluation": "Backtest backtest",
    "collecting.collector": "Collected Progress collect",
    "collecting.cost_forecast": "Forecast forecast",
    "collecting.early_stopping": "Adaptive",
    "estimating.estimation": "estimate",
    "learning.first_sample": "FirstLook look_first",
    "learning.training": "Imitator train",
    "menu.llm_grader": "Referee",
    "menu.menu": "Menu",
    "menu.presets": "preset_menu",
    "menu.retries": "Retries",
    "outcomes": "Outcomes",
    "public_questions": "open_questions",
    "questions": "Question read_questions",
    "recorded_model": "RecordedModel recorded_sources",
    "reporting.build": "Report outcomes_report",
    "samples": "Samples",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

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
