"""A chat model in wrappers is called, asked for usage, sampled and bounded as the model itself."""

import sys
from typing import ClassVar

import pytest
from langchain.chat_models import init_chat_model
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.configurable import DynamicRunnable
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, ConfigDict

from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.models.metering import SampleMeter
from adaptive_reasoner.models.providers import provider_kwargs
from adaptive_reasoner.models.source import HumanMessage, Source
from adaptive_reasoner.models.wrapped_models import Configured, attribute_of, main_model, mapped, models_in
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import ScriptedModel

WRAPPERS = {
    "itself": lambda model: model,
    "bind": lambda model: model.bind(stop=["x"]),
    "with_config": lambda model: model.with_config(tags=["mine"]),
    "with_retry": lambda model: model.with_retry(),
    "with_fallbacks": lambda model: model.with_fallbacks([model.bind(stop=["y"])]),
    "bind_with_retry": lambda model: model.bind(stop=["x"]).with_retry(),
    "with_retry_bind": lambda model: model.with_retry().bind(stop=["x"]),
    "fallbacks_retry_bind": lambda model: model.with_fallbacks([model.with_retry()]).bind(stop=["x"]),
    "fields": lambda model: model.configurable_fields(cache=ConfigurableField("kept")),
    "fields_retry": lambda model: model.configurable_fields(cache=ConfigurableField("kept")).with_retry(),
    "alternatives": lambda model: model.configurable_alternatives(
        ConfigurableField("which"), other=model.bind(stop=["z"]), late=lambda: model
    ),
    "sequence": lambda model: RunnableLambda(lambda messages: messages) | model.with_retry(),
}
wrapped = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())


@pytest.fixture
def cached():
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


def voting(model, samples=3, **terms):
    return AdaptiveReasoner(
        model,
        policy=FixedPolicy("v", expected_cost=3, cost_unit="samples"),
        actions={"v": self_consistency(samples)},
        meter=SampleMeter(),
        **terms,
    )


def open_ai(**fields):
    return ChatOpenAI(model="m", base_url="http://127.0.0.1:9/v1", api_key="k", **fields)


def inside(model, config=None):
    """The chat models that a configuration chooses."""
    while isinstance(model, RunnableBindingBase):
        model = model.bound
    chosen = model.chosen(config)[0] if isinstance(model, Configured) else model
    chosen = chosen.prepare(config)[0] if isinstance(chosen, DynamicRunnable) else chosen
    return [each for each, _ in models_in(chosen)]


@wrapped
def test_usage_is_asked_for_in_streams(wrap):
    models = [each for each in inside(Source(wrap(open_ai())).runnable) if isinstance(each, ChatOpenAI)]
    assert models
    assert all(model.stream_usage for model in models)


@wrapped
def test_a_vote_draws_samples_of_its_own_under_a_global_cache(wrap, cached):
    made = voting(wrap(FakeListChatModel(responses=list("123"))))
    assert made.answer("q?", {"max_concurrency": 1}).record["votes"] == {"1": 1, "2": 1, "3": 1}


@wrapped
async def test_a_vote_of_tasks_draws_samples_of_its_own_under_a_global_cache(wrap, cached):
    made = voting(wrap(FakeListChatModel(responses=list("123"))))
    assert (await made.aanswer("q?", {"max_concurrency": 1})).record["votes"] == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("name", sorted(WRAPPERS.keys() - {"sequence"}))  # whose first step gets the settings
def test_several_samples_of_one_request_come_through_the_wrappers(name):
    wrap = WRAPPERS[name]
    model = ScriptedModel(answers=("Answer: 1", "Answer: 2"))
    made = voting(Source(wrap(model), samples_per_request=3))
    result = made.answer("q?")
    assert result.record["votes"] == {"1": 2}  # the fewest that can decide
    assert [request["n"] for request in model.requests] == [2]


def test_a_request_for_several_samples_is_made_again_by_with_retry():
    model = ScriptedModel(failures={0: ConnectionResetError("gone")})
    made = voting(Source(model.with_retry(wait_exponential_jitter=False), samples_per_request=3))
    assert made.answer("q?").record["votes"] == {"42": 2}
    assert len(model.requests) == 2


def test_usage_is_asked_for_of_a_model_whose_fields_a_run_configures():
    model = open_ai().configurable_fields(temperature=ConfigurableField("warmth"))
    config = {"configurable": {"warmth": 0.5}}
    (streamed,) = inside(Source(model).runnable, config)
    (sampled,) = inside(Source(model).sampler, config)
    assert (streamed.temperature, streamed.stream_usage, streamed.cache) == (0.5, True, None)
    assert (sampled.temperature, sampled.disable_streaming, sampled.cache) == (0.5, True, False)


@pytest.mark.parametrize("key", ["default", "other", "late"])
def test_each_alternative_that_a_run_chooses_is_sampled_afresh(key, cached):
    model = FakeListChatModel(responses=list("123"))
    made = voting(WRAPPERS["alternatives"](model))
    config = {"max_concurrency": 1, "configurable": {"which": key}}
    assert len(made.answer("q?", config).record["votes"]) == 3


def test_a_field_that_a_run_configures_goes_to_the_samples():
    base = ScriptedModel(answers=("Answer: 1",))
    model = base.configurable_fields(answers=ConfigurableField("said"))
    made = voting(model)
    assert made.answer("q?", {"configurable": {"said": ("Answer: 2",)}}).answer == "2"
    assert made.answer("q?").answer == "1"


