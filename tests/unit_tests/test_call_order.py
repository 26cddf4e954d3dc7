"""Work goes through the packages in order: how often a question and a backtest enter each is counted."""

import sys
import threading
from collections import Counter, defaultdict
from itertools import groupby
from pathlib import Path

import pytest

import adaptive_reasoner
from adaptive_reasoner.models import observed_calls
from tests.unit_tests.integrations.node_graphs import ASKED, node
from tests.unit_tests.kit.backtesting.backtests import run, samples

ROOT = Path(adaptive_reasoner.__file__).parent
PACKAGES = ("integrations", "reasoner", "policy", "ledger", "strategies", "models", "answers")

ENTRIES = {
    # (package entered, from): {function: (times, why)}
    ("integrations", "the graph"): {"invoke": (1, "the question arrives")},
    ("models", "integrations"): {
        "messages_of": (1, "the question, of whichever type the state has, becomes messages"),
        "decision_text": (1, "what the policy decides on is taken from the state"),
    },
    ("reasoner", "integrations"): {"answer": (1, "the question is answered")},
    ("models", "reasoner"): {
        "is_amount": (1, "the limits of the question are checked"),
        "messages_of": (1, "a question that comes without a node becomes messages; here it is made so again"),
        "CallExecutor": (1, "what will make the calls and keep their bill"),
        "bound": (1, "the worst case of the first round, which is reserved"),
        "run_round": (1, "two calls, which already decide the vote"),
        "meter_of": (1, "a meter may be given by its name"),
        "received": (6, "the event of each reply, and whether samples at temperature 0 are copies"),
        "tokens_of": (2, "the event of each reply"),
        "cost": (3, "the settlement, its event, and the record of the result"),
        "usage_of": (2, "the usage of the result, and of the event of the settlement"),
    },
    ("ledger", "reasoner"): {
        "cost_unit": (1, "checked against the units of policy and meter, which a question may bring along"),
        "price": (2, "before the decision, and after the settlement for its event"),
        "reserve": (1, "no call is made before its worst case is reserved"),
        "settle": (1, "the price moves by what was really spent"),
        "charged_ledger": (1, "where an agent's run has a bill, it stands in front of the ledger"),
        "average": (1, "the event of the settlement"),
        "target": (1, "the event of the settlement"),
        "quality": (1, "whether the ledger holds a mean accuracy, of which an event would tell"),
    },
    ("policy", "reasoner"): {
        "decide": (1, "which action"),
        "as_state": (1, "the metadata of the calls"),
        "as_json": (3, "the event of the decision, that of the settlement, and the record of the result"),
        "version_of": (1, "which version of a watched policy decides"),
        "comparable": (1, "what a policy may learn from the answer"),
    },
    ("strategies", "reasoner"): {
        "question": (1, "what the replies of an event are about"),
        "vote_of": (2, "each reply is read once, for its event and for the result"),
        "FlowRunner": (1, "the vote begins, and says what it wants"),
        "requests": (2, "the round is bounded, and then made"),
        "send": (1, "the vote gets its replies, and has its answer"),
    },
    ("models", "a thread"): {"invoke": (2, "the calls of a round are made side by side")},
    ("reasoner", "models"): {"_replied": (2, "each reply is an event as soon as it is booked")},
    ("integrations", "reasoner"): {"_on_event": (4, "the decision, two samples and the settlement")},
    ("answers", "reasoner"): {
        "final_answer": (2, "each reply is read once, for its event and for the result, as it is stated")
    },
    ("models", "strategies"): {
        "question_of": (2, "the question that the replies of a vote, and that those of an event, are about"),
        "received": (
            4,
            "whether a call of the wave came back: the vote, each ballot, giving up",
        ),
        "refused": (8, "a reply that refuses has no vote: its ballot, its count, its event, and the winner"),
        "was_cut": (8, "a reply that was cut has no vote: its ballot, its count, its event, and the winner"),
    },
    ("answers", "strategies"): {
        "steps": (1, "the replies of the wave are compared with each other"),
        "comparison": (2, "each reply is read once, for its event and for the result"),
        "keys": (2, "each reply is read once, for its event and for the result"),
        "final_answer": (2, "the winner stands in the form that most equal replies have"),
    },
    ("models", "answers"): {
        "refused": (8, "a reply that refuses offers nothing to compare, whoever asks for its answer"),
        "was_cut": (8, "a reply that was cut offers nothing to compare, whoever asks for its answer"),
    },
}
"""What a question enters that is answered by a vote of three, which two samples decide.

The properties and functions that read a value count like any others.
"""


def package_of(frame):
    file = Path(frame.f_code.co_filename)
    return file.relative_to(ROOT).parts[0] if file.is_relative_to(ROOT) else None


def traced(follow, work):
    """Run `work`, and tell `follow` of each call in this thread and in those that it starts."""

    def profile(frame, event, _):
        if event == "call":
            follow(frame)

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def entries_of(work, outside):
    """How often each package is entered, from where and by which function; and the lines that do it."""
    times, lines = Counter(), defaultdict(set)

    def follow(frame):
        own = package_of(frame)
        if own not in PACKAGES:
            return
        caller = frame.f_back
        while caller is not None and package_of(caller) is None:
            caller = caller.f_back
        main = threading.current_thread() is threading.main_thread()
        by = package_of(caller) if caller else outside if main else "a thread"
        if by != own:
            name = frame.f_code.co_qualname.removesuffix(".__init__").split(".")[-1]
            times[own, by, name] += 1
            if caller:
                lines[own, by, name].add(f"{caller.f_code.co_filename}:{caller.f_lineno}")

    traced(follow, work)
    return times, lines


def test_a_question_enters_a_package_as_often_as_the_table_says(monkeypatch):
    monkeypatch.setattr(observed_calls, "_listeners", [])  # as in a process that has not built an agent
    vote = node("Answer: 14")
    times, lines = entries_of(lambda: vote.invoke(dict(ASKED)), "the graph")
    allowed = {(*way, name): number for way, row in ENTRIES.items() for name, (number, _) in row.items()}
    wrong = [
        f"{into} is entered from {by} by {name}: {times[into, by, name]} times, "
        f"the table says {allowed.get((into, by, name), 0)} {sorted(lines[into, by, name])}"
        for into, by, name in sorted(times | allowed)
        if times[into, by, name] != allowed.get((into, by, name), 0)
    ]
    assert not wrong, "\n".join(wrong)
    assert {into for into, _ in ENTRIES} == set(PACKAGES)
    assert all(why for row in ENTRIES.values() for _, why in row.values())


def first_calls(work, package):
    """The modules of a package in the order in which their functions are first called, runs as one."""
    seen, visited = set(), []

    def follow(frame):
        code = frame.f_code
        if code not in seen:
            seen.add(code)
            file = Path(code.co_filename)
            if file.is_relative_to(package) and not code.co_name.startswith("<"):
                visited.append(file.stem)

    traced(follow, work)
    return [module for module, _ in groupby(visited)]


@pytest.mark.usefixtures("own_cache")
def test_a_backtest_goes_through_its_modules_in_order():
    """Where each function is first called, control seldom comes back to a module that it had left."""
    table = samples(14)
    visits = first_calls(lambda: run(table, budgets=[25], draws=20), ROOT / "kit" / "backtesting")
    returns = len(visits) - len(set(visits))
    assert {"loading", "split_runner", "rules", "lift", "results"} <= set(visits)
    assert returns <= 7, visits  # 13 when loading, playing and results were parts of other modules
