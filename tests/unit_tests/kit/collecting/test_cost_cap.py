import math
import time

from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.kit.collecting.cost_cap import Cap
from adaptive_reasoner.ledger.memory import MemoryLedger
from adaptive_reasoner.ledger.settings import LedgerOptions

amounts = st.floats(0, 1e3, allow_nan=False)


@given(st.floats(0.001, 1e3), st.lists(st.tuples(amounts, st.floats(0, 1))))
def test_what_is_settled_never_exceeds_the_limit_whatever_comes_back(limit, calls):
    cap, open_calls = Cap(limit, "usd"), []
    for at, (worst, share) in enumerate(calls):
        if cap.reserve(worst):
            open_calls.append((worst, min(worst, worst * share)))
        if at % 3 == 2 and open_calls:
            cap.settle(*open_calls.pop(0))
    for call in open_calls:
        cap.settle(*call)
    assert cap.spent <= limit
    assert cap.breach is None


def test_the_last_cent_can_be_spent_in_tenths():
    cap = Cap(0.3, "usd")
    for _ in range(3):
        assert cap.reserve(0.1)
        cap.settle(0.1, 0.1)
    assert cap.spent == 0.3
    assert not cap.reserve(1e-9)


def test_a_call_dearer_than_its_worst_case_closes_it():
    cap = Cap(10.0, "tokens")
    cap.reserve(2.0)
    cap.settle(2.0, 3.0)
    assert "cost 3 tokens where the hard cap held 2" in str(cap.breach)
    assert not cap.reserve(0.1)


def test_without_a_limit_it_only_counts():
    cap = Cap(None, "tokens")
    assert cap.reserve(1e12)
    cap.settle(1.0, 5.0)
    assert (cap.spent, cap.breach) == (5.0, None)


def test_a_call_without_bound_has_no_room_below_a_limit():
    cap = Cap(10.0, "usd")
    assert not cap.reserve(math.inf)
    assert cap.reserve(10.0)


def test_a_cap_counts_as_a_ledger_does():
    account = LedgerOptions(hard_cap=1.0, cost_unit="usd").account()
    cap, ledger = Cap(1.0, "usd"), MemoryLedger(account, clock=time.time)
    for at, cost in enumerate((0.1, 0.2, 0.3000000004, 0.3999999996)):
        assert cap.reserve(cost)
        ledger.charge(cost, f"call {at}")
        cap.settle(cost, cost)
    assert cap.spent == ledger.spent == 1.0
