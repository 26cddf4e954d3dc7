"""Commands on a policy store: list its policies, add one, make one current, go back."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adaptive_reasoner.cli.checks import CheckedTyper
from adaptive_reasoner.cli.results import AsJson, print_result
from adaptive_reasoner.console import print_json, print_table

if TYPE_CHECKING:
    from adaptive_reasoner.policy.store import StoredPolicy

policy_app = CheckedTyper(
    help="List, add, activate or roll back the policies of a store.", no_args_is_help=True
)

Store = Annotated[Path, typer.Argument(help="Folder of policy folders, of which one is current.")]


@policy_app.command("list")
def policy_list(store: Store, as_json: AsJson = False) -> None:
    """List the policies of a store, the oldest first, and what is wrong with damaged ones."""
    from adaptive_reasoner.policy.store import PolicyStore

    policies = [policy.as_dict() for policy in PolicyStore(store).policies()]
    if as_json:
        print_json({"store": str(store), "policies": policies})
    elif policies:
        print_table([_readable(policy) for policy in policies])


@policy_app.command("add")
def policy_add(
    store: Store,
    folder: Annotated[Path, typer.Argument(help="A policy folder, as train writes it.")],
    name: Annotated[str | None, typer.Option(help="Its name in the store; by default its digest.")] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Make it the current one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a policy folder into a store, which is made if it is missing."""
    from adaptive_reasoner.policy.store import PolicyStore

    stored = PolicyStore(store)
    added = stored.add(folder, name=name)
    if activate:
        stored.activate(added)
    (policy,) = [policy for policy in stored.policies() if policy.name == added]
    _print(store, policy, as_json)


@policy_app.command("activate")
def policy_activate(
    store: Store,
    name: Annotated[str, typer.Argument(help="The policy's name in the store.")],
    as_json: AsJson = False,
) -> None:
    """Make a policy the current one; processes that watch the store use it from their next look on."""
    from adaptive_reasoner.policy.store import PolicyStore

    _print(store, PolicyStore(store).activate(name), as_json)


@policy_app.command("rollback")
def policy_rollback(store: Store, as_json: AsJson = False) -> None:
    """Return to the policy that was current before."""
    from adaptive_reasoner.policy.store import PolicyStore

    _print(store, PolicyStore(store).rollback(), as_json)


def _print(store: Path, policy: "StoredPolicy", as_json: bool) -> None:
    fields = policy.as_dict()
    print_result({"store": str(store), **(fields if as_json else _readable(fields))}, as_json)


def _readable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a policy with a word for one that is not and was not current."""
    return {**fields, "state": fields["state"] or "stored"}
