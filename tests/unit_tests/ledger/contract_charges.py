"""What every ledger does with charges: their life, the questions they count for, expiry, refusals."""

import math

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import rules
from tests.unit_tests.ledger.stand_ins import Priced


class ChargesContract:
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

    def test_a_question_has_cost_what_all_its_charges_have(self, make):
        ledger = make(target=50.0)
        ledger.settle(ledger.reserve(30.0, "step 1", question="run"), 20.0)
        ledger.charge(5.0, "tool", question="run")
        ledger.reserve(40.0, "step 2", question="run")
        ledger.charge(7.0, "another")
        assert [ledger.spent_on(question) for question in ("run", "another", "none")] == [65.0, 7.0, 0.0]

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
        assert (seen.spent, seen.reserved, seen.in_flight, seen.average) == (100.0, 0.0, 0, 100.0)
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

    def test_any_number_of_reservations_expires_a_few_at_once(self, make, clock, monkeypatch):
        monkeypatch.setattr(rules, "AT_ONCE", 4)
        ledger = make(target=50.0, reservation_ttl=60.0, clock=clock)
        for i in range(22):
            ledger.reserve(10.0, f"step {i}", question=f"run {i // 2}")
        clock.now += 61.0
        seen = ledger.snapshot()
        assert (seen.spent, seen.questions, seen.in_flight, seen.reserved) == (220.0, 11, 0, 0.0)

    def test_clock_that_jumps_back_loses_nothing(self, make, clock):
        ledger = make(target=50.0, reservation_ttl=60.0, clock=clock)
        ledger.reserve(40.0, "a")
        clock.now -= 10_000.0
        ledger.reserve(30.0, "b")
        clock.now += 20_000.0
        assert ledger.snapshot().spent == 70.0

    # Refusals

    @pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf, -1e-3, 1e30, 1e305])
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

    @pytest.mark.parametrize("name", ["", "x" * 501, "q\x00", "\ud800"])
    def test_refuses_a_key_that_a_store_could_not_find_again(self, make, name):
        ledger = make(target=50.0)
        ledger.reserve(40.0, "q")
        before = ledger.snapshot()
        for verb in (
            lambda: ledger.reserve(1.0, name),
            lambda: ledger.reserve(1.0, "r", question=name or "\x00"),
            lambda: ledger.reserve(1.0, "r", action=f"\x00{name}"),
            lambda: ledger.charge(1.0, name),
            lambda: ledger.settle(name, 1.0),
            lambda: ledger.release(name),
        ):
            with pytest.raises(LedgerError):
                verb()
        assert ledger.snapshot() == before

    def test_refuses_a_history_of_less_than_nothing(self, make):
        ledger = make(target=50.0)
        ledger.charge(1.0, "q")
        assert ledger.history(limit=0) == []
        with pytest.raises(LedgerError, match="-1"):
            ledger.history(limit=-1)

    def test_refuses_a_sum_that_would_overflow(self, make):
        ledger = make(cost_unit="usd")
        ledger.charge(4e9, "a")
        with pytest.raises(LedgerError, match="overflow"):
            ledger.charge(4e9, "b")
        assert ledger.snapshot().spent == 4e9

    async def test_refuses_everything_once_closed(self, make):
        ledger = make(target=50.0)
        with ledger:
            ledger.reserve(40.0, "q")
        for verb in (lambda: ledger.reserve(1.0, "r"), lambda: ledger.settle("q", 1.0), ledger.snapshot):
            with pytest.raises(LedgerError, match="closed"):
                verb()
        for twin in (ledger.areserve(1.0, "r"), ledger.asettle("q", 1.0), ledger.asnapshot()):
            with pytest.raises(LedgerError, match="closed"):
                await twin
        ledger.close()

    @pytest.mark.parametrize(
        "arguments",
        [
            {"target": 0.0},
            {"target": math.nan},
            {"target": 1e-7},
            {"hard_cap": 1e-10, "cost_unit": "usd"},
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
