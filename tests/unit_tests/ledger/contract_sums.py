"""What every ledger keeps exact: its sums, whoever calls what at the same time."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger import Reservation
from tests.unit_tests.ledger.stand_ins import Clock

names = count()


class SumsContract:
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

    def test_threads_that_share_questions_and_settle_by_key_keep_the_sums_exact(self, make):
        ledger = make(target=50.0)

        def run(worker):
            for step in range(12):
                key, question = f"{worker}:{step}", f"run {step // 3}"
                ledger.reserve(4.0, key, question=question)
                if step % 4 == 3:
                    ledger.release(key)
                elif step % 4 == 2:
                    ledger.charge(float(worker), key, question=question)
                else:
                    ledger.settle(key, 3.0)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(run, range(8)))
        seen = ledger.snapshot()
        assert seen.spent == 8 * 6 * 3.0 + 3 * sum(range(8))
        assert (seen.questions, seen.in_flight, seen.reserved) == (4, 0, 0.0)
        assert seen.spent == sum(one.cost for one in ledger.history(1_000) if one.status == "settled")

    def test_what_it_shows_is_of_the_last_of_many_changes(self, make):
        ledger = make(target=50.0)
        with ThreadPoolExecutor(8) as pool:
            for round_ in range(40):
                list(pool.map(lambda i: ledger.charge(1.0, f"{round_}:{i}"), range(8)))  # noqa: B023
                assert ledger.spent == 8.0 * (round_ + 1)
        assert ledger.price == ledger.snapshot().price

    def test_refused_change_leaves_those_beside_it_alone(self, make):
        ledger = make(target=50.0)

        def settle(i):
            try:
                return ledger.settle(f"nobody {i}" if i % 2 else ledger.reserve(4.0, str(i)), 3.0).status
            except LedgerError:
                return "refused"

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(settle, range(40)))
        assert answers == ["settled", "refused"] * 20
        assert (ledger.snapshot().spent, ledger.snapshot().in_flight) == (60.0, 0)

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
                st.sampled_from(
                    [
                        *("reserve", "settle", "release", "charge"),
                        *("extend", "expire", "wait", "snapshot"),
                    ]
                ),
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
                elif verb == "extend":
                    books[key] = ledger.extend(key, amount)
                elif verb == "expire":
                    books[key] = ledger.expire(key, saved=amount / 4)
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
