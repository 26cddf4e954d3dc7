"""The bound of a prompt holds whatever a message carries."""

import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.listed_prices import ListedPrice
from adaptive_reasoner.models.media_bounds import most_media_tokens
from adaptive_reasoner.models.metering import PriceMeter, TokenMeter
from adaptive_reasoner.models.prompt_bound import UNDECLARED_BLOCK_TOKENS, PromptBound, most_prompt_tokens
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from tests.fakes import ScriptedModel

TEXT = "x" * 12_000
PDF = base64.b64encode(b"%PDF-1.7" + bytes(1000)).decode()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
QUESTION = HumanMessage("What is 5 + 9?")


def png(width, height):
    return base64.b64encode(PNG + struct.pack(">II", width, height)).decode()


def jpeg(width, height):
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"abcd"
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)
    return base64.b64encode(b"\xff\xd8" + comment + frame).decode()


def gif(width, height):
    return base64.b64encode(b"GIF89a" + struct.pack("<HH", width, height)).decode()


CALL = {"name": "write", "args": {"content": TEXT}, "id": "1"}
RAW_CALL = {
    "id": "1",
    "type": "function",
    "function": {"name": "write", "arguments": f'{{"content": "{TEXT}"}}'},
}
BAD_CALL = {"name": "write", "args": TEXT, "id": "1", "error": None, "type": "invalid_tool_call"}
READ = {
    "tool calls": AIMessage("", tool_calls=[CALL]),
    "tool calls in OpenAI's words": AIMessage("", additional_kwargs={"tool_calls": [RAW_CALL]}),
    "a tool call that could not be read": AIMessage("", invalid_tool_calls=[BAD_CALL]),
    "tool calls in Anthropic's words": AIMessage(
        [{"type": "tool_use", "id": "1", "name": "write", "input": {"content": TEXT}}], tool_calls=[CALL]
    ),
    "a tool's result": ToolMessage(TEXT, tool_call_id="1"),
    "a tool's result in blocks": ToolMessage([{"type": "text", "text": TEXT}], tool_call_id="1"),
    "a tool's result among a turn's blocks": HumanMessage(
        [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": TEXT}]}]
    ),
    "a result as JSON": HumanMessage(
        [{"toolResult": {"toolUseId": "1", "content": [{"json": {"found": TEXT}}]}}]
    ),
    "thinking": AIMessage(
        [{"type": "thinking", "thinking": TEXT, "signature": "s"}, {"type": "text", "text": "7"}]
    ),
    "redacted thinking": AIMessage([{"type": "redacted_thinking", "data": TEXT}]),
    "reasoning": AIMessage([{"type": "reasoning", "reasoning": TEXT}]),
    "encrypted reasoning": AIMessage([{"type": "reasoning", "id": "rs_1", "encrypted_content": TEXT}]),
    "reasoning beside the text": AIMessage("7", additional_kwargs={"reasoning_content": TEXT}),
    "a document as text": HumanMessage(
        [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": TEXT}}]
    ),
    "a document of blocks": HumanMessage(
        [{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": TEXT}]}}]
    ),
    "a document's context": HumanMessage(
        [{"type": "document", "context": TEXT, "source": {"type": "url", "url": "https://example.org/a.pdf"}}]
    ),
    "a search result": HumanMessage(
        [{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": TEXT}]}]
    ),
    "text in OpenAI's words": HumanMessage([{"type": "input_text", "text": TEXT}]),
    "text in Bedrock's words": HumanMessage([{"text": TEXT}]),
    "plain text in a file": HumanMessage([{"type": "text-plain", "text": TEXT, "mime_type": "text/plain"}]),
    "a string among the blocks": HumanMessage(["short", TEXT]),
    "what is not standard": HumanMessage([{"type": "non_standard", "value": {"type": "text", "text": TEXT}}]),
    "a refusal": AIMessage([{"type": "refusal", "refusal": TEXT}]),
}


@pytest.mark.parametrize("message", READ.values(), ids=READ)
def test_all_that_is_read_as_text_counts_its_bytes(message):
    assert most_prompt_tokens([message]) >= len(TEXT)


def test_a_tool_call_in_the_words_of_two_packages_counts_once():
    twice = AIMessage(
        [{"type": "tool_use", "id": "1", "name": "write", "input": {"content": TEXT}}],
        tool_calls=[CALL],
        additional_kwargs={"tool_calls": [RAW_CALL]},
    )
    assert len(TEXT) < most_prompt_tokens([twice]) < 1.1 * len(TEXT)


URL = "https://example.org/file"
IMAGES = {
    "OpenAI": {"type": "image_url", "image_url": {"url": f"{URL}.png"}},
    "OpenAI, inline": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png(3000, 3000)}"}},
    "OpenAI's responses": {"type": "input_image", "image_url": f"{URL}.png", "detail": "high"},
    "Anthropic, inline": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": png(3000, 3000)},
    },
    "Anthropic": {"type": "image", "source": {"type": "url", "url": f"{URL}.png"}},
    "Gemini": {"type": "media", "mime_type": "image/png", "file_uri": "gs://bucket/a.png"},
    "Bedrock": {"image": {"format": "png", "source": {"bytes": base64.b64decode(png(3000, 3000))}}},
    "LangChain": {"type": "image", "base64": png(3000, 3000), "mime_type": "image/png"},
    "LangChain 0": {"type": "image", "source_type": "url", "url": f"{URL}.png"},
    "a file's number": {"type": "image", "file_id": "file_1"},
    "a file that is one": {"type": "file", "mime_type": "image/png", "url": f"{URL}.png"},
}
MOST_OF_AN_IMAGE = {
    "claude-sonnet-4-5": 1_600,
    "gpt-4o": 1_445,
    "gpt-4o-mini": 48_169,
    "gemini-2.5-pro": 4_128,
    "": 48_169,
}


@pytest.mark.parametrize("block", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("model", MOST_OF_AN_IMAGE)
def test_an_image_counts_what_its_provider_bills_at_most(block, model):
    prompt = [HumanMessage([{"type": "text", "text": "What is this?"}, block])]
    bound = most_prompt_tokens(prompt, model=model)
    assert MOST_OF_AN_IMAGE[model] <= bound < 60_000
    nested = [{"type": "tool_result", "tool_use_id": "1", "content": [block]}]
    assert most_prompt_tokens([HumanMessage(nested)], model=model) >= MOST_OF_AN_IMAGE[model]


@pytest.mark.parametrize("inline", [png, jpeg, gif])
@pytest.mark.parametrize(("size", "tokens"), [((200, 200), 64), ((1000, 1000), 1_334), ((8000, 8000), 4_784)])
def test_an_image_whose_size_is_seen_counts_its_pixels_at_anthropic(inline, size, tokens):
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": inline(*size)}}
    assert most_media_tokens(block, "claude-opus-4-7") == tokens


@pytest.mark.parametrize(
    ("block", "least"),
    [
        ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}"}}, 8_192),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
            8_192,
        ),
        ({"type": "document", "source": {"type": "url", "url": f"{URL}.pdf"}}, 1_000_000),
        ({"type": "input_file", "file_id": "file_1"}, 1_000_000),
        ({"type": "file", "mime_type": "application/pdf", "base64": PDF}, 8_192),
        ({"document": {"format": "pdf", "name": "a", "source": {"bytes": bytes(5000)}}}, 8_192),
        ({"type": "media", "mime_type": "text/csv", "data": base64.b64encode(bytes(5000)).decode()}, 5_000),
        ({"type": "input_audio", "input_audio": {"data": base64.b64encode(bytes(5000)).decode()}}, 5_000),
        ({"type": "audio", "url": f"{URL}.wav"}, 1_000_000),
        (
            {"type": "video", "base64": base64.b64encode(bytes(5000)).decode(), "mime_type": "video/mp4"},
            5_000,
        ),
        ({"type": "media", "mime_type": "video/mp4", "file_uri": "gs://bucket/a.mp4"}, 1_000_000),
    ],
    ids=str,
)
def test_files_and_recordings_are_bounded_by_their_size_or_their_providers_most(block, least):
    assert least <= most_prompt_tokens([HumanMessage([block])]) < 1_100_000


HELD = {
    "image": {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
    "screenshot": {"type": "input_image", "image_url": "https://example.org/a.png"},
    "document": {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
@pytest.mark.parametrize(
    "result",
    [
        lambda held: {"type": "mcp_tool_result", "tool_use_id": "1", "content": [held]},
        lambda held: {"type": "custom_tool_call_output", "call_id": "1", "output": [held]},
        lambda held: {"type": "server_tool_result", "tool_call_id": "1", "output": held},
        lambda held: {
            "type": "web_fetch_tool_result",
            "content": {"type": "web_fetch_result", "content": held},
        },
    ],
)
def test_media_in_the_result_of_a_tool_count_as_they_do_outside(result, held):
    alone = most_prompt_tokens([HumanMessage([held])])
    assert most_prompt_tokens([HumanMessage([result(held)])]) >= alone


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_generation_call", "id": "ig_1"},
        {"type": "computer_call_output", "call_id": "1", "output": {"type": "computer_screenshot"}},
    ],
)
def test_an_image_that_was_made_or_shot_is_one(block):
    assert 48_169 <= most_prompt_tokens([HumanMessage([block])]) < 50_000


def test_what_a_tool_is_asked_with_is_text_whatever_it_is_called():
    call = {"type": "tool_use", "id": "1", "name": "show", "input": {"type": "image", "of": "a cat"}}
    assert most_prompt_tokens([AIMessage([call])]) < 200


def test_reasoning_that_stays_with_the_provider_counts_the_output_it_was_part_of():
    usage = {"input_tokens": 10, "output_tokens": 900, "total_tokens": 910}
    kept = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "text", "text": "7"}]
    assert most_prompt_tokens([AIMessage(kept, usage_metadata=usage)]) >= 900
    assert most_prompt_tokens([AIMessage(kept)]) == float("inf")


UNKNOWN = HumanMessage([{"type": "text", "text": "What is 5 + 9?"}, {"type": "hologram", "data": "AAAA"}])


def test_a_block_of_an_unknown_kind_has_no_bound_and_a_declared_one_takes_its_place():
    model = ScriptedModel()
    assert most_prompt_tokens([UNKNOWN]) == float("inf")
    assert TokenMeter("total").worst_cost([UNKNOWN], 10) == float("inf")
    assert PriceMeter(prompt=1.0, completion=1.0).worst_cost([UNKNOWN], 10) == float("inf")
    assert PriceMeter(prompt=0.0, completion=1.0).worst_cost([UNKNOWN], 10) == 10 / 1e6
    assert TokenMeter().worst_cost([UNKNOWN], 10) == 10
    declared = Source(model, max_prompt_tokens=2000).billable_messages([UNKNOWN])
    assert TokenMeter("total").worst_cost(declared, 10) == 2010
    assert most_prompt_tokens(Source(model, max_prompt_tokens=2000).billable_messages([QUESTION])) < 100
    with pytest.raises(ValueError, match="at least 1 token, not 0"):
        Source(model, max_prompt_tokens=0)


def test_a_listed_price_has_no_bound_where_the_prompt_has_none():
    pytest.importorskip("genai_prices")
    assert ListedPrice("openai:gpt-4o-mini").worst_cost([UNKNOWN], 10) == float("inf")


def test_a_lost_call_without_a_bound_is_billed_at_a_finite_amount():
    source = Source(ScriptedModel(failures={0: TimeoutError()}), max_tokens=50)
    (reply,) = CallExecutor(source, TokenMeter("total")).run_round([Request([UNKNOWN])])
    assert UNDECLARED_BLOCK_TOKENS < reply.cost < UNDECLARED_BLOCK_TOKENS + 200
    assert reply.estimated


def test_the_rules_are_those_of_the_sources_model():
    from langchain_anthropic import ChatAnthropic

    image = [HumanMessage([IMAGES["Anthropic"]])]
    claude = Source(ChatAnthropic(model="claude-sonnet-4-5", api_key="none", max_tokens=10))
    assert most_prompt_tokens(claude.billable_messages(image)) < 6_000 < most_prompt_tokens(image)
    assert most_prompt_tokens(Source(claude.model.bind(stop=["x"])).billable_messages(image)) < 6_000


@pytest.mark.parametrize(
    "history",
    [
        [HumanMessage("write it"), READ["tool calls"], ToolMessage("done", tool_call_id="1")],
        [HumanMessage([{"type": "text", "text": "What is 5 + 9?"}, IMAGES["OpenAI"]])],
        [QUESTION, READ["thinking"], HumanMessage("And now?")],
        [SystemMessage([{"type": "text", "text": TEXT}]), QUESTION],
    ],
    ids=["tool calls", "an image", "thinking", "a system prompt"],
)
def test_a_hard_cap_holds_what_a_prompt_can_cost(history):
    usage = {"input_tokens": 3000, "output_tokens": 5, "total_tokens": 3005}
    model = FakeMessagesListChatModel(responses=[AIMessage("Answer: 5", usage_metadata=usage)])
    for cap, answers in ((100_000.0, True), (3_000.0, False)):
        ledger = open_ledger("memory://", target=500.0, hard_cap=cap)
        made = AdaptiveReasoner(Source(model, max_tokens=100), ledger=ledger, meter=TokenMeter("total"))
        if answers:
            assert (made.answer(history).answer, ledger.snapshot().spent) == ("5", 3005.0)
        else:
            with pytest.raises(BudgetExceededError):
                made.answer(history)
            assert ledger.snapshot().spent == 0.0
        assert not ledger.snapshot().cap_closed


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=5), st.booleans())
def test_a_token_is_at_least_a_byte_however_the_text_is_put(texts, blocks):
    content = [{"type": "text", "text": text} for text in texts] if blocks else "".join(texts)
    size = sum(len(text.encode(errors="surrogatepass")) for text in texts)
    assert most_prompt_tokens([HumanMessage(content)]) == size + 16
    call = {"name": "f", "args": {"texts": texts}, "id": "1"}
    assert most_prompt_tokens([AIMessage("", tool_calls=[call])]) >= size


def test_a_declared_bound_is_a_message_that_says_nothing():
    bound = PromptBound(7)
    assert (bound.text, most_prompt_tokens([QUESTION, bound])) == ("", 7)
