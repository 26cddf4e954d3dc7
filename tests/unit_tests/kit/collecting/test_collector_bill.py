import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner.errors import BudgetExceededError, OutcomesError, UnpricedUsageError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.sample_file import SampleFile, SampleKey
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import PriceMeter, SampleMeter, TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, run
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.kit.collecting.sums import ONCE, keys_of, menu, questions, rows_of


def test_a_failed_call_is_a_row_with_its_cost_and_its_error(out):
    failures = {0: StatusError(500), 1: TimeoutError("too slow")}
    done = collect(questions(2), menu(ScriptedModel(failures=failures), sources=("cot",)), out, concurrency=1)
    refused, late, *others = rows_of(out)
    assert (done.there, done.failed) == (6, 2)
    assert (refused["cost"], refused["error"], refused["answer"]) == (0.0, "StatusError: status 500", None)
    assert "estimated" not in refused
    assert (late["cost"], late["error"], late["estimated"]) == (8.0, "TimeoutError: too slow", True)
    assert all("error" not in row for row in others)
    assert collect(questions(2), menu(sources=("cot",)), out).new == 0


def test_a_reply_without_usage_is_not_taken_for_free(out):
    with pytest.raises(UnpricedUsageError, match="no token usage"):
        collect(questions(4), menu(ScriptedModel(usage=False)), out)
    assert keys_of(out) == []
    counted = menu(ScriptedModel(usage=False), meters=SampleMeter())
    with pytest.raises(OutcomesError, match="calls were lost at a cost in 'tokens', not 'samples'"):
        collect(questions(1), counted, out)
    assert collect(questions(1), counted, out.with_name("other.jsonl")).cost == 6


def test_what_was_lost_on_the_way_stays_on_the_bill(out):
    with pytest.raises(UnpricedUsageError):
        collect(questions(2), menu(ScriptedModel(usage=False)), out, concurrency=1)
    done = collect(questions(2), menu(), out)
    assert (done.lost, done.cost) == (8.0, 8.0 + 12 * 2.0)
    assert collect(questions(2), menu(), out).cost == done.cost


@pytest.mark.parametrize("cap", [8, 20, 31.5, 100])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_cap_is_never_exceeded_and_used_as_far_as_worst_cases_allow(out, cap, concurrency):
    done = collect(questions(10), menu(), out, max_cost=cap, concurrency=concurrency)
    assert cap - 8 < done.cost <= cap
    assert done.stopped == "max_cost"
    assert done.new == done.cost / 2
    again = collect(questions(10), menu(), out, max_cost=cap)
    assert (again.new, again.stopped) == (0, "max_cost")
    whole = collect(questions(10), menu(), out, max_cost=1000)
    assert (whole.there, whole.stopped, whole.cost) == (60, None, 120.0)


def test_the_cap_of_the_menu_holds_too(out):
    assert collect(questions(10), menu(max_cost=20), out, max_cost=100).cost <= 20


def test_a_cap_below_what_is_there_draws_nothing(out):
    collect(questions(2), menu(), out)
    done = collect(questions(3), menu(), out, max_cost=5)
    assert (done.new, done.stopped) == (0, "max_cost")


def test_a_call_dearer_than_its_worst_case_closes_the_cap_and_is_on_the_bill(out):
    model = ScriptedModel(answers=("Answer: 1", "one two three four five six seven eight nine ten"))
    with pytest.raises(BudgetExceededError, match="cost 10 tokens where the hard cap held 8"):
        collect(questions(9), menu(model), out, max_cost=100, concurrency=1)
    assert [row["cost"] for row in rows_of(out)] == [2.0, 10.0]


def test_rows_are_read_before_calls_are_told_lost(out):
    key = SampleKey("q0", "cot", 0)
    with SampleFile(out, "tokens") as file:
        file.start(key, 1, 8.0)
        file.add(key, {"question_id": "q0", "source": "cot", "sample": 0})
        file.start(SampleKey("q0", "cot", 1), 1, 8.0)
    for _ in range(2):
        with SampleFile(out, "tokens") as file:
            assert [found for found, _ in file.rows()] == [key]
            assert file.lost == 8.0


