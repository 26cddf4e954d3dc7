"""When a vote gives up: what refuses every call is not asked for ever."""

import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, run
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.verification import Checker, best_of_n
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency
from tests.fakes import IN_TURN, ScriptedModel, StatusError
from tests.stub_server import StubServer

TASK = Task([HumanMessage("What is 5 + 9?")])


def caller(*answers, **fields):
    source = Source(ScriptedModel(answers=answers or ("Answer: 42",), **fields), max_tokens=50)
    return CallExecutor(source, TokenMeter(), IN_TURN)


@pytest.mark.parametrize(
    ("flow", "calls"),
    [
        (adaptive_consistency(9, Priced()), 1),
        (self_consistency(5), 3),
        (best_of_n(4, Checker(lambda question, reply: True)), 1),
    ],
)
def test_a_request_that_is_refused_for_what_it_asks_is_not_repeated(drive, flow, calls):
    made = caller(failures=dict.fromkeys(range(9), StatusError(400)))
    with pytest.raises(StatusError, match="400"):
        drive(flow, made)
    assert len(made.bill) == calls


@pytest.mark.parametrize(("first", "second"), [(401, 503), (503, 401)])
def test_a_chain_of_models_is_asked_again_unless_each_of_them_refuses_for_good(drive, first, second):
    def chain(*statuses):
        one, other = (
            ScriptedModel(failures=dict.fromkeys(range(99 if status == 401 else 2), StatusError(status)))
            for status in statuses
        )
        return CallExecutor(Source(one.with_fallbacks([other]), max_tokens=50), TokenMeter(), IN_TURN)

    vote = adaptive_consistency(9, Priced())
    assert drive(vote, chain(first, second)).value == "42"
    made = chain(401, 401)
    with pytest.raises(StatusError, match="401"):
        drive(vote, made)
    assert made.rounds == 1


class BusyError(StatusError):
    """A refusal that asks to wait."""

    def __init__(self, seconds):
        super().__init__(429)
        self.headers = {"retry-after": str(seconds)}


@pytest.mark.parametrize(("error", "calls"), [(StatusError(500), 9), (BusyError(20), 1), (BusyError(0.1), 9)])
@pytest.mark.parametrize(
    "flow", [adaptive_consistency(12, Priced()), best_of_n(12, Checker(lambda question, reply: True))]
)
def test_a_vote_of_which_nothing_comes_gives_up_and_does_not_ask_before_it_may(drive, flow, error, calls):
    made = caller(failures=dict.fromkeys(range(20), error))
    with pytest.raises(type(error)):
        drive(flow, made)
    assert len(made.bill) == calls


def test_a_vote_that_is_refused_from_some_sample_on_answers_from_what_arrived(drive):
    made = caller("Answer: 7", "Answer: 8", failures=dict.fromkeys(range(2, 20), BusyError(20)))
    assert drive(self_consistency(9), made).votes == {"7": 1, "8": 1}
    assert len(made.bill) < 9
    made = caller("Answer: 7", "Answer: 8", failures={1: BusyError(20)})
    assert drive(self_consistency(3), made).value == "7"  # as replies come, the endpoint takes calls


@pytest.mark.parametrize(("retries", "requests"), [(None, 9), (2, 9), (0, 9), (5, 12)])
def test_a_vote_that_is_always_refused_counts_the_retries_of_its_client(retries, requests):
    with StubServer(faults=lambda number: "503") as server:
        model = ChatOpenAI(model="m", base_url=server.base_url, api_key="none", max_retries=retries)
        made = CallExecutor(Source(model, max_tokens=50), TokenMeter())
        with pytest.raises(openai.InternalServerError):
            run(adaptive_consistency(12, Priced()), TASK, made)
    assert len(server.bodies) == requests


def test_a_refusal_of_one_sample_does_not_end_a_vote_that_has_replies(drive):
    made = caller("Answer: 7", failures={1: StatusError(400)})
    assert drive(self_consistency(3), made).votes == {"7": 2}
