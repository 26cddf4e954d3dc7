"""What every ledger does about budgets: the hard cap, the price, windows of time, and its reports."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from tests.unit_tests.ledger.stand_ins import Priced


class BudgetsContract:
    # The hard cap

    def test_hard_cap_holds_the_worst_case(self, make):
        ledger = make(hard_cap=100.0)
        ledger.reserve(10.0, "a", worst=60.0)
        with pytest.raises(BudgetExceededError) as refused:
            ledger.reserve(10.0, "b", worst=50.0)
        assert (refused.value.wanted, refused.value.left) == (50.0, 40.0)
        ledger.settle("a", 20.0)
        assert ledger.reserve(10.0, "b", worst=80.0).status == "open"
        assert ledger.snapshot().held == 80.0

    def test_hard_cap_refuses_an_unbounded_worst_case(self, make):
        with pytest.raises(BudgetExceededError):
            make(hard_cap=100.0).reserve(10.0, "a", worst=math.inf)

    def test_hard_cap_is_met_to_the_last_unit(self, make):
        ledger = make(hard_cap=0.3, cost_unit="usd")
        for key in "abc":
            ledger.settle(ledger.reserve(0.1, key), 0.1)
        assert ledger.snapshot().spent == 0.3
        with pytest.raises(BudgetExceededError):
            ledger.reserve(1e-9, "d")

    def test_expired_reservation_is_booked_at_its_worst_case_under_a_cap(self, make, clock):
        ledger = make(hard_cap=100.0, reservation_ttl=60.0, clock=clock)
        ledger.reserve(10.0, "a", worst=60.0)
        clock.now += 61.0
        assert ledger.snapshot().spent == 60.0
        with pytest.raises(BudgetExceededError):
            ledger.reserve(10.0, "b", worst=50.0)
        ledger.settle("a", 20.0)
        assert ledger.reserve(10.0, "b", worst=50.0).status == "open"

    def test_settlement_above_its_worst_case_is_booked_raises_and_closes_the_cap(self, make):
        ledger = make(hard_cap=1000.0)
        ledger.reserve(10.0, "a", worst=60.0)
        with pytest.raises(BudgetExceededError, match="booked"):
            ledger.settle("a", 75.0)
        assert ledger.settle("a", 75.0).cost == 75.0
        seen = ledger.snapshot()
        assert (seen.spent, seen.cap_closed) == (75.0, True)
        with pytest.raises(BudgetExceededError, match="closed"):
            ledger.reserve(1.0, "b")

    def test_charge_beyond_the_cap_is_booked_raises_and_closes_it(self, make):
        ledger = make(hard_cap=100.0)
        ledger.reserve(50.0, "a")
        ledger.charge(50.0, "b")
        with pytest.raises(BudgetExceededError, match="booked"):
            ledger.charge(1.0, "c")
        assert ledger.snapshot().spent == 51.0

    def test_hard_cap_holds_against_threads(self, make):
        ledger = make(hard_cap=100.0)

        def spend(key):
            try:
                ledger.settle(ledger.reserve(1.0, str(key), worst=7.0), 3.0)
            except BudgetExceededError:
                return 0
            seen = ledger.snapshot()
            assert seen.spent + seen.held <= 100.0
            return 1

        with ThreadPoolExecutor(8) as pool:
            served = sum(pool.map(spend, range(60)))
        assert ledger.snapshot().spent == 3.0 * served

    # The price

    def test_price_starts_at_the_offline_price(self, make):
        ledger = make(policy=Priced(price=0.002))
        assert ledger.price == pytest.approx(0.002)
        assert (ledger.target, ledger.cost_unit) == (50.0, "tokens")

    def test_price_rises_with_overspend_already_when_reserved_and_falls_with_savings(self, make):
        ledger = make(policy=Priced(price=0.002))
        for i in range(20):
            ledger.reserve(60.0, f"dear {i}")
        dear = ledger.price
        for i in range(20):
            ledger.settle(f"dear {i}", 20.0)
        assert ledger.price < 0.002 < dear

    def test_without_a_target_it_only_counts(self, make):
        ledger = make()
        for i in range(50):
            ledger.charge(100.0, str(i))
        seen = ledger.snapshot()
        assert (ledger.price, ledger.target, ledger.average, seen.slack) == (0.0, None, 100.0, True)

    def test_savings_beyond_the_credit_are_written_off_and_called_slack(self, make):
        ledger = make(target=50.0, credit=20.0)
        for i in range(100):
            ledger.charge(10.0, str(i))
        seen = ledger.snapshot()
        assert seen.slack
        assert seen.credit == pytest.approx(20.0)
        assert seen.average == 10.0
        for i in range(25):
            ledger.charge(90.0, f"hard {i}")
        assert not ledger.snapshot().slack
        assert ledger.snapshot().credit == pytest.approx(0.0)

    # What is written off comes back

    def test_plans_that_are_released_at_full_credit_leave_no_trace(self, make):
        ledger = at_full_credit(make)
        price = ledger.price
        for i in range(100):
            ledger.reserve(5.0, f"plan {i}")
        for i in range(100):
            ledger.release(f"plan {i}")
        seen = ledger.snapshot()
        assert seen.credit == pytest.approx(20.0)
        assert (seen.price, seen.slack) == (price, True)

    @pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
    def test_question_of_several_plans_leaves_no_trace_when_all_are_released(self, make, order):
        ledger = at_full_credit(make)
        for i in range(40):
            for name in "ab":
                ledger.reserve(5.0, f"{name} {i}", question=f"q {i}")
            for name in order:
                ledger.release(f"{name} {i}")
        assert ledger.snapshot().credit == pytest.approx(20.0)

    def test_key_that_is_reserved_and_released_again_and_again_leaves_no_trace(self, make):
        ledger = at_full_credit(make)
        for _ in range(20):
            ledger.release(ledger.reserve(5.0, "again"))
        ledger.settle(ledger.reserve(50.0, "again"), 50.0)
        assert ledger.snapshot().credit == pytest.approx(20.0)

    def test_question_that_costs_the_target_leaves_the_credit_as_it_is_whatever_was_planned(self, make):
        ledger = at_full_credit(make)
        for planned in (0.0, 5.0, 200.0):
            for i in range(30):
                ledger.settle(ledger.reserve(planned, f"{planned} {i}"), 50.0)
        assert ledger.snapshot().credit == pytest.approx(20.0, abs=0.5)

    def test_plan_that_expires_at_more_gives_back_what_it_wrote_off(self, make, clock):
        ledger = at_full_credit(make, hard_cap=1e6, reservation_ttl=60.0, clock=clock)
        for i in range(40):
            ledger.reserve(5.0, f"lost {i}", worst=50.0)
        clock.now += 61.0
        assert ledger.snapshot().credit == pytest.approx(20.0)
        for i in range(40):
            ledger.settle(f"lost {i}", 5.0)
        assert ledger.snapshot().credit == pytest.approx(20.0)

    # What was planned is corrected by what came

    @pytest.mark.parametrize("factor", [0.1, 10.0])
    def test_price_and_credit_see_what_plans_will_likely_cost(self, make, factor):
        ledger = make(target=50.0)
        for i in range(200):
            ledger.settle(ledger.reserve(50.0 * factor, f"{i}", action="cot"), 50.0)
        price = ledger.price
        for i in range(200, 232):
            ledger.reserve(50.0 * factor, f"{i}", action="cot")
        seen = ledger.snapshot()
        assert seen.credit == pytest.approx(0.0, abs=6.0)
        assert price / 4.0 <= seen.price <= 4.0 * price
        assert seen.reserved == pytest.approx(32 * 50.0 * factor)

    def test_no_slack_while_what_was_planned_is_all_that_is_known(self, make):
        ledger = make(target=50.0, credit=20.0)
        for i in range(100):
            ledger.reserve(1.0, str(i))
        assert not ledger.snapshot().slack
        for i in range(100):
            ledger.settle(str(i), 50.0)
        seen = ledger.snapshot()
        assert not seen.slack
        assert seen.credit <= 2.0

    def test_no_slack_where_a_price_that_was_too_high_saved_the_credit(self, make):
        ledger = make(target=50.0, credit=20.0)
        for i in range(60):
            ledger.reserve(500.0, str(i))
        for i in range(60):
            ledger.settle(str(i), 10.0)
        assert ledger.snapshot().credit >= 20.0
        assert not ledger.snapshot().slack

    def test_interval_of_the_average_narrows_as_questions_come(self, make):
        ledger, widths = make(target=50.0), []
        for i in range(800):
            ledger.charge(100.0 if i % 2 else 0.0, str(i))
            if i + 1 in (200, 800):
                seen = ledger.snapshot()
                assert seen.average_low < seen.average == 50.0 < seen.average_high
                widths.append(seen.average_high - seen.average_low)
        assert widths[1] == pytest.approx(widths[0] / 4.0, rel=0.01)  # the law holds the sum, not its mean

    def test_interval_without_a_target_is_that_of_a_mean(self, make):
        ledger = make()
        for i in range(100):
            ledger.charge(100.0 if i % 2 else 0.0, str(i))
        seen = ledger.snapshot()
        assert seen.average_high - seen.average == pytest.approx(1.96 * 5.0, rel=0.01)

    def test_reports_the_worst_recent_window_beside_the_long_average(self, make):
        ledger = make(target=50.0)
        for i in range(30):
            ledger.charge(10.0 if i < 20 else 70.0, str(i))
        seen = ledger.snapshot()
        assert seen.recent_average == seen.worst_recent_average == seen.average == 30.0

    # Windows, history, reset

    def test_each_day_has_its_own_cap_and_average(self, make, clock):
        ledger = make(target=50.0, hard_cap=100.0, window="day", clock=clock)
        clock.now = 86_400.0 * 20_000 + 86_000.0
        ledger.settle(ledger.reserve(60.0, "evening"), 60.0)
        late = ledger.reserve(30.0, "late")
        with pytest.raises(BudgetExceededError):
            ledger.reserve(20.0, "too much")
        clock.now += 1_000.0
        assert ledger.reserve(90.0, "morning").status == "open"
        seen = ledger.snapshot()
        assert (seen.spent, seen.reserved, seen.questions, seen.in_flight) == (0.0, 90.0, 0, 1)
        ledger.settle(late, 25.0)  # counts where it was reserved
        ledger.settle("morning", 70.0)
        assert (ledger.average, ledger.snapshot().spent) == (70.0, 70.0)
        clock.now -= 1_000.0
        assert ledger.snapshot().spent == 85.0

    def test_new_month_starts_without_debt_at_the_price_that_was_learned(self, make, clock):
        clock.now = 1_000.0
        ledger = make(policy=Priced(price=0.002), window="month", clock=clock)
        for i in range(200):
            ledger.charge(55.0, str(i))
        assert ledger.snapshot().credit == pytest.approx(-20.0)
        clock.now += 40 * 86_400.0
        seen = ledger.snapshot()
        assert (seen.credit, seen.questions) == (0.0, 0)
        assert seen.price > 0.002

    def test_history_tells_the_latest_charges(self, make):
        ledger = make(target=50.0)
        for i in range(5):
            ledger.charge(float(i), str(i), action="cot")
        ledger.reserve(7.0, "open", question="run")
        assert [one.key for one in ledger.history(limit=3)] == ["3", "4", "open"]
        assert ledger.history()[-1] == ledger.reserve(7.0, "open")

    def test_charge_that_is_reserved_anew_is_the_latest(self, make):
        ledger = make(target=50.0)
        ledger.release(ledger.reserve(40.0, "a"))
        ledger.charge(5.0, "b")
        ledger.reserve(40.0, "a")
        assert [one.key for one in ledger.history()] == ["b", "a"]

    def test_reset_starts_again_on_the_same_terms(self, make):
        ledger = make(policy=Priced(price=0.002), hard_cap=100.0)
        ledger.reserve(50.0, "a")
        with pytest.raises(BudgetExceededError):
            ledger.settle("a", 101.0)
        ledger.reset()
        seen = ledger.snapshot()
        assert (seen.spent, seen.questions, seen.in_flight, seen.cap_closed) == (0.0, 0, 0, False)
        assert (seen.target, seen.hard_cap) == (50.0, 100.0)
        assert ledger.price == pytest.approx(0.002)
        assert ledger.reserve(50.0, "a").status == "open"

    # Another target

    def test_another_target_is_held_from_now_on(self, make):
        ledger = make(target=20.0)
        for i in range(200):
            ledger.charge(20.0, f"before {i}")
        ledger.set_target(40.0)
        seen = ledger.snapshot()
        assert (ledger.target, seen.target, seen.credit, seen.average) == (40.0, 40.0, 0.0, 20.0)
        for i in range(10):
            ledger.charge(40.0, f"after {i}")
        assert ledger.snapshot().credit == 0.0

    @pytest.mark.parametrize(("cost", "credit"), [(10.0, 50.0), (30.0, -50.0)])
    def test_savings_and_debts_stay_the_same_amount(self, make, cost, credit):
        ledger = make(target=20.0)
        for i in range(200):
            ledger.charge(cost, f"{i}")
        before = ledger.snapshot().credit * 20.0  # some savings may have been written off
        ledger.set_target(40.0)
        assert ledger.snapshot().credit == pytest.approx(before / 40.0)
        assert ledger.snapshot().credit == pytest.approx(credit)
        ledger.set_target(20.0)
        assert ledger.snapshot().credit == pytest.approx(2.0 * credit)

    @pytest.mark.parametrize("cost", [0.0, 60.0])
    def test_no_credit_and_no_debt_grows_beyond_the_most_that_may_be_saved(self, make, cost):
        ledger = make(target=20.0, credit=50.0)
        for i in range(100):
            ledger.charge(cost, f"{i}")
        ledger.set_target(0.5)
        assert abs(ledger.snapshot().credit) == pytest.approx(50.0)

    def test_a_ledger_that_only_counted_starts_even(self, make):
        ledger = make()
        for i in range(100):
            ledger.charge(7.0, f"{i}")
        held = ledger.reserve(5.0, "open")
        ledger.set_target(20.0)
        assert (ledger.target, ledger.snapshot().credit) == (20.0, 0.0)
        ledger.settle(held, 25.0)
        assert ledger.snapshot().credit == pytest.approx(-1.0)

    @pytest.mark.parametrize("target", [0.0, -1.0, math.nan, math.inf, 1e-12, 1e300])
    def test_what_is_no_target_is_refused(self, make, target):
        ledger = make(target=20.0)
        with pytest.raises(LedgerError, match="target"):
            ledger.set_target(target)
        assert (ledger.target, ledger.snapshot().target) == (20.0, 20.0)

    # A budget of a question's own

    def test_a_question_is_measured_against_its_own_budget(self, make):
        ledger = make(target=20.0)
        for i in range(60):
            ledger.settle(ledger.reserve(40.0, f"dear {i}", budget=40.0), 40.0)
            ledger.settle(ledger.reserve(5.0, f"cheap {i}", budget=5.0), 5.0)
            ledger.settle(ledger.reserve(20.0, f"plain {i}"), 20.0)
        seen = ledger.snapshot()
        assert (seen.credit, seen.average, seen.target) == (0.0, pytest.approx(65.0 / 3.0), 20.0)
        ledger.settle(ledger.reserve(40.0, "over", budget=40.0), 60.0)
        assert ledger.snapshot().credit == pytest.approx(-1.0)

    def test_a_question_of_several_charges_has_its_budget_once_and_a_released_one_leaves_no_trace(self, make):
        ledger = make(target=20.0)
        for part in range(4):
            ledger.settle(ledger.reserve(10.0, f"part {part}", question="run", budget=40.0), 10.0)
        assert ledger.snapshot().credit == pytest.approx(0.0)
        held = ledger.reserve(30.0, "never ran", budget=40.0)
        assert (held.budget, ledger.snapshot().credit) == (40.0, pytest.approx(0.5))
        ledger.release(held)
        assert ledger.snapshot().credit == pytest.approx(0.0)
        for part in ("one", "other"):
            ledger.reserve(10.0, part, question="never ran either", budget=40.0)
        for part in ("one", "other"):
            ledger.release(part)  # the ledger knows what it allowed
        assert ledger.snapshot().credit == pytest.approx(0.0)

    def test_what_a_large_budget_of_its_own_leaves_is_no_more_than_the_credit(self, make):
        ledger = make(target=20.0, credit=10.0)
        for i in range(100):
            ledger.charge(20.0, f"plain {i}")
        ledger.settle(ledger.reserve(40.0, "large", budget=1e6), 40.0)
        assert ledger.snapshot().credit == pytest.approx(10.0)
        for i in range(6):
            ledger.charge(60.0, f"over {i}")
        assert ledger.snapshot().credit == pytest.approx(-2.0)
        ledger.release(ledger.reserve(40.0, "never ran", budget=1e6))
        assert ledger.snapshot().credit == pytest.approx(-2.0)


def at_full_credit(make, **terms):
    """A ledger whose credit of 20 questions is full."""
    ledger = make(target=50.0, credit=20.0, **terms)
    for i in range(100):
        ledger.charge(10.0, f"easy {i}")
    assert ledger.snapshot().credit == pytest.approx(20.0)
    return ledger
