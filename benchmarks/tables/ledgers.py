"""What the ledger's benchmarks measured: adherence, regret, throughput."""

from cells import figure, lines_of, result


def ledger_adherence():
    """How far the mean cost is off target under each law, what that costs, and what the credit bounds."""
    found = result("ledger_adherence")
    runs = {}
    for row in found["adherence"]:
        runs.setdefault((row["table"], row["stream"], row["in_flight"]), {})[row["law"]] = row
    laws = {"static_price": "static price", "dual_ascent_reserving": "dual ascent", "ledger": "the ledger"}
    head = ["table", "traffic", "in flight", *laws.values()]
    yield from lines_of([*head, "every prefix within 2%", "of what can be known"], _adherence(runs, laws))
    yield ""
    rows = [
        [
            f"{row['target']:g}",
            f"{row['credit']:g}" if row["credit"] < row["easy_questions"] else "unlimited",
            str(row["in_flight"]),
            f"{row['worst_1000_over_target']:.2f}",
            f"{row['long_average_over_target_a_thousand_after_the_change']:.2f}",
        ]
        for row in found["credit"]
    ]
    yield "Mean cost after 8,000 easy questions, divided by the target:"
    yield ""
    head = [
        "target",
        "credit",
        "in flight",
        "worst 1,000 in a row",
        "long average 1,000 questions after the change",
    ]
    yield from lines_of(head, rows)
    if "robustness" in found:
        yield from _robustness(found["robustness"])


def _robustness(runs):
    """What the ledger holds where it is told something wrong, run by run."""
    *cases, released = sorted(runs, key=lambda row: "plans" in row)
    yield ""
    yield (
        f"Robustness to wrong inputs: {cases[0]['runs']} runs of {cases[0]['questions']:,} "
        f"questions on {cases[0]['table']}:"
    )
    yield ""
    head = [
        "what is wrong",
        "traffic",
        "in flight",
        "off target",
        "95% of runs",
        "within 1%",
        "accuracy",
        "slack",
    ]
    rows = [
        [
            row["case"],
            row["stream"],
            str(row["in_flight"]),
            f"{_percent(row['error'])} ({100 * row['bias']:+.2f}%)",
            _percent(row["error_95_percent_of_runs_stay_within"]),
            f"{row['share_of_runs_within_1_percent']:.0%}",
            figure(row["accuracy"]),
            f"{row['share_of_runs_that_say_slack']:.0%}",
        ]
        for row in cases
    ]
    yield from lines_of(head, rows)
    yield ""
    yield (
        f"{released['plans']:,} released reservations at full credit move the mean cost of the next "
        f"{released['questions']} questions by {_percent(released['mean_cost_moved_by'])} at most."
    )


def _adherence(runs, laws):
    for (table, stream, flight), found in runs.items():
        cells = (
            f"{_percent(found[law]['error'])} ({figure(found[law]['accuracy_against_best_static'])})"
            for law in laws
        )
        within = (
            f"{found[law]['share_with_every_prefix_within_2_percent']:.0%}" for law in ("ledger", "bound")
        )
        yield [table, stream.replace("_", " "), str(flight), *cells, *within]


def ledger_pacers():
    """How far the mean cost is off target by paretobandit's pacer and by the ledger, on the same streams."""
    laws = {
        "paretobandit_pacer": "paretobandit's pacer",
        "paretobandit_pacer_warm": "the same, begun at the offline price",
        "ledger": "the ledger",
    }
    runs = {}
    for row in result("ledger_pacers")["adherence"]:
        runs.setdefault((row["table"], row["stream"], row["in_flight"]), {})[row["law"]] = row
    rows = [
        [
            table,
            stream.replace("_", " "),
            str(flight),
            *(
                f"{_percent(found[law]['error'])} ({figure(found[law]['accuracy_against_best_static'])})"
                for law in laws
            ),
        ]
        for (table, stream, flight), found in runs.items()
    ]
    yield from lines_of(["table", "traffic", "in flight", *laws.values()], rows)


def accuracy_floor():
    """What a target accuracy comes to by a few grades, where the policy's predictions are off."""
    found = result("accuracy_floor")
    head = [
        "predictions off by",
        "graded",
        "questions",
        "grades late by",
        "accuracy",
        "SD of runs",
        "cost above needed",
    ]
    rows = [
        [
            figure(row["bias"]),
            f"{row['graded']:.0%}",
            f"{row['questions']:,}",
            str(row["delay"]),
            f"{row['accuracy']:.3f}",
            f"{row['accuracy_sd']:.3f}",
            _percent(row["cost_above_needed"]),
        ]
        for row in found["rows"]
    ]
    yield f"Target accuracy {found['target_accuracy']:g}; {found['rows'][0]['runs']} runs each:"
    yield ""
    yield from lines_of(head, rows)


def ledger_regret():
    """Accuracy given up against the best static price in hindsight, as the stream grows."""
    found = result("ledger_regret")
    lengths = list(found["streams"])
    laws = {
        "static_price": "static price",
        "dual_ascent": "dual ascent without reservations",
        "ledger": "the ledger",
    }
    rows = [
        [
            curve["table"],
            curve["traffic"].replace("_", " "),
            str(curve["in_flight"]),
            *(
                " / ".join(f"{curve['laws'][law]['regret_at_own_cost'][length]:+.4f}" for law in laws)
                for length in lengths
            ),
        ]
        for curve in found["curves"]
    ]
    yield f"Regret at the cost really spent: {' / '.join(laws.values())}."
    yield ""
    head = ["table", "traffic", "in flight", *(f"{int(length):,} questions" for length in lengths)]
    yield from lines_of(head, rows)


def ledger_throughput():
    """Pairs per second of eight processes, beside one row; and the time of a pair in a file."""
    found = result("ledger_throughput")
    rates = found["postgresql_8_processes_pairs_per_second"]
    times = found["times_the_one_row_design"]
    names = {
        "textbook": "one row, as in textbooks",
        "leanest": "one row, at its leanest",
        "ledger_on_one_row": "the ledger on one row, without batches",
        "ledger": "the ledger",
        "ledger_hard_cap": "the ledger under a hard cap",
    }
    rows = [
        [
            name,
            *(
                f"{rates[f'{design}, {threads}']['median']:,.0f}"
                for threads in ("1 thread each", "8 threads each")
            ),
            *(f"{times[design][form]:.1f}" if design in times else "" for form in ("rows", "batches")),
        ]
        for design, name in names.items()
    ]
    others = found["share_of_the_machine_that_others_took_before_each_round"]
    yield (
        f"Reserve-settle pairs per second of 8 processes on PostgreSQL ({found['machine']}, of which "
        f"other programs used {min(others):.0%} to {max(others):.0%} meanwhile):"
    )
    yield ""
    ahead = ["the ledger is ahead, rows", "batches"]
    yield from lines_of(["", "1 thread each", "8 threads each", *ahead], rows)
    yield ""
    pairs = found["sqlite_pair"] | {"the disk alone": found["disk_pair"]}
    rows = [[name, f"{pair['p50_ms']:.2f}", f"{pair['p95_ms']:.2f}"] for name, pair in pairs.items()]
    yield from lines_of(["a pair on SQLite, `synchronous=`", "p50 ms", "p95 ms"], rows)


def _percent(value):
    return f"{100 * value:.2f}%"
