"""What the project's README says of the runs."""

import textwrap

from cells import figure, interval, lines_of, result

BBH, TWO_MODELS, MATH = (
    f"{name}.outcomes.parquet" for name in ("bbh_direct_cot", "two_models_mmlu_gsm8k", "math500_ladder")
)


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
        "generated_hard": "simulated hard questions",
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
