"""The offline half: collect samples, estimate outcomes, solve for the oracle, train its imitator, test it.

In the order of the data:

    questions -> collect -> samples -> estimate -> outcomes -> solve -> allocation
                                       outcomes -> train -> policy folder -> backtest, report
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from adaptive_reasoner.errors import needs

if TYPE_CHECKING:
    from adaptive_reasoner.kit.allocation.allocation import Allocation as Allocation
    from adaptive_reasoner.kit.allocation.allocation import FloorAllocation as FloorAllocation
    from adaptive_reasoner.kit.allocation.solver import Frontier as Frontier
    from adaptive_reasoner.kit.allocation.solver import Hull as Hull
    from adaptive_reasoner.kit.allocation.solver import frontier as frontier
    from adaptive_reasoner.kit.allocation.solver import solve as solve
    from adaptive_reasoner.kit.allocation.solver import uniform_hull as uniform_hull
    from adaptive_reasoner.kit.backtesting.evaluation import backtest as backtest
    from adaptive_reasoner.kit.backtesting.results import Backtest as Backtest
    from adaptive_reasoner.kit.collecting.collector import collect as collect
    from adaptive_reasoner.kit.collecting.cost_forecast import Forecast as Forecast
    from adaptive_reasoner.kit.collecting.cost_forecast import forecast as forecast
    from adaptive_reasoner.kit.collecting.early_stopping import Adaptive as Adaptive
    from adaptive_reasoner.kit.collecting.progress import Collected as Collected
    from adaptive_reasoner.kit.collecting.progress import Progress as Progress
    from adaptive_reasoner.kit.collecting.ray_workers import RayEngine as RayEngine
    from adaptive_reasoner.kit.estimating.estimation import estimate as estimate
    from adaptive_reasoner.kit.estimating.judge_quality import JudgeQuality as JudgeQuality
    from adaptive_reasoner.kit.estimating.judge_quality import measure_judge as measure_judge
    from adaptive_reasoner.kit.estimating.sample_files import estimate_file as estimate_file
    from adaptive_reasoner.kit.experiments import answer_evaluator as answer_evaluator
    from adaptive_reasoner.kit.experiments import dataset_examples as dataset_examples
    from adaptive_reasoner.kit.experiments import decided_target as decided_target
    from adaptive_reasoner.kit.experiments import log_answer as log_answer
    from adaptive_reasoner.kit.experiments import number_evaluator as number_evaluator
    from adaptive_reasoner.kit.experiments import recorded_target as recorded_target
    from adaptive_reasoner.kit.experiments import upload_dataset as upload_dataset
    from adaptive_reasoner.kit.importing.coverage import Coverage as Coverage
    from adaptive_reasoner.kit.importing.coverage import coverage_of as coverage_of
    from adaptive_reasoner.kit.importing.importer import Imported as Imported
    from adaptive_reasoner.kit.importing.importer import import_samples as import_samples
    from adaptive_reasoner.kit.importing.langsmith import langsmith_runs as langsmith_runs
    from adaptive_reasoner.kit.importing.plan import CollectionPlan as CollectionPlan
    from adaptive_reasoner.kit.importing.plan import plan_collection as plan_collection
    from adaptive_reasoner.kit.labelling.selection import questions_to_label as questions_to_label
    from adaptive_reasoner.kit.labelling.sheet import read_label_sheet as read_label_sheet
    from adaptive_reasoner.kit.labelling.sheet import write_label_sheet as write_label_sheet
    from adaptive_reasoner.kit.learning.encoders import open_encoder as open_encoder
    from adaptive_reasoner.kit.learning.first_sample import FirstLook as FirstLook
    from adaptive_reasoner.kit.learning.first_sample import look_first as look_first
    from adaptive_reasoner.kit.learning.imitator import Imitator as Imitator
    from adaptive_reasoner.kit.learning.training import train as train
    from adaptive_reasoner.kit.menu.llm_grader import Referee as Referee
    from adaptive_reasoner.kit.menu.menu import Menu as Menu
    from adaptive_reasoner.kit.menu.preference import Preference as Preference
    from adaptive_reasoner.kit.menu.presets import preset_menu as preset_menu
    from adaptive_reasoner.kit.menu.retries import Retries as Retries
    from adaptive_reasoner.kit.off_policy.decisions import Decisions as Decisions
    from adaptive_reasoner.kit.off_policy.evidence import Value as Value
    from adaptive_reasoner.kit.off_policy.updating import update as update
    from adaptive_reasoner.kit.off_policy.values import OffPolicyValues as OffPolicyValues
    from adaptive_reasoner.kit.off_policy.values import off_policy_values as off_policy_values
    from adaptive_reasoner.kit.outcomes import Outcomes as Outcomes
    from adaptive_reasoner.kit.public_questions import open_questions as open_questions
    from adaptive_reasoner.kit.questions import Question as Question
    from adaptive_reasoner.kit.questions import read_questions as read_questions
    from adaptive_reasoner.kit.recorded_model import RecordedModel as RecordedModel
    from adaptive_reasoner.kit.recorded_model import recorded_sources as recorded_sources
    from adaptive_reasoner.kit.regrading.graded_rows import Label as Label
    from adaptive_reasoner.kit.regrading.regrading import Regraded as Regraded
    from adaptive_reasoner.kit.regrading.regrading import forecast_regrading as forecast_regrading
    from adaptive_reasoner.kit.regrading.regrading import regrade as regrade
    from adaptive_reasoner.kit.reporting.build import outcomes_report as outcomes_report
    from adaptive_reasoner.kit.reporting.html_page import Report as Report
    from adaptive_reasoner.kit.samples import Samples as Samples
    from adaptive_reasoner.kit.tables.outcomes_file import OutcomesFile as OutcomesFile

_NAMES = {
    "allocation.allocation": "Allocation FloorAllocation",
    "allocation.solver": "Frontier Hull frontier solve uniform_hull",
    "backtesting.evaluation": "backtest",
    "backtesting.results": "Backtest",
    "collecting.collector": "collect",
    "collecting.cost_forecast": "Forecast forecast",
    "collecting.early_stopping": "Adaptive",
    "collecting.progress": "Collected Progress",
    "collecting.ray_workers": "RayEngine",
    "estimating.estimation": "estimate",
    "estimating.judge_quality": "JudgeQuality measure_judge",
    "estimating.sample_files": "estimate_file",
    "experiments": "answer_evaluator dataset_examples decided_target log_answer number_evaluator "
    "recorded_target upload_dataset",
    "importing.coverage": "Coverage coverage_of",
    "importing.importer": "Imported import_samples",
    "importing.langsmith": "langsmith_runs",
    "importing.plan": "CollectionPlan plan_collection",
    "labelling.selection": "questions_to_label",
    "labelling.sheet": "read_label_sheet write_label_sheet",
    "learning.encoders": "open_encoder",
    "learning.first_sample": "FirstLook look_first",
    "learning.imitator": "Imitator",
    "learning.training": "train",
    "menu.llm_grader": "Referee",
    "menu.menu": "Menu",
    "menu.preference": "Preference",
    "menu.presets": "preset_menu",
    "menu.retries": "Retries",
    "off_policy.decisions": "Decisions",
    "off_policy.evidence": "Value",
    "off_policy.updating": "update",
    "off_policy.values": "OffPolicyValues off_policy_values",
    "outcomes": "Outcomes",
    "public_questions": "open_questions",
    "questions": "Question read_questions",
    "recorded_model": "RecordedModel recorded_sources",
    "regrading.graded_rows": "Label",
    "regrading.regrading": "Regraded forecast_regrading regrade",
    "reporting.build": "outcomes_report",
    "reporting.html_page": "Report",
    "samples": "Samples",
    "tables.outcomes_file": "OutcomesFile",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs(f"{name} of the kit needs", "kit"):
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
