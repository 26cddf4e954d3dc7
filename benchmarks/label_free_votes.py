"""Is the vote without labels as accurate as it was, at equal cost, now that it ends where nothing compares?

    python benchmarks/label_free_votes.py [--data FOLDER] [--seeds 4] [--out FILE]

Recorded samples are dealt to the policy of a node without labels and to its strategies, at fixed prices. The
old rule is a vote on every question, by the text of the answer, that goes on after replies without an answer;
both rules are dealt the same samples in the same order. The accuracy of the old rule is interpolated at the
mean number of samples that the new rule draws. A recorded reply without an answer is replayed as one that was
cut, since its text is not known.

`FOLDER` holds tables of other models' samples, which are not part of the project; those of the demo are.
"""

import argparse
import json
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from provenance import made_with

from adaptive_reasoner import Priced, SampleMeter, Source, adaptive_consistency, final_answer
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.policy.expectations import AskedFor
from adaptive_reasoner.policy.label_free import LabelFreePolicy, label_free_actions
from adaptive_reasoner.strategies.flow import Task, may_vote, run

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"
TABLES = (
    "letters_gpt35.samples.parquet",
    "addsub_codex002.samples.parquet",
    "exams_a_gpt.samples.parquet",
    "amc_aime_llama3b.samples.parquet",
)
PRICES = tuple(round(float(price), 5) for price in np.geomspace(0.1, 0.002, 5))
SAMPLES = 9


class GoingOn(Priced):
    """The priced stop as it was: a sample without an answer is drawn, and changes nothing."""

    def wave(self, state, terms):
        """Samples to start next; without an answer yet, those of a vote that has so many samples less."""
        if state.top == 0 and state.drawn:
            fresh = replace(state, drawn=0, failed=0, nothing=0, limit=state.limit - state.drawn, waves=None)
            return super().wave(fresh, terms) if fresh.limit else 0
        return super().wave(state, terms)


class Dealer:
    """Makes the calls of one question after another from recorded replies, and counts them."""

    def __init__(self, samples, source, seed):
        self._model = recorded_sources(samples, seed=seed)[source].runnable
        self.calls = 0

    def run_round(self, requests):
        """A recorded reply for each request."""
        self.calls += len(requests)
        results = (self._model._generate(list(request.messages)) for request in requests)
        return [Reply(result.generations[0].message, None, 1.0, 0.0) for result in results]


class OldVote:
    """A vote on every question."""

    flow = staticmethod(adaptive_consistency(SAMPLES, GoingOn(), key=final_answer))

    def answer(self, task, dealer):
        """The answer, and whether it was voted on."""
        return run(self.flow, task, dealer), True


class LabelFree:
    """What a node without a policy does with a question."""

    def __init__(self):
        source = Source(FakeListChatModel(responses=["unused"]))
        self._policy = LabelFreePolicy(source, SampleMeter(), samples=SAMPLES)
        self._actions = label_free_actions(SAMPLES)

    def answer(self, task, dealer):
        """The answer, and whether it was voted on."""
        policy = self._policy.expecting(AskedFor(question=task.question))
        action = policy.decide(task.question, price=task.price).action
        answer = run(self._actions[action], task, dealer)
        if answer.value is not None or may_vote(answer.message):
            policy.learn(offered=answer.value is not None)
        return answer, action != "single_pass"


def scores(samples, source):
    """How right each recorded answer to each question is, None for no answer."""
    found = defaultdict(lambda: defaultdict(list))
    for question_id, question in zip(samples.question_ids, samples.questions, strict=True):
        for reply in samples.votes(question_id, source):
            found[question][reply.answer].append(reply.correct)
    return {
        question: {answer: float(np.mean(each)) for answer, each in answers.items()}
        for question, answers in found.items()
    }


def given(message):
    """The recorded answer that a reply gives."""
    return message.text.removeprefix("Answer: ") if message.text.startswith("Answer: ") else None


def played(path, source, rule, seed):
    """Mean samples and accuracy of one rule at each price, in one order of the questions; share of votes."""
    samples = Samples.read(path)
    right = scores(samples, source)
    questions = list(right)
    np.random.default_rng(seed).shuffle(questions)
    rows, votes = [], 0
    for price in PRICES:
        dealer, rules = Dealer(samples, source, seed), OldVote() if rule == "old" else LabelFree()
        accuracy = 0.0
        for question in questions:
            answer, voted = rules.answer(Task([HumanMessage(question)], price=price), dealer)
            accuracy += right[question][given(answer.message)] / len(questions)
            votes += voted / (len(PRICES) * len(questions))
        rows.append((dealer.calls / len(questions), accuracy))
    return rows, votes


def compared(path, source, seeds, pool):
    """The two rules on one source: samples and accuracy at each price, and accuracy at equal samples."""
    jobs = list(product(("old", "new"), range(seeds)))
    done = dict(
        zip(jobs, pool.map(played, *zip(*((path, source, *job) for job in jobs), strict=True)), strict=True)
    )
    old, new = (
        np.array([done[rule, seed][0] for seed in range(seeds)]).mean(axis=0) for rule in ("old", "new")
    )
    rising = np.argsort(old[:, 0])
    at_equal = np.interp(new[:, 0], old[rising, 0], old[rising, 1])
    gain = new[:, 1] - at_equal
    return {
        "file": Path(path).name,
        "source": source,
        "questions": len(scores(Samples.read(path), source)),
        "voted": round(float(np.mean([done["new", seed][1] for seed in range(seeds)])), 4),
        "gain_mean": round(float(gain.mean()), 5),
        "gain_worst": round(float(gain.min()), 5),
        "prices": [
            {
                "price": price,
                "samples_old": round(before[0], 4),
                "accuracy_old": round(before[1], 5),
                "samples_new": round(after[0], 4),
                "accuracy_new": round(after[1], 5),
                "accuracy_old_at_equal_samples": round(float(equal), 5),
            }
            for price, before, after, equal in zip(PRICES, old, new, at_equal, strict=True)
        ],
    }


def summed_up(rows):
    """By file, the mean gain over its sources at each price: their mean, and the worst of them."""
    files = {row["file"]: [] for row in rows}
    for row in rows:
        each = (price["accuracy_new"] - price["accuracy_old_at_equal_samples"] for price in row["prices"])
        files[row["file"]].append(list(each))
    means = {file: np.mean(gains, axis=0) for file, gains in files.items()}
    return [
        {"file": file, "gain_mean": round(float(gain.mean()), 5), "gain_worst": round(float(gain.min()), 5)}
        for file, gain in means.items()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "label_free_votes.json")
    options = parser.parse_args()
    files = [DEMO, *(options.data / name for name in TABLES if (options.data / name).exists())]
    rows = []
    with ProcessPoolExecutor(options.workers) as pool:
        for path in files:
            for source in Samples.read(path).sources:
                rows.append(compared(path, source, options.seeds, pool))
                row = rows[-1]
                print(f"{row['file']} {source}: mean {row['gain_mean']:+.5f}, worst {row['gain_worst']:+.5f}")
    result = {
        "command": f"python benchmarks/label_free_votes.py --seeds {options.seeds}",
        **made_with("adaptive-reasoner", "langchain-core", "numpy", machine=f"{options.workers} processes"),
        "seeds": options.seeds,
        "most_samples": SAMPLES,
        "files": summed_up(rows),
        "rows": rows,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