def test_a_model_of_init_chat_model_with_fields_is_asked_for_usage_and_sampled_afresh():
    model = init_chat_model(
        "m", model_provider="openai", configurable_fields=("model", "max_tokens"), api_key="k", max_tokens=50,
        base_url="http://127.0.0.1:9/v1",
    ).bind(stop=["x"])  # fmt: skip
    source = Source(model)
    source.runnable  # noqa: B018 - made at first use
    assert source.declared_tokens == 50
    for config, name in ((None, "m"), ({"configurable": {"model": "other"}}, "other")):
        (streamed,) = inside(source.runnable, config)
        (sampled,) = inside(source.sampler, config)
        assert (streamed.model_name, streamed.stream_usage) == (name, True)
        assert (sampled.model_name, sampled.cache, sampled.disable_streaming) == (name, False, True)
    tied = source.runnable.bind_tools([{"name": "add", "description": "Adds.", "parameters": {}}])
    ((_, bound),) = models_in(tied.chosen()[0])
    assert [tool["function"]["name"] for tool in bound["tools"]] == ["add"]


@wrapped
def test_what_is_bound_and_declared_is_found(wrap):
    source = Source(wrap(open_ai(max_tokens=70)))
    assert source.declared_tokens == 70
    tools = [{"name": "add"}]
    billed = Source(wrap(open_ai()).bind(tools=tools)).billable_messages([HumanMessage("5 + 9?")])
    assert "add" in billed[-1].text


def test_the_most_tokens_of_a_model_and_its_fallbacks_are_those_of_the_longest():
    model, longer = open_ai(max_tokens=70), open_ai(max_tokens=90)
    assert Source(model.with_fallbacks([longer])).declared_tokens == 90
    assert (
        Source(model.bind(max_tokens=20).with_fallbacks([longer.bind(max_tokens=30)])).declared_tokens == 30
    )
    assert Source(model.with_fallbacks([open_ai()])).declared_tokens is None
    assert Source(model.bind(max_tokens=20).with_retry().bind(max_tokens=10)).declared_tokens == 10


@wrapped
def test_a_request_is_in_the_words_of_the_provider_inside(wrap):
    model = wrap(open_ai())
    assert provider_kwargs(model, {}, thinking="low", samples=2) == provider_kwargs(
        open_ai(), {}, thinking="low", samples=2
    )


@wrapped
def test_a_chat_model_takes_a_wrapped_one_with_its_tools_and_structured_output(wrap):
    model = wrap(ScriptedModel(answers=("Answer: 1",)))
    budgeted = AdaptiveChatModel(model, budget=50.0)
    assert budgeted.invoke("5 + 9?").text == "Answer: 1"
    assert "".join(chunk.text for chunk in budgeted.stream("5 + 9?")) == "Answer: 1"
    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    tied = AdaptiveChatModel(wrap(open_ai()), budget=50.0).bind_tools(tools)
    assert isinstance(main_model(tied), AdaptiveChatModel)


def test_a_chat_model_uses_the_retries_around_its_model_and_sees_one_run():
    model = ScriptedModel(failures={0: ConnectionResetError("gone")})
    budgeted = AdaptiveChatModel(
        model.with_retry(wait_exponential_jitter=False),
        policy=FixedPolicy("v", expected_cost=3),
        actions={"v": self_consistency(1)},
    )
    assert budgeted.invoke("5 + 9?").text == "Answer: 42"


@wrapped
def test_a_node_takes_a_wrapped_model(wrap):
    node = AdaptiveComputeNode(wrap(ScriptedModel()), budget=50.0)
    assert node.invoke({"messages": [("user", "5 + 9?")]})["messages"][0].text == "Answer: 42"


def test_what_returns_no_message_is_refused_in_words():
    chain = ScriptedModel() | StrOutputParser()
    with pytest.raises(TypeError, match="returns an AIMessage, not "):
        voting(chain, samples=1).answer("5 + 9?")
    with pytest.raises(TypeError, match="takes a chat model, not RunnableLambda"):
        AdaptiveChatModel(RunnableLambda(lambda messages: messages), budget=1.0)


class Declaring(FakeListChatModel):
    """Declares its names in all the ways a class can."""

    model_config = ConfigDict(extra="allow")
    field: int = 1
    constant: ClassVar[int] = 2

    @property
    def computed(self):
        return 3

    @property
    def broken(self):
        raise AttributeError


class Delegating(FakeListChatModel):
    """Asks another object for what it does not have."""

    def __getattr__(self, name):
        if name == "delegated":
            return 5
        return super().__getattr__(name)


def test_what_a_model_has_is_found_however_it_has_it():
    model = Declaring(responses=["7"], extra=4)
    names = ("field", "constant", "computed", "extra", "broken", "missing")
    assert [attribute_of(model, name) for name in names] == [1, 2, 3, 4, None, None]
    delegating = Delegating(responses=["7"])
    assert [attribute_of(delegating, name) for name in ("delegated", "missing")] == [5, None]
    assert attribute_of(FakeListChatModel(responses=["7"]), "missing") is None
    assert attribute_of(None, "max_tokens") is None


def test_pydantic_does_not_search_for_what_no_class_of_a_model_has():
    source, asked = Source(FakeListChatModel(responses=["7"])), []

    def profile(frame, event, _):
        if event == "call" and frame.f_code is vars(BaseModel)["__getattr__"].__code__:
            asked.append(frame.f_locals)

    sys.setprofile(profile)
    try:
        found = source.room({}), source.replies({}), source.called({})[0], source.temperature({})
    finally:
        sys.setprofile(None)
    assert (found, asked) == ((None, 1, [""], None), [])


def test_wrappers_without_a_change_stay_the_same_objects():
    fixed = [wrap for name, wrap in WRAPPERS.items() if not name.startswith(("fields", "alternatives"))]
    assert len(fixed) > 2
    for model in (wrap(ScriptedModel()) for wrap in fixed):
        assert mapped(model, lambda each: each) is model
