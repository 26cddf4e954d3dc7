"""Serve a menu to whoever speaks OpenAI's APIs, and make the keys by which they are known."""

from dataclasses import replace
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adaptive_reasoner.cli.checks import amount
from adaptive_reasoner.cli.loading import label_free_reasoner, load_menu, load_policy, trained_reasoner
from adaptive_reasoner.cli.results import AsJson, NoCode
from adaptive_reasoner.console import err, out, print_json
from adaptive_reasoner.errors import needs

if TYPE_CHECKING:
    from adaptive_reasoner.kit.menu.menu import Menu
    from adaptive_reasoner.ledger.base import Ledger
    from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
    from adaptive_reasoner.server.answering import ServedAction
    from adaptive_reasoner.server.keys import Caller


class LogLevel(StrEnum):
    """From which level on the log is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def serve(
    config: Annotated[Path, typer.Option(help="The menu.")],
    policy: Annotated[
        Path | None, typer.Option(help="Policy folder; without it, a vote that needs no labels.")
    ] = None,
    ledger: Annotated[str, typer.Option(help="memory://, sqlite:///path or postgresql://...")] = "memory://",
    budget: Annotated[
        float | None, typer.Option(callback=amount, help="Mean cost per question; default: the policy's.")
    ] = None,
    hard_cap: Annotated[
        float | None, typer.Option(callback=amount, help="Total cost that is never exceeded.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    keys: Annotated[Path | None, typer.Option(help="The file of API keys, as serve-key makes it.")] = None,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Serve other machines without keys.")] = False,
    concurrency: Annotated[
        int, typer.Option(min=1, max=100_000, help="The most requests in flight; more get 429.")
    ] = 256,
    max_body: Annotated[
        int, typer.Option(min=1_000, max=1_000_000_000, help="The largest request in bytes; larger get 413.")
    ] = 4_000_000,
    read_seconds: Annotated[
        float,
        typer.Option(min=0.1, max=3_600.0, help="Seconds a client may take to send, and to read a piece."),
    ] = 30.0,
    answer_seconds: Annotated[
        float, typer.Option(min=0.1, max=86_400.0, help="Seconds an answer may take; then 504.")
    ] = 600.0,
    grace: Annotated[
        float, typer.Option(min=0.0, max=86_400.0, help="Seconds that requests in flight have at SIGTERM.")
    ] = 60.0,
    log_level: Annotated[
        LogLevel, typer.Option(help="info has a line per request; prompts and answers are never logged.")
    ] = LogLevel.WARNING,
    no_code: NoCode = False,
    as_json: AsJson = False,
) -> None:
    """Serve a menu over OpenAI's APIs (chat completions, responses) until SIGTERM or Ctrl-C."""
    with needs("a server needs", "server"):
        from adaptive_reasoner.server.application import app
        from adaptive_reasoner.server.running import run
    from adaptive_reasoner.kit.collecting.http_clients import Connections
    from adaptive_reasoner.reasoner.policy_and_actions import check_reach
    from adaptive_reasoner.server.keys import KeyFile
    from adaptive_reasoner.server.limits import Limits

    if keys is None and not no_keys and not _is_loopback(host):
        raise typer.BadParameter(
            f"whoever reaches {host} could spend the budget: give --keys, or --no-keys", param_hint="--host"
        )
    menu = load_menu(config, no_code)
    connections = Connections(menu.sources)  # a missing key ends the command, and no question waits for it
    menu = replace(menu, sources=connections.sources)
    callers = None if keys is None else KeyFile.load(keys)
    reasoner = _reasoner(menu, policy, ledger, budget=budget, hard_cap=hard_cap)
    limits = Limits(
        concurrency=concurrency, body_bytes=max_body, body_seconds=read_seconds, answer_seconds=answer_seconds
    )
    tenants = {} if callers is None else callers.tenants
    for tenant, caller in tenants.items():
        check_reach(reasoner.policy, target=caller.budget, of=f"tenant {tenant!r}")
    served = app(
        reasoner,
        actions=_actions(menu, reasoner),
        keys=callers,
        open_tenant=lambda tenant: _own_ledger(ledger, tenant, tenants.get(tenant), menu.cost_unit),
        limits=limits,
        connections=connections,
    )

    def ready(url: str) -> None:
        if as_json:
            print_json({"url": f"{url}/v1", "models": ["adaptive", *_actions(menu, reasoner)]})
        else:
            out.plain_line(f"{url}/v1  (Ctrl-C ends it)")
        out.file.flush()

    run(served, host=host, port=port, limits=limits, grace=grace, log_level=log_level.value, ready=ready)


def serve_key(
    keys: Annotated[Path, typer.Option(help="The file of keys; created if it is missing.")],
    name: Annotated[str, typer.Option(help="The name of the key, for you.")],
    tenant: Annotated[str | None, typer.Option(help="Who is charged for it, in a ledger of its own.")] = None,
    budget: Annotated[
        float | None, typer.Option(callback=amount, help="The tenant's mean cost per question.")
    ] = None,
    hard_cap: Annotated[
        float | None, typer.Option(callback=amount, help="Total that the tenant never exceeds.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key for `serve`, print it once, and add its hash to a file."""
    from adaptive_reasoner.server.keys import Caller, add_key

    if tenant is None and (budget is not None or hard_cap is not None):
        raise typer.BadParameter("a budget and a cap are a tenant's: give --tenant", param_hint="--tenant")
    key = add_key(keys, Caller(name, tenant, budget, hard_cap))
    if as_json:
        print_json({"key": key, "name": name, "file": str(keys)})
    else:
        out.plain_line(key)
        err.plain_line(f"added {name!r} to {keys}; the key is not kept anywhere")


def _reasoner(
    menu: "Menu", policy: Path | None, url: str, *, budget: float | None, hard_cap: float | None
) -> "AdaptiveReasoner":
    from adaptive_reasoner.ledger.opening import open_ledger

    if policy is None:
        return label_free_reasoner(menu, url, budget=budget, hard_cap=hard_cap)
    loaded = load_policy(policy, budget)
    kept = open_ledger(url, target=budget, cost_unit=menu.cost_unit, policy=loaded, hard_cap=hard_cap)
    return trained_reasoner(menu, loaded, kept)


def _actions(menu: "Menu", reasoner: "AdaptiveReasoner") -> "dict[str, ServedAction]":
    """The actions of the menu and, without a policy, those of the vote in its place."""
    from adaptive_reasoner.policy.label_free import SAMPLES
    from adaptive_reasoner.server.answering import ServedAction

    calls = {name: menu.most_calls(name) for name in menu.all_recipes}
    own = {name: flow for name, flow in reasoner.actions.items() if name in reasoner.policy.actions}
    return {
        name: ServedAction(flow, calls.get(name, SAMPLES)) for name, flow in {**own, **menu.actions}.items()
    }


def _own_ledger(url: str, tenant: str, caller: "Caller | None", cost_unit: str) -> "Ledger":
    """The ledger of a tenant, in the database of the common one."""
    from adaptive_reasoner.ledger.opening import open_ledger

    target, cap = (None, None) if caller is None else (caller.budget, caller.hard_cap)
    return open_ledger(url, target=target, hard_cap=cap, cost_unit=cost_unit, name=f"tenant {tenant}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
