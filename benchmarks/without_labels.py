"""What a policy learned without right answers, or with few, gains; judged by all right answers.

    python benchmarks/without_labels.py FOLDER [--only PART] [--splits N] [--draws 1000] [--out FILE]

FOLDER holds samples files of other models, which are not part of the project. Half the questions are held
out. Of the others the right answers are hidden but for m random ones. Lift is over the mixture of fixed
actions that all right answers of the training half would choose, on the held-out half, at the realised cost.
Parts: `lift` (tables with several sources), `more_splits` (without labels, on splits enough to tell
thousandths), `better_of_two` (labels and estimates together, beside either
alone), `preferences` (free text: a stub judge compares replies by their rewards), `votes` (the priced stop
fitted on a consensus, beside the Beta rule), `intervals` (how often the 95% interval of a policy's value
covers the value by all right answers), `shuffled` (how often a policy goes out where answers belong to other
questions) and `cost`.
"""

import argparse
import json
import resource
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from provenance import made_with
from stopping import THRESHOLDS, along_prices
from stopping_searches import best_mixture
from stub_judge import compared

from adaptive_reasoner.kit.allocation.mixtures import path_accuracy
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.performance import Performance
from adaptive_reasoner.kit.backtesting.stop_rules import beta_stop
from adaptive_reasoner.kit.estimating.consensus import with_estimated_grades
from adaptive_reasoner.kit.estimating.correction import rectified
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.learning.gate import SHIPS
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.bootstrap import bootstrap_means
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.kit.votes.fitting import fit_stop, replayed
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes, at_once, draws_allowed, sample_groups

ROOT = Path(__file__).resolve().parents[1]
LIFT = {
    "bbh_direct_cot": ((25.0, 50.0, 75.0), (0, 25, 100, 400), 5),
    "exams_a_gpt": ((1.7, 3.9, 9.0), (0, 25, 100), 40),
}
MORE_SPLITS = {"bbh_direct_cot": 20}
SHRINKAGE = {"bbh_direct_cot": ((25, 100, 400), 5), "exams_a_gpt": ((25, 50, 100), 5)}
REWARDS = "alpaca_reward", ("1B", "3B", "8B", "9B"), (0.03, 0.06, 0.1)
VOTES = ("letters_gpt35", "addsub_codex002", "amc_aime_llama3b", "math50_qwen3_8b")
PARTS = ("lift", "more_splits", "better_of_two", "preferences", "votes", "intervals", "shuffled", "cost")


def hidden(samples, labelled):
    """The samples with right answers of only some questions, given by position."""
    known = {samples.question_ids[at] for at in labelled}
    replies = {
        pair: several
        if pair[0] in known
        else tuple(replace(r, gold=None, correct=0.0 if r.error else np.nan) for r in several)
        for pair, several in samples.replies.items()
    }
    return replace(samples, replies=replies)


def shares_of(imitator, features, budget):
    """Probability of each action, over the draws of trust and mixtures: their luck is no merit."""
    return imitator.foresee(features).shares(imitator.curve_.price_at(budget, unit=imitator.cost_unit_))


