"""What every ledger with a store of its own keeps of answers that were compared with a second one."""

from dataclasses import replace

import pytest

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger.comparison_keeping import comparison_keeper
from adaptive_reasoner.ledger.comparisons import ComparedAnswer

ROW = ComparedAnswer("k1", "q1", "open", "vote_3", "strong", 0.5, 6.0, at=1.0)


class ComparisonsContract:
    def test_keeps_comparisons_and_revises_them_by_key(self, make):
        keeper = comparison_keeper(make(target=50.0))
        keeper.put_comparison(ROW)
        second = replace(ROW, key="k2", question="q2", outcome="dropped", at=2.0)
        keeper.put_comparison(second)
        judged = replace(ROW, outcome="judged", against_cost=9.5, preferred=0.75, judge_accuracy=0.9)
        keeper.put_comparison(judged)
        assert keeper.comparisons() == [judged, second]

    def test_pays_for_comparisons_from_a_cap_of_its_own(self, make):
        ledger = make(target=50.0)
        ledger.settle(ledger.reserve(5.0, "q"), 5.0)
        keeper = comparison_keeper(ledger)
        assert (keeper.savings().spent, keeper.savings().max_cost) == (0.0, None)
        payer = keeper.payer(100.0)
        payer.settle(payer.reserve(30.0, "k1"), 20.0)
        payer.reserve(70.0, "k2")
        with pytest.raises(BudgetExceededError):
            payer.reserve(20.0, "k3")
        found = keeper.savings()
        assert (found.spent, found.max_cost, found.cost_unit) == (90.0, 100.0, "tokens")
        assert ledger.snapshot().spent == 5.0
        again = keeper.payer(130.0)
        assert again.reserve(20.0, "k3").status == "open"
        again.close()
        if payer is not again:
            payer.close()

    def test_a_reset_forgets_comparisons_and_a_name_that_cannot_be_kept_is_refused(self, make):
        ledger = make(target=50.0)
        keeper = comparison_keeper(ledger)
        with pytest.raises(LedgerError, match="NUL"):
            keeper.put_comparison(replace(ROW, action="a\0"))
        keeper.put_comparison(ROW)
        ledger.reset()
        assert keeper.comparisons() == []
