"""The verdict in words: whether to ship, by how much, and how sure that is."""

from collections.abc import Mapping
from typing import Any

from adaptive_reasoner.amounts import signed, written
from adaptive_reasoner.kit.backtesting.lift import Gain
from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS
from adaptive_reasoner.kit.learning.gate import SHIPS, WORTHWHILE, checked
from adaptive_reasoner.kit.learning.held_out_trust import ROUNDING
from adaptive_reasoner.kit.reporting.html_page import Verdict
from adaptive_reasoner.kit.reporting.summary import PolicySummary

_MERE_TOPIC = 0.25  # share of the lift left within groups, below which it is topic rather than difficulty


def points(lift: float, unit: str | None = None) -> str:
    """A difference of accuracies, signed.

    Example:
        >>> points(0.0951), points(-0.002), points(0.0951, "reward")
        ('+9.5 points', '-0.2 points', '+0.0951 reward')
    """
    if unit is not None:
        return f"{signed(lift, 3)} {unit}"
    return f"{100 * lift:+.1f} points"


def between(low: float, high: float, unit: str | None = None) -> str:
    """The two ends of an interval.

    Example:
        >>> between(0.082, 0.109), between(-0.004, 0.011)
        ('8.2 to 10.9', '-0.4 to 1.1')
    """
    return (
        f"{written(low, 3)} to {written(high, 3)}"
        if unit is not None
        else f"{100 * low:.1f} to {100 * high:.1f}"
    )


def amount(cost: float) -> str:
    """A cost, with as many digits as one reads.

    Example:
        >>> amount(2931.4), amount(11.62), amount(0.00321)
        ('2,931', '11.6', '0.00321')
    """
    return f"{cost:,.0f}" if abs(cost) >= 1000 else written(cost, 3)


def level(accuracy: float, unit: str | None = None) -> str:
    """An accuracy."""
    return written(accuracy, 3) if unit is not None else f"{accuracy:.1%}"


def judged(
    measured: PolicySummary,
    *,
    answer: str,
    needed: int | None,
    unit: str,
    accuracy_unit: str | None = None,
    worthwhile: float = WORTHWHILE,
    labels: int | None = None,
) -> Verdict:
    """The verdict on shipping a policy, in the words of the gate.

    It is the gate's, unless a policy that ships has been measured anew and gains nothing there.

    Args:
        measured: What was measured of it.
        answer: The answer of the gate: of the policy's own, or of the backtest at the budget.
        needed: About how many questions, or labels of them, would be enough, where the gate asked for more.
        unit: Of costs.
        accuracy_unit: Of accuracies, where they are none.
        worthwhile: The least lift that is worth a policy's upkeep.
        labels: How many questions have a right answer; None if all have.
    """
    lift = measured.lift
    gained = f"{points(lift.mean, accuracy_unit)} at {amount(measured.cost)} {unit}"
    interval = f"interval {between(lift.low, lift.high, accuracy_unit)}"
    against = (
        f"It gets {level(measured.accuracy, accuracy_unit)} where the best random mixture of fixed actions "
        f"gets {level(measured.uniform, accuracy_unit)} at the same cost"
    )
    clear, word = lift.low > ROUNDING, f"{answer.capitalize()}:"
    ships = answer in SHIPS
    if measured.anew and clear and not ships:
        trained = "These questions show a gain, but those of training did not: train on both."
        return Verdict(word, f"{gained}, {interval}. {trained}", "unsure")
    refuted = measured.anew and ships and lift.high < worthwhile
    if refuted or answer == "do not ship":
        noise = "the lift is too small to be worth it" if clear else "the lift is within noise"
        found = "it loses against the best random mixture" if lift.high < 0 else noise
        trained = f" In training the gate said: {answer}." if refuted else ""
        return Verdict("Do not ship:", f"{found}: {gained}, {interval}.{trained}", "bad")
    if answer == "not enough questions":
        more = f"; about {needed:,} would tell" if needed else ""
        return Verdict(word, f"{gained}, {interval}{more}.", "unsure")
    if answer == "unverified":
        draws = f"`adaptive-reasoner label SAMPLES --next {needed or FEWEST_LABELS} --random 1`"
        found = f"{gained}, {interval}, by estimates: {checked(labels or 0)}. {draws} draws those to check."
        return Verdict(word, found, "unsure")
    few = "" if clear or not measured.anew else " These questions are too few to show what training showed."
    found = f"{gained}, {interval}.{few} {against}.{_topic(measured, accuracy_unit)}"
    return Verdict(word, found, "good" if clear else "unsure")


def _topic(measured: PolicySummary, unit: str | None) -> str:
    """A warning where knowing the group alone explains the lift."""
    within = measured.within_groups
    if within is None or within >= _MERE_TOPIC * measured.lift.mean:
        return ""
    return f" Most of it is telling topics apart: within groups it is {points(within, unit)}."


def room(
    gains: Mapping[str, Gain],
    *,
    budget: float,
    unit: str,
    accuracy_unit: str | None = None,
    worthwhile: float = WORTHWHILE,
) -> Verdict:
    """What there is to gain where no policy has been trained yet."""
    in_sample, crossfit = gains["oracle_in_sample"], gains.get("oracle_crossfit")
    most = points(in_sample.lift.mean, accuracy_unit)
    there = f"At {amount(budget)} {unit} per question knowing every outcome"
    if crossfit is None:
        return Verdict(
            "No policy yet:",
            f"{there} would add at most {most} to the best random mixture of fixed actions. With one sample "
            "an action that is hindsight: train a policy, or backtest, to see how much can be had.",
        )
    lift = crossfit.lift
    sure = f"{points(lift.mean, accuracy_unit)} ({between(lift.low, lift.high, accuracy_unit)}) cross-fitted"
    if lift.high < worthwhile:
        return Verdict("Little to gain:", f"{there} would add {sure}, {most} in sample.", "bad")
    return Verdict("Room to gain:", f"{there} would add {sure}, at most {most}; no policy is shown.")


def share_closed(closed: Mapping[str, Any]) -> str:
    """The share of hindsight's gain that was reached, as a range if both oracles are known.

    Example:
        >>> share_closed({"oracle_crossfit": 0.61, "oracle_in_sample": 0.42}), share_closed({})
        ('42% to 61%', '-')
    """
    shares = sorted({f"{share:.0%}": share for share in closed.values()}.items(), key=lambda each: each[1])
    return " to ".join(text for text, _ in shares) or "-"
