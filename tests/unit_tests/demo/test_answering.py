from dataclasses import replace

import pytest
from pydantic import PrivateAttr

from adaptive_reasoner import FixedPolicy
from adaptive_reasoner.demo.answering import Answered, gains, one_by_one
from adaptive_reasoner.demo.record import recorded
from adaptive_reasoner.demo.result import Run
from adaptive_reasoner.demo.run import line
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.draws import uniform_from_key
from tests.fakes import ScriptedModel


@pytest.fixture(scope="module")
def record():
    whole = recorded()
    return whole.select(range(60))


@pytest.fixture(scope="module")
def questions(record):
    return [
        Question(question_id, text, record.of(question_id, "direct")[0].gold, group)
        for question_id, text, group in zip(record.question_ids, record.questions, record.groups, strict=True)
    ]


def always(action):
    return FixedPolicy(action, expected_cost=12.0, cost_unit="tokens")


class Drawn(FixedPolicy):
    """One of two actions by the key of the question, as a mixture draws."""

    def __init__(self):
        super().__init__("direct", expected_cost=12.0, cost_unit="tokens")
        self.actions = ("direct", "cot")

    def decide(self, question, *, key=None, **terms):
        decided = super().decide(question, key=key, **terms)
        return replace(decided, action=self.actions[uniform_from_key(key) < 0.5])


def test_the_same_questions_get_the_same_draws_in_every_run(record, questions):
    asked = questions * 2
    one, two = (list(one_by_one(asked, recorded_sources(record), Drawn(), budget=12.0)) for _ in range(2))
    assert one == two
    assert {each.action for each in one} == {"direct", "cot"}


class CountingModel(ScriptedModel):
    """Notes how many of its calls run side by side."""

    _running: list[int] = PrivateAttr(default_factory=list)
    _at_once: list[int] = PrivateAttr(default_factory=list)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self._running.append(1)
        self._at_once.append(len(self._running))
        try:
            return super()._generate(messages, stop, run_manager, **kwargs)
        finally:
            self._running.pop()


def test_the_calls_of_a_vote_follow_each_other_so_that_a_record_gives_equal_runs(questions):
    model = CountingModel(answers=("1", "2", "3"), latency=0.01)
    sources = dict.fromkeys(("direct", "cot"), Source(model, max_tokens=8))
    (answered,) = one_by_one(questions[:1], sources, always("cot_vote_3"), budget=40.0)
    assert answered.answer == "1"
    assert model._at_once == [1, 1, 1]


def test_a_live_answer_is_told_as_soon_as_it_is_there(record, questions):
    told = one_by_one(questions, recorded_sources(record), always("direct"), budget=12.0)
    first, second = next(told), next(told)
    assert first.average == first.cost
    assert second.average == (first.cost + second.cost) / 2
    assert first.question == questions[0]


def test_a_checker_answers_rightly_more_often_and_pays_no_more_for_it(record, questions):
    asked = [question for question in questions if question.group in ("equations", "divisors")] * 4

    def run(voting):
        sources = recorded_sources(record)
        answers = list(one_by_one(asked, sources, always("direct_vote_5"), budget=40.0, voting=voting))
        return sum(each.correct for each in answers), sum(each.cost for each in answers)

    whole, checked = run("whole"), run("checked")
    assert checked[0] > whole[0]
    assert checked[1] <= whole[1]


def test_a_run_is_compared_with_mixtures_at_its_own_cost(record, questions):
    outcomes = estimate(record, votes=(1, 3, 5))
    answers = list(one_by_one(questions, recorded_sources(record), always("direct"), budget=12.0))
    gain = gains({"adaptive": answers}, outcomes, outcomes)["adaptive"]
    run = Run.of(answers, outcomes.actions).compared(gain)
    assert run.lift == pytest.approx(run.accuracy - run.uniform_at_cost)
    assert run.lift_low <= run.lift <= run.lift_high
    assert run.mean_cost == pytest.approx(gain.realised_cost)
    assert run.actions["direct"] == 1.0
    assert Run.of(answers, outcomes.actions).uniform_at_cost is None


def test_a_line_says_when_there_is_no_answer():
    asked = Question("q", "7 * 8", "56", "products")
    assert "wrong  7 * 8 -> no answer |" in line(Answered(asked, "direct", None, 0.0, 3.0, 3.0), 12.0)


def test_the_number_of_a_reply_with_steps_is_its_answer():
    source = Source(ScriptedModel(answers=("4*5=16, so 5",)), max_tokens=32)
    asked = [Question("q", "Solve for y: 4*y = 20", "5", "equations")]
    (answered,) = one_by_one(asked, {"direct": source, "cot": source}, always("cot"), budget=40.0)
    assert (answered.answer, answered.correct) == ("5", 1.0)
