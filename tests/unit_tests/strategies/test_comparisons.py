"""What a vote compares, with what, and how it ends where nothing can be compared."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.strategies.flow import Task
from adaptive_reasoner.strategies.modifiers import extended_thinking
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.stop_rules import Beta, Lossless, SamplePrice, Window
from adaptive_reasoner.strategies.verification import Checker, best_of_n, cascade
from adaptive_reasoner.strategies.vote_state import VoteState
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency, single_pass
from tests.fakes import IN_TURN, ScriptedModel, StatusError

TASK = Task([HumanMessage("What is 5 + 9?")], price=0.001)
PROSE = "Roses are red,\nviolets are blue,\nsugar is sweet,\nand so are you."
CUT = AIMessage("The answer", response_metadata={"finish_reason": "length"})
FILTERED = AIMessage("", response_metadata={"finish_reason": "content_filter"})
RULES = [Lossless(), Beta(0.9), Window(2), Priced()]


def caller(*answers, **fields):
    source = Source(ScriptedModel(answers=answers or ("Answer: 42",), **fields), max_tokens=50)
    return CallExecutor(source, TokenMeter(), IN_TURN)


class ByLength:
    """Equal are replies of equal length, with the longest so far as the text; notes what it is asked."""

    name = "by_length"

    def __init__(self):
        self.asked = []

    def keys(self, messages, *, question=""):
        self.asked.append((question, len(messages)))
        return [str(len(message.text)) for message in messages]

    def steps(self, messages, *, question=""):
        yield from ()
        return self.keys(messages, question=question)

    def grade(self, answer, gold):
        return float(answer == gold)

    def representative(self, messages, indices):
        return indices[-1]


class AskedModel(ByLength):
    """Asks a model which replies say the same."""

    def __init__(self, model):
        super().__init__()
        self.source = Source(model, max_tokens=9)

    def steps(self, messages, *, question=""):
        prompt = HumanMessage(question + "".join(message.text for message in messages))
        replies = yield [Request([prompt], source=self.source, hidden_sample=True, auxiliary=True)]
        assert replies[0].message is not None
        return self.keys(messages, question=question)


@pytest.mark.parametrize(
    "make",
    [
        lambda key: single_pass(key=key),
        lambda key: self_consistency(3, key=key),
        lambda key: adaptive_consistency(3, Beta(0.9), key=key),
        lambda key: best_of_n(2, lambda *_: 1.0, key=key),
        lambda key: best_of_n(2, Checker(lambda *_: False), key=key),
        lambda key: extended_thinking("low", key=key),
        lambda key: cascade(self_consistency(3, key=key), single_pass(), 0.6),
    ],
)
def test_every_strategy_takes_a_key_by_name_or_as_a_function_and_refuses_another(drive, make):
    assert drive(make("numeric"), caller("Answer: 14.0")).value == drive(make("auto"), caller("14")).value
    assert drive(make(lambda message: message.text[:1]), caller("Paris")).value == "P"
    with pytest.raises(ValueError, match="no key 'numbers'; known are"):
        make("numbers")
    with pytest.raises(TypeError, match="not 3"):
        make(3)


def test_a_key_beside_a_flow_that_has_its_own_is_refused():
    with pytest.raises(ValueError, match="has a key of its own"):
        extended_thinking("low", self_consistency(3), key="numeric")


def test_without_a_key_of_its_own_a_strategy_takes_that_of_the_task(drive):
    task = Task(TASK.messages, key=ByLength())
    assert drive(self_consistency(3), caller("aa", "bb", "c"), task).votes == {"2": 2}
    assert drive(self_consistency(3, key="auto"), caller("aa", "bb", "aa"), task).votes == {"aa": 2, "bb": 1}


def test_after_every_wave_all_replies_so_far_are_compared_with_the_question(drive):
    key = ByLength()
    drive(adaptive_consistency(4, Window(1), key=key), caller("a", "bb", "ccc", "dddd"))
    assert key.asked == [("What is 5 + 9?", 1)]
    key = ByLength()
    drive(self_consistency(5, key=key), caller("a", "bb", "ccc", "dd"))
    assert key.asked == [("What is 5 + 9?", 3), ("What is 5 + 9?", 5)]


def test_what_looks_at_each_reply_alone_looks_at_it_once(drive):
    seen = []

    def first_letter(message):
        seen.append(message.text)
        return message.text[0]

    answer = drive(self_consistency(5, key=first_letter), caller("a", "b", "aa", "c", "bb"))
    assert (answer.votes, seen) == ({"a": 2, "b": 2, "c": 1}, ["a", "b", "aa", "c", "bb"])


def test_a_comparison_can_say_which_of_equal_replies_is_the_answer(drive):
    answer = drive(self_consistency(3, key=ByLength()), caller("a", "bb", "cc"))
    assert (answer.value, answer.message.text) == ("2", "cc")


def test_of_equal_replies_the_first_in_their_most_frequent_form_is_the_answer(drive):
    options = Task([HumanMessage("Which is 6?\n(A) five\n(B) six\n(C) ten")])
    answer = drive(
        self_consistency(5), caller("Answer: six", "It is (B) six. Answer: B", "Answer: B"), options
    )
    assert (answer.agreement, answer.message.text) == (1.0, "It is (B) six. Answer: B")


def test_a_comparison_that_asks_a_model_is_on_the_bill_and_is_no_sample(drive):
    judge = ScriptedModel(answers=("the same",))
    made = caller("aa", "bb")
    answer = drive(self_consistency(3, key=AskedModel(judge)), made)
    assert (answer.votes, len(judge.requests), len(made.bill)) == ({"2": 2}, 1, 3)
    assert made.cost == 1 + 1 + 2
    assert judge.requests[0]["prompt"] == "What is 5 + 9?aabb"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_vote_in_which_nothing_can_be_compared_ends_with_its_first_wave(drive, rule):
    for price in (0.0, 0.0001):
        made = caller(PROSE)
        answer = drive(adaptive_consistency(9, rule), made, Task(TASK.messages, price=price))
        assert (answer.value, answer.agreement, made.rounds) == (None, 0.0, 1)
    assert len(made.bill) == {Lossless: 5, Beta: 3, Window: 2, Priced: 1}[type(rule)]


@pytest.mark.parametrize("faulty", [CUT, FILTERED, AIMessage("")], ids=["cut", "filtered", "empty"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_after_empty_filtered_and_cut_replies_one_more_is_drawn(drive, rule, faulty):
    made = caller("unused", replies=dict.fromkeys(range(20), faulty))
    answer = drive(adaptive_consistency(9, rule), made)
    first = {Lossless: 5, Beta: 3, Window: 2, Priced: 1}[type(rule)]
    assert (answer.value, len(made.bill), made.rounds) == (None, first + 1, 2)


def test_after_an_answer_that_follows_an_empty_reply_the_vote_goes_on(drive):
    made = caller("Answer: 14", replies={0: AIMessage("")})
    answer = drive(adaptive_consistency(9, Priced()), made)
    assert (answer.value, answer.votes["14"] > 1) == ("14", True)


def test_prose_after_an_empty_reply_is_the_answer_and_ends_the_vote(drive):
    made = caller(PROSE, replies={0: CUT})
    answer = drive(adaptive_consistency(9, Priced()), made)
    assert (answer.message.text, len(made.bill)) == (PROSE, 2)


def test_failed_calls_are_no_replies_and_the_vote_goes_on(drive):
    made = caller("Answer: 14", failures={0: StatusError(500), 1: StatusError(500), 2: StatusError(500)})
    assert drive(adaptive_consistency(9, Priced()), made).value == "14"
    made = caller("unused", failures={0: StatusError(500)}, replies={1: CUT, 2: CUT, 3: CUT})
    drive(adaptive_consistency(9, Priced()), made)
    assert len(made.bill) == 3  # the failed call, the cut reply, and one more


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_once_answers_can_be_compared_prose_among_them_does_not_end_the_vote(rule):
    split = VoteState(top=1, second=1, drawn=4, limit=9, nothing=2)
    assert rule.wave(split, SamplePrice(price=0.0001, cost=1.0)) > 0


def test_a_cascade_whose_cheap_vote_has_nothing_to_compare_ends_it_and_asks_the_strong_one(drive):
    made = caller(PROSE)
    flow = cascade(adaptive_consistency(9, Priced()), single_pass(), accept=0.6)
    assert drive(flow, made).message.text == PROSE
    assert len(made.bill) == 2


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("drawn", [1, 2, 5])
def test_no_rule_goes_on_after_free_text_at_any_price(rule, drawn):
    for price in (0.0, 1e-9, 1.0):
        for cost in (None, 1.0):
            state = VoteState(0, 0, drawn=drawn, limit=9, nothing=1)
            assert rule.wave(state, SamplePrice(price=price, cost=cost)) == 0