def test_total_tokens_are_reserved_with_the_prompt(out):
    done = collect(questions(3), menu(meters=TokenMeter(counts="total")), out, max_cost=100)
    assert done.stopped == "max_cost"
    assert 0 < done.cost <= 100


def refereed(model, samples=2, **settings):
    sources = {"cot": Source(model, max_tokens=8), "judge": Source(model, max_tokens=8)}
    wanted = {"cot": samples, "judge": 0}
    return Menu(sources, samples=wanted, grader=Referee("judge"), retries=ONCE, **settings)


def test_a_referee_grades_and_its_calls_are_on_the_bill_but_not_in_the_cost_of_the_action(out):
    model = ScriptedModel(answers=("The moon", "they agree: yes", "A cow", "no"))
    done = collect(questions(1), refereed(model), out, concurrency=1)
    moon, cow = rows_of(out)
    assert (moon["correct"], cow["correct"], done.there, done.wanted) == (1.0, 0.0, 2, 2)
    assert (moon["cost"], moon["grading_cost"], moon["attempts"]) == (2.0, 3.0, 2)
    assert done.cost == 2 + 3 + 2 + 1
    assert "What is 0 + 1?" in model.requests[1]["prompt"]
    assert "The moon" in model.requests[1]["prompt"]
    again = collect(questions(1), refereed(model), out)
    assert (again.new, again.cost) == (0, done.cost)


def test_a_referee_without_a_verdict_is_an_error_in_the_row(out):
    model = ScriptedModel(answers=("The moon", "who knows"), failures={3: TimeoutError("late")})
    done = collect(questions(1), refereed(model), out, concurrency=1)
    unclear, late = rows_of(out)
    assert unclear["error"] == "grading failed with ValueError: the referee gave no verdict"
    assert late["error"] == "grading failed with TimeoutError: late"
    assert (late["grading_cost"], late["estimated"], done.failed) == (8.0, True, 2)


@pytest.mark.parametrize("cap", [9, 17, 23])
def test_the_cap_holds_with_a_referee_and_what_it_cuts_short_is_kept_on_the_bill(out, cap):
    model = ScriptedModel(answers=("yes it is",))
    done = collect(questions(3), refereed(model), out, max_cost=cap, concurrency=1)
    assert done.stopped == "max_cost"
    assert cap - 8 < done.cost == 3 * len(model.requests) <= cap
    whole = collect(questions(3), refereed(model), out, max_cost=100)
    assert (whole.there, whole.failed) == (6, 0)
    assert whole.cost == 3 * len(model.requests)


@pytest.mark.parametrize(
    ("meter", "prompt"), [(TokenMeter(counts="total"), 10), (PriceMeter(prompt=3e5, completion=1e6), 3.0)]
)
def test_votes_are_estimated_at_what_requests_for_several_samples_cost_online(out, meter, prompt):
    source = Source(ScriptedModel(answers=("Answer: 1",)), max_tokens=8, samples_per_request=4)
    collect(questions(2), Menu({"cot": source}, samples=9, meters=meter), out)
    assert {(row["prompt_cost"], row["samples_per_request"]) for row in rows_of(out)} == {(prompt, 4)}
    outcomes = estimate(Samples.read(out), votes=(1, 3, 9))
    for votes, expected in zip((1, 3, 9), outcomes.cost[0], strict=True):
        online = CallExecutor(source, meter)
        run(self_consistency(votes), Task([HumanMessage("What is 0 + 1?")]), online)
        assert expected == pytest.approx(online.cost)


def test_a_prompt_that_costs_nothing_or_is_not_shared_is_not_noted(out):
    shared = Source(ScriptedModel(), max_tokens=8, samples_per_request=4)
    alone = Source(ScriptedModel(), max_tokens=8)
    collect(questions(1), Menu({"cot": shared}, samples=2), out)
    collect(
        questions(1),
        Menu({"cot": alone}, samples=2, meters=TokenMeter(counts="total")),
        out.with_name("alone.jsonl"),
    )
    for file in (out, out.with_name("alone.jsonl")):
        rows = rows_of(file)
        assert len(rows) == 2
        assert all("prompt_cost" not in row and "samples_per_request" not in row for row in rows)
