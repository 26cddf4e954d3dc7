"""A policy learnt anew from its old outcomes and a log of traffic, with forgetting where these disagree."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Bools
from adaptive_reasoner.errors import OutcomesError, UnknownActionError
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.policy_card import Counts, digest_of
from adaptive_reasoner.kit.learning.training import TrainedPolicy, train
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.drift import Drift
from adaptive_reasoner.kit.off_policy.rescaling import rescaled_outcomes, rescaled_samples
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.splits import text_index
from adaptive_reasoner.policy.learned import LearnedPolicy

_OF_LOG = "of the log"  # the group of its questions, where the old ones have groups


def update(
    policy: LearnedPolicy,
    outcomes: Outcomes,
    log: Decisions,
    *,
    budget: float | None = None,
    target_accuracy: float | None = None,
    menu: Mapping[str, Any] | None = None,
    samples: Samples | None = None,
    counts: Counts | None = None,
    seed: int = 0,
    cache: VectorCache | None = None,
) -> TrainedPolicy:
    """Learn a policy again, from the outcomes it was trained on and from what the log shows of them today.

    Accuracy and cost of each action are brought to the level that the log shows: the old outcomes are scaled
    where its latest decisions are predicted better so, and kept where they are not. The learners also see the
    questions of the log, with what came of the action that was taken; what the others would have come to is
    predicted. Prices meet budgets on the old questions and on those of the log, as often as they come now,
    those that come again as questions that the policy knows.
    The gate is that of `train`: it counts old outcomes alone, at their new level.

    Args:
        policy: The policy to update.
        outcomes: What it was trained on; a policy folder holds no questions.
        log: Decisions on live traffic; accuracy needs graded ones. With an explored share they also tell of
            actions that the policy seldom takes.
        budget: Allowed mean cost per question; the policy's own aim when neither is given.
        target_accuracy: Mean accuracy to reach at the least cost, instead of a budget.
        menu: As for `train`; that of the policy by default.
        samples: As for `train`; costs are scaled like those of the outcomes.
        counts: As for `train`; that of the policy by default.
        seed: Of folds, learners, bootstrap and of which right answers a lower accuracy makes wrong.
        cache: Where vectors are kept.

    Returns:
        The policy, whose card says `updated_from` and whose report says what was forgotten, and why.

    Raises:
        OutcomesError: Units differ, the log names no action, or the outcomes are rewards.
        UnknownActionError: The outcomes lack an action of the policy.
        InfeasibleBudgetError: The cheapest choices cost more than the budget by now.
    """
    check_argument(policy, "LearnedPolicy", "update")
    check_argument(outcomes, "Outcomes", "update")
    check_argument(log, "Decisions", "update")
    _check(policy, outcomes, log)
    drift = Drift.between(policy, outcomes, log)
    moved = rescaled_outcomes(outcomes, drift.factors("accuracy"), drift.factors("cost"), seed=seed)
    if budget is None and target_accuracy is None:
        target_accuracy = policy.card.get("target_accuracy")
        budget = policy.card["budget"] if target_accuracy is None else None
    seen = None if outcomes.estimated is not None else drift.completed(len(outcomes))
    trained = train(
        moved,
        budget=budget,
        target_accuracy=target_accuracy,
        encoder=policy.encoder,
        menu=dict(policy.card.get("menu") or {}) if menu is None else menu,
        samples=None
        if samples is None
        else rescaled_samples(samples, outcomes.actions, drift.factors("cost")),
        counts=counts or policy.card["counts"],
        learnt_from=None if seen is None else _joined(moved, seen[0]),
        asked=None if seen is None else np.append(np.ones(len(moved), dtype=np.intp), seen[1]),
        again=None if seen is None else _known(moved, seen[0], seen[2]),
        seed=seed,
        cache=cache,
    )
    card, report = dict(trained.card), drift.as_dict()
    report["learnt_from_log"] = 0 if seen is None else len(seen[0])
    card["data"] = {**card["data"], "digest": digest_of(outcomes)}
    card["drift"] = {
        action: {"accuracy": accuracy, "cost": cost}
        for action, accuracy, cost in zip(
            outcomes.actions,
            drift.factors("accuracy").tolist(),
            drift.factors("cost").tolist(),
            strict=True,
        )
    }
    card["updated_from"] = policy.card["digest"]
    card["report"] = {**card["report"], "update": {"updated_from": policy.card["digest"], **report}}
    return replace(trained, card=card)


def _check(policy: LearnedPolicy, outcomes: Outcomes, log: Decisions) -> None:
    units = {"outcomes": outcomes.cost_unit, "policy": policy.cost_unit, "log": log.cost_unit}
    if len(set(units.values())) > 1:
        each = ", ".join(f"{unit} in the {of}" for of, unit in units.items())
        raise OutcomesError(f"one unit of cost is needed, but it is {each}")
    if outcomes.accuracy_unit is not None:
        raise OutcomesError(
            f"the outcomes are in {outcomes.accuracy_unit}, the log tells right from wrong: train on "
            "outcomes of newly collected samples instead"
        )
    missing = set(policy.actions) - set(outcomes.actions)
    if missing:
        raise UnknownActionError(min(missing), outcomes.actions)
    if not (log.among(outcomes.actions) >= 0).any():
        raise OutcomesError(
            f"none of {len(log)} questions of the log names one of {', '.join(outcomes.actions)} as its "
            "action: logs of version 0.1.0 name none, so keep a new one, with explore=0.02"
        )


def _known(outcomes: Outcomes, further: Outcomes, again: Bools) -> Bools:
    """Which questions of both tables, joined, a decision finds learnt: those that come again, shape (m,)."""
    old = len(outcomes)
    text = text_index(np.append(outcomes.questions, further.questions))
    return np.append(np.zeros(old, dtype=bool), again | np.isin(text[old:], text[:old]))


def _joined(outcomes: Outcomes, further: Outcomes) -> Outcomes:
    """Both tables as one; questions of the second one get new ids where the first one has theirs.

    Those of equal text have one group, so that no part of them is learnt from where another is predicted.
    """
    known = set(outcomes.question_ids.tolist())
    names = [f"{_OF_LOG}: {name}" if name in known else name for name in further.question_ids]
    groups = None
    if outcomes.groups is not None:
        text = text_index(np.append(outcomes.questions, further.questions))
        own = dict(zip(text[: len(outcomes)].tolist(), outcomes.groups, strict=True))
        of_log = [own.get(each, _OF_LOG) for each in text[len(outcomes) :].tolist()]
        groups = np.append(outcomes.groups, np.array(of_log, dtype=object))
    return replace(
        outcomes,
        question_ids=np.append(outcomes.question_ids, np.array(names, dtype=object)),
        questions=np.append(outcomes.questions, further.questions),
        accuracy=np.vstack([outcomes.accuracy, further.accuracy]),
        cost=np.vstack([outcomes.cost, further.cost]),
        samples=np.vstack([outcomes.samples, further.samples]),
        groups=groups,
        halves=None,
    )
