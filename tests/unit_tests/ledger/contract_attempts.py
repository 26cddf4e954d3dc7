"""What every ledger does with the charge of an attempt that may be dead, or that needs more than it holds."""

import math

import pytest

from adaptive_reasoner.errors import BudgetExceededError, LedgerError


class AttemptsContract:
    # A repeated key

    def test_says_whether_another_attempt_made_the_charge(self, make):
        ledger = make(target=50.0)
        first = ledger.reserve(40.0, "q")
        assert not first.repeated
        assert ledger.reserve(40.0, "q").repeated
        ledger.release(first)
        assert not ledger.reserve(40.0, "q").repeated  # a released key is new

    def test_a_charge_that_a_stopped_clock_makes_equal_is_repeated_all_the_same(self, make, clock):
        ledger = make(target=50.0, clock=clock)
        assert [ledger.reserve(40.0, "q").repeated for _ in range(3)] == [False, True, True]

    # Expire

    @pytest.mark.parametrize("hard_cap", [None, 500.0])
    def test_expires_at_the_worst_case_now(self, make, hard_cap):
        ledger = make(target=50.0, hard_cap=hard_cap)
        dead = ledger.reserve(40.0, "q", worst=90.0, action="vote_5")
        expired = ledger.expire(dead)
        assert (expired.status, expired.cost) == ("expired", 90.0)
        assert ledger.expire("q") == expired
        seen = ledger.snapshot()
        assert (seen.spent, seen.reserved, seen.held, seen.in_flight, seen.questions) == (
            90.0,
            0.0,
            0.0,
            0,
            1,
        )

    def test_an_unbounded_charge_expires_at_its_plan(self, make):
        ledger = make(target=50.0)
        ledger.reserve(40.0, "q", worst=math.inf)
        assert ledger.expire("q", saved=5.0).cost == 40.0

    def test_an_expired_charge_is_settled_by_its_owner_or_released(self, make):
        ledger = make(target=50.0)
        ledger.expire(ledger.reserve(40.0, "a", worst=90.0))
        assert ledger.settle("a", 12.0).cost == 12.0
        ledger.expire(ledger.reserve(40.0, "b", worst=90.0))
        ledger.release("b")
        assert (ledger.snapshot().spent, ledger.snapshot().questions) == (12.0, 1)

    def test_a_settled_or_released_charge_does_not_expire(self, make):
        ledger = make(target=50.0)
        ledger.settle(ledger.reserve(40.0, "a", worst=90.0), 12.0)
        ledger.release(ledger.reserve(40.0, "b", worst=90.0))
        assert [ledger.expire(key).status for key in "ab"] == ["settled", "released"]
        assert ledger.snapshot().spent == 12.0

    def test_what_is_known_to_be_saved_is_not_booked_and_counts_once(self, make):
        ledger = make(target=50.0)
        ledger.expire(ledger.reserve(40.0, "q", worst=90.0))
        for saved in (20.0, 50.0, 50.0, 30.0):
            ledger.expire("q", saved=saved)
        assert ledger.spent == 40.0
        assert ledger.expire("q", saved=1_000.0).cost == 0.0

    # Extend

    def test_extends_what_is_held_and_never_holds_less(self, make):
        ledger = make(target=50.0, hard_cap=500.0)
        held = ledger.reserve(10.0, "q", worst=60.0)
        assert ledger.extend(held, 90.0).worst == 90.0
        assert ledger.extend(held, 70.0).worst == ledger.extend(held, 90.0).worst == 90.0
        seen = ledger.snapshot()
        assert (seen.held, seen.reserved, seen.in_flight) == (90.0, 10.0, 1)
        assert ledger.settle("q", 85.0).cost == 85.0

    def test_under_a_cap_what_is_added_needs_room(self, make):
        ledger = make(hard_cap=100.0)
        ledger.charge(30.0, "other")
        ledger.reserve(10.0, "q", worst=60.0)
        with pytest.raises(BudgetExceededError, match="raise the cap to 101") as refused:
            ledger.extend("q", 71.0)
        assert (refused.value.wanted, refused.value.left) == (71.0, 70.0)
        with pytest.raises(BudgetExceededError, match="declare max_tokens"):
            ledger.extend("q", math.inf)
        assert ledger.extend("q", 70.0).worst == 70.0
        assert ledger.snapshot().held == 70.0

    def test_of_an_expired_charge_what_is_booked_rises_too(self, make):
        ledger = make(hard_cap=100.0)
        ledger.expire(ledger.reserve(10.0, "q", worst=60.0), saved=20.0)
        assert ledger.extend("q", 70.0).cost == 50.0
        assert ledger.expire("q", saved=20.0).cost == 50.0
        with pytest.raises(BudgetExceededError):
            ledger.extend("q", 121.0)
        assert ledger.settle("q", 70.0).cost == 70.0

    def test_without_a_cap_the_price_sees_the_plan_only(self, make):
        ledger = make(target=50.0)
        ledger.reserve(10.0, "q", worst=60.0)
        price = ledger.price
        ledger.extend("q", 1e6)
        assert (ledger.price, ledger.snapshot().reserved) == (price, 10.0)
        assert ledger.extend("q", math.inf).worst == math.inf

    def test_a_settled_or_released_charge_cannot_be_extended(self, make):
        ledger = make(target=50.0)
        ledger.settle(ledger.reserve(40.0, "a"), 12.0)
        ledger.release(ledger.reserve(40.0, "b"))
        for key in ("a", "b", "unknown"):
            with pytest.raises(LedgerError, match=repr(key)):
                ledger.extend(key, 90.0)
        with pytest.raises(LedgerError, match="worst"):
            ledger.extend("a", -1.0)
        with pytest.raises(LedgerError, match="saved"):
            ledger.expire("a", saved=math.nan)

    def test_knows_its_cap(self, make):
        assert (make(hard_cap=100.0).hard_cap, make(target=50.0, name="other").hard_cap) == (100.0, None)

    async def test_the_async_twins_extend_and_expire(self, make):
        ledger = make(target=50.0)
        reservation = await ledger.areserve(40.0, "q", worst=50.0)
        assert (await ledger.aextend(reservation, 90.0)).worst == 90.0
        assert (await ledger.aexpire(reservation, saved=10.0)).cost == 80.0
