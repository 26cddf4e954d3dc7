"""When to stop a vote, a search, or a ladder of thinking."""

from cells import fine, interval, lines_of, result


def stopping():
    """The priced stop against the best of all others, a checker, waiting, and a ladder of thinking."""
    found = result("stopping")
    yield from _votes(found["votes"])
    yield "**A checker ends the search** (game of 24): accuracy by budget in milli-dollars."
    yield ""
    accuracy = found["checker"]["accuracy"]
    budgets = list(next(iter(accuracy.values())))
    rows = ([name, *(f"{values[budget]:.3f}" for budget in budgets)] for name, values in accuracy.items())
    yield from lines_of(["", *budgets], rows)
    yield ""
    yield from _ladder(found["ladder"])
    yield "**Waiting has its price too** (letters): a sample is worth .002 of accuracy."
    yield ""
    measured = ("accuracy", "samples", "rounds", "rounds_p95")
    rows = (
        [str(row["round_is_worth"]), *(f"{row[name]:.4g}" for name in measured)] for row in found["waiting"]
    )
    yield from lines_of(["a round is worth", "accuracy", "samples", "rounds", "rounds, p95"], rows)


def _votes(votes):
    yield "**Priced stop less the best of the others**, mean over 2 to 12 mean samples, and its extremes."
    yield ""
    head = ["", "questions", "samples", "single", "splits it learned on", "difference", "worst", "best"]
    rows = (
        [
            table["table"],
            *(str(table[name]) for name in ("questions", "samples", "single", "learned")),
            f"{fine(table['mean_difference'])} ({fine(table['low'])} to {fine(table['high'])})",
            *(fine(table[name]) for name in ("worst", "best")),
        ]
        for table in votes
    )
    yield from lines_of(head, rows)
    yield ""
    yield "At each mean number of samples:"
    yield ""
    at = votes[0]["by_mean_samples"]
    rows = ([samples, *(fine(table["by_mean_samples"].get(samples)) for table in votes)] for samples in at)
    yield from lines_of(["", *(table["table"] for table in votes)], rows)
    yield ""


def _ladder(ladder):
    """The frontier and the oracle, then what a first cheap sample buys."""
    solved = [row for row in ladder if "actions" in row]
    yield "**A ladder of thinking** (GPQA): one call, 16k and 32k tokens of thought; budgets in tokens."
    yield ""
    head = ["", "budget", "uniform hull", "oracle, cross-fitted", "oracle, in sample"]
    shown = ("uniform", "oracle_crossfit", "oracle_in_sample")
    rows = ([row["actions"], str(row["budget"]), *(f"{row[name]:.3f}" for name in shown)] for row in solved)
    yield from lines_of(head, rows)
    yield ""
    yield "What first cheap samples buy, with votes of 3 among the actions, on held-out questions:"
    yield ""
    rows = (
        [
            row["after cheap samples"],
            str(row["budget"]),
            f"{row['cost']:.0f}",
            *(f"{row[name]:.3f}" for name in ("accuracy", "uniform_at_cost")),
            interval(row, "lift"),
        ]
        for row in ladder
        if "after cheap samples" in row
    )
    yield from lines_of(["", "budget", "realised", "accuracy", "uniform hull there", "lift"], rows)
    yield ""
