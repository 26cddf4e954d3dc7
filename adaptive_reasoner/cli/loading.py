"""What answers questions at the command line: a menu, with a policy or without labels."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from adaptive_reasoner.kit.menu.menu import Menu
    from adaptive_reasoner.ledger.base import Ledger
    from adaptive_reasoner.policy.learned import LearnedPolicy
    from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner


def load_policy(folder: Path, budget: float | None) -> "LearnedPolicy":
    """The policy of a folder, at another mean cost per question if there is one."""
    from adaptive_reasoner.policy.learned import LearnedPolicy

    policy = LearnedPolicy.load(folder)
    return policy if budget is None else policy.at(budget=budget)


def load_menu(file: Path, no_code: bool) -> "Menu":
    """The menu of a file."""
    from adaptive_reasoner.kit.menu.menu import Menu

    return Menu.load(file, code="refuse" if no_code else "run")


def trained_reasoner(
    menu: "Menu", policy: "LearnedPolicy", ledger: "Ledger | None" = None
) -> "AdaptiveReasoner":
    """Answers with the actions of a menu, as a policy chooses among them."""
    from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner

    source = next(iter(menu.sources.values()))
    return AdaptiveReasoner(source, policy=policy, actions=menu.actions, ledger=ledger, meter=menu.meter)


def label_free_reasoner(
    menu: "Menu", url: str, *, budget: float | None, hard_cap: float | None
) -> "AdaptiveReasoner":
    """Answers with the first source of a menu, by a vote that needs no labels.

    Raises:
        typer.BadParameter: Neither the option nor the ledger says what a question may cost.
    """
    from adaptive_reasoner.ledger.opening import open_ledger
    from adaptive_reasoner.policy.label_free import LabelFreePolicy, label_free_actions
    from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner

    source, meter, key = next(iter(menu.sources.values())), menu.meter, menu.comparison
    priced = LabelFreePolicy(source, meter, budget=budget, key=key) if budget else None
    ledger = open_ledger(url, target=budget, cost_unit=menu.cost_unit, policy=priced, hard_cap=hard_cap)
    if ledger.target is None:
        ledger.close()
        raise typer.BadParameter("without a policy, say what a question may cost", param_hint="--budget")
    policy = LabelFreePolicy(source, meter, budget=ledger.target, key=key)
    actions = label_free_actions()
    return AdaptiveReasoner(source, policy=policy, actions=actions, ledger=ledger, meter=meter, key=key)
