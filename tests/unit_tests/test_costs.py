import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.costs import PriceMeter, SampleMeter, TokenMeter, Usage
from adaptive_reasoner.errors import UnpricedUsageError


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
