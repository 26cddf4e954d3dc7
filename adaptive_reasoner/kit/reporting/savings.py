"""What live questions have shown: both arms of a shadow evaluation, and what was saved."""

from collections.abc import Mapping
from typing import Any

from adaptive_reasoner.kit.reporting import wording
from adaptive_reasoner.kit.reporting.html_page import Section, Table


def savings_section(savings: Mapping[str, Any] | None) -> Section | None:
    """The section on what `adaptive-reasoner savings --json` has printed; None without it."""
    if savings is None or savings["saved"] is None:
        return None
    unit, saved, total = savings["cost_unit"], savings["saved"], savings["saved_total"]
    arms = {"answers": ("quality", "cost"), savings["against"]: ("against_quality", "against_cost")}
    rows = [
        {"arm": arm, **_ends("quality", savings[quality]), **_ends("cost", savings[cost])}
        for arm, (quality, cost) in arms.items()
    ]
    text = (
        f"{savings['judged']:,} live questions were answered a second time, by {savings['against']}, and "
        f"judged blind, in both orders. An answer costs {_between(saved)} {unit} less than a second one, "
        f"which is {wording.amount(total['mean'])} {unit} on the {savings['questions']:,} questions they "
        f"were drawn from; comparing cost {wording.amount(savings['spent'])} {unit}. Quality is how often an "
        "answer is preferred, a tie counting half. Intervals are 95%, at all numbers of questions at once."
    )
    caption = "Quality and cost of both arms on live questions"
    shares = ("quality", "quality_low", "quality_high")
    return Section(
        "savings",
        "Saved on live questions",
        text,
        tables=[Table(caption, rows, dict.fromkeys(shares, ".3f"), words=("arm",))],
    )


def _ends(name: str, estimate: Mapping[str, float | None] | None) -> dict[str, float | None]:
    found = estimate or dict.fromkeys(("mean", "low", "high"))
    return {name: found["mean"], f"{name}_low": found["low"], f"{name}_high": found["high"]}


def _between(estimate: Mapping[str, Any]) -> str:
    mean = wording.amount(estimate["mean"])
    if estimate["low"] is None:
        return mean
    return f"{mean} ({wording.amount(estimate['low'])} to {wording.amount(estimate['high'])})"