def lifts(samples, features, budgets, sizes, splits, *, alone=(), every=("all",)):
    """Lift at each budget with m right answers, mean and standard error over the splits.

    Where m is in `alone`, also that of what is learnt from the m labelled questions and nothing else.
    """
    truth = estimate(samples, votes=(1,))
    found = {(size, False): [] for size in (*sizes, *every)} | {(size, True): [] for size in alone}
    for seed in range(splits):
        fit, held_out = split_by_text(truth.questions, test_size=0.5, seed=seed)
        test, hull = truth.select(held_out), uniform_hull(truth.select(fit))
        path = [truth.actions.index(action) for action in hull.actions]
        order = np.random.default_rng([seed, 7]).permutation(fit)
        for (size, by_labels), rows in found.items():
            learnt = np.sort(order[:size]) if by_labels else fit
            table = truth.select(learnt)
            if size != "all" and not by_labels:
                known = np.flatnonzero(np.isin(fit, order[:size]))
                table = estimate(hidden(samples.select(fit), known), votes=(1,))
            imitator = Imitator(seed=seed).fit(features[learnt], table, budget=budgets[0])
            row = []
            for budget in budgets:
                play = Performance.of(test, shares_of(imitator.around(budget), features[held_out], budget))
                fixed = path_accuracy(
                    test.accuracy.mean(0)[None, path],
                    test.cost.mean(0)[None, path],
                    np.full((1, 1), play.cost.mean()),
                )
                row.append((play.accuracy.mean() - fixed[0, 0], play.cost.mean() / budget - 1))
            rows.append(row)
            means = [round(float(np.mean([each[at][0] for each in rows])), 4) for at in range(len(budgets))]
            print(f"split {seed}, {size}{' alone' * by_labels}: {means}", file=sys.stderr, flush=True)
    result = []
    for (size, by_labels), rows in found.items():
        values = np.array(rows)
        for at, budget in enumerate(budgets):
            lift, off = values[:, at, 0], values[:, at, 1]
            row = {
                "labels": size,
                "budget": budget,
                "lift": round(float(lift.mean()), 4),
                "error": round(float(lift.std(ddof=1) / np.sqrt(len(lift))), 4),
                "off": round(float(off.mean()), 4),
                "splits": len(rows),
            }
            result.append(row | {"labels_alone": True} if by_labels else row)
    return result


def better_of_two(samples, features, budgets, sizes, splits):
    """What labels and estimates lift together, less the better of either alone, in the mean over budgets."""
    rows = lifts(samples, features, budgets, (0, *sizes), splits, alone=sizes, every=())

    def mean(size, by_labels):
        own = [r["lift"] for r in rows if (r["labels"], r.get("labels_alone", False)) == (size, by_labels)]
        return float(np.mean(own))

    summary = []
    for size in sizes:
        parts = {"estimates": mean(0, False), "labels_alone": mean(size, True), "both": mean(size, False)}
        ahead = parts["both"] - max(parts["estimates"], parts["labels_alone"])
        rounded = {name: round(each, 4) for name, each in (parts | {"ahead": ahead}).items()}
        summary.append({"labels": size} | rounded | {"splits": splits})
    return {"means_over_budgets": summary, "rows": rows}


def preferences(rewards, features, budgets, splits, *, judges=((0.9, 0.0), (0.7, 0.0), (0.7, 0.5))):
    """Lift in reward of policies learnt from a stub judge's comparisons, and from the rewards themselves.

    A judge sees which of two replies has the higher reward with a probability, and else the opposite; it
    takes the reply shown first, whatever it sees, with another. Each split has verdicts of its own: those of
    one judge alone, lucky or not, decide which fixed actions look best in every split.
    """
    result, names = [], rewards.actions
    for judge in ("rewards", *judges):
        lifted = []
        for split in range(splits):
            table = rewards if judge == "rewards" else compared(rewards, *judge, seed=split)
            fit, held_out = split_by_text(rewards.questions, test_size=0.5, seed=split)
            test, hull = rewards.select(held_out), uniform_hull(rewards.select(fit))
            path = [names.index(action) for action in hull.actions]
            imitator = Imitator(seed=split).fit(features[fit], table.select(fit), budget=budgets[0])
            for budget in budgets:
                play = Performance.of(test, shares_of(imitator.around(budget), features[held_out], budget))
                fixed = path_accuracy(
                    test.accuracy.mean(0)[None, path],
                    test.cost.mean(0)[None, path],
                    np.full((1, 1), play.cost.mean()),
                )
                lifted.append(play.accuracy.mean() - fixed[0, 0])
        by_budget = np.array(lifted).reshape(splits, len(budgets))
        error = by_budget.std(axis=0, ddof=1) / np.sqrt(splits)
        result.append(
            {
                "by": judge if judge == "rewards" else {"sees": judge[0], "takes_the_first": judge[1]},
                "splits": splits,
                "lift": dict(zip(map(str, budgets), by_budget.mean(axis=0).round(4).tolist(), strict=True)),
                "error": dict(zip(map(str, budgets), error.round(4).tolist(), strict=True)),
            }
        )
        print(result[-1], file=sys.stderr, flush=True)
    return result


