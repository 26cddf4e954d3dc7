"""LiteLLM's own router, with a policy that picks the deployment and a ledger that is billed."""

import pytest

litellm = pytest.importorskip("litellm", reason="litellm is not installed")

from adaptive_reasoner import TokenMeter, open_ledger  # noqa: E402
from adaptive_reasoner.errors import UnknownActionError  # noqa: E402
from adaptive_reasoner.integrations.litellm import AdaptiveRouting  # noqa: E402
from adaptive_reasoner.policy.base import Decision, FixedPolicy  # noqa: E402
from tests.stub_server import StubServer  # noqa: E402
from tests.waiting import await_until  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # LiteLLM's own, of its types and its sockets


class HardOnes(FixedPolicy):
    """Thinks where the question is hard and the price allows it."""

    actions = ("quick", "thinking")

    def __init__(self):
        super().__init__("quick", expected_cost=3.0)
        self.actions = ("quick", "thinking")

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None):
        action = "thinking" if "hard" in question and price < 0.5 else "quick"
        return Decision(
            action, {"quick": 3.0, "thinking": 23.0}[action], 500.0, 0.5, price, "policy", "hard ones"
        )


def deployments(stub):
    shared = {"model": "openai/stub", "api_base": stub.base_url, "api_key": "none", "max_tokens": 500}
    effort = {"reasoning_effort": "low", "allowed_openai_params": ["reasoning_effort"]}
    actions = {"quick": shared, "thinking": {**shared, **effort}}
    return [
        {"model_name": "adaptive", "litellm_params": params, "model_info": {"id": name}}
        for name, params in actions.items()
    ]


@pytest.fixture
def stub():
    with StubServer() as running:
        yield running


@pytest.fixture
def routed(stub):
    made = []

    def route(ledger, **options):
        routing = AdaptiveRouting(HardOnes(), ledger=ledger, meter=TokenMeter())
        router = litellm.Router(
            model_list=deployments(stub), **{"num_retries": 0, "retry_after": 0, **options}
        )
        made.append(routing)
        return routing.attach(router)

    yield route
    for routing in made:
        routing.detach()


async def settled(ledger, questions):
    """The state of a ledger once so many questions are booked: LiteLLM tells of a call after its reply."""

    def booked():
        state = ledger.snapshot()
        return (state.questions, state.in_flight) == (questions, 0)

    await await_until(booked)
    return ledger.snapshot()


def asked(text, **options):
    return {"model": "adaptive", "messages": [{"role": "user", "content": text}], **options}


async def test_a_policy_picks_model_and_effort_and_the_ledger_is_billed(routed, stub):
    ledger = open_ledger("memory://", target=30.0)
    router = routed(ledger)
    for text in ("an easy one", "a hard one"):
        reply = await router.acompletion(**asked(text))
        assert reply.choices[0].message.content.startswith("Answer: ")
    assert [body.get("reasoning_effort") for body in stub.bodies] == [None, "low"]
    state = await settled(ledger, 2)
    assert state.spent == stub.billed == 3 + 23
    assert dict(state.actions) == {"quick": 0.5, "thinking": 0.5}


async def test_a_stream_is_billed_by_its_usage(routed, stub):
    ledger = open_ledger("memory://", target=30.0)
    router = routed(ledger)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    async for _ in await router.acompletion(**asked("an easy one", **options)):
        pass
    assert (await settled(ledger, 1)).spent == 3.0


@pytest.mark.parametrize("faults", [("500", "reset", "bad json"), ("bad json", "reset", "500")])
async def test_an_attempt_that_is_refused_costs_nothing_and_one_that_is_lost_its_worst_case(
    routed, stub, faults
):
    ledger = open_ledger("memory://", target=30.0)
    router = routed(ledger, num_retries=3)
    stub.faults = dict(enumerate(faults))
    await router.acompletion(**asked("an easy one"))
    assert (await settled(ledger, 3)).spent == 500.0 + 500.0 + 3.0 == stub.priced


async def test_no_call_is_sent_beyond_the_cap(routed, stub):
    ledger = open_ledger("memory://", target=30.0, hard_cap=502.0)
    router = routed(ledger)
    await router.acompletion(**asked("an easy one"))
    await settled(ledger, 1)
    with pytest.raises(Exception, match="left under the hard cap"):
        await router.acompletion(**asked("an easy one"))
    assert len(stub.bodies) == 1


async def test_calls_of_one_run_are_one_question(routed, stub):
    ledger = open_ledger("memory://", target=30.0)
    router = routed(ledger)
    for _ in range(2):
        await router.acompletion(**asked("an easy one", metadata={"adaptive_run": "run-1"}))
        await settled(ledger, 1)
    assert ledger.snapshot().spent == 6.0


def test_a_policy_of_other_actions_is_refused(stub):
    routing = AdaptiveRouting(FixedPolicy("vote_5"), ledger=open_ledger("memory://"), meter=TokenMeter())
    with pytest.raises(UnknownActionError, match="known are"):
        routing.attach(litellm.Router(model_list=deployments(stub)))


def test_a_call_that_could_not_be_reserved_is_refused(routed, stub):
    with pytest.raises(Exception, match="ask with acompletion"):
        routed(open_ledger("memory://")).completion(**asked("an easy one"))
    assert stub.bodies == []
