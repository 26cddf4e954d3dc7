"""The tables of benchmarks/README.md and the figures of README.md, from the committed results.

    python benchmarks/tables.py        rewrites what stands between the markers of both

A test compares both with what this would write.
"""

import json
import re
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
README, FRONT = HERE / "README.md", HERE.parent / "README.md"
BBH, TWO_MODELS, MATH = (
    f"{name}.outcomes.parquet" for name in ("bbh_direct_cot", "two_models_mmlu_gsm8k", "math500_ladder")
)
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


def demo():
    """The demo: its table, the policy's row from replays of recorded samples, and how sure that is."""
    run = result("demo")
    live, replay, gate = run["live"], run["replay"], run["gate"]
    measured = {row["policy"]: (row["accuracy"], row["mean_cost"]) for row in run["rows"]}
    measured["uniform"] = (replay["uniform_at_cost"], replay["mean_cost"])
    measured["adaptive"] = (replay["accuracy"], replay["mean_cost"])
    rows = ([policy, f"{accuracy:.3f}", f"{cost:.1f}"] for policy, (accuracy, cost) in measured.items())
    yield from lines_of(["policy", "accuracy", "mean cost"], rows)
    yield ""
    said = (
        f"`adaptive`: the graph on held-out questions, {replay['questions']:,} times, on recorded samples:",
        f"it spends {replay['mean_cost']:.2f} of {run['target']:g} tokens.",
        "`uniform` is the best random mixture of fixed actions at that cost, `oracle` is hindsight.",
        f"Asked live, the {live['questions']} questions come to {live['accuracy']:.3f}",
        f"({live['low']:.3f} to {live['high']:.3f}) at {live['mean_cost']:.2f} tokens: too few to tell.",
        f"In training the gate saw a lift of {gate['lift']:.3f} ({gate['low']:.3f} to {gate['high']:.3f}).",
        "All of it is telling the families of questions apart:",
        f"within families the lift is {replay['lift_within_families']:.3f}.",
    )
    yield textwrap.fill(" ".join(said), width=120)


def figures():
    """What README.md says, each line beside the run it comes from."""
    rows = [*_routing(), *_vote_figures(), *_average(), _labels(), *_speed()]
    yield from lines_of(["", "measured", "run"], rows)


def _line(what, measured, run):
    return [what, measured, f"[{run}](benchmarks/results/{run}.json)"]


def _rows_at(run, table, budget):
    rows = result(run)["tables"][table]["rows"]
    return {row["policy"]: row for row in rows if row["budget"] == budget}


def _routing():
    yield _against_others(BBH, 75, "BIG-Bench Hard, answer at once or think aloud, 75 tokens a question")
    yield _against_others(TWO_MODELS, 8, "MMLU and GSM8K, Mixtral-8x7B or GPT-4 at 1 : 20, 8 a question")
    rows = _rows_at("backtests", BBH, 75)
    within, unseen = rows["imitator"]["lift_within_groups"], rows["imitator_unseen_groups"]
    measured = f"lift within tasks {figure(within)}, on tasks not trained on {interval(unseen, 'lift')}"
    yield _line("BIG-Bench Hard again: is it only the task?", measured, "backtests")
    rows = _rows_at("backtests", MATH, 8)
    measured = (
        f"lift {interval(rows['imitator'], 'lift')}: fixed actions are shipped; "
        f"what the gate held back comes to {figure(rows['imitator_ungated']['lift'])}"
    )
    yield _line("MATH-500, four models, where questions tell little", measured, "backtests")


def _against_others(table, budget, what):
    rows = _rows_at("peers", table, budget)
    ours, lookup = rows.pop("imitator"), rows.pop("lookup by group")
    others = [row for policy, row in rows.items() if not policy.startswith("imitator")]
    rival = max(others, key=lambda row: row["lift"])
    measured = (
        f"lift {interval(ours, 'lift')}; the best of {len(others)} others, {rival['policy']}, "
        f"is {_behind(rival)} behind, a lookup by topic {_behind(lookup)}"
    )
    return _line(what, measured, "peers")


def _behind(row):
    return f"{row['ours_ahead']:.3f} ({row['ours_ahead_low']:.3f} to {row['ours_ahead_high']:.3f})"


def _vote_figures():
    found = {row["table"]: row for row in result("stopping")["votes"]}
    said = {
        "letters_gpt35": "last letters",
        "addsub_codex002": "AddSub",
        "generated_hard": "questions made hard",
    }
    for table, what in said.items():
        row = found[table]
        measured = f"{row['mean_difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
        yield _line(
            f"votes ended by price, beyond the best of Beta, ESC and lossless: {what}", measured, "stopping"
        )


def _average():
    for stream, what in (("stationary", "as they come"), ("shifted", "their mix changing half-way")):
        found = {
            row["law"]: row
            for row in result("ledger_adherence")["adherence"]
            if (row["table"], row["stream"], row["in_flight"]) == ("bbh_direct_cot", stream, 32)
        }
        measured = (
            f"mean cost {found['ledger']['error']:.1%} off target; at a static price "
            f"{found['static_price']['error']:.1%}"
        )
        yield _line(f"the ledger over 2,000 questions, 32 in flight, {what}", measured, "ledger_adherence")


def _labels():
    rows = {row["collection"]: row for row in result("adaptive_collection")["rows"]}
    early = rows["confidence 0.8"]
    measured = f"{early['calls_saved']:.0%} of the calls saved, lift {figure(early['lift_against_full'])}"
    return _line("`collect --adaptive 0.8` on the demo's questions", measured, "adaptive_collection")


def _speed():
    shipped = next(
        row
        for row in result("decision_latency")["latency_milliseconds"]
        if (row["precision"], row["tokens"], row["actions"]) == ("int8", 64, 2)
    )
    whole, beside = shipped["decide"]["thread_p50"], shipped["beside_the_encoder"]["thread_p50"]
    measured = f"{whole:.1f} ms, of which {beside:.1f} ms beside the encoder"
    yield _line("a decision on 64 tokens, embedding included, on one core", measured, "decision_latency")
    solver = result("solver")["against_highs"]
    faster = min(row["highs_seconds"] / row["seconds"] for row in solver)
    measured = (
        f"equal to {max(abs(row['difference']) for row in solver):.0e}, at least {faster:.0f} times as fast"
    )
    yield _line("the exact oracle beside HiGHS", measured, "solver")
    share = result("collection")["throughput"]["share_of_bare"]
    measured = f"{share['median']:.2f} of its rate ({share['lowest']:.2f} to {share['highest']:.2f})"
    yield _line("collection beside a bare `AsyncOpenAI`, 64 connections", measured, "collection")


TABLES = {
    "peers": peers,
    "backtests": backtests,
    "training_size": training_size,
    "batch_allocation": batch_allocation,
    "stopping": stopping,
}


def filled(text, tables):
    """A page with its tables made anew."""
    for name, lines in tables.items():
        body = "\n".join(lines()).strip()
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, body=body: f"{found[1]}{body}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"there must be one pair of markers for {name}, not {count}")
    return text


PAGES = {README: TABLES, FRONT: {"demo": demo, "figures": figures}}


if __name__ == "__main__":
    for page, tables in PAGES.items():
        page.write_text(filled(page.read_text(), tables))
