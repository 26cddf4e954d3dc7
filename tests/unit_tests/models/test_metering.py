import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.dollars import DollarMeter
from adaptive_reasoner.models.listed_prices import ListedPrice
from adaptive_reasoner.models.metering import PriceMeter, PriceTable, SampleMeter, SecondsMeter, TokenMeter
from adaptive_reasoner.models.usage import Usage


def reply(**details):
    usage = {"input_tokens": 100, "output_tokens": 40, "total_tokens": 140, **details}
    return AIMessage("7", usage_metadata=usage)


def test_reasoning_is_part_of_completion_and_cached_is_part_of_prompt():
    message = reply(output_token_details={"reasoning": 30}, input_token_details={"cache_read": 60})
    assert Usage.of(message) == Usage(100, 40, reasoning_tokens=30, cached_tokens=60)
    assert TokenMeter().cost(message, 0.0) == 40
    assert TokenMeter(counts="total").cost(message, 0.0) == 140
    per_million = PriceMeter(prompt=1.0, completion=10.0, cached=0.1)
    assert per_million.cost(message, 0.0) == pytest.approx((40 * 1.0 + 60 * 0.1 + 40 * 10.0) / 1e6)


def test_tokens_are_counted_in_one_of_two_ways():
    with pytest.raises(ValueError, match='"completion" or "total" tokens, not \'prompt\''):
        TokenMeter(counts="prompt")


@pytest.mark.parametrize("meter", [TokenMeter(), PriceMeter(prompt=1.0, completion=1.0)])
def test_a_reply_without_usage_is_never_free(meter):
    with pytest.raises(UnpricedUsageError, match="no token usage"):
        meter.cost(AIMessage("7"), 0.1)
    assert SampleMeter().cost(AIMessage("7"), 0.1) == 1


def test_the_worst_case_bounds_the_prompt_without_a_tokenizer():
    prompt = [HumanMessage("naïve")]
    assert TokenMeter().worst_cost(prompt, 50) == 50
    assert TokenMeter(counts="total").worst_cost(prompt, 50) >= 50 + len("naïve".encode())
    assert PriceMeter(prompt=1e6, completion=0.0).worst_cost(prompt, 50) >= len("naïve".encode())


def test_a_negative_price_is_refused():
    with pytest.raises(ValueError, match="-1"):
        PriceMeter(prompt=-1.0, completion=1.0)


def test_tokens_written_to_a_cache_have_a_price_of_their_own():
    details = {
        "cache_read": 10,
        "cache_creation": 0,
        "ephemeral_5m_input_tokens": 20,
        "ephemeral_1h_input_tokens": 30,
    }
    message = reply(input_token_details=details)
    usage = Usage.of(message)
    assert (usage.cached_tokens, usage.written_tokens, usage.written_hourly_tokens) == (10, 50, 30)
    anthropic = PriceMeter(prompt=3.0, completion=15.0, cached=0.3, written=3.75, written_hourly=6.0)
    expected = 40 * 3.0 + 10 * 0.3 + 20 * 3.75 + 30 * 6.0 + 40 * 15.0
    assert anthropic.cost(message, 0.0) == pytest.approx(expected / 1e6)
    one_life = reply(input_token_details={"cache_creation": 60})
    assert anthropic.cost(one_life, 0.0) == pytest.approx((40 * 3.0 + 60 * 3.75 + 40 * 15.0) / 1e6)


def test_the_worst_case_holds_also_where_the_whole_prompt_is_written_to_a_cache():
    meter = PriceMeter(prompt=3.0, completion=15.0, cached=0.3, written=3.75, written_hourly=6.0)
    written = {"ephemeral_1h_input_tokens": 100, "cache_creation": 0}
    worst = meter.worst_cost([HumanMessage("x" * 100)], 40)
    assert meter.cost(reply(input_token_details=written), 0.0) <= worst


def of_model(name, **details):
    return reply(**details).model_copy(update={"response_metadata": {"model_name": name}})


def test_a_table_prices_each_reply_by_the_model_that_wrote_it():
    table = PriceTable({"small": PriceMeter(1.0, 2.0), "large-4-1": PriceMeter(10.0, 20.0)})
    small, large = (100 * 1.0 + 40 * 2.0) / 1e6, (100 * 10.0 + 40 * 20.0) / 1e6
    assert table.cost(of_model("small"), 0.0) == pytest.approx(small)
    assert table.cost(of_model("small-2026-02-30"), 0.0) == pytest.approx(small)
    assert table.cost(of_model("large-4-1-20260131"), 0.0) == pytest.approx(large)
    assert table.worst_cost([HumanMessage("x")], 40) == PriceMeter(10.0, 20.0).worst_cost(
        [HumanMessage("x")], 40
    )


@pytest.mark.parametrize("price", [0.25, (0.25, 2.0), {"prompt": 0.25}])
def test_a_price_that_is_no_meter_is_refused_with_an_example(price):
    for made in (PriceTable, DollarMeter):
        with pytest.raises(TypeError, match=r"the price of model 'small' is a meter such as PriceMeter\("):
            made({"small": price})


@pytest.mark.parametrize("name", ["medium", "small-plus", None])
def test_a_model_without_a_price_is_never_free(name):
    with pytest.raises(UnpricedUsageError, match=r"has no price.*Declare it|does not name its model"):
        PriceTable({"small": PriceMeter(1.0, 2.0)}).cost(of_model(name), 0.0)


def test_seconds_are_counted_as_they_pass_and_a_lost_call_takes_them_all():
    meter = SecondsMeter(most=30.0)
    assert (meter.cost(AIMessage("7"), 1.5), meter.worst_cost([], 10), meter.cost_unit) == (
        1.5,
        30.0,
        "seconds",
    )
    with pytest.raises(ValueError, match="finite number of seconds above 0, not inf"):
        SecondsMeter(most=float("inf"))


def test_listed_prices_know_cached_and_written_tokens():
    pytest.importorskip("genai_prices")
    listed, declared = (
        ListedPrice("anthropic:claude-sonnet-4-5"),
        PriceMeter(3.0, 15.0, cached=0.3, written=3.75, written_hourly=6.0),
    )
    for details in (
        {},
        {"cache_read": 60},
        {"cache_creation": 50},
        {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
    ):
        message = reply(input_token_details=details)
        assert listed.cost(message, 0.0) == pytest.approx(declared.cost(message, 0.0))
    prompt = [HumanMessage("x" * 100)]
    assert listed.worst_cost(prompt, 40) == pytest.approx(declared.worst_cost(prompt, 40))


def test_a_model_that_is_not_listed_is_named_with_the_way_out():
    pytest.importorskip("genai_prices")
    with pytest.raises(UnpricedUsageError, match=r"'my-own'.*declare it: \[prices.models.'my-own'\]"):
        ListedPrice("my-own")


def test_the_name_of_a_listed_model_may_hold_a_colon():
    with pytest.raises(UnpricedUsageError, match=r"\[prices\.models\.'qwen3:8b'\]"):
        ListedPrice("ollama:qwen3:8b")


def test_half_a_character_has_a_worst_case_too():
    whole, half = ([HumanMessage(text)] for text in ("x" * 4, "x\ud800"))
    assert TokenMeter("total").worst_cost(half, 8) == TokenMeter("total").worst_cost(whole, 8)
