"""Amounts as people read them: no exponent, no rounding noise, in every message."""

import ast
import math
import re
from pathlib import Path

import numpy as np
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

import adaptive_reasoner as online
from adaptive_reasoner import kit
from adaptive_reasoner.amounts import given, signed, written
from adaptive_reasoner.errors import (
    AdaptiveReasonerError,
    BudgetExceededError,
    InfeasibleAccuracyError,
    InfeasibleBudgetError,
)
from adaptive_reasoner.integrations.agent_end import nearly_used_notice
from adaptive_reasoner.ledger.refusals import beyond_cap
from adaptive_reasoner.ledger.runs import RunLedger
from adaptive_reasoner.ledger.settings import LARGEST, check_same
from adaptive_reasoner.models.dollars import check_budgets
from adaptive_reasoner.policy.base import check_one_aim

ROOT = Path(online.__file__).parent
EXPONENT = re.compile(r"\d[eE][+-]?\d")
NOISY = re.compile(r"\.\d*[1-9]\d{12,}")
TINY = 1e-05
THIRD = 3.3000000000000003e-05


@pytest.mark.parametrize(
    ("amount", "read"),
    [
        (1e-05, "0.00001"),
        (3.3000000000000003e-05, "0.000033"),
        (0.1 + 0.2, "0.3"),
        (1e-12, "0.000000000001"),
        (1.23456789e-9, "0.00000000123457"),
        (-2.5e-7, "-0.00000025"),
        (1.26e-17, "0"),
        (-0.0, "0"),
        (12, "12"),
        (100.0, "100"),
        (2931.4, "2931.4"),
        (999999.9, "1000000"),
        (1_234_567.0, "1234567"),
        (1e17, "100000000000000000"),
        (np.float32(0.1), "0.1"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_an_amount_is_written_without_exponent_and_noise(amount, read):
    assert written(amount) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (-1e-13, "-0.0000000000001"),
        (THIRD, "0.000033"),
        (1234.56789, "1234.56789"),
        (np.float64(-1e-05), "-0.00001"),
        (math.nan, "nan"),
        (-1.0, "-1.0"),
        (0.1 + 0.2, "0.3"),
        (1e300, "1" + 300 * "0"),
        (10**400, "1" + 400 * "0"),
        (True, "True"),
        ("1e-05", "'1e-05'"),
        (None, "None"),
    ],
)
def test_what_a_user_gave_is_shown_whole_and_without_exponent(value, read):
    assert given(value) == read


def test_digits_before_the_point_are_kept_however_few_are_asked_for():
    assert (written(12345.6, 3), written(0.0123456, 3)) == ("12346", "0.0123")


@pytest.mark.parametrize("digits", [3, 4, 6, 15])
@pytest.mark.parametrize("power", range(-12, 22))
def test_no_power_of_ten_has_an_exponent(power, digits):
    for factor in (1.0, 3.3, 9.99999999):
        amount = factor * 10.0**power
        assert re.fullmatch(r"\d+(\.\d*[1-9])?", written(amount, digits))
        assert float(written(amount, digits)) == pytest.approx(amount, rel=0.51 * 10.0 ** (1 - digits))


def test_a_difference_has_its_sign():
    assert [signed(each) for each in (1e-05, -1e-05, 0.0)] == ["+0.00001", "-0.00001", "+0"]


def dollars(**terms):
    return online.open_ledger("memory://", cost_unit="usd", **terms)


def refused_by_a_run():
    RunLedger(dollars(target=1.0), "run", budget=THIRD).admit("run:search", 2 * THIRD)


class Paid(FakeListChatModel):
    """A model whose replies have a bill of a hundred-thousandth dollar."""

    def _generate(self, *args, **kwargs):
        usage = {"input_tokens": 50, "output_tokens": 12, "total_tokens": 62}
        reply = AIMessage("Answer: 4", usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=reply)])


def answered(**terms):
    policy = online.FixedPolicy("direct", expected_cost=TINY, worst_cost=THIRD, cost_unit="usd")
    reasoner = online.AdaptiveReasoner(
        online.Source(Paid(responses=["4"]), max_tokens=100),
        policy=policy,
        actions={"direct": online.single_pass()},
        ledger=dollars(target=1.0),
        meter=online.PriceMeter(prompt=0.1, completion=0.4),
    )
    return reasoner.answer("2 + 2?", **terms)


def settled_above_the_cap():
    ledger = dollars(hard_cap=THIRD)
    ledger.reserve(TINY, "k")
    ledger.settle("k", 7 * TINY)


