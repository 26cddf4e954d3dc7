"""A meter of a user's own may fail; a call that was made is billed all the same."""

from decimal import Decimal

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, open_ledger
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.replies import from_cache
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel


class ReportedCost:
    """Reads what a gateway says of the cost."""

    cost_unit = "usd"

    def cost(self, message, seconds):
        return message.response_metadata["cost"]

    def worst_cost(self, messages, max_tokens):
        return 1.0


def said(cost):
    return AIMessage("Answer: 5", response_metadata={"finish_reason": "stop", **cost})


def asked(flow, *costs):
    """An answer under a hard cap, or the error; and the ledger."""
    ledger = open_ledger("memory://", hard_cap=10.0, cost_unit="usd")
    reasoner = AdaptiveReasoner(
        ScriptedModel(replies=dict(enumerate(map(said, costs)))),
        policy=FixedPolicy("a", expected_cost=0.5, cost_unit="usd"),
        actions={"a": flow},
        ledger=ledger,
        meter=ReportedCost(),
    )
    try:
        return reasoner.answer("2 + 3?", {"max_concurrency": 1}).answer, ledger.snapshot()
    except UnpricedUsageError as error:
        return error, ledger.snapshot()


def test_a_call_whose_meter_raises_is_billed_at_its_worst_case_and_the_error_says_why():
    error, ledger = asked(single_pass(), {})
    assert str(error) == "ReportedCost cannot price a reply: KeyError: 'cost'"
    assert isinstance(error.__cause__, KeyError)
    assert (ledger.spent, ledger.in_flight, ledger.cap_closed) == (1.0, 0, False)


def test_the_other_calls_of_its_wave_are_billed_at_what_they_cost():
    error, ledger = asked(self_consistency(3), {"cost": 0.25}, {}, {"cost": 0.25})
    assert isinstance(error, UnpricedUsageError)
    assert ledger.spent == 1.25


def test_a_meter_may_count_in_decimals():
    answer, ledger = asked(single_pass(), {"cost": Decimal("0.25")})
    assert (answer, ledger.spent) == ("5", 0.25)


@pytest.mark.parametrize("usage", [[10, 3], "13 tokens", 13])
def test_usage_that_is_no_mapping_is_not_taken_for_that_of_a_cache(usage):
    message = AIMessage("5")
    vars(message)["usage_metadata"] = usage
    assert not from_cache(message)
