"""Put a budget on an agent: decide, question by question, how much thinking to pay for.

What is imported here is the online half. The offline half is `adaptive_reasoner.kit`.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.errors import (
    AdaptiveReasonerError,
    BudgetExceededError,
    InfeasibleAccuracyError,
    InfeasibleBudgetError,
    LedgerError,
    MenuError,
    OutcomesError,
    PolicyFormatError,
    UnknownActionError,
    UnpricedUsageError,
)
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.models.dollars import DollarMeter
from adaptive_reasoner.models.metering import PriceMeter, PriceTable, SampleMeter, SecondsMeter, TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import Decision, FixedPolicy, Policy
from adaptive_reasoner.reasoner.policy_and_actions import vote_actions
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow
from adaptive_reasoner.strategies.modifiers import extended_thinking, on, switch_model
from adaptive_reasoner.strategies.stop_rules import Beta, Lossless, Persistent, Window
from adaptive_reasoner.strategies.verification import Checker, Judge, best_of_n, cascade
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency, single_pass

if TYPE_CHECKING:
    from adaptive_reasoner.answers.free_text.clusters import similar
    from adaptive_reasoner.answers.free_text.judgement import judged
    from adaptive_reasoner.answers.programs.code_comparison import code
    from adaptive_reasoner.answers.programs.program_tests import passes_tests
    from adaptive_reasoner.integrations.budget_node import BudgetLedgerNode
    from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
    from adaptive_reasoner.integrations.context import AdaptiveContext
    from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
    from adaptive_reasoner.integrations.node import AdaptiveComputeNode
    from adaptive_reasoner.integrations.opentelemetry import Telemetry
    from adaptive_reasoner.integrations.run_charge import PricedEmbeddings, RunCharge
    from adaptive_reasoner.ledger.tenants import TenantLedger
    from adaptive_reasoner.policy.alarm import Alarm
    from adaptive_reasoner.policy.alarms import Alarms
    from adaptive_reasoner.policy.learned import LearnedPolicy
    from adaptive_reasoner.policy.store import PolicyStore
    from adaptive_reasoner.reasoner.sample_log import SampleLog
    from adaptive_reasoner.strategies.minimum_risk import central
    from adaptive_reasoner.strategies.priced_stops import Priced, PricedRetries

__all__ = [
    "AdaptiveChatModel",
    "AdaptiveComputeMiddleware",
    "AdaptiveComputeNode",
    "AdaptiveContext",
    "AdaptiveReasoner",
    "AdaptiveReasonerError",
    "Alarm",
    "Alarms",
    "Beta",
    "BudgetExceededError",
    "BudgetLedgerNode",
    "Checker",
    "Decision",
    "DollarMeter",
    "FixedPolicy",
    "Flow",
    "InfeasibleAccuracyError",
    "InfeasibleBudgetError",
    "Judge",
    "LearnedPolicy",
    "Ledger",
    "LedgerError",
    "Lossless",
    "MenuError",
    "OutcomesError",
    "Persistent",
    "Policy",
    "PolicyFormatError",
    "PolicyStore",
    "PriceMeter",
    "PriceTable",
    "Priced",
    "PricedEmbeddings",
    "PricedRetries",
    "Result",
    "RunCharge",
    "SampleLog",
    "SampleMeter",
    "SecondsMeter",
    "Shadow",
    "Source",
    "Telemetry",
    "TenantLedger",
    "TokenMeter",
    "UnknownActionError",
    "UnpricedUsageError",
    "Window",
    "adaptive_consistency",
    "best_of_n",
    "cascade",
    "central",
    "code",
    "extended_thinking",
    "final_answer",
    "judged",
    "on",
    "open_ledger",
    "passes_tests",
    "self_consistency",
    "similar",
    "single_pass",
    "switch_model",
    "vote_actions",
]

_LAZY = {  # most of them import langgraph or numpy; without them the library is loaded sooner
    "AdaptiveChatModel": "integrations.chat_model",
    "AdaptiveComputeMiddleware": "integrations.middleware",
    "AdaptiveComputeNode": "integrations.node",
    "AdaptiveContext": "integrations.context",
    "Alarm": "policy.alarm",
    "Alarms": "policy.alarms",
    "BudgetLedgerNode": "integrations.budget_node",
    "LearnedPolicy": "policy.learned",
    "PolicyStore": "policy.store",
    "Priced": "strategies.priced_stops",
    "PricedEmbeddings": "integrations.run_charge",
    "PricedRetries": "strategies.priced_stops",
    "RunCharge": "integrations.run_charge",
    "SampleLog": "reasoner.sample_log",
    "Telemetry": "integrations.opentelemetry",
    "TenantLedger": "ledger.tenants",
    "central": "strategies.minimum_risk",
    "code": "answers.programs.code_comparison",
    "judged": "answers.free_text.judgement",
    "passes_tests": "answers.programs.program_tests",
    "similar": "answers.free_text.clusters",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("adaptive-reasoner")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return __all__