def table():
    rows = [
        {
            "question_id": f"q{at}",
            "question": "2 + 2?",
            "action": name,
            "accuracy": right,
            "cost": cost,
            "cost_unit": "usd",
        }
        for at in range(4)
        for name, right, cost in (("direct", 0.5, TINY), ("cot", 1.0, THIRD))
    ]
    return kit.Outcomes.from_rows(rows)


REFUSALS = {
    "allow at least 0.00001": lambda: kit.solve(table(), 2e-06),
    "can cost 0.000066 usd, and the run has 0.000033 of 0.000033": refused_by_a_run,
    "0.000033 usd wanted, 0.00001 left": lambda: dollars(hard_cap=TINY).reserve(THIRD, "k"),
    "inf usd wanted, 0.00001 left": lambda: dollars(hard_cap=TINY).reserve(TINY, "k", worst=math.inf),
    "cost 0.00007 usd where the hard cap held 0.00001;": settled_above_the_cap,
    "max_cost allows 0.00001;": lambda: answered(max_cost=TINY),
    "target of 0.00000000003 usd is less": lambda: dollars(target=3e-11),
    "got -0.00001": lambda: dollars(target=1.0).charge(-TINY, "k"),
    "cost of 1000000000000 usd is too large": lambda: dollars(target=1.0).charge(1e12, "k"),
    "made with 0.00001 as target, not 0.000033": lambda: check_same("target", 10.0, 33.0, 1_000_000),
    "overflow 4611686018 usd": lambda: dollars(target=1.0)._account.check_sum(LARGEST + 1),
    "run_budget of 0.00001 is less": lambda: check_budgets("tokens", run_budget=TINY),
    "not budget=0.000033 and target_accuracy=0.00001": lambda: check_one_aim(THIRD, TINY),
    "got -0.00001$": lambda: online.AdaptiveComputeMiddleware(run_budget=-TINY),
    "0.000033 is not between 0 and": lambda: online.FixedPolicy("a", expected_cost=THIRD, worst_cost=TINY),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_a_refusal_writes_its_amounts_out(message):
    with pytest.raises((ValueError, AdaptiveReasonerError), match=message) as refusal:
        REFUSALS[message]()
    assert not EXPONENT.search(str(refusal.value))
    assert not NOISY.search(str(refusal.value))


@pytest.mark.parametrize("amount", [TINY, THIRD, 0.1 + 0.2, 1e-09, 1.26e-17, 1e16])
def test_the_errors_of_budgets_write_any_amount_out(amount):
    errors = [
        InfeasibleBudgetError(amount, 3 * amount, "usd"),
        InfeasibleAccuracyError(amount, amount / 3),
        BudgetExceededError(amount, amount / 3, "usd"),
        BudgetExceededError(amount, amount / 3),
        beyond_cap(amount, amount / 3, 2 * amount, "usd"),
        nearly_used_notice(amount, amount / 3, "usd").text,
    ]
    assert [str(each) for each in errors if EXPONENT.search(str(each)) or NOISY.search(str(each))] == []


def test_what_is_printed_in_notebooks_writes_its_amounts_out():
    shown = [
        repr(kit.solve(table(), 2e-05)),
        kit.solve(table(), 2e-05)._repr_html_(),
        repr(kit.solve(table(), target_accuracy=0.7)),
        repr(kit.frontier(table())),
        table()._repr_html_(),
        repr(online.FixedPolicy("cot", expected_cost=THIRD, cost_unit="usd")),
        repr(dollars(target=TINY)),
        repr(answered()),
    ]
    assert [each for each in shown if EXPONENT.search(each) or NOISY.search(each)] == []
    assert "target 0.00001 usd" in shown[-2]


OTHER_THAN_AMOUNTS = re.compile(r"(?i)second|at_least|every|MOST|times|share|step \*|lacking|^value$")


def formats_with_exponent(path):
    text = path.read_text()
    for part in ast.walk(ast.parse(text)) if re.search(r":[^{}\n]*[geE]\}", text) else ():
        if isinstance(part, ast.FormattedValue) and part.format_spec is not None:
            spec = ast.unparse(part.format_spec)
            if re.search(r"[geE]['\"]$", spec) and not OTHER_THAN_AMOUNTS.search(ast.unparse(part.value)):
                yield f"{path.relative_to(ROOT)}: {ast.unparse(part)}"


def test_no_module_formats_an_amount_in_another_way():
    found = [each for path in sorted(ROOT.rglob("*.py")) for each in formats_with_exponent(path)]
    assert [each for each in found if not each.startswith("amounts.py")] == []
