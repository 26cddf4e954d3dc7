"""When to stop a vote or a search, and how long to think."""

from cells import fine, fine_interval, interval, lines_of, result


def stopping():
    """The priced stop against the best of all others, a checker, waiting, and a ladder of thinking."""
    found = result("stopping")
    yield from _votes(found["votes"])
    yield from _questions(found["questions"])
    yield from _prompts(found["prompts"])
    yield "**A checker ends the search** (game of 24): accuracy by budget in milli-dollars."
    yield ""
    accuracy = found["checker"]["accuracy"]
    budgets = list(next(iter(accuracy.values())))
    rows = ([name, *(f"{values[budget]:.3f}" for budget in budgets)] for name, values in accuracy.items())
    yield from lines_of(["", *budgets], rows)
    yield ""
    yield from _ladder(found["ladder"])
    yield "**A price for waiting** (letters): each sample must gain 0.002 of accuracy."
    yield ""
    measured = ("accuracy", "samples", "rounds", "rounds_p95")
    rows = (
        [str(row["round_is_worth"]), *(f"{row[name]:.4g}" for name in measured)] for row in found["waiting"]
    )
    yield from lines_of(["price of a round", "accuracy", "samples", "rounds", "rounds, p95"], rows)


def _votes(votes):
    yield "**Accuracy of the priced stop minus the best of the others**: mean over 2 to 12 mean samples, and"
    yield "extremes."
    yield ""
    head = ["", "questions", "samples", "single", "splits it learned on", "difference", "worst", "best"]
    rows = (
        [
            table["table"],
            *(str(table[name]) for name in ("questions", "samples", "single", "learned")),
            *_difference(table),
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


def _questions(tables):
    """What knowing the question adds."""
    yield "**The priced stop with an imitator's prediction for the question, minus the same without it**,"
    yield "out of fold: mean over 1.5 to 70% of the samples allowed, and extremes. The prediction is used"
    yield "only if it helps on the questions fitted on. It does not help if votes agree after few samples."
    yield ""
    head = ["", "source", "questions", "samples", "fits that use it", "difference", "worst", "best"]
    rows = (
        [
            table["table"],
            *(str(table[name]) for name in ("source", "questions", "samples")),
            f"{table['fits_that_use_it']} of {table['fits']}",
            *_difference(table),
        ]
        for table in tables
    )
    yield from lines_of(head, rows)
    yield ""


def _prompts(rows):
    """What planning with requests that share a prompt adds."""
    yield "**Four samples of a request share its prompt**: gain at equal cost from planning with this,"
    yield "mean over 1.2 to 8 times the cost of a single sample. The columns are the prompt's declared share"
    yield "of that cost."
    yield ""
    shares = sorted({row["prompt_share"] for row in rows})
    names = dict.fromkeys(row["table"] for row in rows)
    found = {(row["table"], row["prompt_share"]): row for row in rows}
    yield from lines_of(
        ["", *(f"{share:.0%}" for share in shares)],
        ([name, *(fine_interval(found[name, share], "gain") for share in shares)] for name in names),
    )
    yield ""


def _difference(table):
    """Cells of a mean difference with its interval, and its extremes."""
    return fine_interval(table, "mean_difference"), fine(table["worst"]), fine(table["best"])


def _ladder(ladder):
    """The frontier and the oracle, then what a first cheap sample buys."""
    solved = [row for row in ladder if "actions" in row]
    yield "**Thinking budgets** (GPQA): one call, 16k and 32k thinking tokens; budgets in tokens."
    yield ""
    head = ["", "budget", "uniform hull", "oracle, cross-fitted", "oracle, in sample"]
    shown = ("uniform", "oracle_crossfit", "oracle_in_sample")
    rows = ([row["actions"], str(row["budget"]), *(f"{row[name]:.3f}" for name in shown)] for row in solved)
    yield from lines_of(head, rows)
    yield ""
    yield "Deciding after first cheap samples, with votes of 3 among the actions, on held-out questions:"
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
