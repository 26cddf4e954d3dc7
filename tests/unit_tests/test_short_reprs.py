"""What users print fits on a line or two, whatever it holds."""

from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

import adaptive_reasoner as online
from adaptive_reasoner import kit
from adaptive_reasoner.kit.recorded_model import recorded_sources

RECORDED = Path(__file__).resolve().parents[2] / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"
LONGEST = 250


@pytest.fixture(scope="module")
def samples():
    return kit.Samples.read(RECORDED)


@pytest.fixture(scope="module")
def outcomes(samples):
    return kit.estimate(samples, votes=(1, 3))


def test_tables_of_hundreds_of_rows_are_shown_by_their_size(samples, outcomes):
    shown = [samples, outcomes, kit.solve(outcomes, 12.0), kit.frontier(outcomes), recorded_sources(samples)]
    assert [repr(each)[:80] for each in shown if len(repr(each)) > LONGEST] == []
    assert repr(samples).startswith("Samples(240 questions, 3840 replies of direct, cot")
    assert "accuracy" in repr(kit.solve(outcomes, 12.0))


def test_a_file_of_outcomes_is_shown_by_its_size(outcomes, tmp_path):
    outcomes.write(tmp_path / "o.parquet")
    shown = repr(kit.OutcomesFile(tmp_path / "o.parquet"))
    assert shown == f"OutcomesFile('{tmp_path}/o.parquet', 240 questions, 4 actions, cost in tokens)"


def entrances():
    model, meter = FakeListChatModel(responses=["Answer: 391"]), online.SampleMeter()
    settings = {"budget": 3.0, "meter": meter}
    ledger = online.open_ledger("memory://", target=3.0, cost_unit="samples")
    own = online.open_ledger("memory://", target=2.0, cost_unit="samples")
    yield online.AdaptiveReasoner(model, **settings)
    yield online.AdaptiveReasoner(model, **settings).answer("What is 17 * 23?")
    yield online.AdaptiveComputeNode(model, **settings)
    yield online.AdaptiveComputeMiddleware(**settings)
    yield online.AdaptiveChatModel(model, **settings)
    yield online.BudgetLedgerNode(ledger)
    yield ledger
    yield online.TenantLedger(ledger, own, tenant="acme")
    yield online.FixedPolicy("vote_5", expected_cost=40.0)
    yield online.Source(model, max_tokens=100)


@pytest.mark.parametrize("entrance", list(entrances()), ids=lambda entrance: type(entrance).__name__)
def test_an_entrance_is_shown_by_its_name_and_its_terms(entrance):
    assert len(repr(entrance)) <= LONGEST
    assert repr(entrance).startswith(type(entrance).__name__)
    assert " at 0x" not in repr(entrance)


def test_a_ledger_in_a_database_names_its_place_and_no_password(tmp_path):
    with online.open_ledger(f"sqlite:///{tmp_path / 'l.sqlite'}", target=3.0) as ledger:
        assert repr(ledger) == f"SqlLedger(at sqlite:///{tmp_path / 'l.sqlite'}, target 3 tokens)"


def test_the_text_of_a_result_is_that_of_its_message():
    result = online.AdaptiveReasoner(
        FakeListChatModel(responses=["Answer: 391"]), budget=3.0, meter=online.SampleMeter()
    ).answer("What is 17 * 23?")
    assert result.text == result.message.text == "Answer: 391"
    assert repr(result).startswith("Result(answer='391', action=")
