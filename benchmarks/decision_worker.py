"""Times decisions of the library that it imports, block by block as it is asked: part of decision_latency.py.

The first line read names the policy folder, the questions and the vectors of their texts; each further line
names a measurement and is answered with its milliseconds a text. It uses only names that every version has.
"""

import json
import sys
import time

import numpy as np
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage

import adaptive_reasoner
from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, LearnedPolicy, single_pass

USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}


def measurements(policy, vectors):
    """What is timed, each on a text."""
    reasoner = AdaptiveReasoner(
        FakeMessagesListChatModel(responses=[AIMessage("Answer: 14", usage_metadata=USAGE)]),
        policy=FixedPolicy("single_pass", expected_cost=3.0),
        actions={"single_pass": single_pass()},
        budget=5.0,
    )
    return {
        "decide": policy.decide,
        "beside_the_encoder": lambda text: policy.decide(text, vector=vectors[text]),
        "answer": reasoner.answer,
    }


def main():
    job = json.loads(sys.stdin.readline())
    texts = job["texts"]
    vectors = {text: np.array(vector, np.float32) for text, vector in zip(texts, job["vectors"], strict=True)}
    works = measurements(LearnedPolicy.load(job["folder"]), vectors)
    for work in works.values():
        for text in texts:
            work(text)
    print(json.dumps({"file": adaptive_reasoner.__file__}), flush=True)
    for number, name in enumerate(map(str.strip, sys.stdin)):
        asked = texts if name == "beside_the_encoder" else [f"{text} ({number})" for text in texts]
        work, wall, busy = works[name], time.perf_counter(), time.process_time()
        for text in asked:  # new ones, as what is remembered of a question should not count
            work(text)
        found = {"wall": time.perf_counter() - wall, "processor": time.process_time() - busy}
        print(json.dumps({clock: 1e3 * seconds / len(texts) for clock, seconds in found.items()}), flush=True)


if __name__ == "__main__":
    main()
