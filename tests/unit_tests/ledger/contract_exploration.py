"""What every ledger tells of explored actions: what they cost, and on how many questions."""


class ExplorationContract:
    def test_sums_what_explored_actions_cost_apart_and_counts_it_as_spent(self, make):
        ledger = make(target=50.0)
        ledger.settle(ledger.reserve(40.0, "a", action="vote_5"), 45.0)
        drawn = ledger.reserve(40.0, "b", action="strong", explored=True)
        assert drawn.explored
        assert ledger.snapshot().explored_questions == 0  # nothing is spent yet
        assert ledger.settle(drawn, 70.0).explored
        ledger.charge(5.0, "c", action="strong", explored=True)
        seen = ledger.snapshot()
        assert (seen.explored_questions, seen.explored_spent) == (2, 75.0)
        assert (seen.questions, seen.spent) == (3, 120.0)

    def test_counts_a_question_with_several_explored_charges_once(self, make):
        ledger = make(target=50.0)
        for step in range(3):
            key = f"run:{step}"
            ledger.settle(ledger.reserve(10.0, key, question="run", explored=step != 1), 10.0)
        seen = ledger.snapshot()
        assert (seen.explored_questions, seen.explored_spent, seen.questions) == (1, 20.0, 1)

    def test_an_explored_charge_that_is_released_or_expires_is_counted_as_it_ends(self, make, clock):
        ledger = make(target=50.0, reservation_ttl=10.0, clock=clock)
        ledger.release(ledger.reserve(10.0, "released", explored=True))
        ledger.reserve(10.0, "lost", worst=30.0, explored=True)
        clock.now += 11.0
        seen = ledger.snapshot()
        assert (seen.explored_questions, seen.explored_spent) == (1, 30.0)
        ledger.settle("lost", 12.0)
        seen = ledger.snapshot()
        assert (seen.explored_questions, seen.explored_spent) == (1, 12.0)
