"""Summaries of results for people; `--json` prints the results whole."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adaptive_reasoner.console import number

if TYPE_CHECKING:
    from adaptive_reasoner.kit.collecting.progress import Collected

_STOPPED = {
    "max_cost": "the cap left no room for another call",
    "retry_after": "an endpoint asked for a longer pause than allowed",
}


def of_collection(done: "Collected") -> dict[str, Any]:
    """What a collection did, in the words of the command line.

    Example:
        >>> from adaptive_reasoner.kit.collecting.progress import Collected
        >>> done = Collected("s.jsonl", 80, 80, 48, 0, 0, 0, 1.25, 0.0, "usd", 3.2)
        >>> {name: said for name, said in of_collection(done).items() if "file" in name or "now" in name}
        {'file': 's.jsonl', 'already in the file': 32, 'collected now': 48}
    """
    where_known = {
        "skipped by --adaptive": done.saved,
        "missing": done.missing,
        "not graded": done.ungraded,
        "graded by another grader": done.graded_otherwise,
    }
    costs = {"cost": _amount(done.cost, done.cost_unit)}
    if done.lost:
        costs["cost of lost calls"] = _amount(done.lost, done.cost_unit)
    ended = {} if done.stopped is None else {"stopped because": _STOPPED[done.stopped]}
    waits = {source: f"{number(seconds)} s" for source, seconds in done.given_up.items()}
    return {
        "file": done.file,
        "requested": done.wanted,
        "already in the file": done.there - done.new,
        "collected now": done.new,
        "failed": done.failed,
        **{name: value for name, value in where_known.items() if value},
        "calls repeated after an error": done.retried,
        **costs,
        "time": f"{done.seconds:.1f} s",
        **ended,
        **({"pauses asked for": waits} if waits else {}),
    }


def of_training(folder: object, report: Mapping[str, Any], cost_unit: str) -> dict[str, Any]:
    """What was trained, whether it is shipped, and the gain that decided it."""
    from adaptive_reasoner.kit.learning.dominated import dropped_in_words

    gate, held_out = report["gate"], report["held_out"]
    gain = f"{gate['lift']:+.3f} ({gate['low']:+.3f} to {gate['high']:+.3f})"
    needed = {
        "questions that would be enough": gate["needed"],
        "right answers known, of questions drawn at random": gate["labels"],
        "random labels that would verify it": gate["needed_labels"],
    }
    accuracy = "accuracy" if gate["labels"] is None else "estimated accuracy"
    dropped = dropped_in_words(report["dropped"], len(report["actions"]) + len(report["dropped"]))
    return {
        "policy": str(folder),
        "verdict": report["verdict"],
        "ships": report["ships"],
        "gain over random mixtures": f"{gain}, on {gate['questions']} questions",
        **{name: value for name, value in needed.items() if value is not None},
        "learner": report["learner"],
        **({"dropped": dropped} if dropped else {}),
        "imitator on questions it has not seen": f"{accuracy} {held_out['accuracy']:.3f} at "
        f"{_amount(held_out['cost'], cost_unit)} per question",
        "more": "policy.json in the folder, or --json",
    }


def of_update(update: Mapping[str, Any]) -> dict[str, Any]:
    """What a log has changed in a policy, and why."""
    log = update["log"]
    seen = f"{log['questions']} questions, {log['graded']} of them graded, {log['explored']} explored"
    others = update["not_learnt"]
    return {
        "updated from": update["updated_from"][:16],
        "log": seen,
        "learnt from the log": f"{update['learnt_from_log']} questions",
        "drift": "; ".join(_of_drift(update["why"])),
        **({"not learnt, as the outcomes lack it": others} if others else {}),
    }


def _of_drift(why: Sequence[str]) -> Iterator[str]:
    """The sentences on accuracy and cost of each action, as one where both stay for the same reason.

    Example:
        >>> list(_of_drift([f"the {of} of 'cot' stays: 3 are too few" for of in ("accuracy", "cost")]))
        ["the accuracy of 'cot' and its cost stay: 3 are too few"]
    """
    for accuracy, cost in zip(why[::2], why[1::2], strict=True):
        what, stays, reason = accuracy.partition(" stays: ")
        if stays and cost.endswith(stays + reason):
            yield f"{what} and its cost stay: {reason}"
        else:
            yield from (accuracy, cost)


def _amount(cost: float, unit: str) -> str:
    return f"{number(cost)} {unit}"
