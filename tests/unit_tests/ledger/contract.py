"""What every ledger does, as one class with a hole: how it is opened."""

import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger import Ledger, Reservation


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class Priced:
    """The part of a policy a ledger reads."""

    def __init__(self, price=0.002, slope=30.0, budget=50.0, cost_unit="tokens"):
        self.price, self.slope, self.budget, self.cost_unit = price, slope, budget, cost_unit


names = count()


class LedgerContract:
    @pytest.fixture
    def make(self):
        """The hole: a function of `open_ledger`'s arguments that opens a new ledger."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self):
        return Clock()

    def test_is_a_ledger(self, make):
        assert isinstance(make(target=50.0), Ledger)

    # The life of one charge

    def test_reserves_what_is_planned_and_settles_at_what_it_cost(self, make):
        ledger = make(target=50.0)
        reservation = ledger.reserve(40.0, "q", worst=90.0, action="vote_5")
        assert reservation.status == "open"
        assert (reservation.expected, reservation.worst) == (40.0, 90.0)
        assert ledger.snapshot().reserved == 40.0
        assert ledger.settle(reservation, 47.5).cost == 47.5
        seen = ledger.snapshot()
        assert (seen.spent, seen.reserved, seen.held, seen.in_flight) == (47.5, 0.0, 0.0, 0)
        assert (seen.questions, seen.average, ledger.average, ledger.spent) == (1, 47.5, 47.5, 47.5)
        assert seen.actions == {"vote_5": 1.0}

    def test_repeated_reserve_charges_nothing(self, make):
        ledger = make(target=50.0)
        first = ledger.reserve(40.0, "q")
        assert ledger.reserve(99.0, "q", action="other") == first
        assert ledger.snapshot().reserved == 40.0
        ledger.settle(first, 45.0)
        again = ledger.reserve(40.0, "q")
        assert (again.status, again.cost) == ("settled", 45.0)
        assert ledger.snapshot().in_flight == 0

    def test_first_settlement_counts(self, make):
        ledger = make(target=50.0)
        reservation = ledger.reserve(40.0, "q")
        ledger.settle(reservation, 45.0)
        assert ledger.settle("q", 1000.0).cost == 45.0
        assert ledger.snapshot().spent == 45.0

    def test_release_leaves_no_trace(self, make):
        ledger = make(target=50.0)
        ledger.settle(ledger.reserve(30.0, "a"), 30.0)
        before = ledger.snapshot()
        reservation = ledger.reserve(500.0, "b")
        assert ledger.release(reservation).status == "released"
        assert ledger.release(reservation).status == "released"
        after = ledger.snapshot()
        assert (after.average, after.questions, after.reserved) == (30.0, 1, 0.0)
        assert after.credit == before.credit

    def test_released_key_can_be_reserved_again(self, make):
        ledger = make(target=50.0)
        ledger.release(ledger.reserve(40.0, "q"))
        with pytest.raises(LedgerError, match="was released"):
            ledger.settle("q", 40.0)
        again = ledger.reserve(60.0, "q", action="vote_5")
        assert (again.status, again.expected, again.action) == ("open", 60.0, "vote_5")
        assert ledger.settle("q", 55.0).cost == 55.0

    def test_settled_charge_cannot_be_released(self, make):
        ledger = make(target=50.0)
        ledger.settle(ledger.reserve(40.0, "q"), 45.0)
        assert ledger.release("q").status == "settled"
        assert ledger.snapshot().spent == 45.0

    def test_charge_books_once(self, make):
        ledger = make(target=50.0)
        assert ledger.charge(12.0, "message-1", question="run").status == "settled"
        assert ledger.charge(99.0, "message-1", question="run").cost == 12.0
        assert ledger.snapshot().spent == 12.0

    def test_charge_settles_an_open_reservation(self, make):
        ledger = make(target=50.0)
        ledger.reserve(40.0, "q")
        assert ledger.charge(12.0, "q").cost == 12.0
        seen = ledger.snapshot()
        assert (seen.spent, seen.reserved, seen.questions) == (12.0, 0.0, 1)

    def test_expectation_never_exceeds_the_worst_case(self, make):
        assert make(target=50.0).reserve(80.0, "q", worst=60.0).expected == 60.0

    def test_worst_case_may_be_unbounded_without_a_cap(self, make):
        ledger = make(target=50.0)
        assert ledger.reserve(40.0, "q", worst=math.inf).worst == math.inf
        assert ledger.settle("q", 1e6).cost == 1e6

    # Questions

    def test_eight_cheap_steps_do_not_lower_the_average(self, make):
        ledger = make(target=50.0)
        for run in range(10):
            for step in range(8):
                ledger.settle(ledger.reserve(10.0, f"{run}:{step}", question=f"run {run}"), 10.0)
        assert ledger.average == 80.0
        assert ledger.snapshot().questions == 10

    def test_question_stays_counted_while_one_of_its_charges_stands(self, make):
        ledger = make(target=50.0)
        first = ledger.reserve(10.0, "a", question="run")
        second = ledger.reserve(10.0, "b", question="run")
        ledger.release(first)
        assert ledger.snapshot().credit == pytest.approx(1.0 - 10.0 / 50.0)
        ledger.settle(second, 25.0)
        assert ledger.average == 25.0
        assert ledger.snapshot().credit == pytest.approx(0.5)

    # Expiry

    def test_expired_reservation_counts_as_spent_until_settled(self, make, clock):
        ledger = make(target=50.0, reservation_ttl=60.0, clock=clock)
        ledger.reserve(40.0, "slow", worst=100.0)
        clock.now += 59.0
        assert ledger.snapshot().in_flight == 1
        clock.now += 1.0
        seen = ledger.snapshot()
        assert (seen.spent, seen.reserved, seen.in_flight, seen.average) == (40.0, 0.0, 0, 40.0)
        assert ledger.reserve(40.0, "slow").status == "expired"
        assert ledger.settle("slow", 55.0).cost == 55.0
        assert ledger.snapshot().spent == 55.0

    def test_expired_reservation_can_still_turn_out_never_to_have_run(self, make, clock):
        ledger = make(target=50.0, reservation_ttl=60.0, clock=clock)
        reservation = ledger.reserve(40.0, "slow")
        clock.now += 61.0
        assert ledger.snapshot().spent == 40.0
        ledger.release(reservation)
        seen = ledger.snapshot()
        assert (seen.spent, seen.questions, seen.credit) == (0.0, 0, 0.0)

    def test_reservations_expire_though_nobody_looks(self, make, clock):
        ledger = make(target=50.0, reservation_ttl=60.0, clock=clock)
        ledger.reserve(40.0, "forgotten")
        clock.now += 61.0
        ledger.reserve(30.0, "next")
        assert ledger.spent == 40.0
        assert [one.status for one in ledger.history()] == ["expired", "open"]

    def test_clock_that_jumps_back_loses_nothing(self, make, clock):
        ledger = make(target=50.0, reservation_ttl=60.0, clock=clock)
        ledger.reserve(40.0, "a")
        clock.now -= 10_000.0
        ledger.reserve(30.0, "b")
        clock.now += 20_000.0
        assert ledger.snapshot().spent == 70.0

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

    # Refusals

    @pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf, -1e-3, 1e30])
    def test_refuses_what_is_no_amount(self, make, amount):
        ledger = make(target=50.0)
        ledger.reserve(40.0, "q")
        before = ledger.snapshot()
        with pytest.raises(LedgerError, match="cost"):
            ledger.settle("q", amount)
        with pytest.raises(LedgerError, match="expected"):
            ledger.reserve(amount, "r")
        with pytest.raises(LedgerError, match="cost"):
            ledger.charge(amount, "c")
        assert ledger.snapshot() == before

    def test_refuses_an_unknown_key(self, make):
        ledger = make(target=50.0)
        with pytest.raises(LedgerError, match="'nobody'"):
            ledger.settle("nobody", 1.0)
        with pytest.raises(LedgerError, match="'nobody'"):
            ledger.release("nobody")

    def test_refuses_an_empty_key(self, make):
        with pytest.raises(LedgerError, match="key"):
            make(target=50.0).reserve(1.0, "")

    def test_refuses_a_sum_that_would_overflow(self, make):
        ledger = make(cost_unit="usd")
        ledger.charge(4e9, "a")
        with pytest.raises(LedgerError, match="overflow"):
            ledger.charge(4e9, "b")
        assert ledger.snapshot().spent == 4e9

    def test_refuses_everything_once_closed(self, make):
        ledger = make(target=50.0)
        with ledger:
            ledger.reserve(40.0, "q")
        for verb in (lambda: ledger.reserve(1.0, "r"), lambda: ledger.settle("q", 1.0), ledger.snapshot):
            with pytest.raises(LedgerError, match="closed"):
                verb()
        ledger.close()

    @pytest.mark.parametrize(
        "arguments",
        [
            {"target": 0.0},
            {"target": math.nan},
            {"hard_cap": -1.0},
            {"reservation_ttl": 0.0},
            {"credit": math.inf},
            {"window": "week"},
            {"policy": Priced(cost_unit="usd"), "cost_unit": "tokens"},
            {"policy": Priced(price=math.nan)},
        ],
    )
    def test_refuses_terms_that_make_no_sense(self, make, arguments):
        with pytest.raises(LedgerError):
            make(**arguments)

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

    # Concurrency and exactness

    def test_same_key_from_many_threads_charges_once(self, make):
        ledger = make(target=50.0)
        barrier = threading.Barrier(8)

        def race(_):
            barrier.wait()
            reservation = ledger.reserve(40.0, "q")
            barrier.wait()
            return ledger.settle(reservation, 45.0)

        with ThreadPoolExecutor(8) as pool:
            settled = list(pool.map(race, range(8)))
        assert {one.cost for one in settled} == {45.0}
        seen = ledger.snapshot()
        assert (seen.spent, seen.questions, seen.in_flight) == (45.0, 1, 0)

    async def test_async_twins_do_the_same(self, make):
        ledger = make(target=50.0)

        async def one(i):
            reservation = await ledger.areserve(40.0, str(i), action="cot")
            if i % 4 == 0:
                return await ledger.arelease(reservation)
            return await ledger.asettle(reservation, 45.0)

        done = await asyncio.gather(*(one(i) for i in range(40)), ledger.acharge(5.0, "extra"))
        assert all(isinstance(each, Reservation) for each in done)
        seen = await ledger.asnapshot()
        assert (seen.spent, seen.questions, seen.reserved) == (45.0 * 30 + 5.0, 31, 0.0)

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        verbs=st.lists(
            st.tuples(
                st.sampled_from(["reserve", "settle", "release", "charge", "wait", "snapshot"]),
                st.integers(0, 5),
                st.integers(0, 200),
            ),
            max_size=40,
        ),
        capped=st.booleans(),
    )
    def test_sums_equal_the_charges_whatever_is_called(self, make, verbs, capped):
        clock = Clock()
        ledger = make(
            target=50.0,
            hard_cap=300.0 if capped else None,
            reservation_ttl=5.0,
            clock=clock,
            name=f"h{next(names)}",
        )
        books: dict[str, Reservation] = {}
        for verb, i, amount in verbs:
            key, question = f"k{i}", f"q{i // 2}"
            try:
                if verb == "reserve":
                    books[key] = ledger.reserve(amount / 2, key, worst=amount, question=question)
                elif verb == "settle":
                    books[key] = ledger.settle(key, amount)
                elif verb == "release":
                    books[key] = ledger.release(key)
                elif verb == "charge":
                    books[key] = ledger.charge(amount, key, question=question)
                elif verb == "wait":
                    clock.now += amount / 50
                else:
                    ledger.snapshot()
            except BudgetExceededError:
                if verb in ("settle", "charge"):
                    books[key] = ledger.settle(key, 0.0)
            except LedgerError:
                pass
        seen = ledger.snapshot()
        books = {
            key: ledger.reserve(0.0, key) if one.status != "released" else one for key, one in books.items()
        }
        spent = {k: r for k, r in books.items() if r.status in ("settled", "expired")}
        reserved = [r for r in books.values() if r.status == "open"]
        assert seen.spent == sum(r.cost for r in spent.values())
        assert seen.reserved == sum(r.expected for r in reserved)
        assert seen.held == sum(r.worst for r in reserved)
        assert seen.in_flight == len(reserved)
        assert seen.questions == len({r.question for r in spent.values()})
        if capped and not seen.cap_closed:
            assert seen.spent + seen.held <= 300.0
