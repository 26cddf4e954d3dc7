"""From outcomes to a policy that can be shipped."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Bools, Ints
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.estimating.consensus import with_estimated_grades
from adaptive_reasoner.kit.learning.encoders import (
    DeferredEncoder,
    Encoder,
    VectorCache,
    feature_matrix,
    write_shipped,
)
from adaptive_reasoner.kit.learning.fitted_looks import fit_looks
from adaptive_reasoner.kit.learning.forecasts import beyond_mean
from adaptive_reasoner.kit.learning.gate import Gate
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.policy_card import Counts, describe
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.votes.fitting import FittedStop, fit_stops, stopping_graph
from adaptive_reasoner.policy.features import ENCODER_FILES
from adaptive_reasoner.policy.folder.policy_folder import PathLike, write_policy_folder
from adaptive_reasoner.policy.vote_tables import STOP_MODEL


@dataclass(frozen=True, eq=False)
class TrainedPolicy:
    """A trained policy, ready to be saved.

    Attributes:
        imitator: What was learnt.
        encoder: The encoder whose vectors it was trained on.
        gate: How far it beats mixtures of fixed actions; where it does not, the best mixture decides.
        card: What `policy.json` will say.
        stops: When votes on each source are best ended, where samples were given.
    """

    imitator: Imitator
    encoder: Encoder
    gate: Gate
    card: dict[str, Any]
    stops: Mapping[str, FittedStop] = field(default_factory=dict)

    @property
    def report(self) -> dict[str, Any]:
        """Verdict, learner, dropped actions, calibration and held-out figures, as plain JSON values."""
        summary = {name: self.card[name] for name in ("verdict", "ships", "actions", "dropped")}
        return {**summary, **self.card["report"]}

    def save(self, folder: PathLike) -> Path:
        """Write the policy folder, whole or not at all; an older policy there is replaced.

        Raises:
            FileExistsError: Something that is no policy stands there.
        """
        files = {name: self.encoder.folder / name for name in ENCODER_FILES}
        graphs = {"imitator.onnx": self.imitator.graph()}
        if self.stops:
            graphs[STOP_MODEL] = stopping_graph(self.stops)
        with tempfile.TemporaryDirectory() as scratch:
            for name, graph in graphs.items():
                files[name] = Path(scratch) / name
                files[name].write_bytes(graph.SerializeToString())
            files["encoder.onnx"] = Path(scratch) / "encoder.onnx"
            write_shipped(self.encoder.folder / "encoder.onnx", files["encoder.onnx"])
            write_policy_folder(folder, self.card, files)
        return Path(folder)


def train(
    outcomes: Outcomes,
    *,
    budget: float | None = None,
    target_accuracy: float | None = None,
    encoder: Encoder | str | os.PathLike[str] | None = None,
    menu: Mapping[str, Any] | None = None,
    samples: Samples | None = None,
    counts: Counts | None = None,
    gated: bool = True,
    learnt_from: Outcomes | None = None,
    asked: Ints | None = None,
    again: Bools | None = None,
    seed: int = 0,
    cache: VectorCache | None = None,
) -> TrainedPolicy:
    """Learn which action to take for each question, and test whether that gains accuracy.

    Args:
        outcomes: What each action scored and cost on each question.
        budget: Allowed mean cost per question. Another budget needs no new training, as the policy
            keeps the whole curve of price against cost.
        target_accuracy: Mean accuracy to reach at the least cost, instead of a budget. The price is read from
            the accuracy on held-out questions, and the budget is what that costs.
        encoder: An encoder, or the name or folder of a sentence-transformers model; MiniLM by default.
        menu: What is known of each action (`source`, `strategy`, `votes`, `max_tokens`, `worst_cost`, ...),
            by its name, or what `Menu.specs()` returns; kept in the policy, which takes worst costs from it.
        samples: What the outcomes were estimated from: the policy keeps what they cost, and learns from them
            when to stop votes.
        counts: Which tokens a cost in tokens counts; by default those that menu, outcomes or samples
            name, else the completion alone.
        gated: Follow the imitator only as far as the gate trusts it, and ship the best mixture of fixed
            actions if it does not. Otherwise it is followed everywhere.
        learnt_from: What the learners are fitted to, where that is more than `outcomes`: these first, then
            further questions, of which some cells are estimates. Which learner, its calibration and the gate
            go by `outcomes` alone, each question predicted by learners of the others.
        asked: How often each question of `learnt_from` comes, shape (m,): prices meet budgets on all of them.
        again: Which of these come again, and so are decided by learners that know them, shape (m,).
        seed: Of folds, learners and bootstrap.
        cache: Where vectors are kept; the user's cache by default.

    Raises:
        InfeasibleBudgetError: The cheapest choices cost more than `budget`.
        InfeasibleAccuracyError: The policy does not reach `target_accuracy` on held-out questions.
        ValueError: The aim is not a finite number, or there are none or two.
        OutcomesError: Menu, outcomes, samples and `counts` disagree on which tokens are counted.
        UnknownActionError: The menu describes an action that the outcomes do not have.
    """
    check_argument(outcomes, "Outcomes", "train")
    if samples is not None:
        check_argument(samples, "Samples", "train(samples=...)")
    _check_aim(budget, target_accuracy)
    menu = menu or {}
    if outcomes.cost_unit == "tokens":
        of_menu = menu.get("counts")
        counts = _agreed(
            counts=counts,
            menu=of_menu if isinstance(of_menu, str) else None,
            outcomes=outcomes.counts,
            samples=None if samples is None else samples.counts,
        )
    session = DeferredEncoder.of(encoder)
    known = outcomes if learnt_from is None else learnt_from
    X = feature_matrix(list(known.questions), session, cache=cache)
    if target_accuracy is not None:  # where to compare learners: what mixtures of fixed actions pay for it
        hull = uniform_hull(outcomes)
        budget = min(float(hull.cost_at(target_accuracy)), float(hull.costs[-1]))
    assert budget is not None
    imitator = Imitator(vector=session.dimension, seed=seed).fit(X, known, budget)
    if learnt_from is not None:
        imitator = imitator.learnt_from(
            X, known, chosen_on=np.arange(len(known)) < len(outcomes), asked=asked, again=again
        )
    gate = imitator.gate()
    ships = gate.ships or not gated
    imitator = imitator if gated else imitator.ungated()
    card = describe(
        imitator,
        outcomes,
        budget=budget,
        encoder=session,
        menu=menu,
        counts=counts,
        gate=gate,
        ships=ships,
        target_accuracy=target_accuracy,
    )
    stops: Mapping[str, FittedStop] = {}
    if samples is not None:
        of_votes, stops = _learn_votes(
            samples,
            outcomes.only(imitator.columns_),
            imitator,
            ships=ships,
            budget=budget,
            menu=menu,
            seed=seed,
        )
        card = {**card, **of_votes, "report": {**card["report"], **of_votes["report"]}}
    return TrainedPolicy(imitator=imitator, encoder=session, gate=gate, card=card, stops=stops)


def _check_aim(budget: float | None, target_accuracy: float | None) -> None:
    """Refuse a budget beside a target accuracy, neither of them, and one that is not finite."""
    aims = {"budget": budget, "target accuracy": target_accuracy}
    given = {name: aim for name, aim in aims.items() if aim is not None}
    if len(given) != 1:
        raise ValueError("a policy is trained for either a budget or a target accuracy")
    for name, aim in given.items():
        if not isfinite(aim):
            raise ValueError(f"a policy is trained for a finite {name}, not {aim}")


def _learn_votes(
    samples: Samples,
    outcomes: Outcomes,
    imitator: Imitator,
    *,
    ships: bool,
    budget: float,
    menu: Mapping[str, Any],
    seed: int,
) -> tuple[dict[str, Any], dict[str, FittedStop]]:
    """When votes are best ended, and which may be left: fields of the card, and stops by source.

    Args:
        samples: What the outcomes were estimated from.
        outcomes: Of the actions that the imitator chooses among.
        imitator: Decides by the question alone.
        ships: Whether it does in the policy, or the best mixture of fixed actions.
        budget: Allowed mean cost per question.
        menu: What is known of each action.
        seed: Of orders and folds.
    """
    beyond = {}
    for source in samples.sources if ships else ():
        expected = beyond_mean(
            imitator.held_out_, imitator.mixture_, source=source, sources=samples.sources, menu=menu
        )
        beyond[source] = dict(zip(outcomes.question_ids.tolist(), expected.tolist(), strict=True))
    graded = with_estimated_grades(samples)
    looks = fit_looks(graded, outcomes, imitator, learned=ships, menu=menu, seed=seed)
    stops = fit_stops(graded, beyond=beyond, seed=seed)
    card: dict[str, Any] = {}
    if looks.looks and budget >= looks.curve.cheapest:
        card["looking"] = looks.as_card(budget, outcomes.cost_unit)
    card["stopping"] = {source: stop.as_card() for source, stop in stops.items()}
    card["report"] = {
        "looking": looks.report(),
        "labelling": {"cost_unit": samples.cost_unit, "sources": samples.bill()},
    }
    return card, stops


def _agreed(**counted: str | None) -> Counts:
    """Which tokens are counted, if all that name them agree."""
    named = {who: counts for who, counts in counted.items() if counts is not None}
    if len(set(named.values())) > 1:
        each = ", ".join(f"{counts} by {who}" for who, counts in named.items())
        raise OutcomesError(f"one kind of tokens is counted, but it is {each}")
    return "total" if "total" in named.values() else "completion"
