"""Runs that start, call, crash, wait and settle in any order, against a provider that keeps its own bill."""

import itertools
from math import inf
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from langchain_core.messages import HumanMessage

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner import hold
from adaptive_reasoner.reasoner.options import AskedQuestion, CallOptions, Components, Limits
from adaptive_reasoner.reasoner.run import QuestionRun
from adaptive_reasoner.strategies.flow import Answer, usable_messages
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.ledger.stand_ins import Clock

MAX_TOKENS = 60
CAP = 600.0
names = itertools.count()


class Provider:
    """Does what it is told with the next calls, and bills what it has worked."""

    def __init__(self):
        self.bill, self.next, self.tokens = 0.0, "answered", 2


class Billing(ScriptedModel):
    """The model of a provider."""

    provider: Any

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        if self.provider.next == "refused":
            raise StatusError(503)
        self.provider.bill += self.provider.tokens
        if self.provider.next == "lost":
            raise TimeoutError("late")
        if self.provider.next == "crashed":
            raise KeyboardInterrupt
        return super()._generate(messages, **kwargs)

    def _reply(self, messages, kwargs):
        reply = super()._reply(messages, kwargs)
        tokens = int(self.provider.tokens)
        usage = {"input_tokens": 10, "output_tokens": tokens, "total_tokens": 10 + tokens}
        return reply.model_copy(update={"usage_metadata": usage})


def waves(*sizes):
    """A flow of so many calls at once, one wave after another; failures do not end it."""

    def flow(task):
        replies = []
        for size in sizes:
            replies += yield [Request(task.messages, hidden_sample=True)] * size
        return Answer(usable_messages(replies)[0], "42")

    return flow


FLOWS = {"one": waves(1), "in turn": waves(1, 1, 1), "at once": waves(2, 1)}


class Lives(RuleBasedStateMachine):
    """The ledger never has less than the provider bills, and never more than the cap.

    Subclasses open ledgers: each stands for a process.
    """

    runs = Bundle("runs")

    def ledgers_of(self, **terms):
        raise NotImplementedError

    @initialize(capped=st.booleans())
    def begin(self, capped):
        self.clock, self.provider, self.honest, self.capped = Clock(), Provider(), True, capped
        self.source = Source(Billing(provider=self.provider), max_tokens=MAX_TOKENS)
        self.ledgers = self.ledgers_of(
            target=20.0,
            cost_unit="tokens",
            hard_cap=CAP if capped else None,
            reservation_ttl=60.0,
            clock=self.clock,
            name=f"life {next(names)}",
        )
        self.live = []

    @rule(
        target=runs,
        process=st.integers(0, 2),
        task=st.sampled_from("ab"),
        action=st.sampled_from(sorted(FLOWS)),
        worst=st.sampled_from([5.0, 60.0, 180.0, inf]),
    )
    def start(self, process, task, action, worst):
        charge = QuestionRun(
            Components(
                source=self.source,
                policy=FixedPolicy(action, expected_cost=5.0, worst_cost=worst),
                actions=FLOWS,
                ledger=self.ledgers[process % len(self.ledgers)],
                meter=TokenMeter(),
            ),
            Limits(),
            AskedQuestion(
                messages=[HumanMessage("6 * 7?")], key=task, run_id=f"question {task}", resumes=True
            ),
            CallOptions(),
        )
        try:
            charge.open()
        except BudgetExceededError:
            return multiple()
        self.live.append(charge)
        return charge

    @rule(
        run=runs,
        end=st.sampled_from(["answered", "answered", "refused", "lost"]),
        tokens=st.integers(1, MAX_TOKENS),
    )
    def call(self, run, end, tokens):
        if run not in self.live:
            return
        self.provider.next, self.provider.tokens = end, tokens
        try:
            while run.short:
                run.cover()
            if not run.answered:
                self.honest &= end != "lost"
                run.send(run.caller.run_round(run.running.requests))
        except (StatusError, TimeoutError, BudgetExceededError):
            self.finish(run)
        if run in self.live and run.answered:
            self.finish(run)

    @rule(run=consumes(runs), tokens=st.integers(1, MAX_TOKENS), calls=st.booleans())
    def crash(self, run, tokens, calls):
        """A process dies: between two calls, or with calls at the provider that it will never hear of."""
        if run not in self.live:
            return
        self.honest = False
        if calls and not run.short and not run.answered:
            self.provider.bill += tokens * len(run.running.requests)
        self.live.remove(run)
        hold._under_way.pop((id(run.ledger), run._hold.key), None)
        hold._attempts.clear()

    @rule(run=consumes(runs))
    def finish(self, run):
        if run in self.live:
            self.live.remove(run)
            run.close()

    @rule(run=runs, cost=st.integers(0, 100))
    def settle_again(self, run, cost):
        """A settlement that comes twice changes nothing."""
        if run not in self.live and run.ledger.history():
            known = [one for one in run.ledger.history() if one.key == run._hold.key]
            if known and known[0].status == "settled":
                assert run.ledger.settle(known[0], cost).cost == known[0].cost

    @rule(seconds=st.sampled_from([1.0, 30.0, 70.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @invariant()
    def the_ledger_has_all_that_the_provider_bills_and_keeps_the_cap(self):
        for ledger in self.ledgers:
            seen = ledger.snapshot()
            assert seen.spent + seen.held >= self.provider.bill
            if self.capped:
                assert seen.spent + seen.held <= CAP
                assert not seen.cap_closed

    def teardown(self):
        if not hasattr(self, "live"):
            return
        for run in list(self.live):
            self.finish(run)
        self.clock.now += 100.0
        seen = self.ledgers[0].snapshot()
        assert (seen.in_flight, seen.held) == (0, 0.0)
        assert seen.spent >= self.provider.bill
        if self.honest:
            assert seen.spent == self.provider.bill
        for ledger in self.ledgers:
            ledger.close()
