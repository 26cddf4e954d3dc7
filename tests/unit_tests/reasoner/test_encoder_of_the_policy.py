"""`similar()` without an encoder compares by that of the policy, wherever a key and a policy are given."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner import (
    AdaptiveReasoner,
    FixedPolicy,
    LearnedPolicy,
    Shadow,
    best_of_n,
    central,
    self_consistency,
    similar,
)
from adaptive_reasoner.answers import comparison, groups
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.alarms import Alarms
from tests.fakes import IN_TURN, ScriptedModel
from tests.unit_tests.toys import toy_encoder, toy_outcomes

ODD, ONE, OTHER = "what is more ?", "tom has apples and buys more .", "tom buys more and has apples ."
BY_WORDS = similar(at_least=0.95, guarded=False)  # of the small encoder, which knows words and no order
QUESTION = "tom has 3 apples and buys 4 more . how many apples has tom now ?"


@pytest.fixture(scope="module", params=[True, False], ids=["imitator", "mixture"])
def folder(request, tmp_path_factory):
    encoder, table = toy_encoder(), toy_outcomes(200, informative=request.param)
    trained = train(table, budget=15.0, encoder=encoder, cache=VectorCache(encoder, encoder.folder))
    return trained.save(tmp_path_factory.mktemp("policies") / "policy")


@pytest.fixture(scope="module")
def policy(folder):
    return LearnedPolicy.load(folder)


def parts(policy, key=BY_WORDS):
    """What each entrance is given: whichever action the policy chooses is a vote of three."""
    return {"policy": policy, "actions": dict.fromkeys(policy.actions, self_consistency(3)), "key": key}


def model():
    return ScriptedModel(answers=(ODD, ONE, OTHER))


def by_reasoner(**given):
    reasoner = AdaptiveReasoner(model(), **given)
    return lambda: reasoner.invoke(QUESTION, IN_TURN)


def by_chat_model(**given):
    chat = AdaptiveChatModel(model(), **given)
    return lambda: chat.invoke(QUESTION, IN_TURN)


def by_node(**given):
    builder = StateGraph(MessagesState)
    AdaptiveComputeNode(model(), name="ask", **given).attach(builder)
    builder.add_edge(START, "ask")
    graph = builder.compile()
    return lambda: graph.invoke({"messages": [HumanMessage(QUESTION)]}, IN_TURN)["messages"][-1]


def by_middleware(**given):
    agent = create_agent(model(), middleware=[AdaptiveComputeMiddleware(**given)])
    return lambda: agent.invoke({"messages": [HumanMessage(QUESTION)]}, IN_TURN)["messages"][-1]


ENTRANCES = [by_reasoner, by_chat_model, by_node, by_middleware]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_replies_vote_by_their_meaning_as_the_encoder_of_the_policy_sees_it(entrance, policy):
    assert entrance(**parts(policy))().text in (ONE, OTHER)
    assert entrance(**parts(policy, key="auto"))().text == ODD  # of free text the first reply stands


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_without_an_encoder_it_is_refused_before_any_call_with_the_ways_out(entrance):
    fixed = FixedPolicy("vote", expected_cost=10.0, cost_unit="tokens")
    for given in ({"budget": 100.0}, {"policy": fixed, "actions": {"vote": self_consistency(3)}}):
        with pytest.raises(ValueError, match=r"has no encoder here.*LearnedPolicy.load\(folder\).encoder"):
            entrance(**given, key=similar())


def test_a_policy_that_is_watched_or_has_alarms_lends_its_encoder_too(folder, policy):
    for versioned in (LearnedPolicy.watch(folder), Alarms(policy)):
        assert by_reasoner(**parts(versioned))().text in (ONE, OTHER)


def test_the_key_has_the_very_encoder_and_terms_it_was_given(policy):
    made = AdaptiveReasoner(model(), **parts(policy)).comparison
    given = similar(policy.encoder, at_least=0.95, guarded=False)
    replies = [AIMessage(text) for text in (ODD, ONE, OTHER)]
    assert groups(replies, key=made) == groups(replies, key=given) == [0, 1, 1]
    assert repr(made) == repr(given) == repr(BY_WORDS)
    guarded = AdaptiveReasoner(model(), **parts(policy, similar(at_least=0.95))).comparison
    assert groups(replies, key=guarded) == [0, 1, 2]  # the same words in another order


def test_an_encoder_of_its_own_stays_beside_a_policy(policy):
    own = similar(toy_encoder())
    assert AdaptiveReasoner(model(), **parts(policy, own)).comparison is own


def test_a_shadow_stands_beside_such_a_key(policy):
    bounded = Source(model(), max_tokens=9)
    shadow = Shadow(policy.actions[0], share=0.5, judge=bounded, max_cost=1e6)
    reasoner = AdaptiveReasoner(bounded, shadow=shadow, **parts(policy))
    assert reasoner.invoke(QUESTION, IN_TURN).text in (ONE, OTHER)


@pytest.mark.parametrize(
    "use",
    [
        lambda key: self_consistency(3, key=key),
        lambda key: best_of_n(3, central(toy_encoder()), key=key),
        lambda key: groups([AIMessage(ONE)], key=key),
        comparison,
    ],
)
def test_where_no_policy_can_be_meant_it_is_refused(use):
    with pytest.raises(ValueError, match="has no encoder here: give it one"):
        use(similar())


def test_a_menu_in_python_refuses_it_as_key_and_as_grader():
    sources = {"a": Source(ScriptedModel(), max_tokens=9)}
    for given in ({"key": similar()}, {"grader": similar()}):
        with pytest.raises(MenuError, match="has no encoder here"):
            Menu(sources, **given)


def test_a_cosine_out_of_range_is_refused_before_there_is_an_encoder():
    with pytest.raises(ValueError, match="at_least is a cosine"):
        similar(at_least=1.5)
