"""When to stop a vote: the priced stop against Beta, ESC and lossless votes, on samples it has not seen.

    python benchmarks/stopping.py FOLDER [--splits 4] [--draws 500] [--seed 0] [--only PART] [--out FILE]

FOLDER holds samples files of other models, which are not part of the project. Beside them stand tables that
are generated here: easy and hard questions, whose wrong answers are many. Half the questions are held out.
The rules to beat are taken together, as the best time-shared mixture of all their parameters, and in
hindsight: on the held-out questions themselves. The priced stop is fitted on the other half. Intervals are
bootstrapped over questions, the mixture found again in every draw.

The priced stop that also knows what an imitator expects of the question is compared with the one that does
not, out of fold: on five folds of the questions, several times over.

Where a request pays its prompt once for several samples, the plan that knows it is compared with the one that
does not, at equal cost; as the tables know of no prompts, these are declared to be a share of what is paid.

Further: what waiting costs in rounds; the game of 24, where a checker ends the search and one price says
which source to try next and when to give up; a ladder of thinking, and what a first cheap sample buys there.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from provenance import made_with
from stopping_searches import best_mixture, checked, ladder

from adaptive_reasoner.kit.backtesting.stop_rules import beta_stop, expected_by_imitators, rounds_of
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.kit.votes.fitting import COSTS, fit_stop, replayed
from adaptive_reasoner.kit.votes.permutations import (
    ReplayedVotes,
    at_once,
    by_state,
    by_window,
    draws_allowed,
    sample_groups,
)
from adaptive_reasoner.strategies.optimal_stopping import plan
from adaptive_reasoner.strategies.stop_rules import Lossless

ROOT = Path(__file__).resolve().parents[1]
AT = np.arange(2.0, 12.01, 0.5)
THRESHOLDS = (0.7, 0.76, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)
GENERATED = {  # right answers' Beta, number of wrong ones, how even they are
    "generated_easy": ((3.0, 0.6), (2, 8), (0.5,)),
    "generated_medium": ((1.5, 1.5), (3, 30), (0.3,)),
    "generated_hard": ((0.8, 1.6), (5, 60), (0.1, 0.3, 1.0)),
    "generated_hardest": ((0.5, 2.5), (10, 100), (0.05, 0.2, 0.5)),
}


PARTS = ("votes", "questions", "prompts", "waiting", "checker", "ladder")
SMALL, SMALL_SPLITS = 250, 5  # a table of fewer questions is dealt into folds this often
FURTHER = ("letters_gpt35", "game24_gpt4", "gpqa_thinking_opus45")


def generated(kind, rng, questions, samples):
    """Samples of questions that differ in how likely right they are, and in how their wrong answers lie."""
    (a, b), (fewest, most), evenness = GENERATED[kind]
    rows = []
    for question in range(questions):
        right = rng.beta(a, b)
        wrong = rng.dirichlet(np.full(rng.integers(fewest, most), rng.choice(evenness)))
        answers = rng.choice(1 + len(wrong), samples, p=np.append(right, (1 - right) * wrong))
        rows += [
            {
                "question_id": f"q{question}",
                "question": f"question {question}",
                "source": kind,
                "sample": number,
                "answer": str(answer),
                "gold": "0",
                "correct": float(answer == 0),
                "cost": 1.0,
                "cost_unit": "samples",
            }
            for number, answer in enumerate(answers)
        ]
    return Samples.from_rows(rows)


def to_beat(votes):
    """Accuracy and draws of every parameter of the three rules, shape (2, n, parameters)."""
    sizes = range(1, votes.limit + 1)
    rules = [
        *(votes.played(at_once(votes.limit), over=beta_stop(votes, tau)) for tau in THRESHOLDS),
        *(votes.played(by_window(size)) for size in sizes),
        *(votes.played(by_state(rounds_of(Lossless(), votes.limit, most))) for most in sizes),
    ]
    return np.stack([played[[0, 3]] for played in rules], axis=2)


def along_prices(accuracy, draws, at):
    """The priced stop at each mean number of draws: between neighbouring prices, whether they pay or not."""
    return np.interp(at, np.maximum.accumulate(draws[::-1]), accuracy[::-1])


def bootstrapped(measure, questions, *, draws, seed):
    """What is measured with all questions, and with as many drawn with replacement, by their weights."""
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, questions, questions) for _ in range(draws + 1))
    weights = (np.bincount(rows, minlength=questions) for rows in drawn)
    return np.array([measure(weight if draw else np.ones(questions)) for draw, weight in enumerate(weights)])


def interval(values):
    """The first value, and the ends of the 95% interval of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return {
        name: round(float(value), 4) for name, value in (("mean", values[0]), ("low", low), ("high", high))
    }


