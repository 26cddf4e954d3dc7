"""Usage as replies report it."""

from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.models.metering import PriceMeter

QUESTION = [HumanMessage("What is 5 + 9?")]
PRICES = PriceMeter(prompt=1.0, completion=10.0, cached=0.1, written=1.25, written_hourly=2.0)


def counts(given, answered, total, **details):
    usage = {"input_tokens": given, "output_tokens": answered, "total_tokens": total}
    for name in ("input", "output"):
        if name in details:
            usage[f"{name}_token_details"] = details[name]
    return usage


def message(usage, text="Answer: 14"):
    """A reply with usage as a package assigns it, unchecked."""
    made = AIMessage(text, response_metadata={"finish_reason": "stop"})
    made.usage_metadata = usage
    return made
