"""What the README and the site say of the runs."""

import textwrap

from cells import figure, interval, lines_of, result

BBH, TWO_MODELS, MATH = (
    f"{name}.outcomes.parquet" for name in ("bbh_direct_cot", "two_models_mmlu_gsm8k", "math500_ladder")
)


def demo():
    """The demo: its table, and how sure it is."""
    run = result("demo")
    replay, live, gate = run["replay"], run["live"], run["gate"]
    rows = (
        [row["policy"], f"{row['accuracy']:.1%}", f"{row['mean_cost']:.1f}", _against_uniform(row)]
        for row in run["rows"]
    )
    yield from lines_of(["policy", "accuracy", "mean cost", "points against `uniform`"], rows)
    yield ""
    within = [100 * replay[f"lift_within_{part}"] for part in ("families", "low", "high")]
    right = round(live["accuracy"] * live["questions"])
    sentences = (
        f"All rows are of {replay['questions']:,} questions that the policy was not trained on, answered by",
        f"the graph with recorded samples under a budget of {run['target']:g} tokens. `uniform` is the",
        "mixture of fixed actions that was best in training, at the cost of `adaptive`, the trained policy.",
        "`adaptive_looks` also learnt from samples when a vote should end or be left for another action,",
        "`adaptive_checked` takes the first answer that passes a check where the question has one, and",
        "`oracle` is the best allocation in hindsight.",
        f"Within families the gain is {within[0]:+.1f} points ({within[1]:.1f} to",
        f"{within[2]:.1f}). In training the gate measured {100 * gate['lift']:+.1f} points",
        f"({100 * gate['low']:.1f} to {100 * gate['high']:.1f}). Live, {right} of {live['questions']} new",
        f"questions were answered rightly at {live['mean_cost']:.1f} tokens each, too few to compare.",
    )
    yield textwrap.fill(" ".join(sentences), width=120)


def _against_uniform(row):
    if "lift" not in row:
        return ""
    return f"{100 * row['lift']:+.1f} ({100 * row['lift_low']:.1f} to {100 * row['lift_high']:.1f})"


def hosted():
    """One result on two hosted models: fixed choices, their mixture, a lookup by topic and a policy."""
    rows = {**_rows_at("backtests", TWO_MODELS, 8)}
    ours = rows["imitator"]
    names = {
        "mixtral": "always Mixtral-8x7B",
        "gpt-4": "always GPT-4",
        "uniform": "best random mixture of the two",
        "group_lookup": "one choice per topic (a lookup table)",
        "imitator": "**trained policy**",
    }
    shown = (
        [said, f"{rows[name]['accuracy']:.3f}", f"{rows[name]['realised_cost']:.1f}"]
        for name, said in names.items()
    )
    yield from lines_of(["", "accuracy", "mean cost per question"], shown)
    yield ""
    questions = result("backtests")["tables"][TWO_MODELS]["n_questions"]
    lift = f"{ours['lift']:.3f} ({ours['lift_low']:.3f} to {ours['lift_high']:.3f})"
    sentences = (
        f"{questions:,} questions of MMLU and GSM8K, half of them held out, in five random splits. A call of",
        "GPT-4 costs 20 times a call of Mixtral-8x7B, and the budget is 8 per question. The trained policy",
        f"gains {lift} over the mixture, which would need {ours['compute_saved']:.2f} times the cost to be",
        "as accurate. Most of this gain is knowing the topic:",
        f"within topics it is {ours['lift_within_groups']:.3f}.",
    )
    yield textwrap.fill(" ".join(sentences), width=120)


def without_labels():
    """What policies gain on held-out questions, by how many right answers they were trained with."""
    names = {"bbh_direct_cot": "BIG-Bench Hard", "exams_a_gpt": "five exams"}
    counts = (0, 25, 100, 400, "all")
    rows = []
    found = result("without_labels")
    for table, runs in (*found["lift"].items(), *found["more_splits"].items()):
        lifts = {(row["budget"], row["labels"]): row["lift"] for row in runs}
        splits = min(row["splits"] for row in runs)
        rows += [
            [
                names[table],
                f"{budget:g}",
                *(figure(lifts.get((budget, count))) for count in counts),
                f"{splits}",
            ]
            for budget in dict.fromkeys(budget for budget, _ in lifts)
        ]
    header = ["questions", "budget", "0 right answers", *map(str, counts[1:]), "splits"]
    yield from lines_of(header, rows)


def figures():
    """What was measured, each line beside the run it comes from."""
    rows = [*_routing(), *_vote_figures(), *_average(), _labels(), *_speed()]
    yield from lines_of(["", "measured", "run"], rows)


def _line(what, measured, run):
    return [what, measured, f"`{run}`"]


def _rows_at(run, table, budget):
    rows = result(run)["tables"][table]["rows"]
    return {row["policy"]: row for row in rows if row["budget"] == budget}