def summary(difference):
    """The mean over the columns with its interval, and the worst and the best column."""
    found = interval(difference.mean(axis=1))
    return {
        "mean_difference": found.pop("mean"),
        **found,
        "worst": round(float(difference[0].min()), 4),
        "best": round(float(difference[0].max()), 4),
    }


def compared(name, samples, source, *, splits, draws, seed):
    groups = sample_groups(samples, source, samples.question_ids)
    votes = ReplayedVotes.of(groups, draws_allowed(groups), seed=seed)
    at = AT[votes.limit * 0.9 >= AT]
    rivals = to_beat(votes)
    tests = []
    for split in range(splits):
        fit, held_out = split_by_text(samples.questions, seed=seed + split)
        fitted = fit_stop(votes.select(fit))
        tests.append((held_out, replayed(votes.select(held_out), fitted.model)[[0, 3]], fitted.learned))

    def measure(weight):
        each = []
        for held_out, priced, _ in tests:
            share = weight[held_out] / weight[held_out].sum()
            ours, theirs = (np.tensordot(share, table, ([0], [1])) for table in (priced, rivals[:, held_out]))
            each.append(along_prices(*ours, at) - best_mixture(*theirs, at))
        return np.mean(each, axis=0)

    difference = bootstrapped(measure, len(samples), draws=draws, seed=seed)
    return {
        "table": name,
        "questions": len(samples),
        "samples": 2 * votes.limit,
        "single": round(float(votes.right[1].mean()), 4),
        "learned": sum(learned for _, _, learned in tests),
        **summary(difference),
        "by_mean_samples": {
            f"{n:g}": round(float(gain), 4) for n, gain in zip(at, difference[0], strict=True)
        },
    }


def told(name, samples, source, encoder, *, splits, draws, seed):
    """What it is worth to know the question, at equal mean draws, out of fold."""
    splits = max(splits, SMALL_SPLITS) if len(samples) < SMALL else splits
    groups = sample_groups(samples, source, samples.question_ids)
    votes = ReplayedVotes.of(groups, draws_allowed(groups), seed=seed)
    sizes = [size for size in (1, 3, 5, 9, 15) if size <= 2 * votes.limit]
    table = estimate(samples, votes=sizes, seed=seed)
    features = feature_matrix(list(samples.questions), encoder)
    at, repeats, opened = np.linspace(1.5, 0.7 * votes.limit, 20), [], 0
    for split in range(splits):
        expected = expected_by_imitators(table, features, source, samples.sources, seed=seed + split)
        fold = np.random.default_rng(seed + split).permutation(len(samples)) % 5
        both = np.empty((2, 2, len(samples), len(COSTS)))
        for number in range(5):
            fit, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            seen, unseen = expected(fit, held_out)
            for knows, part in enumerate(both):
                fitted = fit_stop(votes.select(fit), beyond=seen if knows else None)
                opened += fitted.model.tilt is not None
                played = replayed(votes.select(held_out), fitted.model, beyond=unseen)
                part[:, held_out] = played[[0, 3]]
        repeats.append(both)

    def measure(weight):
        share = weight / len(samples)
        curves = [
            [along_prices(*np.tensordot(share, part, ([0], [1])), at) for part in both] for both in repeats
        ]
        return np.mean([knows - blind for blind, knows in curves], axis=0)

    return {
        "table": name,
        "source": source,
        "questions": len(samples),
        "samples": 2 * votes.limit,
        "fits": 5 * splits,
        "fits_that_use_it": opened,
        **summary(bootstrapped(measure, len(samples), draws=draws, seed=seed)),
    }


def shared_prompts(name, samples, source, share, *, splits, draws, seed):
    """What it is worth to know that a request pays its prompt once for four samples, at equal cost."""
    cost = np.mean([reply.cost for several in samples.replies.values() for reply in several])
    paid = {"cost": cost, "prompt_cost": share * cost, "samples_per_request": 4}
    samples = Samples.from_rows({**row, **paid} for row in samples.rows())
    groups = sample_groups(samples, source, samples.question_ids)
    votes = ReplayedVotes.of(groups, draws_allowed(groups), seed=seed)
    at, tests = np.linspace(1.2, 8.0, 18) * cost, []
    for split in range(splits):
        fit, held_out = split_by_text(samples.questions, seed=seed + split)
        known, others = fit_stop(votes.select(fit)).model, votes.select(held_out)
        plans = known, replace(known, prompt_cost=0.0)
        tests.append((held_out, [replayed(others, each)[:2] for each in plans]))

    def measure(weight):
        each = []
        for held_out, played in tests:
            part = weight[held_out] / weight[held_out].sum()
            knows, blind = (along_prices(*np.tensordot(part, values, ([0], [1])), at) for values in played)
            each.append(float((knows - blind).mean()))
        return np.mean(each)

    found = interval(bootstrapped(measure, len(samples), draws=draws, seed=seed))
    return {
        "table": name,
        "prompt_share": share,
        "samples_per_request": 4,
        "gain": found.pop("mean"),
        **found,
    }


