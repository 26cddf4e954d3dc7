"""What policies gain: beside other routers, on real tables, by training size, over whole batches."""

from cells import figure, interval, lines_of, result

BESIDE = (
    "imitator_first_sample",
    "imitator_unseen_groups",
    "group_lookup",
    "imitator_labels",
    "length_rule",
    "oracle_crossfit",
)


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
        verdicts = {each["budget"]: each["verdict"] for each in table["verdicts"]}
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
                    verdicts[budget],
                ]
            )
    yield from lines_of(head, rows)


def shipped_lift():
    """One line a table and budget: what ships beside what following every prediction would gain."""
    rows = [
        [
            name,
            f"{row['budget']:g}",
            f"{row['trust']:.0%}",
            interval(row, "lift"),
            f"{row['ungated_lift']:+.3f}",
            f"{row['lift_hindsight']:+.3f}",
        ]
        for name, found in sorted(result("shipped_lift")["tables"].items())
        for row in found
    ]
    head = ["table", "budget", "trust", "lift that ships", "of every prediction", "against hindsight's hull"]
    yield from lines_of(head, rows)


def looking():
    """One line a table and budget: what ships with looks beside the same without, and the budget kept."""
    rows = [
        [
            name,
            str(table.get("splits", 5)),
            f"{row['budget']:g}",
            figure(row["lift_question"]),
            figure(row["lift"]),
            f"{row['looked_at']:.0%}",
            _missed(row, "miss_question", "cost_question"),
            _missed(row, "miss", "cost"),
            _missed(row, "steered_miss", "steered"),
        ]
        for name, table in result("looking")["tables"].items()
        for row in table["rows"]
        if row["policy"] == "looks, shipped"
    ]
    head = ["table", "splits", "budget", "lift of the question alone", "with looks", "looked at"]
    misses = ["off budget, question alone", "with looks", "with looks and a ledger"]
    yield from lines_of(head + misses, rows)
    yield ""
    rows = [
        [
            name,
            str(found["splits"]),
            f"{row['budget']:g}",
            _percent(row["miss"], row["miss_error"]),
            f"{row['deviation']:.1%}",
        ]
        for name, found in result("looking")["misses"].items()
        for row in found["rows"]
    ]
    yield from lines_of(["table", "splits", "budget", "off budget, question alone", "deviation of one"], rows)


def _missed(row, miss, cost):
    """How far a mean cost is off its budget, with its standard error where that was measured."""
    return _percent(row[cost] / row["budget"] - 1, row.get(f"{miss}_error"))


def _percent(share, error):
    return f"{100 * share:+.1f}%" + ("" if error is None else f" ± {100 * error:.1f}")


def training_size():
    """Lift, and lift within groups, by the number of questions trained on."""
    for name, table in result("training_size")["tables"].items():
        yield f"**{name}**, at {table['budget']} {table['cost_unit']}"
        yield ""
        cells = (
            [f"{row['questions']:,}", interval(row, "lift"), interval(row, "within")] for row in table["rows"]
        )
        yield from lines_of(["questions", "lift", "within groups"], cells)
        yield ""


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