def stops(samples, *, splits, draws, seed=0):
    """The priced stop fitted on a consensus and on right answers, less the best mixture of Beta rules."""
    guessed, source = with_estimated_grades(hidden(samples, [])), samples.sources[0]
    truth, consensus = (
        ReplayedVotes.of(groups, draws_allowed(groups), seed=seed)
        for groups in (sample_groups(each, source, samples.question_ids) for each in (samples, guessed))
    )
    at = np.linspace(1.5, 0.8 * truth.limit, 20)
    beta = np.stack(
        [truth.played(at_once(truth.limit), over=beta_stop(truth, tau))[[0, 3]] for tau in THRESHOLDS], axis=2
    )
    tests = []
    for split in range(splits):
        fit, held_out = split_by_text(samples.questions, seed=seed + split)
        models = [fit_stop(votes.select(fit)).model for votes in (consensus, truth)]
        tests.append((held_out, [replayed(truth.select(held_out), model)[[0, 3]] for model in models]))
    rng, gains = np.random.default_rng(seed), np.empty((draws + 1, 2))
    for draw in range(draws + 1):
        weight = np.bincount(rng.integers(0, len(samples), len(samples)), minlength=len(samples))
        weight = weight if draw else np.ones(len(samples))
        each = []
        for held_out, plays in tests:
            share = weight[held_out] / weight[held_out].sum()
            rival = best_mixture(*np.tensordot(share, beta[:, held_out], ([0], [1])), at)
            ours = [along_prices(*np.tensordot(share, play, ([0], [1])), at) for play in plays]
            each.append([float((own - rival).mean()) for own in ours])
        gains[draw] = np.mean(each, axis=0)
    low, high = np.quantile(gains[1:], [0.025, 0.975], axis=0)
    return {
        name: {
            "gain": round(float(gains[0, at]), 4),
            "low": round(float(low[at]), 4),
            "high": round(float(high[at]), 4),
            "splits": splits,
        }
        for at, name in enumerate(("consensus", "right_answers"))
    }


def coverage(samples, features, budget, *, labels=50, draws=1000, seed=0):
    """How often the 95% interval of a policy's value covers its value by all right answers."""
    truth = estimate(samples, votes=(1,))
    fit, held_out = split_by_text(truth.questions, test_size=0.5, seed=seed)
    guess = estimate(hidden(samples.select(fit), []), votes=(1,))
    imitator = Imitator(seed=seed).fit(features[fit], guess, budget=budget)
    shares = shares_of(imitator, features[held_out], budget)
    test, asked = truth.select(held_out), samples.select(held_out)
    value = float((test.accuracy * shares).sum(1).mean())
    blank, rng, hits, widths = estimate(hidden(asked, []), votes=(1,)), np.random.default_rng(seed), 0, []
    assert blank.estimated is not None
    for draw in range(draws):
        known = rng.choice(len(test), labels, replace=False)
        share = np.isin(np.arange(len(test)), known).astype(float)
        accuracy = np.where(share[:, None] > 0, test.accuracy, blank.accuracy)
        estimated = replace(blank.estimated, labels=share, at_random=share > 0)
        table = rectified(replace(blank, accuracy=accuracy, estimated=estimated))
        column = (table.accuracy * shares).sum(1)[:, None]
        low, high = np.quantile(bootstrap_means(column, table.questions, 400, draw), [0.025, 0.975])
        hits += bool(low <= value <= high)
        widths.append(float(high - low))
    alone = float(2 * 1.96 * (test.accuracy * shares).sum(1).std() / np.sqrt(labels))
    return {
        "labels": labels,
        "questions": len(test),
        "draws": draws,
        "covers": hits / draws,
        "mean_width": float(np.mean(widths)),
        "width_by_the_labels_alone": alone,
    }


