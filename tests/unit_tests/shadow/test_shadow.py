"""A share of the answers is compared with a second one: off the user's path, blind, and within its cap."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, Shadow, Source, open_ledger
from adaptive_reasoner.errors import BudgetExceededError, UnknownActionError
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.shadow.answering import QUESTIONS
from tests.waiting import PATIENCE, wait_until

STRONG = "It is surely 15"  # four tokens, where the cheap answer takes two


def shorter(question, first, second):
    """A judge of known taste, without an error."""
    return float(len(first) < len(second))


@pytest.fixture
def shadowing():
    """Makes a reasoner with a shadow, which is closed at the end."""
    made = []

    def making(judge=shorter, *, strong=None, ledger=None, policy=None, **settings):
        fields = {"max_cost": 100_000.0, "share": 1.0, **settings}
        strong = strong or ScriptedModel(answers=(STRONG,))
        made.append(
            AdaptiveReasoner(
                Source(ScriptedModel(answers=("Answer: 14",)), max_tokens=50),
                policy=policy or FixedPolicy("cheap", expected_cost=2.0),
                actions={
                    "cheap": single_pass(),
                    "vote": self_consistency(3),
                    "strong": on(Source(strong, max_tokens=50)),
                },
                ledger=ledger or open_ledger("memory://", target=10.0),
                shadow=Shadow("strong", judge=judge, **fields),
            )
        )
        return made[-1]

    yield making
    for reasoner in made:
        reasoner.shadow.close(10.0)


class Gate:
    """A judge that waits to be let through."""

    def __init__(self):
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, question, first, second):
        self.entered.set()
        self.opened.wait(PATIENCE)
        return shorter(question, first, second)


def ask(reasoner, questions):
    return [reasoner.answer("5 + 9?", key=f"q{number}") for number in range(questions)]


def test_tells_quality_and_cost_of_both_arms_and_what_was_saved(shadowing):
    reasoner = shadowing()
    results = ask(reasoner, 12)
    assert all(result.record["shadowed"] for result in results)
    assert reasoner.shadow.wait(PATIENCE)
    found = reasoner.shadow.savings()
    assert (found.judged, found.questions, found.against) == (12, 12, "strong")
    assert (found.cost.mean, found.against_cost.mean, found.saved_total.mean) == (2.0, 4.0, 24.0)
    assert (found.quality.mean, found.spent, found.max_cost) == (1.0, 48.0, 100_000.0)
    assert reasoner.ledger.snapshot().spent == 24.0  # the user's questions alone
    assert reasoner.ledger.average == 2.0


def test_the_judge_sees_both_replies_in_both_orders_and_no_names(shadowing):
    judge = ScriptedModel(answers=("B is vague.\nA", "B"))
    reasoner = shadowing(Source(judge, max_tokens=20), concurrency=1)
    ask(reasoner, 1)
    assert reasoner.shadow.wait(PATIENCE)
    prompts = sorted(request["prompt"] for request in judge.requests)
    assert len(prompts) == 2
    firsts = {prompt.index("Answer: 14") < prompt.index(STRONG) for prompt in prompts}
    assert firsts == {True, False}
    assert not any(name in prompt for prompt in prompts for name in ("cheap", "strong"))
    assert reasoner.shadow.savings().spent > 4.0  # the judge's calls are paid for as well


def test_a_share_is_drawn_by_the_key_of_the_question(shadowing):
    drawn = [result.record.get("shadowed", False) for result in ask(shadowing(share=0.3), 200)]
    assert 35 <= sum(drawn) <= 85
    assert drawn == [result.record.get("shadowed", False) for result in ask(shadowing(share=0.3), 200)]


def test_an_answer_does_not_wait_for_its_comparison(shadowing):
    gate = Gate()
    reasoner = shadowing(gate)
    assert ask(reasoner, 3)[-1].answer == "14"  # while the judge lets none through
    assert gate.entered.wait(PATIENCE)
    assert reasoner.shadow.savings().judged == 0
    assert not reasoner.shadow.wait(0.01)
    gate.opened.set()
    assert reasoner.shadow.wait(PATIENCE)
    assert reasoner.shadow.savings().judged == 3


async def test_an_answer_given_on_a_loop_or_as_a_stream_is_compared_too(shadowing):
    reasoner = shadowing()
    assert (await reasoner.aanswer("5 + 9?")).record["shadowed"]
    chunks = [chunk async for chunk in reasoner.astream("5 + 9?")]
    assert chunks[-1].response_metadata["adaptive_reasoner"]["shadowed"]
    chunks = list(reasoner.stream("5 + 9?"))
    assert chunks[-1].response_metadata["adaptive_reasoner"]["shadowed"]
    assert reasoner.shadow.wait(PATIENCE)
    assert reasoner.shadow.savings().judged == 3
    await reasoner.shadow.aclose()


def test_what_fails_in_a_comparison_fails_no_answer_and_its_cost_stands(shadowing, caplog):
    strong = ScriptedModel(answers=(STRONG,), failures={0: StatusError(500), 2: TimeoutError()})
    reasoner = shadowing(strong=strong, concurrency=1)
    assert [result.answer for result in ask(reasoner, 4)] == ["14"] * 4
    assert reasoner.shadow.wait(PATIENCE)
    found = reasoner.shadow.savings()
    assert (found.failed, found.judged) == (2, 2)
    assert found.spent == 4.0 + 50.0 + 4.0  # a refused call is free, a lost one costs its worst case
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not compared with strong" in caplog.text


def test_a_judge_that_says_nothing_usable_is_counted(shadowing):
    silent = shadowing(lambda question, first, second: None)
    ask(silent, 2)
    assert silent.shadow.wait(PATIENCE)
    assert (silent.shadow.savings().unjudged, silent.shadow.savings().against_cost.mean) == (2, 4.0)
    wrong = shadowing(lambda question, first, second: 7)
    ask(wrong, 1)
    assert wrong.shadow.wait(PATIENCE)
    assert (wrong.shadow.savings().failed, wrong.shadow.savings().spent) == (1, 4.0)


def test_a_judge_may_be_asynchronous_and_answer_in_words(shadowing):
    async def judge(question, first, second):
        return "A" if len(first) > len(second) else "B"

    reasoner = shadowing(judge)
    ask(reasoner, 2)
    assert reasoner.shadow.wait(PATIENCE)
    assert reasoner.shadow.savings().quality.mean == 0.0


def test_a_liking_for_the_first_place_cancels(shadowing):
    reasoner = shadowing(lambda question, first, second: "A")
    ask(reasoner, 3)
    assert reasoner.shadow.wait(PATIENCE)
    assert reasoner.shadow.savings().quality.mean == 0.5


def test_the_reference_itself_and_equal_answers_are_ties_without_a_verdict(shadowing):
    def refused(question, first, second):
        raise AssertionError

    strong = ScriptedModel(answers=("I think it is 14.\nAnswer: 14",))
    equal = shadowing(refused, strong=strong)
    ask(equal, 2)
    itself = shadowing(refused, policy=FixedPolicy("strong", expected_cost=2.0))
    ask(itself, 2)
    for reasoner in (equal, itself):
        assert reasoner.shadow.wait(PATIENCE)
        assert reasoner.shadow.savings().quality.mean == 0.5
    assert itself.shadow.savings().spent == 0.0
    assert itself.shadow.savings().saved.mean == 0.0


def test_the_cap_is_never_exceeded_and_what_it_refuses_is_counted(shadowing):
    reasoner = shadowing(max_cost=120.0, concurrency=3)
    ask(reasoner, 60)
    assert reasoner.shadow.wait(PATIENCE)
    found = reasoner.shadow.savings()
    assert found.spent <= 120.0
    assert found.refused > 0
    assert found.judged + found.refused == 60
    assert found.judged >= (120.0 - 50.0) / 4.0 - 2  # a call is held at 50, and costs 4


def test_the_calls_of_a_judge_that_do_not_fit_are_not_made(shadowing):
    judge = ScriptedModel(answers=("A",))
    reasoner = shadowing(Source(judge, max_tokens=1_000), max_cost=1_500.0)
    ask(reasoner, 2)
    assert reasoner.shadow.wait(PATIENCE)
    assert (reasoner.shadow.savings().refused, len(judge.requests)) == (2, 0)


def test_what_too_many_wait_for_is_dropped_and_counted(shadowing):
    gate = Gate()
    reasoner = shadowing(gate, concurrency=1, waiting=2)
    first = reasoner.answer("5 + 9?", key="first")
    assert gate.entered.wait(PATIENCE)
    shadowed = [first, *ask(reasoner, 6)]
    assert [result.record.get("shadowed", False) for result in shadowed] == [True] * 3 + [False] * 4
    gate.opened.set()
    assert reasoner.shadow.wait(PATIENCE)
    found = reasoner.shadow.savings()
    assert (found.judged, found.dropped, found.questions) == (3, 4, 7)


def test_close_ends_what_is_under_way_and_drops_what_waits(shadowing):
    gate = Gate()
    reasoner = shadowing(gate, concurrency=1)
    ask(reasoner, 3)
    assert gate.entered.wait(PATIENCE)

    def open_late():
        wait_until(lambda: reasoner.shadow.savings().dropped == 2)
        gate.opened.set()

    opening = threading.Thread(target=open_late)
    opening.start()
    reasoner.shadow.close()
    reasoner.shadow.close()
    opening.join()
    found = reasoner.shadow.savings()
    assert (found.judged, found.dropped) == (1, 2)
    assert "shadowed" not in reasoner.answer("5 + 9?").record


def test_a_repeated_question_is_compared_once(shadowing):
    reasoner = shadowing()
    for _ in range(3):
        reasoner.answer("5 + 9?", key="same")
        assert reasoner.shadow.wait(PATIENCE)
    assert (reasoner.shadow.savings().judged, reasoner.shadow.savings().spent) == (1, 4.0)


def test_callbacks_of_the_user_hear_nothing_of_it(shadowing):
    class Counting(BaseCallbackHandler):
        started = 0

        def on_chat_model_start(self, *args, **kwargs):
            self.started += 1

    reasoner, counting = shadowing(), Counting()
    reasoner.invoke("5 + 9?", {"callbacks": [counting]})
    assert reasoner.shadow.wait(PATIENCE)
    assert (reasoner.shadow.savings().judged, counting.started) == (1, 1)


def test_what_could_be_of_any_length_is_refused_at_construction():
    parts = {"policy": FixedPolicy("cheap"), "budget": 9.0}
    actions = {"cheap": single_pass(), "strong": on(Source(ScriptedModel()))}
    with pytest.raises(BudgetExceededError, match="declare max_tokens of the reference action's model"):
        AdaptiveReasoner(
            Source(ScriptedModel(), max_tokens=9),
            actions=actions,
            shadow=Shadow("strong", judge=shorter, max_cost=9.0),
            **parts,
        )
    with pytest.raises(BudgetExceededError, match="and of the judge"):
        AdaptiveReasoner(
            Source(ScriptedModel(), max_tokens=9),
            actions={"cheap": single_pass()},
            shadow=Shadow("cheap", judge=ScriptedModel(), max_cost=9.0),
            **parts,
        )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"max_cost": 0.0}, "max_cost is an amount above 0"),
        ({"share": 0.0}, "share is above 0"),
        ({"share": 1.5}, "share is above 0"),
        ({"judge_accuracy": 0.5}, r"judge_accuracy is above 0\.5"),
        ({"concurrency": 0}, "concurrency is a whole number"),
        ({"waiting": 1.5}, "waiting is a whole number"),
        ({"against": ""}, "against is the name"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, named):
    with pytest.raises(ValueError, match=named):
        Shadow(**{"against": "strong", "judge": shorter, "max_cost": 9.0, **settings})


def test_other_mistakes_are_named_at_construction(shadowing):
    with pytest.raises(TypeError, match="judge is a chat model or a function"):
        Shadow("strong", judge=7, max_cost=9.0)
    with pytest.raises(
        TypeError, match=r"shadow is Shadow\('ACTION', judge=..., max_cost=...\), not 'strong'"
    ):
        AdaptiveReasoner(ScriptedModel(), budget=9.0, shadow="strong")
    with pytest.raises(UnknownActionError, match="dearest"):
        AdaptiveReasoner(
            Source(ScriptedModel(), max_tokens=9),
            budget=9.0,
            shadow=Shadow("dearest", judge=shorter, max_cost=9.0),
        )


class Foreign:
    """A ledger that others wrote: it knows nothing of comparisons."""

    _own = open_ledger("memory://", target=9.0)

    def __getattr__(self, name):
        if name in ("put_comparison", "comparisons", "savings", "payer"):
            raise AttributeError(name)
        return getattr(self._own, name)


def test_a_ledger_that_keeps_no_comparisons_is_refused(shadowing):
    with pytest.raises(ValueError, match=r"Foreign keeps no comparisons: .* open_ledger"):
        shadowing(ledger=Foreign())


def test_the_cap_may_be_raised_where_the_ledger_is_opened_again(shadowing, tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    reasoner = shadowing(ledger=open_ledger(url, target=10.0), max_cost=54.0)
    ask(reasoner, 3)
    assert reasoner.shadow.wait(PATIENCE)
    reasoner.shadow.close()
    assert reasoner.shadow.savings().refused > 0
    again = shadowing(ledger=open_ledger(url, target=10.0), max_cost=90.0)
    again.answer("5 + 9?", key="later")
    assert again.shadow.wait(PATIENCE)
    with LedgerReader(url) as reader:
        found = reader.savings()
    assert (found.max_cost, found.judged) == (90.0, reasoner.shadow.savings().judged)


def answering(*arguments):
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit_tests.shadow.answering", *map(str, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_in_the_middle_what_was_compared_stands_and_what_was_not_costs_its_worst_case(tmp_path):
    url, stuck = f"sqlite:///{tmp_path}/ledger.sqlite", tmp_path / "stuck"
    process = answering(url, 4, stuck)
    wait_until(lambda: stuck.exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with LedgerReader(url) as reader:
        found = reader.savings()
    assert (found.judged, found.open) == (4, 1)
    assert found.spent == 4 * 4.0 + 50.0
    later = time.time() + 7_200
    with LedgerReader(url, name="default:shadow", clock=lambda: later) as payer:
        assert payer.snapshot().spent == 4 * 4.0 + 50.0


@pytest.mark.slow
def test_a_process_ends_by_itself_without_a_word(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    out, error = (process := answering(url, -1, tmp_path / "none")).communicate(timeout=PATIENCE)
    assert (process.returncode, out, error) == (0, "", "")
    with LedgerReader(url) as reader:
        found = reader.savings()
    assert found.judged + found.dropped + found.failed == QUESTIONS
    assert found.open == 0
