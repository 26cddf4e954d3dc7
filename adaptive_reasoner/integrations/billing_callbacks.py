"""Puts every model and tool call of a run on its bills, whoever makes it, through LangChain's callbacks.

One handler listens to all runs of the process, once something keeps bills. Before a call it reserves the most
that the call can cost, on the bills that cover it (`open_bills`); a call that does not fit is not made. After
it, the real cost is settled. What a reasoner of ours calls, that reasoner charges, and nobody else.
"""

import logging
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall
from langchain_core.outputs import LLMResult
from typing_extensions import override

from adaptive_reasoner.integrations.billed_calls import BilledModel, BilledTool, OwnModel
from adaptive_reasoner.integrations.run_bills import bills_here, keep_early
from adaptive_reasoner.models.observed_calls import listen, model_calls
from adaptive_reasoner.models.started_calls import StartedCall, reply_of

_logger = logging.getLogger(__name__)

_UNDER_WAY = 65_536  # calls that are remembered until they end

OUR_DECISIONS = "adaptive_reasoner"
"""The provider of decisions that a policy of ours makes, at no cost."""

_OURS = "adaptive-chat"  # how `AdaptiveChatModel` names its type


class Billing(BaseCallbackHandler):
    """Reserves every call on the bills that cover it, and settles it."""

    raise_error = True  # a call that does not fit is not made
    ignore_retriever = ignore_retry = ignore_custom_event = True

    def __init__(self) -> None:
        self.blocking = False
        self._models: dict[UUID, BilledModel] = {}
        self._tools: dict[UUID, BilledTool] = {}
        self._unpriced: set[str] = set()

    @property
    def run_inline(self) -> bool:  # type: ignore[override]
        """Whether events are handled in the loop of their caller: unless some ledger waits for a disk."""
        return not self.blocking

    @override
    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A chat model is about to be called."""
        settings, calls = kwargs.get("invocation_params") or {}, model_calls()
        call = StartedCall.of_start(messages[0], kwargs.get("metadata"), settings)
        kind = OwnModel if settings.get("_type") == _OURS else BilledModel
        self._begin(run_id, kwargs.get("parent_run_id"), kind(call, str(run_id), calls and calls.payer))

    @override
    def on_llm_start(
        self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A text model is about to be called."""
        sent, settings = [HumanMessage(prompts[0])], kwargs.get("invocation_params")
        call = StartedCall.of_start(sent, kwargs.get("metadata"), settings)
        self._begin(run_id, kwargs.get("parent_run_id"), BilledModel(call, str(run_id)))

    @override
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """What the consumer of a stream calls from now on is not inside the call."""
        billed = self._models.get(run_id)
        if billed is not None:
            billed.streaming = True

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has answered."""
        billed = self._models.pop(run_id, None)
        if billed is not None:
            billed.end(message=reply_of(response))

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A call has failed."""
        billed = self._models.pop(run_id, None)
        if billed is not None:
            billed.end(error=error)

    @override
    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, run_type: str | None = None, **kwargs: Any
    ) -> None:
        """A decision model is about to be called: its runs are chains of the type of a model."""
        metadata = kwargs.get("metadata") or {}
        if run_type == "llm" and metadata.get("ls_provider") != OUR_DECISIONS:
            call = StartedCall.of_decision(inputs, metadata)
            self._begin(run_id, kwargs.get("parent_run_id"), BilledModel(call, str(run_id)))

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A decision model has answered."""
        billed = self._models.pop(run_id, None)
        if billed is None:
            return
        usage, name = getattr(outputs, "usage", None), str(getattr(outputs, "model", ""))
        if usage is None:
            if name not in self._unpriced:
                self._unpriced.add(name)
                _logger.warning("decision model %r reports no usage: its calls are on no bill", name)
            billed.leave_out()
            return
        billed.end(message=AIMessage("", usage_metadata=usage, response_metadata={"model_name": name}))

    @override
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A decision has failed."""
        billed = self._models.pop(run_id, None)
        if billed is not None:
            billed.end(error=error)

    @override
    def on_tool_start(
        self, serialized: dict[str, Any], input_str: str, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A tool is about to run."""
        bills = bills_here()
        if bills and run_id not in self._tools:
            name, args = serialized.get("name") or "", kwargs.get("inputs") or {}
            call = ToolCall(name=name, args=args, id=kwargs.get("tool_call_id"))
            billed = BilledTool(call, str(run_id), bills)
            billed.reserve()
            self._tools[run_id] = billed

    @override
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has run."""
        billed = self._tools.pop(run_id, None)
        if billed is not None:
            billed.end(output)

    @override
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has failed."""
        billed = self._tools.pop(run_id, None)
        if billed is not None:
            billed.fail(error)

    def _begin(self, run_id: UUID, parent: UUID | None, billed: BilledModel) -> None:
        if run_id in self._models:
            return
        around = _inside.get()
        outer = self._models.get(parent) if parent is not None else None
        if outer is None and around is not None and not (around.ended or around.streaming):
            outer = around
        billed.outer = outer
        if bills := bills_here():
            billed.reserve(bills)
        else:
            keep_early(billed)
        self._models[run_id] = billed
        while len(self._models) > _UNDER_WAY:  # those that were cancelled tell of no end
            self._models.pop(next(iter(self._models)), None)
        if outer is None:
            _inside.set(billed)


_inside: ContextVar[BilledModel | None] = ContextVar("adaptive_reasoner_billed_model", default=None)
_billing = Billing()


def listen_to_calls() -> None:
    """Bill the calls of this process, from now on; whoever opens bills asks for it."""
    listen(_billing)


def blocks() -> None:
    """Note that a ledger waits for a disk or a network, so that no event is handled in an event loop."""
    _billing.blocking = True
