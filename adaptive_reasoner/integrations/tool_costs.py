"""What an agent's tools cost, and how often they may be called."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.types import Command

from adaptive_reasoner.amounts import given
from adaptive_reasoner.models.metering import is_amount

ToolCost = float | Callable[[ToolCall], float]
"""What a call of a tool costs: a number, or a function of the call (`name`, `args`, `id`)."""

_NEARLY = 0.75  # likeness of two names, of which one is probably a slip
_REPORTED = ("response_metadata", "additional_kwargs")


@dataclass(frozen=True)
class ToolCosts:
    """The costs of tools, by name, in the unit of the ledger.

    A tool's message may report another cost than is declared, as `response_metadata["cost"]` or
    `additional_kwargs["cost"]`; a declared tool also as `artifact["cost"]`. That is what is booked then.

    Args:
        costs: What a call of each tool costs at most.

    Raises:
        TypeError: They are not given by name.
        ValueError: A cost is negative or no number.

    Example:
        >>> costs = ToolCosts({"search": 0.005, "crawl": lambda call: 0.001 * len(call["args"]["urls"])})
        >>> crawl = ToolCall(name="crawl", args={"urls": ["a", "b"]}, id="1")
        >>> costs.of(ToolCall(name="search", args={}, id="2")), costs.of(crawl)
        (0.005, 0.002)
    """

    costs: Mapping[str, ToolCost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_mapping("tool_costs", self.costs, "what each tool costs, by its name, as in {'search': 0.005}")
        for name, cost in self.costs.items():
            if not callable(cost):
                _check(name, cost)

    def of(self, call: ToolCall) -> float | None:
        """What a call costs at most; None where nobody declares it.

        Raises:
            ValueError: A function of the call returned what is no cost.
        """
        declared = self.costs.get(call["name"])
        if declared is None:
            return None
        return _check(call["name"], declared(call)) if callable(declared) else float(declared)

    def reported(self, name: str, output: Any) -> float | None:
        """The cost that a tool's message reports; None where it reports none, or what is no cost."""
        places = (*_REPORTED, "artifact") if name in self.costs else _REPORTED
        for message in _messages(output):
            for place in places:
                fields = getattr(message, place, None)
                cost: Any = fields.get("cost") if isinstance(fields, Mapping) else None
                if is_amount(cost) and not isinstance(cost, bool) and isfinite(cost):
                    return float(cost)
        return None


def check_limits(limits: Mapping[str, int] | None) -> dict[str, int]:
    """The most calls of each tool in a run.

    Raises:
        TypeError: They are not given by name.
        ValueError: A limit is negative or no whole number.

    Example:
        >>> check_limits({"search": 3})
        {'search': 3}
    """
    limits = {} if limits is None else limits
    _check_mapping("tool_limits", limits, "the most calls of each tool, by its name, as in {'search': 3}")
    for name, most in limits.items():
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            raise ValueError(f"the limit of tool {name!r} is a whole number of at least 0, not {most!r}")
    return dict(limits)


def _check_mapping(argument: str, value: Any, meaning: str) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{argument} is {meaning}, not {value!r}")


def misspelt(named: Iterable[str], tools: Iterable[Any]) -> dict[str, str]:
    """Names of no tool that are nearly the name of one, each with that name.

    A name that is like none of the agent's tools may be that of a subagent's.

    Args:
        named: Names that someone has given costs or limits.
        tools: The agent's tools, or their descriptions as a provider takes them.

    Example:
        >>> misspelt(["serach", "crawl"], [{"type": "function", "function": {"name": "search"}}])
        {'serach': 'search'}
    """
    given, named = {_name_of(tool) for tool in tools}, list(named)
    others = sorted(given.difference(named))
    near = ((name, get_close_matches(name, others, 1, _NEARLY)) for name in named if name not in given)
    return {name: found[0] for name, found in near if found}


def _name_of(tool: Any) -> str:
    if isinstance(tool, Mapping):
        function = tool.get("function")
        return str((function if isinstance(function, Mapping) else tool).get("name", ""))
    return str(getattr(tool, "name", ""))


def _check(name: str, cost: Any) -> float:
    if not is_amount(cost) or isinstance(cost, bool) or not isfinite(cost):
        raise ValueError(f"the cost of tool {name!r} is a finite number of at least 0, not {given(cost)}")
    return float(cost)


def _messages(output: Any) -> list[Any]:
    """The messages of a tool's output, which may be a `Command` or a list of both."""
    if isinstance(output, ToolMessage):
        return [output]
    if isinstance(output, Command):
        update = output.update if isinstance(output.update, Mapping) else {}
        found = update.get("messages") or []
        return [message for message in found if isinstance(message, ToolMessage)]
    return [message for each in output for message in _messages(each)] if isinstance(output, list) else []
