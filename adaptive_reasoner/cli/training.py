"""The command that trains a policy, or one anew from what live traffic shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adaptive_reasoner.cli.checks import SEEDS, Accuracy, Budget, one_of
from adaptive_reasoner.cli.results import AsJson, NoCode, print_result
from adaptive_reasoner.cli.summaries import of_training, of_update
from adaptive_reasoner.console import err, print_json, progress
from adaptive_reasoner.errors import needs

if TYPE_CHECKING:
    from adaptive_reasoner.kit.learning.training import TrainedPolicy
    from adaptive_reasoner.kit.outcomes import Outcomes
    from adaptive_reasoner.kit.samples import Samples


def train(
    outcomes: Annotated[
        Path | None,
        typer.Argument(help="Outcomes file; with --update the one that the policy was trained on."),
    ] = None,
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", help="Policy folder to write; with --update the updated one by default."),
    ] = None,
    budget: Budget = None,
    accuracy: Accuracy = None,
    samples: Annotated[
        Path | None, typer.Option(help="The samples of the outcomes; votes learn from them when to stop.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="The menu, saved in the policy.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="A sentence-transformers model; MiniLM by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of the folds.")] = 0,
    no_code: NoCode = False,
    update: Annotated[
        Path | None,
        typer.Option(help="With --log: a policy folder to train anew, forgetting what the log contradicts."),
    ] = None,
    log: Annotated[Path | None, typer.Option(help="With --update: a graded log of live traffic.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a policy that chooses an action per question, and write its folder.

    With --update and --log, train it again: the old outcomes are brought to the accuracy and cost that the
    log shows, and the questions of the log are learnt from as well. Budget, menu and encoder stay.
    """
    with needs("train needs", "kit"):
        from adaptive_reasoner.kit.learning.training import train as train_policy
    from adaptive_reasoner.kit.menu.menu import Menu
    from adaptive_reasoner.kit.outcomes import Outcomes
    from adaptive_reasoner.kit.samples import Samples
    from adaptive_reasoner.policy.folder.policy_folder import check_place

    if (update is None) != (log is None):
        missing = "--log" if log is None else "--update"
        raise typer.BadParameter("--update and --log go together.", param_hint=f"'{missing}'")
    if outcomes is None:
        needed = "a file of outcomes is needed"
        if update is not None:
            needed += f": the one that {update} was trained on, as a policy folder holds no questions"
        raise typer.BadParameter(f"{needed}.", param_hint="'OUTCOMES'")
    if update is None or not (budget is None and accuracy is None):
        one_of(budget=budget, accuracy=accuracy)
    if out_folder is None:
        if update is None:
            raise typer.BadParameter("a policy folder to write is needed.", param_hint="'--out'")
        out_folder = update
    check_place(out_folder)
    table = Outcomes.read(outcomes)
    menu: dict[str, Any] = {"actions": {}}
    if config:
        menu = dict(Menu.load(config, code="refuse" if no_code else "run").specs())
    menu["actions"] = {name: spec for name, spec in menu["actions"].items() if name in table.actions}
    bought = Samples.read(samples) if samples else None
    with progress("training"):
        if update is not None and log is not None:
            if encoder is not None:
                raise typer.BadParameter("an update keeps the policy's encoder.", param_hint="'--encoder'")
            policy = _updated(
                update,
                log,
                table,
                budget=budget,
                target_accuracy=accuracy,
                menu=menu if config else None,
                samples=bought,
                seed=seed,
            )
        else:
            policy = train_policy(
                table,
                budget=budget,
                target_accuracy=accuracy,
                encoder=encoder,
                menu=menu,
                samples=bought,
                seed=seed,
            )
        policy.save(out_folder)
    if as_json:
        print_json({"policy": str(out_folder), **policy.report})
        return
    print_result(of_training(out_folder, policy.report, table.cost_unit), as_json=False)
    if "update" in policy.report:
        print_result(of_update(policy.report["update"]), as_json=False)
        if not policy.report["update"]["log"]["graded"]:
            err.plain_line(
                "note: no question of the log is graded, so that it tells costs only: give right answers by "
                "`adaptive-reasoner regrade` or `adaptive-reasoner label`"
            )


def _updated(
    folder: Path,
    log: Path,
    outcomes: "Outcomes",
    *,
    budget: float | None,
    target_accuracy: float | None,
    menu: dict[str, Any] | None,
    samples: "Samples | None",
    seed: int,
) -> "TrainedPolicy":
    """The policy of a folder, trained anew."""
    from adaptive_reasoner.kit.learning.policy_card import digest_of
    from adaptive_reasoner.kit.off_policy.decisions import Decisions
    from adaptive_reasoner.kit.off_policy.updating import update
    from adaptive_reasoner.policy.learned import LearnedPolicy

    policy = LearnedPolicy.load(folder)
    if policy.card.get("data", {}).get("digest") != digest_of(outcomes):
        err.plain_line(
            f"warning: {folder} was not trained on these outcomes; the log is compared with their mean "
            "accuracy and cost"
        )
    return update(
        policy,
        outcomes,
        Decisions.read(log),
        budget=budget,
        target_accuracy=target_accuracy,
        menu=menu,
        samples=samples,
        seed=seed,
    )
