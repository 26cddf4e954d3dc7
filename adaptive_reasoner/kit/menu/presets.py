"""Menus without a file: settings from the literature, for one model."""

from math import inf

from adaptive_reasoner.answers.grouping import math, numeric
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.hosted_model import HostedModel, check_key
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.recipes import single_and_votes
from adaptive_reasoner.models.prompts import TextTemplate
from adaptive_reasoner.models.source import Source

_STEPS = TextTemplate(
    "{question}\n\nThink step by step. End with the final answer on a line of its own: Answer: ..."
)
_PAPER_SAMPLES = 48
_PAPER_VOTES = (2, 4, 8, 16)


def preset_menu(
    name: str,
    model: str,
    *,
    base_url: str | None = None,
    api_key_env: str | None = None,
    timeout: float = inf,
    mathematical: bool = False,
) -> Menu:
    """A menu by name, for one model; costs are counted in generated tokens.

    Args:
        name: `"paper"`: 48 chains of thought a question, for votes of k in 1, 2, 4, 8, 16, as Zhai et al.
            draw them (arXiv:2604.14853).
        model: As for `init_chat_model` or, with a `base_url`, as the endpoint calls it.
        base_url: An OpenAI-compatible endpoint.
        api_key_env: The variable that holds the key.
        timeout: Seconds that a call may take.
        mathematical: Compare answers as mathematics, which right answers other than numbers need.

    Raises:
        MenuError: There is no such preset, the address is none, or the key would go unencrypted.

    Example:
        >>> menu = preset_menu("paper", "openai:gpt-5-mini")
        >>> menu.samples_of("cot"), list(menu.actions)
        (48, ['cot', 'cot_vote_2', 'cot_vote_4', 'cot_vote_8', 'cot_vote_16'])
    """
    if name != "paper":
        raise MenuError(f"there is no preset {name!r}; known are paper")
    check_key(api_key_env, base_url, f"preset {name}", named_only=False)
    hosted = HostedModel(model, base_url=base_url, api_key_env=api_key_env)
    settings = {"temperature": 0.7}
    cot = Source(hosted, prompt=_STEPS, max_tokens=1024, settings=settings, timeout=timeout)
    grader, recipes = math if mathematical else numeric, single_and_votes("cot", _PAPER_VOTES)
    return Menu({"cot": cot}, samples=_PAPER_SAMPLES, recipes=recipes, grader=grader)
