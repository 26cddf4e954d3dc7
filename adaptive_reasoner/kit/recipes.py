"""How an action is carried out, as a menu says it: a strategy by name, and its parameters."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adaptive_reasoner.answers import AnswerKey, final_answer
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.strategies import Flow, extended_thinking, self_consistency, single_pass

DEFAULT_SAMPLES = 5
DEFAULT_VOTES = (3, 5)


@dataclass(frozen=True)
class Recipe:
    """How an action is carried out.

    Attributes:
        source: The source its calls go to, by name.
        strategy: `"single_pass"`, `"self_consistency"` or `"extended_thinking"`.
        parameters: The strategy's own: `samples`, `effort`, `max_tokens`.
    """

    source: str
    strategy: str = "single_pass"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def votes(self) -> int:
        """The most calls it makes."""
        return int(self.parameters.get("samples", 1))

    def flow(self, key: AnswerKey) -> Flow:
        """The strategy, counting votes by `key`.

        Raises:
            MenuError: There is no such strategy, or it does not take these parameters.
        """
        if self.strategy not in _STRATEGIES:
            raise MenuError(f"there is no strategy {self.strategy!r}; known are {', '.join(_STRATEGIES)}")
        make = _STRATEGIES[self.strategy]
        known = [name for name in inspect.signature(make).parameters if name != "key"]
        for name in self.parameters:
            if name not in known:
                takes = ", ".join(known) or "no parameters"
                raise MenuError(f"strategy {self.strategy!r} takes {takes}, not {name!r}")
        try:
            return make(**self.parameters, key=key)
        except (TypeError, ValueError) as error:
            raise MenuError(f"strategy {self.strategy!r}: {error}") from error


def _thinking(
    effort: str, *, samples: int = 1, max_tokens: int | None = None, key: AnswerKey = final_answer
) -> Flow:
    flow = self_consistency(samples, key=key) if samples > 1 else single_pass(key=key)
    return extended_thinking(effort, flow, max_tokens=max_tokens)


_STRATEGIES: dict[str, Callable[..., Flow]] = {
    "single_pass": single_pass,
    "self_consistency": self_consistency,
    "extended_thinking": _thinking,
}
