"""A served reasoner in front of the stub of an upstream."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI

from adaptive_reasoner import AdaptiveReasoner, open_ledger
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.label_free import LabelFreePolicy, label_free_actions
from adaptive_reasoner.server.answering import ServedAction
from adaptive_reasoner.server.application import app
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.serving import serving
from tests.stub_server import StubServer
from tests.waiting import PATIENCE

ACTIONS = {"single_pass": ServedAction(single_pass(), 1), "vote_3": ServedAction(self_consistency(3), 3)}


@dataclass
class Served:
    """A server under test, with what is behind it."""

    url: str
    upstream: StubServer
    reasoner: AdaptiveReasoner
    app: Any
    stack: ExitStack

    @property
    def ledger(self):
        return self.reasoner.ledger

    def client(self, **options):
        options = {"base_url": f"{self.url}/v1", "api_key": "none", "max_retries": 0, **options}
        return self.stack.enter_context(openai.OpenAI(**options))

    def aclient(self, **options):
        options = {"base_url": f"{self.url}/v1", "api_key": "none", "max_retries": 0, **options}
        return openai.AsyncOpenAI(**options)

    def body(self, path, **terms):
        """A request for one pass at a sum, or with other terms."""
        question = "What is 3 + 4?"
        turns = [{"role": "user", "content": question}]
        asked = {"input": question} if path == "/v1/responses" else {"messages": turns}
        return {"model": "single_pass", **asked, **terms}

    def post(self, path="/v1/chat/completions", headers=None, **terms):
        body = self.body(path, **terms)
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=PATIENCE)

    def raw(self, content, path="/v1/chat/completions", headers=None):
        headers = {"content-type": "application/json", **(headers or {})}
        return httpx.post(f"{self.url}{path}", content=content, headers=headers, timeout=PATIENCE)

    def get(self, path, **options):
        return httpx.get(f"{self.url}{path}", **options)

    def settled(self):
        """The ledger's state, in which nothing may be open."""
        state = self.ledger.snapshot()
        assert (state.in_flight, state.reserved, state.held) == (0, 0.0, 0.0)
        return state


def _served(stack, *, upstream=None, ledger=None, model=None, limits=None, patience=30.0, **options):
    stub = stack.enter_context(upstream or StubServer())
    chat = model or ChatOpenAI(model="stub", base_url=stub.base_url, api_key="none", max_retries=0)
    source, meter = Source(chat, max_tokens=100), TokenMeter()
    reasoner = AdaptiveReasoner(
        source,
        policy=LabelFreePolicy(source, meter, budget=30.0),
        actions=label_free_actions(),
        ledger=ledger or open_ledger("memory://", target=30.0),
        meter=meter,
    )
    served = app(reasoner, actions=ACTIONS, limits=limits, **options)
    return Served(stack.enter_context(serving(served, patience=patience)), stub, reasoner, served, stack)


@pytest.fixture
def serve():
    """Makes a server of its own for a test."""
    with ExitStack() as stack:
        yield partial(_served, stack)


@pytest.fixture(scope="module")
def shared():
    """A server that the tests of a module share."""
    with ExitStack() as stack:
        yield _served(stack)
