"""Answers questions with a shadow, in a process that is to end in the middle or by itself.

    python -m tests.unit_tests.shadow.answering URL STUCK_AT FILE

asks ten questions, of which the judge gets stuck at one; it then makes a file, and the process waits for its
end. With STUCK_AT -1, it ends by itself.
"""

import sys
import threading
from itertools import count
from pathlib import Path

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, Shadow, Source, open_ledger
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel

QUESTIONS = 10


def main(url, stuck_at, file):
    numbers = count()

    def judge(question, first, second):
        if next(numbers) == 2 * stuck_at:
            Path(file).touch()
            threading.Event().wait()
        return float(len(first) > len(second))

    cheap = Source(ScriptedModel(answers=("Answer: 14",)), max_tokens=50)
    strong = Source(ScriptedModel(answers=("It is surely 15",)), max_tokens=50)
    reasoner = AdaptiveReasoner(
        cheap,
        policy=FixedPolicy("cheap", expected_cost=2.0),
        actions={"cheap": single_pass(), "strong": on(strong)},
        ledger=open_ledger(url, target=10.0),
        shadow=Shadow("strong", judge=judge, max_cost=10_000.0, share=1.0, concurrency=1),
    )
    for number in range(QUESTIONS):
        reasoner.answer("5 + 9?", key=f"q{number}")
    if stuck_at >= 0:
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
