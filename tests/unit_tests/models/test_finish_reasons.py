"""Why a reply ended: every provider's words, whole and as the sum of a stream."""

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from adaptive_reasoner.answers import final_answer
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.finish_reasons import finish_reason, was_cut, was_filtered
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.replies import EmptyReplyError, refused
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.strategies.flow import vote_of
from tests.fakes import ScriptedModel

TEXT = "23 + 45: 20 + 40 = 60"
RESPONSES = {"model_provider": "openai", "status": "incomplete"}

CUT = [
    {"finish_reason": "length"},
    {"finish_reason": "MAX_TOKENS"},
    {"finish_reason": "FinishReason.MAX_TOKENS"},
    {"finish_reason": "FINISH_REASON_MAX_TOKENS"},
    {"finish_reason": "model_length"},
    {"finish_reason": "insufficient_system_resource"},
    {"finish_reason": "error"},
    {"finish_reason": "abort"},
    {"finish_reason": "lengthlength"},
    {"finish_reason": "stoplength"},
    {"finish_reason": "MAX_TOKENSMAX_TOKENSMAX_TOKENS"},
    {"stop_reason": "max_tokens"},
    {"stop_reason": "model_context_window_exceeded"},
    {"stop_reason": "pause_turn"},
    {"stopReason": "max_tokens"},
    {"stopReason": "model_context_window_exceeded"},
    {"done_reason": "length"},
    {**RESPONSES, "incomplete_details": {"reason": "max_output_tokens"}},
    {**RESPONSES, "incomplete_details": None},
    RESPONSES,
    {"model_provider": "openai", "status": "failed"},
    {"model_provider": "openai", "status": "incompleteincomplete"},
]
FILTERED = [
    {"finish_reason": "content_filter"},
    {"finish_reason": "content_filtercontent_filter"},
    {"finish_reason": "SAFETY"},
    {"finish_reason": "PROHIBITED_CONTENT"},
    {"finish_reason": "BLOCKLIST"},
    {"finish_reason": "RECITATION"},
    {"finish_reason": "SPII"},
    {"finish_reason": "IMAGE_SAFETY"},
    {"finish_reason": "sensitive"},
    {"stop_reason": "refusal"},
    {"stopReason": "guardrail_intervened"},
    {"stopReason": "content_filtered"},
    {**RESPONSES, "incomplete_details": {"reason": "content_filter"}},
]
WHOLE = [
    {},
    {"finish_reason": "stop"},
    {"finish_reason": "stopstop"},
    {"finish_reason": "STOPSTOP"},
    {"finish_reason": "tool_calls"},
    {"finish_reason": "eos_token"},
    {"finish_reason": "a word nobody knows"},
    {"stop_reason": "end_turn"},
    {"stop_reason": "stop_sequence"},
    {"stopReason": "tool_use"},
    {"done_reason": "stop"},
    {"model_provider": "openai", "status": "completed"},
    {"status": 200},
]


@pytest.mark.parametrize("metadata", CUT, ids=str)
def test_a_cut_reply_never_votes_and_costs_what_it_used(metadata):
    cut = AIMessage(TEXT, response_metadata=metadata)
    assert (was_cut(cut), was_filtered(cut), final_answer(cut)) == (True, False, None)
    boxed = AIMessage(r"\boxed{60} but wait, let me", response_metadata=metadata)
    assert vote_of(boxed, final_answer) is None
    made = CallExecutor(Source(ScriptedModel(replies={0: cut}, answers=("two words",))), TokenMeter())
    (reply,) = made.run_round([Request([HumanMessage("23 + 45?")])])
    assert (reply.cost, reply.estimated, reply.error, reply.message.text) == (2.0, False, None, TEXT)


@pytest.mark.parametrize("metadata", FILTERED, ids=str)
def test_a_filtered_reply_is_a_refusal_in_every_spelling(metadata):
    said = AIMessage(TEXT, response_metadata=metadata)
    assert (refused(said), was_cut(said), vote_of(said, final_answer)) == (True, False, None)


@pytest.mark.parametrize("metadata", WHOLE, ids=str)
def test_a_whole_reply_votes(metadata):
    said = AIMessage(TEXT, response_metadata=metadata)
    assert (was_cut(said), refused(said), vote_of(said, final_answer)) == (False, False, "60")


def test_the_chunks_of_a_stream_may_each_give_the_reason():
    ends = [AIMessageChunk(part, response_metadata={"finish_reason": "length"}) for part in (TEXT, "")]
    cut = ends[0] + ends[1]
    assert cut.response_metadata["finish_reason"] == "lengthlength"
    assert (finish_reason(cut), final_answer(cut)) == ("length", None)


def test_a_reply_cut_while_it_thought_is_empty_and_costs_what_it_used():
    cut = AIMessage(
        [], response_metadata={**RESPONSES, "incomplete_details": {"reason": "max_output_tokens"}}
    )
    made = CallExecutor(Source(ScriptedModel(replies={0: cut}, answers=("two words",))), TokenMeter())
    (reply,) = made.run_round([Request([HumanMessage("23 + 45?")])])
    assert isinstance(reply.error, EmptyReplyError)
    assert (reply.cost, reply.estimated) == (2.0, False)
