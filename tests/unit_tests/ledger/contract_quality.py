"""What every ledger does about the accuracy of answers: grades, and a floor that they steer."""

import asyncio
import math

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.accuracy_floor import ENOUGH, LULL
from tests.unit_tests.ledger.stand_ins import Priced


class StraightCurve:
    """A mean accuracy that falls by a tenth as the log of the price rises by one: .8 at a price of .002."""

    lowest = 0.001

    def price_at(self, target):
        return 0.002 * math.exp((0.8 - target) / 0.1)

    def slope_at(self, target):  # the same everywhere
        return 0.1


class Accurate(Priced):
    """A policy that also knows the price of an accuracy."""

    accuracy_curve = StraightCurve()


def graded(ledger, scores, name="q"):
    for number, score in enumerate(scores):
        ledger.feedback(f"{name}{number}", score)
    return ledger.quality


class QualityContract:
    @pytest.fixture
    def floor(self, make):
        return make(target_accuracy=0.8, policy=Accurate())

    def test_a_floor_starts_at_the_price_where_the_policy_expects_it(self, floor):
        assert floor.price == pytest.approx(0.002)
        assert floor.snapshot().price == pytest.approx(0.002)
        assert floor.target is None

    def test_a_policys_price_stands_in_for_a_curve_and_a_target_for_both(self, make):
        assert make(target_accuracy=0.9, policy=Priced(price=0.003)).price == pytest.approx(0.003)

    def test_another_accuracy_is_held_from_now_on_at_the_price_that_the_slope_tells(self, floor):
        graded(floor, [0.0] * 3 + [1.0] * 57)
        price, lower = floor.price, math.exp(-0.5)
        floor.set_target_accuracy(0.85)
        assert (floor.quality.target, floor.quality.feedbacks) == (0.85, 60)
        assert floor.price == pytest.approx(price * lower)
        assert floor.snapshot().price == pytest.approx(floor.price)
        graded(floor, [0.0] * 5, name="r")
        assert floor.price < price * lower

    def test_a_first_accuracy_is_held_from_the_price_in_force(self, make):
        ledger = make(target=100.0)
        price = ledger.price
        ledger.set_target_accuracy(0.9)
        assert ledger.quality.target == 0.9
        assert ledger.price == pytest.approx(price)
        assert ledger.target == 100.0

    @pytest.mark.parametrize("wrong", [0.0, 1.0, float("nan"), "much"])
    def test_an_accuracy_to_hold_lies_between_0_and_1(self, floor, wrong):
        with pytest.raises(LedgerError, match="must lie between 0 and 1"):
            floor.set_target_accuracy(wrong)
        assert floor.quality.target == 0.8

    def test_a_first_accuracy_needs_a_price_to_begin_at(self, make):
        with pytest.raises(LedgerError, match="set a target first"):
            make().set_target_accuracy(0.9)

    def test_a_floor_without_any_price_to_begin_at_is_refused(self, make):
        with pytest.raises(LedgerError, match=r"give a policy .* or a target"):
            make(target_accuracy=0.9)

    def test_wrong_answers_lower_the_price_and_right_ones_raise_it(self, floor):
        floor.feedback("a", 0.0)
        low = floor.price
        assert low < 0.002
        floor.feedback("b", 1.0)
        assert low < floor.price < 0.002  # a wrong answer weighs more where most are to be right
        for number in range(4):
            floor.feedback(f"c{number}", 1.0)
        assert floor.price > 0.002

    def test_a_repeated_grade_counts_once_and_a_corrected_one_takes_its_place(self, floor):
        floor.feedback("a", 1.0)
        once = floor.price, floor.quality
        floor.feedback("a", 1.0)
        assert (floor.price, floor.quality) == once
        floor.feedback("a", 0.0)
        assert (floor.quality.feedbacks, floor.quality.accuracy) == (1, 0.0)
        assert floor.price < 0.002

    def test_a_corrected_grade_moves_the_price_to_where_it_alone_would_have(self, make, floor):
        floor.feedback("a", 1.0)
        floor.feedback("a", 0.25)
        other = make(target_accuracy=0.8, policy=Accurate(), name="other")
        other.feedback("a", 0.25)
        assert floor.price == pytest.approx(other.price, rel=0.01)

    def test_says_how_many_grades_there_are_their_mean_and_its_interval(self, floor):
        assert (floor.quality.feedbacks, floor.quality.accuracy, floor.quality.blind) == (0, None, True)
        seen = graded(floor, [1.0, 0.0, 0.5, 1.0])
        assert (seen.target, seen.feedbacks, seen.accuracy) == (0.8, 4, 0.625)
        assert 0 < seen.low < 0.625 < seen.high < 1
        assert floor.snapshot().quality == seen

    def test_flies_blind_with_too_few_grades_and_when_they_cease(self, floor):
        assert graded(floor, [1.0] * (ENOUGH - 1)).blind
        floor.feedback("enough", 1.0)
        assert not floor.quality.blind
        for number in range(LULL + 1):
            assert not floor.quality.blind
            floor.reserve(1.0, f"later{number}")
        assert floor.quality.blind
        floor.feedback("later7", 1.0)
        assert not floor.quality.blind

    def test_without_grades_the_price_stays_where_it_was_predicted(self, floor):
        for number in range(50):
            floor.settle(floor.reserve(100.0, f"q{number}"), 300.0)
        assert floor.price == pytest.approx(0.002)
        assert floor.quality.blind

    def test_a_budget_beside_a_floor_stays_a_cap(self, make):
        ledger = make(target_accuracy=0.8, target=50.0, policy=Accurate(price=0.01))
        assert ledger.price == pytest.approx(0.01)
        assert ledger.quality.limit == "budget"
        for number in range(600):
            ledger.feedback(f"q{number}", 0.0)
            ledger.settle(ledger.reserve(100.0, f"q{number}"), 100.0)
        assert ledger.price > 0.01
        assert ledger.quality.limit == "budget"

    def test_a_floor_that_costs_less_than_the_budget_is_bought_for_less(self, make):
        ledger = make(target_accuracy=0.8, target=50.0, policy=Accurate(price=0.0005))
        assert ledger.price == pytest.approx(0.002)
        assert ledger.quality.limit is None

    def test_a_floor_that_was_out_of_budget_is_soon_held_when_the_budget_grows(self, make):
        ledger = make(target_accuracy=0.8, target=50.0, policy=Accurate(price=0.01))
        graded(ledger, [0.0] * 900)
        assert math.log(0.01 / 0.002) - 0.5 < math.log(ledger.price / 0.002)
        assert ledger.quality.limit == "budget"
        # The floor asks for at most e times more than the budget pays for: right answers are soon seen.
        graded(ledger, [1.0] * 900, name="r")
        assert ledger.quality.limit is None

    def test_a_floor_out_of_reach_of_the_lowest_price_is_said_to_be(self, floor):
        assert graded(floor, [0.0] * 20).limit is None
        assert graded(floor, [0.0] * 2_000).limit == "actions"
        lowest = floor.price
        assert lowest == pytest.approx(0.001 / math.e)
        graded(floor, [0.0] * 100, name="more")
        assert floor.price == pytest.approx(lowest)
        graded(floor, [1.0] * 900, name="right")
        assert floor.quality.limit is None

    def test_grades_without_a_floor_are_counted_and_steer_nothing(self, make):
        ledger = make(target=50.0, policy=Accurate())
        assert ledger.quality is None
        price = ledger.price
        seen = graded(ledger, [0.0] * 60)
        assert (seen.target, seen.feedbacks, seen.accuracy, seen.limit) == (None, 60, 0.0, None)
        assert ledger.price == price

    @pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf, "right", None])
    def test_a_score_lies_from_0_to_1(self, floor, score):
        with pytest.raises(LedgerError, match="score lies from 0"):
            floor.feedback("a", score)
        assert floor.quality.feedbacks == 0

    @pytest.mark.parametrize("target", [0.0, 1.0, -1.0, math.nan, "high"])
    def test_a_target_accuracy_lies_between_0_and_1(self, make, target):
        with pytest.raises(LedgerError, match="target_accuracy must lie between 0 and 1"):
            make(target_accuracy=target, policy=Accurate())

    def test_grades_need_a_question_and_an_open_ledger(self, floor):
        with pytest.raises(LedgerError, match="characters"):
            floor.feedback("", 1.0)
        floor.close()
        with pytest.raises(LedgerError, match="closed"):
            floor.feedback("a", 1.0)

    def test_grades_from_the_loop_count_like_others(self, floor):
        asyncio.run(floor.afeedback("a", 1.0))
        assert floor.quality.feedbacks == 1

    def test_a_reset_forgets_the_grades_and_what_they_taught(self, floor):
        graded(floor, [0.0] * 60)
        floor.reset()
        assert (floor.quality.feedbacks, floor.price) == (0, pytest.approx(0.002))
        floor.feedback("q0", 0.0)
        assert floor.quality.feedbacks == 1

    def test_a_new_period_goes_on_with_the_grades_and_the_price(self, make, clock):
        ledger = make(target_accuracy=0.8, policy=Accurate(), window="day", clock=clock)
        before = graded(ledger, [0.0] * 60)
        price = ledger.price
        clock.now += 86_400.0
        ledger.reserve(1.0, "next day")
        assert ledger.price == pytest.approx(price)
        assert (ledger.quality.feedbacks, ledger.quality.accuracy) == (60, before.accuracy)
        ledger.feedback("q0", 0.0)
        assert ledger.quality.feedbacks == 60
