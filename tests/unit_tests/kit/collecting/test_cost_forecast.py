import json

import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.collecting.sample_file import SampleFile, SampleKey
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.models.metering import PriceMeter, TokenMeter
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.kit.collecting.sums import questions


def menu(*, samples=4, **settings):
    model = ScriptedModel(answers=("Answer: 1",))
    sources = {name: Source(model, max_tokens=most) for name, most in (("direct", 8), ("cot", 100))}
    return Menu(sources, samples=samples, **settings)


def test_counts_what_is_missing_and_writes_nothing(out):
    job = forecast(questions(5), menu(), out)
    assert (job.calls, job.bound, job.expected, job.spent) == (40, 20 * 8 + 20 * 100, 20 * 4 + 20 * 50, 0.0)
    assert [source.basis for source in job.sources] == ["half of max_tokens"] * 2
    assert list(out.parent.iterdir()) == []
    json.dumps(job.as_dict(), allow_nan=False)


def test_expects_what_the_samples_there_have_cost(out):
    collect(questions(2), menu(), out)
    before = out.read_bytes()
    job = forecast(questions(5), menu(), out)
    assert (job.calls, job.expected, job.spent) == (24, 24 * 2.0, 32.0)
    assert [source.basis for source in job.sources] == ["samples"] * 2
    done = collect(questions(5), menu(), out.with_name("other.jsonl"))
    assert done.cost == job.spent + job.expected
    assert out.read_bytes() == before
    assert forecast(questions(2), menu(), out).calls == 0


def test_the_bound_bounds_what_is_paid(out):
    priced = menu(meters=PriceMeter(prompt=1.0, completion=4.0))
    job = forecast(questions(5), priced, out)
    assert collect(questions(5), priced, out).cost <= job.bound
    assert 0 < job.expected < job.bound
    assert job.prompt_tokens == 40 * 4


def test_shows_the_cap_that_will_count(out):
    capped = menu(max_cost=50.0)
    assert [forecast(questions(1), capped, out, max_cost=cap).max_cost for cap in (None, 20, 90)] == [
        50,
        20,
        50,
    ]
    assert forecast(questions(1), menu(), out).max_cost is None


def test_prices_a_referee_too(out):
    graded = menu(samples={"direct": 3, "cot": 0}, grader=Referee("cot"), meters=TokenMeter(counts="total"))
    job = forecast(questions(2), graded, out)
    assert [(source.source, source.calls) for source in job.sources] == [("direct", 6), ("cot", 6)]
    assert collect(questions(2), graded, out).cost <= job.bound


def test_what_failed_for_good_is_priced_where_it_is_tried_again(out):
    failing = ScriptedModel(failures=dict.fromkeys(range(3), StatusError(500)))
    once = Menu({"cot": Source(failing, max_tokens=100)}, samples=4, retries=Retries(attempts=1))
    collect(questions(2), once, out, concurrency=1)
    assert forecast(questions(2), once, out).calls == 0
    assert forecast(questions(2), once, out, retry_failed=True).calls == 3


def test_refuses_a_file_that_could_not_be_continued(out):
    collect(questions(2), menu(), out)
    with pytest.raises(OutcomesError, match="another text or gold answer"):
        forecast([Question("q0", "What else?", "1")], menu(), out)


def test_half_a_character_can_be_priced(out):
    job = forecast([Question("q", "\ud800 + 1?", "1")], menu(meters=TokenMeter("total")), out)
    assert job.bound > 4 * (8 + 100)


def test_calls_that_were_lost_count_as_spent(out):
    collect(questions(1), menu(), out)
    with SampleFile(out, "tokens") as file:
        file.start(SampleKey("q1", "cot", 0), 1, 100.0)
    assert forecast(questions(1), menu(), out).spent == collect(questions(1), menu(), out).cost == 116.0