def _routing():
    yield _against_others(
        BBH, 75, "BIG-Bench Hard: answer directly or with a chain of thought, 75 tokens per question"
    )
    yield _against_others(
        TWO_MODELS, 8, "MMLU and GSM8K: Mixtral-8x7B at cost 1 or GPT-4 at cost 20, 8 per question"
    )
    rows = _rows_at("backtests", BBH, 75)
    within, unseen = rows["imitator"]["lift_within_groups"], rows["imitator_unseen_groups"]
    measured = f"lift within tasks {figure(within)}; on tasks left out of training {interval(unseen, 'lift')}"
    yield _line("BIG-Bench Hard: does the policy only recognise the task?", measured, "backtests")
    rows = _rows_at("backtests", MATH, 8)
    measured = (
        f"lift {interval(rows['imitator'], 'lift')}: the gate ships a mixture of fixed actions; "
        f"the imitator it refused has {figure(rows['imitator_ungated']['lift'])}"
    )
    yield _line("MATH-500, four models: the question predicts little", measured, "backtests")


def _against_others(table, budget, what):
    rows = _rows_at("peers", table, budget)
    ours, lookup = rows.pop("imitator"), rows.pop("lookup by group")
    others = [row for policy, row in rows.items() if not policy.startswith("imitator")]
    rival = max(others, key=lambda row: row["lift"])
    measured = (
        f"lift {interval(ours, 'lift')}; ahead of the best of {len(others)} other methods "
        f"({rival['policy']}) by {_ahead(rival)}, of a lookup by topic by {_ahead(lookup)}"
    )
    return _line(what, measured, "peers")


def _ahead(row):
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
        measured = f"accuracy {row['mean_difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
        yield _line(
            f"priced stop rule less the best of Beta, ESC and lossless votes: {what}", measured, "stopping"
        )


def _average():
    for stream, what in (("stationary", "steady traffic"), ("shifted", "traffic that changes half-way")):
        found = {
            row["law"]: row
            for row in result("ledger_adherence")["adherence"]
            if (row["table"], row["stream"], row["in_flight"]) == ("bbh_direct_cot", stream, 32)
        }
        measured = (
            f"mean cost {found['ledger']['error']:.1%} off target; "
            f"{found['static_price']['error']:.1%} with a static price"
        )
        yield _line(f"ledger: 2,000 questions, 32 in flight, {what}", measured, "ledger_adherence")
    runs = [row for row in result("ledger_adherence")["robustness"] if row["in_flight"] == 32]
    for case, what in (
        ("as predicted", "costs as predicted"),
        ("Pareto costs", "costs with a heavy (Pareto) tail"),
    ):
        within = max(row["error_95_percent_of_runs_stay_within"] for row in runs if row["case"] == case)
        measured = f"95% of 40 runs end within {within:.1%} of the target"
        yield _line(f"ledger: 2,000 questions, 32 in flight, {what}", measured, "ledger_adherence")
    agent = next(row for row in result("agent_runs")["rows"] if row["steps"] == "1 to 30")
    measured = ", ".join(f"{agent[f'first_{runs}']:.0%} in the first {runs}" for runs in (10, 100, 500))
    yield _line(
        "agents with 1 to 30 steps per run: mean cost in percent of the budget", measured, "agent_runs"
    )


def _labels():
    rows = {row["collection"]: row for row in result("adaptive_collection")["rows"]}
    early = rows["confidence 0.8"]
    changed = figure(early["lift_against_full"])
    measured = f"{early['calls_saved']:.0%} of the calls saved; the lift changes by {changed}"
    return _line("`collect --adaptive 0.8` on 240 arithmetic questions", measured, "adaptive_collection")


def _speed():
    shipped = next(
        row
        for row in result("decision_latency")["latency_milliseconds"]
        if (row["precision"], row["tokens"], row["actions"]) == ("int8", 64, 2)
    )
    whole, beside = shipped["decide"]["thread_p50"], shipped["beside_the_encoder"]["thread_p50"]
    measured = f"{whole:.1f} ms, of which {beside:.1f} ms outside the encoder"
    yield _line(
        "one decision on a question of 64 tokens, embedding included, one core", measured, "decision_latency"
    )
    solver = result("solver")["against_highs"]
    faster = min(row["highs_seconds"] / row["seconds"] for row in solver)
    apart = max(abs(row["difference"]) for row in solver)
    measured = f"same value to {apart:.0e}, at least {faster:.0f} times as fast"
    yield _line("exact oracle against the HiGHS solver", measured, "solver")
    share = result("collection")["throughput"]["share_of_bare"]
    measured = f"{share['median']:.2f} of the client's rate ({share['lowest']:.2f} to {share['highest']:.2f})"
    yield _line("collection against a bare `AsyncOpenAI` client, 64 connections", measured, "collection")
