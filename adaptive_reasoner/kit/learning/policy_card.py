"""The content of `policy.json`: what a policy was trained on, what it costs, how well it did."""

import hashlib
import platform
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import UnknownActionError
from adaptive_reasoner.kit.learning.calibration import calibration_error, cost_spread, reliability
from adaptive_reasoner.kit.learning.cost_response import SPREAD, Moves, fit_accuracy_curve
from adaptive_reasoner.kit.learning.encoders import Encoder
from adaptive_reasoner.kit.learning.gate import Gate
from adaptive_reasoner.kit.learning.held_out_trust import trusted_shares
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.accuracy_curve import AccuracyCurve
from adaptive_reasoner.policy.features import SURFACE_FEATURES
from adaptive_reasoner.policy.mixture import CostCurve, Mixture
from adaptive_reasoner.policy.trust import Trust

Counts = Literal["completion", "total"]

_PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnx", "onnxruntime", "tokenizers")


def describe(
    imitator: Imitator,
    outcomes: Outcomes,
    *,
    budget: float,
    encoder: Encoder,
    menu: Mapping[str, Any],
    counts: Counts | None,
    gate: Gate,
    ships: bool,
    target_accuracy: float | None = None,
) -> dict[str, Any]:
    """The fields of `policy.json`, as plain JSON values.

    Args:
        imitator: Fitted on `outcomes` for `budget`.
        outcomes: What it was trained on, with all its actions.
        budget: Allowed mean cost per question.
        encoder: Whose vectors it was trained on.
        menu: What is known of each action, by name or under `"actions"`; may be empty.
        counts: Whether tokens count the completion only or the prompt too.
        gate: The verdict.
        ships: Whether the imitator decides, as far as it is trusted, or the best mixture of fixed actions.
        target_accuracy: Mean accuracy that sets the price, and by it the budget.

    Raises:
        InfeasibleBudgetError: The cheapest choices cost more than `budget`.
        InfeasibleAccuracyError: The policy does not reach `target_accuracy` on held-out questions.
        UnknownActionError: The menu describes an action that the outcomes do not have.
    """
    worst, trained_on = worst_costs(outcomes, menu, counts), digest_of(outcomes)
    everything, outcomes = outcomes.actions, outcomes.only(imitator.columns_)
    judged = imitator.cross_fit_.judged.only(imitator.columns_)
    mixture, trust = imitator.mixture_, imitator.trust_
    curve = imitator.curve_ if ships else _with_interval(mixture.curve, outcomes)
    reached = accuracy_along(curve, imitator if ships else mixture)
    if target_accuracy is None:
        price = curve.price_at(budget, unit=outcomes.cost_unit)
    else:
        price = reached.price_at(target_accuracy)
        budget = curve.cost_at(price)
    return {
        "actions": list(outcomes.actions),
        "dropped": list(imitator.dropped_),
        "menu": _among(menu, imitator.dropped_),
        "worst_cost": [worst[column] for column in imitator.columns_],
        "accuracy_unit": outcomes.accuracy_unit,
        "cost_unit": outcomes.cost_unit,
        "counts": counts,
        "budget": budget,
        "target_accuracy": target_accuracy,
        "price": price,
        "ships": "imitator" if ships else "mixture",
        "verdict": gate.answer,
        "spread": SPREAD,
        "frontier": {name: values.tolist() for name, values in {**vars(reached), **vars(curve)}.items()},
        "mean_accuracy": mixture.accuracy.tolist(),
        "mean_cost": mixture.cost.tolist(),
        "mixture": [outcomes.actions[vertex] for vertex in mixture.vertices],
        **({"trust": trust.as_card()} if ships else {}),
        "familiarity": {"at_least": imitator.familiarity_.at_least},
        "features": {"vector": encoder.dimension, "surface": list(SURFACE_FEATURES)},
        "encoder": encoder.identity,
        "data": {
            "digest": trained_on,
            "questions": len(outcomes),
            "labelled": int(outcomes.labelled.sum()),
        },
        "report": {
            "gate": gate.as_dict(),
            "learner": imitator.learner_,
            "lifts": imitator.lifts_,
            "calibration": {
                **_calibration(imitator, judged, everything),
                "cost_spread": _cost_spread(imitator, outcomes),
            },
            "held_out": _held_out(imitator, judged, budget, trust if ships else Trust.full()),
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }


def accuracy_along(curve: CostCurve, policy: Imitator | Mixture) -> AccuracyCurve:
    """Mean accuracy at the prices of a cost curve: of an imitator on held-out questions, or of mixtures."""
    if isinstance(policy, Imitator):
        judged = policy.cross_fit_.judged.only(policy.columns_)
        return fit_accuracy_curve(Moves.of(policy.held_out_), judged.accuracy, curve.price)
    return AccuracyCurve.of(curve.price, policy.accuracy_for(curve.cost))


def worst_costs(
    outcomes: Outcomes, menu: Mapping[str, Mapping[str, Any]], counts: Counts | None
) -> list[float | None]:
    """The most each action can cost by its menu; None if the menu does not determine it.

    Raises:
        UnknownActionError: The menu describes an action that the outcomes do not have.
    """
    specs = menu.get("actions", menu)
    for action in specs:
        if action not in outcomes.actions:
            raise UnknownActionError(action, outcomes.actions)
    return [_worst_cost(specs.get(action, {}), outcomes.cost_unit, counts) for action in outcomes.actions]


def digest_of(outcomes: Outcomes) -> str:
    """A digest of questions, actions, accuracies and costs."""
    digest = hashlib.sha256()
    for texts in (outcomes.actions, outcomes.question_ids, outcomes.questions):
        digest.update("\0".join(texts).encode(errors="surrogatepass"))
    for table in (outcomes.accuracy, outcomes.cost):
        digest.update(np.ascontiguousarray(table, dtype="<f8").tobytes())
    return digest.hexdigest()


def _among(menu: Mapping[str, Any], dropped: Collection[str]) -> dict[str, Any]:
    """A menu without some actions."""
    kept = {name: spec for name, spec in menu.get("actions", menu).items() if name not in dropped}
    return {**menu, "actions": kept} if "actions" in menu else kept


def _worst_cost(spec: Mapping[str, Any], unit: str, counts: Counts | None) -> float | None:
    if spec.get("worst_cost") is not None:
        return float(spec["worst_cost"])
    votes = int(spec.get("votes") or 1)
    if unit == "samples" and spec:
        return float(votes)
    if unit == "tokens" and counts == "completion" and spec.get("max_tokens") is not None:
        return float(votes * spec["max_tokens"])
    return None


def _with_interval(curve: CostCurve, outcomes: Outcomes) -> CostCurve:
    """The curve of mixtures, with the interval of the actions' mean costs."""
    mean = outcomes.cost.mean(axis=0)
    error = 1.96 * outcomes.cost.std(axis=0) / np.sqrt(len(outcomes))
    by_cost = np.argsort(mean)
    doubt = np.interp(curve.cost, mean[by_cost], error[by_cost])
    return CostCurve.of(curve.price, curve.cost, np.maximum(curve.cost - doubt, 0.0), curve.cost + doubt)


def _calibration(imitator: Imitator, outcomes: Outcomes, actions: Sequence[str]) -> dict[str, Any]:
    names = ["level", "contrast", *(f"cost of {action}" for action in actions)]
    return {
        "slopes": dict(zip(names, imitator.calibration_.slopes.tolist(), strict=True)),
        "error": calibration_error(imitator.held_out_.accuracy, outcomes.accuracy),
        "classes": reliability(imitator.held_out_.accuracy, outcomes),
    }


def _cost_spread(imitator: Imitator, outcomes: Outcomes) -> dict[str, float]:
    """By action, how far costs lie from held-out predictions; see `cost_spread`."""
    spread = cost_spread(imitator.held_out_.cost, outcomes).tolist()
    return dict(zip(outcomes.actions, spread, strict=True))


def _held_out(imitator: Imitator, outcomes: Outcomes, budget: float, trust: Trust) -> dict[str, float]:
    """What the imitator does at the budget, on predictions for questions it had not seen."""
    price = imitator.curve_.price_at(max(budget, imitator.curve_.cheapest))
    shares = trusted_shares(imitator.held_out_, trust, imitator.mixture_, imitator.curve_, price)

    def mean(table: Floats) -> float:
        return float((shares * table).sum(axis=1).mean())

    return {"price": price, "accuracy": mean(outcomes.accuracy), "cost": mean(outcomes.cost)}


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout
            continue
    return found