def shuffled(samples, features, budget, *, tables=100, labels=(0, 50, 100), questions=200, replies=3):
    """How often a policy goes out, where replies belong to other questions than they were given for.

    Each table has few questions and few replies of each source, so that a hundred of them take minutes.
    """
    samples = samples.first(replies)
    answers = {size: Counter() for size in labels}
    for number in range(tables):
        for size in labels:
            rng = np.random.default_rng([number, size])
            rows = rng.choice(len(samples), min(questions, len(samples)), replace=False)
            part = samples.select(rows)
            table = estimate(hidden(part, rng.choice(len(part), size, replace=False)), votes=(1,))
            imitator = Imitator(seed=number).fit(features[rng.permutation(rows)], table, budget=budget)
            answers[size][imitator.gate(draws=500).answer] += 1
        print(f"shuffled {number + 1} of {tables}: {answers}", file=sys.stderr, flush=True)
    return [
        {
            "labels": size,
            "tables": tables,
            "questions": min(questions, len(samples)),
            "shipped": sum(found[answer] for answer in SHIPS),
            "verdicts": dict(found),
        }
        for size, found in answers.items()
    ]


def labelling_cost(questions=1000, sources=6, samples=10, votes=(1, 3, 5, 9)):
    """Seconds, by the clock and of the processor, and peak memory of estimates for generated samples."""
    rng = np.random.default_rng(0)
    rows = (
        {
            "question_id": f"q{question}",
            "question": f"question {question}",
            "source": f"s{source}",
            "sample": sample,
            "answer": str(rng.geometric(0.3 + 0.1 * source)),
            "gold": None,
            "correct": None,
            "cost": 1.0 + source,
            "cost_unit": "tokens",
        }
        for question in range(questions)
        for source in range(sources)
        for sample in range(samples)
    )
    table = Samples.from_rows(rows)
    before, used = time.perf_counter(), time.process_time()
    estimate(table, votes=votes, labels="consensus")
    seconds, busy = time.perf_counter() - before, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "questions": questions,
        "sources": sources,
        "samples": samples,
        "seconds": round(seconds, 1),
        "processor_seconds": round(busy, 1),
        "peak_gib": round(peak, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--splits", type=int, help="of each table; by default 5 of large and 40 of small ones"
    )
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tables", type=int, default=100, help="of `shuffled`")
    parser.add_argument("--table", choices=LIFT, help="of `lift` and `better_of_two`, measure this alone")
    parser.add_argument("--only", choices=PARTS, help="measure this part and leave the others in the file")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "without_labels.json")
    arguments = parser.parse_args()
    encoder = open_encoder()

    @cache
    def read(name):
        return Samples.read(arguments.folder / f"{name}.samples.parquet")

    @cache
    def described(name):
        return feature_matrix(list(read(name).questions), encoder)

    def of_rewards():
        name, sizes, budgets = REWARDS
        table = Outcomes.read(arguments.folder / f"{name}.outcomes.parquet")
        table = table.only([any(f"-{size}-" in action for size in sizes) for action in table.actions])
        features = feature_matrix(table.questions.tolist(), encoder)
        return preferences(table, features, budgets, arguments.splits or 20)

    def exams():
        return read("exams_a_gpt"), described("exams_a_gpt"), 3.9

    parts = {
        "lift": lambda: {
            name: lifts(read(name), described(name), budgets, sizes, arguments.splits or splits)
            for name, (budgets, sizes, splits) in LIFT.items()
            if arguments.table in (None, name)
        },
        "more_splits": lambda: {
            name: lifts(
                read(name), described(name), LIFT[name][0], (0,), arguments.splits or splits, every=()
            )
            for name, splits in MORE_SPLITS.items()
        },
        "better_of_two": lambda: {
            name: better_of_two(read(name), described(name), LIFT[name][0], sizes, arguments.splits or splits)
            for name, (sizes, splits) in SHRINKAGE.items()
            if arguments.table in (None, name)
        },
        "preferences": of_rewards,
        "votes": lambda: {name: stops(read(name), splits=arguments.splits or 4, draws=300) for name in VOTES},
        "intervals": lambda: coverage(*exams(), draws=arguments.draws),
        "shuffled": lambda: shuffled(*exams(), tables=arguments.tables),
        "cost": labelling_cost,
    }
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in (arguments.only,) if arguments.only else PARTS:
        found = parts[name]()
        results[name] = {**results.get(name, {}), **found} if name in ("lift", "better_of_two") else found
    results |= {
        "command": "python benchmarks/without_labels.py FOLDER",
        **made_with("adaptive-reasoner", "numpy", "scikit-learn"),
    }
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
