"""The judge behind estimates: how often it is right, what it favours and what it cost."""

from adaptive_reasoner.amounts import written
from adaptive_reasoner.kit.estimating.judge_quality import JudgeQuality, measure_judge
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting.html_page import Section, Table
from adaptive_reasoner.kit.samples import Samples


def judge_section(outcomes: Outcomes, samples: Samples | None) -> Section | None:
    """What is known of the judge, from the samples if given, else from the outcomes; None without a judge."""
    quality = None if samples is None else measure_judge(samples)
    if quality is None and outcomes.judge_quality is not None:
        quality = JudgeQuality.from_dict(outcomes.judge_quality)
    if quality is None:
        return None
    if quality.accuracy is None or quality.consensus is None:
        checked = "None of them could be checked against a right answer: label some questions to measure it."
    else:
        ahead = "better" if quality.accuracy > quality.consensus else "no better"
        checked = (
            f"On {quality.checked} of them with right answers it is right in {quality.accuracy:.0%}, {ahead} "
            f"than the agreement of the replies ({quality.consensus:.0%})."
        )
    biases = {
        "longer replies": quality.by_length,
        "the reply shown first": quality.by_position,
        "all replies": quality.lenience,
        **quality.by_source,
    }
    rows = [{"towards": name, "bias": bias} for name, bias in biases.items() if bias is not None]
    if quality.consistent is not None:
        checked += f" Asked in both orders, it prefers the same reply in {quality.consistent:.0%} of pairs."
    text = (
        f"{quality.given} {quality.gives} of a judge, for {written(quality.cost, 4)} {quality.cost_unit}. "
        f"{checked} A bias is how much more it gives than right answers do; that of the first place cancels, "
        "as both orders are asked."
    )
    return Section(
        "judge",
        "The judge",
        text,
        tables=[Table("What the judge favours", rows, {"bias": "+.3f"}, words=("towards",))],
    )
