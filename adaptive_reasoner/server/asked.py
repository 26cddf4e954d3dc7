"""A request in the library's terms, whichever API it came by, and what its caller may say of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from langchain_core.messages import BaseMessage

from adaptive_reasoner.server.errors import RequestError

ADAPTIVE = "adaptive"
"""The model that lets the policy choose the action."""

_ASKS_NOTHING = {
    "logprobs": (False,),
    "top_logprobs": (0,),
    "background": (False,),
    "modalities": (["text"],),
}
"""Values of parameters by which a client asks for nothing."""

_AMOUNTS = ("budget", "price", "max_cost", "deadline")
_NAMES = ("tenant", "run")
_LONGEST_NAME = 200
_MOST = 1e9


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be answered.

    Attributes:
        model: `"adaptive"`, or the name of an action.
        messages: The conversation.
        settings: Call-time arguments, in the words of OpenAI's chat completions.
        choices: How many answers.
        metadata: What the caller says of its own, beside the headers.
    """

    model: str
    messages: Sequence[BaseMessage]
    settings: Mapping[str, Any]
    choices: int = 1
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OwnTerms:
    """What a request says of its own, by header (`x-adaptive-max-cost`) or metadata (`adaptive_max_cost`).

    Attributes:
        budget: Mean cost of requests like this one, in place of the ledger's target.
        price: The price of compute, in place of the ledger's.
        max_cost: The most that an answer may cost.
        deadline: Seconds that an answer may take.
        tenant: Who is charged, beside the common ledger.
        run: Requests of one run are one question to the ledger.
    """

    budget: float | None = None
    price: float | None = None
    max_cost: float | None = None
    deadline: float | None = None
    tenant: str | None = None
    run: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], metadata: Mapping[str, str]) -> "OwnTerms":
        """Read them; a header takes precedence.

        Raises:
            RequestError: An amount is no number or out of range, a name is empty or too long, or there is no
                such term.
        """
        _check_known(headers, metadata)
        own: dict[str, Any] = {}
        for name in (*_AMOUNTS, *_NAMES):
            header = f"x-adaptive-{name.replace('_', '-')}"
            said, place = headers.get(header), header
            if said is None:
                said, place = metadata.get(f"adaptive_{name}"), f"metadata.adaptive_{name}"
            if said is not None:
                own[name] = _amount(name, said, place) if name in _AMOUNTS else _name(said, place)
        return cls(**own)


def _check_known(headers: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    """Refuse a term by a name that is none: a mistyped budget would not hold."""
    terms = [*_AMOUNTS, *_NAMES]
    for prefix, given, place in (("x-adaptive-", headers, ""), ("adaptive_", metadata, "metadata.")):
        known = [f"{prefix}{name.replace('_', prefix[-1])}" for name in terms]
        unknown = next((name for name in given if name.startswith(prefix) and name not in known), None)
        if unknown is not None:
            raise RequestError(
                f"there is no {place}{unknown[:80]}; there are {', '.join(known)}",
                code="unknown_parameter",
                param=f"{place}{unknown[:80]}",
            )


def _amount(name: str, said: str, place: str) -> float:
    try:
        amount = float(said)
    except ValueError:
        amount = -inf
    above = name in ("budget", "deadline")
    if not 0 <= amount <= _MOST or (above and amount == 0):
        least = "above 0" if above else "of at least 0"
        raise RequestError(f"{place} is a number {least} and at most 1e9, not {said[:40]!r}", param=place)
    return amount


def _name(said: str, place: str) -> str:
    if not said.strip() or len(said) > _LONGEST_NAME or "/" in said or not said.isprintable():
        raise RequestError(
            f"{place} is a name of 1 to {_LONGEST_NAME} printable characters without a slash", param=place
        )
    return said


def checked_json(body: Any) -> Any:
    """What a body asks for, if it can be sent on as JSON: no NaN, no half of a surrogate pair, no deep nest.

    Raises:
        ValueError: It cannot, or was not sent as JSON.
    """
    if isinstance(body, bytes):  # a form, or a page of another site; pydantic reports no TypeError
        raise ValueError("the body is JSON; send it with the header content-type: application/json")  # noqa: TRY004
    try:
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("the body is nested too deeply") from error
    if not isinstance(body, dict):
        raise ValueError("the body is a JSON object")  # noqa: TRY004 - as above
    return {name: value for name, value in body.items() if value not in _ASKS_NOTHING.get(name, ())}
