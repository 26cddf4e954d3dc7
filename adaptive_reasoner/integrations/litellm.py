"""A LiteLLM router whose deployments are actions: a policy picks one, and a ledger keeps the average."""

import uuid
from collections.abc import Mapping
from typing import Any, Literal

from langchain_core.messages import AIMessage, convert_to_messages

from adaptive_reasoner.errors import BudgetExceededError, UnknownActionError, UnpricedUsageError, needs
from adaptive_reasoner.ledger.base import Ledger, Reservation
from adaptive_reasoner.models.api_errors import causes, is_unreachable, status_of
from adaptive_reasoner.models.dollars import meter_of
from adaptive_reasoner.models.messages import decision_text
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS, Meter, cost_or_worst
from adaptive_reasoner.policy.base import Decision, Policy
from adaptive_reasoner.reasoner.options import check_units

with needs("the LiteLLM plug-in needs", "litellm"):
    import litellm
    from litellm.integrations.custom_logger import CustomLogger
    from litellm.types.router import CustomRoutingStrategyBase

_KEY = "adaptive_reasoner"
_LIMITS = ("max_completion_tokens", "max_tokens")


class AdaptiveRouting(CustomLogger, CustomRoutingStrategyBase):  # type: ignore[misc]
    """Routes each request of a `litellm.Router` to the deployment that is worth most at the ledger's price.

    An action is a deployment, by the `id` in its `model_info`; its model and effort are its `litellm_params`.
    A request for a model whose deployments are not those of the policy goes to the first of them. Every
    attempt is reserved at its worst case before it is sent, and settled at its usage; one that the endpoint
    refuses costs nothing, and one that is lost costs its worst case. Ask with `acompletion`: LiteLLM runs no
    hook before the call of `completion`.

    Args:
        policy: Chooses among the deployments.
        ledger: Keeps the average; the policy decides at its price.
        meter: What a call costs, in the ledger's unit.

    Raises:
        LedgerError: Policy, ledger and meter count different units.

    Example:
        >>> from adaptive_reasoner import FixedPolicy, SampleMeter, open_ledger
        >>> ledger = open_ledger("memory://", target=2.0, cost_unit="samples")
        >>> policy = FixedPolicy("small-low", expected_cost=1.0, cost_unit="samples")
        >>> routing = AdaptiveRouting(policy, ledger=ledger, meter=SampleMeter())
        >>> small = {"model": "openai/gpt-5-mini", "reasoning_effort": "low", "api_key": "none"}
        >>> router = routing.attach(
        ...     litellm.Router(
        ...         model_list=[
        ...             {"model_name": "adaptive", "litellm_params": small, "model_info": {"id": "small-low"}}
        ...         ]
        ...     )
        ... )
        >>> routing.detach()
    """

    def __init__(self, policy: Policy, *, ledger: Ledger, meter: Meter | Literal["usd"]) -> None:
        super().__init__()
        self.policy, self.ledger = policy, ledger
        counted = meter_of(meter)
        assert counted is not None
        self.meter: Meter = counted
        check_units(meter=self.meter, policy=policy, ledger=ledger)
        self.name = uuid.uuid4().hex  # by which LiteLLM tells it from others of its class
        self._router: Any = None
        self._open: dict[str, tuple[Reservation, float]] = {}

    def attach(self, router: Any) -> Any:
        """Route the requests of a router from now on, and bill them; the same router.

        Raises:
            UnknownActionError: The policy can choose an action that is no deployment.
        """
        self._router = router
        known = {deployment["model_info"]["id"] for deployment in self._deployments()}
        for action in self.policy.actions:
            if action not in known:
                raise UnknownActionError(action, known)
        router.register_plugin(self)
        litellm.logging_callback_manager.add_litellm_callback(self)
        return router

    def detach(self) -> None:
        """Bill no further requests."""
        litellm.logging_callback_manager.remove_callback_from_all_lists(self)

    async def async_get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, Any]] | None = None,
        input: Any = None,  # noqa: A002, ARG002 - of embeddings
        specific_deployment: bool | None = False,  # noqa: ARG002
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The deployment of an action for a request; LiteLLM calls it for every attempt."""
        named = [each for each in self._deployments() if each["model_name"] == model]
        known = {each["model_info"]["id"]: each for each in named}
        if messages is None or not set(self.policy.actions) <= known.keys():
            return next(iter(named), None)
        price = self.ledger.price
        decision = self.policy.decide(decision_text(convert_to_messages(messages)), price=price)
        if decision.action not in known:
            raise UnknownActionError(decision.action, known)
        if request_kwargs is not None:
            metadata = request_kwargs.setdefault("metadata", {})
            metadata[_KEY] = decision
        return known[decision.action]

    def get_available_deployment(self, *_: Any, **__: Any) -> Any:
        """Refuse a call that could not be reserved.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("LiteLLM runs no hook before completion(): ask with acompletion()")

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> None:  # noqa: ARG002
        """Reserve an attempt.

        Raises:
            BudgetExceededError: The hard cap has no room for it.
        """
        metadata = kwargs.get("metadata") or {}
        decision: Decision | None = metadata.pop(_KEY, None)
        if decision is None:
            return
        call, worst = str(kwargs["litellm_call_id"]), self._worst(kwargs)
        held = await self.ledger.areserve(
            min(decision.expected_cost, worst),
            call,
            worst=worst,
            question=metadata.get("adaptive_run") or call,
            action=decision.action,
        )
        self._open[call] = held, worst

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Settle an attempt that was answered."""
        held, worst = self._open.pop(str(kwargs.get("litellm_call_id")), (None, 0.0))
        if held is None:
            return
        seconds = (end_time - start_time).total_seconds()
        try:
            cost, _ = cost_or_worst(self.meter, _reply(response_obj), seconds, lambda: worst)
        except UnpricedUsageError:
            await self.ledger.asettle(held, worst)
            raise
        await self.ledger.asettle(held, cost)

    async def async_log_failure_event(
        self,
        kwargs: dict[str, Any],
        response_obj: Any,  # noqa: ARG002
        start_time: Any,  # noqa: ARG002
        end_time: Any,  # noqa: ARG002
    ) -> None:
        """Release an attempt that was refused, or settle one that was lost at its worst case."""
        held, worst = self._open.pop(str(kwargs.get("litellm_call_id")), (None, 0.0))
        if held is None:
            return
        if _cost_nothing(kwargs.get("exception")):
            await self.ledger.arelease(held)
        else:
            await self.ledger.asettle(held, worst)

    def _deployments(self) -> list[dict[str, Any]]:
        return list(self._router.registry().all())

    def _worst(self, kwargs: Mapping[str, Any]) -> float:
        """The most that an attempt can cost.

        Raises:
            BudgetExceededError: There is a hard cap, and nothing says how long a reply can be.
        """
        declared = next((kwargs[name] for name in _LIMITS if kwargs.get(name)), None)
        if declared is None and self.ledger.hard_cap is not None:
            left, unit = max(0.0, self.ledger.hard_cap - self.ledger.spent), self.ledger.cost_unit
            reason = "under a hard cap, declare max_tokens in the litellm_params of each deployment"
            raise BudgetExceededError(float("inf"), left, unit, reason)
        messages = convert_to_messages(kwargs.get("messages") or [])
        return self.meter.worst_cost(messages, declared or UNDECLARED_MAX_TOKENS)


def _cost_nothing(error: Any) -> bool:
    """Whether an attempt failed before the model worked: LiteLLM gives lost calls a status too.

    A status of 500 or above counts where it is the endpoint's; LiteLLM's own, below, are of what it refuses
    to send. A retry may have the error of an earlier attempt as its context, which tells nothing of this one.
    """
    if not isinstance(error, Exception):
        return False
    earlier = [cause for cause in list(causes(error))[1:] if type(cause).__module__ == "litellm.exceptions"]
    every = list(causes(error, earlier))
    broke = any("Connection" in type(cause).__name__ or "Timeout" in type(cause).__name__ for cause in every)
    endpoints = next((cause for cause in every if not type(cause).__module__.startswith("litellm.")), None)
    refused = endpoints is not None and status_of(endpoints, earlier) is not None
    unsent = (status_of(error, earlier) or 500) < 500
    return is_unreachable(error, earlier) or (not broke and (refused or unsent))


def _reply(response: Any) -> AIMessage:
    """A reply of LiteLLM with its usage, as meters read it."""
    usage = getattr(response, "usage", None)
    if usage is None:
        return AIMessage("")
    read = getattr(usage, "prompt_tokens_details", None)
    made = getattr(usage, "completion_tokens_details", None)
    counted = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "input_token_details": {"cache_read": getattr(read, "cached_tokens", None) or 0},
        "output_token_details": {"reasoning": getattr(made, "reasoning_tokens", None) or 0},
    }
    choices = getattr(response, "choices", None) or []
    text = next((choice.message.content for choice in choices if getattr(choice, "message", None)), None)
    name = {"model_name": getattr(response, "model", None) or ""}
    return AIMessage(text or "", usage_metadata=counted, response_metadata=name)
