"""What `key=` and `samples=` mean on node, middleware, chat model and reasoner."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.answers.grouping import fields
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.integrations.run_lengths import LONG
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import ScriptedModel
from tests.unit_tests.integrations.node_graphs import ASKED, KEYS, graph_of

QUESTION = "Return the city of the Eiffel tower as JSON with the keys city and why."
WORDED = tuple(f'{{"city": "{city}", "why": "{why}"}}' for city, why in (("Paris", "a"), ("Paris", "b")))


def by_reasoner(model, **options):
    return AdaptiveReasoner(model, **options).answer(QUESTION).message


def by_node(model, **options):
    node = AdaptiveComputeNode(model, input_key="question", **options)
    return node.reasoner.answer(QUESTION).message


def by_chat_model(model, **options):
    return AdaptiveChatModel(model, **options).invoke(QUESTION)


def by_middleware(model, **options):
    if "budget" in options:
        options["budget"] *= LONG  # a run has as many steps until runs have shown how many
    agent = create_agent(model, middleware=[AdaptiveComputeMiddleware(**options)])
    return agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"][-1]


EVERYWHERE = pytest.mark.parametrize("answer", [by_reasoner, by_node, by_chat_model, by_middleware])


def record_of(message):
    return message.response_metadata["adaptive_reasoner"]


@EVERYWHERE
def test_a_vote_counts_by_the_key_that_was_given(answer):
    whole = record_of(answer(ScriptedModel(answers=WORDED), budget=60.0))
    by_field = record_of(answer(ScriptedModel(answers=WORDED), budget=60.0, key=fields("city")))
    assert (len(whole["votes"]), len(by_field["votes"])) == (2, 1)
    assert by_field["samples"] < whole["samples"]


@EVERYWHERE
def test_a_vote_draws_no_more_than_the_samples_that_were_allowed(answer):
    drawn = [
        record_of(answer(ScriptedModel(answers=WORDED), budget=1e6, samples=samples))["samples"]
        for samples in (1, 3, 12)
    ]
    assert drawn[:2] == [1, 3]
    assert drawn[2] > 9


@EVERYWHERE
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"key": "numbers"}, "there is no key 'numbers'"),
        ({"samples": 0}, "at least 1 sample, not 0"),
        ({"samples": 2.5}, r"a whole number of at least 1 sample, not 2\.5|valid integer"),
        (
            {
                "samples": 5,
                "policy": FixedPolicy("vote", expected_cost=1.0),
                "actions": {"vote": self_consistency(3)},
            },
            r"samples=5 is for the vote without a policy.*self_consistency\(5\)",
        ),
    ],
)
def test_what_cannot_be_obeyed_is_refused_at_construction(answer, options, error):
    with pytest.raises(ValueError, match=error):
        answer(ScriptedModel(), budget=60.0, **options)


@EVERYWHERE
def test_beside_actions_a_key_is_that_of_the_strategies_that_have_none(answer):
    policy = FixedPolicy("vote", expected_cost=3.0)

    def votes(flow):
        options = {"policy": policy, "actions": {"vote": flow}, "budget": 60.0, "key": fields("city")}
        return len(record_of(answer(ScriptedModel(answers=WORDED), **options))["votes"])

    assert votes(self_consistency(4)) == 1
    assert votes(self_consistency(4, key="auto")) == 2


def first_letter(message):
    return message.text[:1] or None


async def test_the_answer_in_the_state_and_in_the_log_is_the_one_that_was_voted_for(ask):
    made = AdaptiveComputeNode(
        ScriptedModel(answers=("Paris", "Pisa")), budget=30.0, key=first_letter, **KEYS
    )
    state = await ask(graph_of(made), ASKED)
    assert state["answer"] == "P"
    assert {row["answer"] for row in made.log.rows} == {"P"}


async def test_an_answer_is_shown_as_it_is_stated_and_counted_as_what_it_means(ask):
    model = ScriptedModel(answers=("The track is 5 km long.", "It is 5000 m long."))
    made = AdaptiveComputeNode(model, budget=1e6, samples=3, **KEYS)
    state = await ask(graph_of(made), {"question": "How long is the track?"})
    assert (state["answer"], list(state["decision"]["votes"].values())) == ("5 km", [2])
    assert [row["answer"] for row in made.log.rows] == ["5 km", "5000 m"]


class Asked:
    """Asks a model whether replies say the same, which it answers by yes."""

    name = "asked"

    def __init__(self, model):
        self.source = Source(model, max_tokens=9)

    def keys(self, messages, *, question=""):
        return ["same" for _ in messages]

    def steps(self, messages, *, question=""):
        yield [Request([HumanMessage(question)], source=self.source, hidden_sample=True, auxiliary=True)]
        return self.keys(messages, question=question)

    def grade(self, answer, gold):
        return float(answer == gold)


async def test_what_a_comparison_costs_is_billed_and_is_neither_a_sample_nor_logged(ask):
    judge = ScriptedModel(answers=("yes it is",))
    made = AdaptiveComputeNode(ScriptedModel(), budget=1e6, samples=3, key=Asked(judge), **KEYS)
    decision = (await ask(graph_of(made), ASKED))["decision"]
    assert (decision["samples"], len(made.log.rows)) == (2, 2)
    assert decision["cost"] == 2 * 2 + 3 * len(judge.requests)
    assert len(judge.requests) > 0


async def test_a_cut_reply_is_logged_without_an_answer_since_it_never_votes(ask):
    cut = AIMessage("Answer: 14", response_metadata={"finish_reason": "length"})
    made = AdaptiveComputeNode(ScriptedModel(replies={0: cut}), budget=9.0, **KEYS)
    await ask(graph_of(made), ASKED)
    assert [row["answer"] for row in made.log.rows][:2] == [None, "42"]
