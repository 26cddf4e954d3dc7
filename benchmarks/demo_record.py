"""The record that the demo trains and tests on: 1,560 questions, both sources, eight samples of each.

    pip install gguf accelerate
    python benchmarks/demo_record.py [--out record.jsonl] [--questions 1560] [--threads 1]

Collects as any menu does, and goes on where an earlier run was stopped. The model is that of the demo, by its
weights; it runs in PyTorch, which answers many prompts at once. Writes the record into the package.
"""

import argparse
import asyncio
import json
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path

import torch
from batched_smollm2 import BatchedSmolLM2
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.record import RECORD, math_menu
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.samples import Samples

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 8
PROMPTS_AT_ONCE = 48
STEP = 240  # questions; when a run is stopped, whole steps have both sources
LEFT_OUT = ("seconds", "prompt_sha", "graded_by")


class BatchedChatModel(BaseChatModel):
    """Answers the prompts that wait together, and keeps the further samples of each for later calls."""

    model_name: str = "smollm2-135m"
    _model: BatchedSmolLM2 = PrivateAttr(default_factory=BatchedSmolLM2)
    _ready: dict = PrivateAttr(default_factory=lambda: defaultdict(deque))
    _waiting: OrderedDict = PrivateAttr(default_factory=OrderedDict)
    _changed: threading.Condition = PrivateAttr(default_factory=threading.Condition)

    def model_post_init(self, context):  # noqa: D102
        super().model_post_init(context)
        threading.Thread(target=self._work, daemon=True).start()

    @property
    def _llm_type(self):
        return "batched"

    def _generate(self, *args, **kwargs):
        raise NotImplementedError("this model answers many calls at once, and so only asynchronous ones")

    async def _agenerate(self, messages, stop=None, run_manager=None, **settings):  # noqa: ARG002
        asked = messages[-1].content, settings["max_tokens"], settings["temperature"]
        loop = asyncio.get_running_loop()
        reply = loop.create_future()
        with self._changed:
            if self._ready[asked]:
                reply.set_result(self._ready[asked].popleft())
            else:
                self._waiting.setdefault(asked, []).append((loop, reply))
                self._changed.notify()
        text, tokens, ended, prompt_tokens = await reply
        usage = {
            "input_tokens": prompt_tokens,
            "output_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
        }
        finish = {"finish_reason": "stop" if ended else "length"}
        message = AIMessage(text, usage_metadata=usage, response_metadata=finish)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _work(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting, timeout=None)
                self._changed.wait(0.05)  # for others that come at the same time
                first, *_ = self._waiting
                alike = [each for each in self._waiting if _kind(each) == _kind(first)][:PROMPTS_AT_ONCE]
                waiting = {each: self._waiting.pop(each) for each in alike}
            drawn = self._model.replies(
                [prompt for prompt, _, _ in alike],
                samples=SAMPLES,
                max_tokens=first[1],
                temperature=first[2],
            )
            with self._changed:
                for asked, replies in zip(alike, drawn, strict=True):
                    self._ready[asked].extend(replies)
                    for loop, reply in waiting[asked]:
                        loop.call_soon_threadsafe(reply.set_result, self._ready[asked].popleft())


def _kind(asked):
    prompt, *settings = asked
    return prompt[:100], *settings


def write_record(path, ids):
    """The complete questions of a samples file, in the package, without what the demo does not read."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    drawn = Counter(row["question_id"] for row in rows)
    whole = [
        {name: value for name, value in row.items() if name not in LEFT_OUT}
        for row in rows
        if row["question_id"] in ids and drawn[row["question_id"]] == 2 * SAMPLES
    ]
    whole.sort(key=lambda row: (row["question_id"], row["source"] != "direct", row["sample"]))
    Samples.from_rows(whole).write(ROOT / "adaptive_reasoner" / "demo" / RECORD)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("record.jsonl"))
    parser.add_argument("--questions", type=int, default=1_560)
    parser.add_argument("--threads", type=int, default=1)
    said = parser.parse_args()
    torch.set_num_threads(said.threads)
    asked, menu = problems(said.questions), math_menu(BatchedChatModel(), SAMPLES)
    for upto in range(STEP, said.questions + STEP, STEP):
        done = collect(asked[:upto], menu, said.out, concurrency=400)
        print(f"{done.there:,} samples, {done.failed} failed", flush=True)
    write_record(said.out, {question.question_id for question in asked})


if __name__ == "__main__":
    main()