def waited(samples, *, seed, cost=0.002):
    """Rounds of the priced stop as waiting gets dearer, on the half of the questions it was not fitted on."""
    groups = sample_groups(samples, samples.sources[0], samples.question_ids)
    votes = ReplayedVotes.of(groups, draws_allowed(groups), seed=seed)
    fit, held_out = split_by_text(samples.questions, seed=seed)
    known, votes = fit_stop(votes.select(fit)).model, votes.select(held_out)
    column = np.arange(len(votes.question))
    for round_cost in (None, 0.0, 0.002, 0.005, 0.02, 0.1):
        wave = plan(known, cost, round_cost=round_cost or 0.0).wave
        if round_cost is None:  # one by one
            wave = np.minimum(wave, 1)
        drawn, rounds = np.zeros((2, len(column)), dtype=int)
        while (more := wave[drawn, votes.top[drawn, column], votes.second[drawn, column]]).any():
            drawn, rounds = drawn + more, rounds + (more > 0)
        yield {
            "sample_is_worth": cost,
            "round_is_worth": "one by one" if round_cost is None else round_cost,
            "accuracy": round(float(votes.right[drawn, column].mean()), 4),
            "samples": round(float(drawn.mean()), 2),
            "rounds": round(float(rounds.mean()), 2),
            "rounds_p95": int(np.quantile(rounds, 0.95)),
        }


def tables(folder, seed):
    for name in ("letters_gpt35", "addsub_codex002"):
        samples = Samples.read(folder / f"{name}.samples.parquet")
        yield name, samples, samples.sources[0]
    rng = np.random.default_rng(seed)
    for kind in GENERATED:
        yield kind, generated(kind, rng, 300, 40), kind
    yield "generated_hard, few of both", generated("generated_hard", rng, 100, 20), "generated_hard"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", choices=PARTS, help="measure this part, and leave the others in the file as they are"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "stopping.json")
    arguments = parser.parse_args()
    options = {name: getattr(arguments, name) for name in ("splits", "draws", "seed")}
    encoder, read = open_encoder(), {}
    for name in FURTHER:
        read[name] = Samples.read(arguments.folder / f"{name}.samples.parquet")
    arithmetic = Samples.read(ROOT / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet")
    rng = np.random.default_rng(arguments.seed)
    asked = [
        ("smollm2_arithmetic", arithmetic, "cot"),
        ("smollm2_arithmetic", arithmetic, "direct"),
        ("letters_gpt35", read["letters_gpt35"], "cot"),
        ("addsub_codex002", Samples.read(arguments.folder / "addsub_codex002.samples.parquet"), "cot"),
        ("generated_hard", generated("generated_hard", rng, 300, 40), "generated_hard"),
    ]
    parts = {
        "votes": lambda: [
            compared(name, samples, source, **options)
            for name, samples, source in tables(arguments.folder, arguments.seed)
        ],
        "questions": lambda: [told(*one, encoder, **options) for one in asked],
        "prompts": lambda: [
            shared_prompts(*one, share, **options) for one in asked[2:] for share in (0.2, 0.5, 0.8)
        ],
        "waiting": lambda: list(waited(read["letters_gpt35"], seed=arguments.seed)),
        "checker": lambda: checked(read["game24_gpt4"], splits=arguments.splits, seed=arguments.seed),
        "ladder": lambda: list(ladder(read["gpqa_thinking_opus45"], **options)),
    }
    said = {
        "command": "python benchmarks/stopping.py FOLDER "
        + " ".join(f"--{name} {value}" for name, value in options.items()),
        **made_with("adaptive-reasoner", "numpy", "scikit-learn"),
    }
    if arguments.only:
        results = json.loads(arguments.out.read_text())
        results.setdefault("measured_alone", {})[arguments.only] = {
            **said,
            "command": f"{said['command']} --only {arguments.only}",
        }
        results[arguments.only] = parts[arguments.only]()
    else:
        results = {**said, **{name: measure_it() for name, measure_it in parts.items()}}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
