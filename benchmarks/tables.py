"""The tables of benchmarks/README.md, from the committed results.

    python benchmarks/tables.py        rewrites what stands between the markers of the README

A test compares the README with what this would write.
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
BESIDE = (
    "imitator_first_sample",
    "imitator_unseen_groups",
    "group_lookup",
    "imitator_labels",
    "length_rule",
    "oracle_crossfit",
)


def result(name):
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def figure(value):
    """A gain with its sign, to three decimals."""
    return "" if value is None else f"{value:+.3f}"


def interval(row, name):
    return f"{figure(row[name])} ({figure(row[f'{name}_low'])} to {figure(row[f'{name}_high'])})"


def lines_of(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def peers():
    """For each table the lifts, then how far we are ahead of each."""
    for name, table in result("peers")["tables"].items():
        rows = {(row["policy"], row["budget"]): row for row in table["rows"]}
        budgets = sorted({budget for _, budget in rows})
        total = {policy: sum(rows[policy, each]["lift"] for each in budgets) for policy, _ in rows}
        policies = sorted(total, key=lambda policy: -total[policy])
        train, validation, test = table["train, validation, test"]
        yield (
            f"**{name}**: {table['n_questions']:,} questions, {train:,} to train on, "
            f"{validation:,} to tune on, {test:,} held out; {table['splits']} splits; "
            f"budgets in {table['cost_unit']}."
        )
        yield ""
        cells = (
            [_peer_name(rows[policy, budgets[0]], table), *_peer_cells(rows, policy, budgets)]
            for policy in policies
        )
        yield from lines_of(["", *(f"{budget:g}" for budget in budgets)], cells)
        yield ""


def _peer_name(row, table):
    few = row["n_splits"] < table["splits"]
    return f"{row['policy']} ({row['n_splits']} splits)" if few else row["policy"]


def _peer_cells(rows, policy, budgets):
    for budget in budgets:
        row = rows[policy, budget]
        lift = interval(row, "lift")
        yield lift if policy == "imitator" else f"{lift}<br>*{interval(row, 'ours_ahead')}*"


def backtests():
    """One line a table and budget: the imitator's lift beside what it should be judged against."""
    head = ["table", "budget", "realised", "lift of the imitator", "within groups", *BESIDE, "verdict"]
    rows = []
    for name, table in result("backtests")["tables"].items():
        found = {(row["policy"], row["budget"]): row for row in table["rows"]}
        for budget in table["budgets"]:
            mine = found["imitator", budget]
            others = (found.get((policy, budget)) for policy in BESIDE)
            rows.append(
                [
                    name,
                    f"{budget:g}",
                    f"{mine['realised_cost']:.4g}",
                    interval(mine, "lift"),
                    figure(mine["lift_within_groups"]),
                    *("" if other is None else figure(other["lift"]) for other in others),
                    table["verdict"],
                ]
            )
    yield from lines_of(head, rows)


def batch_allocation():
    """The three procedures: lifts of each way to deal out a batch."""
    shown = {
        "batch": "batch, exactly",
        "price": "at the price",
        "probe": "the paper's probe",
        "oracle in sample": "oracle in sample",
    }
    rows = []
    for run in result("batch_allocation")["runs"]:
        found = {(row["policy"], row["budget"]): row for row in run["rows"]}
        for budget in sorted({budget for _, budget in found}):
            cells = (found.get((policy, budget)) for policy in shown)
            lifts = ("" if cell is None else interval(cell, "lift") for cell in cells)
            rows.append([run["procedure"], run["table"], f"{budget:g}", *lifts])
    yield from lines_of(["procedure", "table", "budget", *shown.values()], rows)


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
            f"{_fine(table['mean_difference'])} ({_fine(table['low'])} to {_fine(table['high'])})",
            *(_fine(table[name]) for name in ("worst", "best")),
        ]
        for table in votes
    )
    yield from lines_of(head, rows)
    yield ""
    yield "At each mean number of samples:"
    yield ""
    at = votes[0]["by_mean_samples"]
    rows = ([samples, *(_fine(table["by_mean_samples"].get(samples)) for table in votes)] for samples in at)
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


def _fine(value):
    """A gain with its sign, to four decimals."""
    return "" if value is None else f"{value:+.4f}"


TABLES = {
    "peers": peers,
    "backtests": backtests,
    "batch_allocation": batch_allocation,
    "stopping": stopping,
}


def filled(text):
    """The README with its tables made anew."""
    for name, lines in TABLES.items():
        measured = (HERE / "results" / f"{name}.json").exists()
        body = "\n".join(lines()).strip() if measured else "*Not measured yet.*"
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, body=body: f"{found[1]}{body}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{README.name} must have one pair of markers for {name}, not {count}")
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
