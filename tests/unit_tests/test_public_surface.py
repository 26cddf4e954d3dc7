"""Names that programs and scripts already use: more may come, none may go."""

import typer

import adaptive_reasoner
from adaptive_reasoner import cli, kit

EXPORTS = """
    AdaptiveChatModel AdaptiveComputeMiddleware AdaptiveComputeNode AdaptiveContext AdaptiveReasoner
    AdaptiveReasonerError Beta BudgetExceededError BudgetLedgerNode Checker Decision FixedPolicy
    InfeasibleBudgetError Judge LearnedPolicy Ledger LedgerError Lossless MenuError OutcomesError Persistent
    Policy PolicyFormatError PriceMeter PriceTable Priced PricedRetries Result SampleMeter SecondsMeter Source
    TokenMeter UnknownActionError UnpricedUsageError Window adaptive_consistency best_of_n cascade
    central code extended_thinking final_answer judged on open_ledger passes_tests self_consistency similar
    single_pass switch_model vote_actions
"""
KIT_EXPORTS = """
    Adaptive Allocation Backtest Collected FirstLook Forecast Frontier Hull Imitator Label Menu Outcomes
    Progress Question RecordedModel Referee Regraded Report Retries Samples backtest collect estimate forecast
    frontier look_first open_encoder open_questions outcomes_report preset_menu questions_to_label
    read_label_sheet read_questions recorded_sources regrade solve train uniform_hull write_label_sheet
"""
COMMANDS = {
    "demo": "--budget --fast --folder --fresh --json --questions --samples --seed",
    "collect": "--adaptive --api-key-env --base-url --batch --budget --concurrency --config --dry-run --json "
    "--max-cost --model --out --preset --retry-failed questions",
    "regrade": "--concurrency --config --json --max-cost --no-code --out --questions samples",
    "label": "--config --from --json --next --no-code --out --page --port --random --seed samples",
    "estimate": "--json --out --votes samples",
    "solve": "--budget --json outcomes",
    "train": "--budget --config --encoder --json --out --samples --seed outcomes",
    "backtest": "--budget --json --samples --seed --source --splits --test-size file",
    "report": "--backtest --budget --json --out --policy --samples outcomes",
    "ask": "--config --json --policy --price question",
    "ledger show": "--json --name url",
    "ledger history": "--json --limit --name url",
    "ledger reset": "--json --name --yes url",
    "ledger watch": "--every --json --name --port url",
}


def commands_of(command, name=""):
    """Every command by its whole name, with its options and arguments."""
    if hasattr(command, "commands"):
        for part, inner in command.commands.items():
            yield from commands_of(inner, f"{name} {part}".strip())
    else:
        yield name, {word for param in command.params for word in (param.name, *param.opts)}


def test_every_export_is_still_there():
    assert set(EXPORTS.split()) <= set(adaptive_reasoner.__all__)
    assert all(hasattr(adaptive_reasoner, name) for name in EXPORTS.split())


def test_every_export_of_the_kit_is_still_there():
    assert set(KIT_EXPORTS.split()) <= set(kit.__all__)
    assert all(hasattr(kit, name) for name in KIT_EXPORTS.split())


def test_every_command_still_has_its_options():
    there = dict(commands_of(typer.main.get_command(cli.app)))
    gone = {name: set(words.split()) - there.get(name, set()) for name, words in COMMANDS.items()}
    assert {name: words for name, words in gone.items() if words} == {}
