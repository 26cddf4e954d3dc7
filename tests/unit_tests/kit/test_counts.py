"""Which tokens a cost counts is known from the menu to the answer, so that a hard cap holds what is paid."""

import json

import pytest

from adaptive_reasoner.errors import BudgetExceededError, LedgerError, OutcomesError
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import write_rows
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.features import EncoderSession
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from tests.fakes import ScriptedModel
from tests.stub_server import StubServer
from tests.unit_tests.toys import write_toy_encoder

MENU = """
[sources.direct]
base_url = "{}"
model = "m"
max_tokens = 2
samples = 3

[sources.cot]
base_url = "{}"
model = "m"
prompt = "Think step by step about this question, please. {{question}}"
max_tokens = 8
samples = 3

[prices]
unit = "tokens"
counts = "total"
"""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_toy_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    """`command`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return command


@pytest.mark.parametrize("knows", ["menu", "samples", "outcomes"])
def test_total_tokens_stay_total_from_collect_to_ask(command, encoder, tmp_path, knows):
    asked = [{"question": f"what is {i} + {i % 7} ?", "gold": str(i)} for i in range(40)]
    write_rows("questions.jsonl", asked)
    with StubServer(answer=lambda prompt, number: f"Answer: {number % 40}") as server:
        (tmp_path / "menu.toml").write_text(MENU.format(server.base_url, server.base_url))
        menu = ("--config", "menu.toml")
        assert command("collect", "questions.jsonl", *menu, "--out", "s.jsonl", "--json")[0] == 0
        assert command("estimate", "s.jsonl", "--votes", "1,3", "--out", "o.parquet", "--json")[0] == 0
        given = {"menu": menu, "samples": ("--samples", "s.jsonl"), "outcomes": ()}[knows]
        trained = ("train", "o.parquet", "--budget", 60, "--encoder", encoder, "--out", "policy", *given)
        assert command(*trained)[0] == 0
        policy = LearnedPolicy.load("policy")
        assert (policy.counts, policy.card["counts"]) == ("total", "total")
        code, printed, said = command("ask", "what is 2 + 2 ?", "--policy", "policy", *menu, "--json")
        assert (code, said) == (0, "")
        before = len(server.bodies)
        read = Menu.load("menu.toml")
        ledger = open_ledger("memory://", policy=policy, hard_cap=400.0)
        reasoner = AdaptiveReasoner(
            read.sources["cot"], policy=policy, actions=read.actions, ledger=ledger, meter=read.meter
        )
        try:
            paid = reasoner.answer("what is 3 + 3 ?").record["cost"]
        except BudgetExceededError:  # refused before anything is paid
            assert len(server.bodies) == before
        else:
            assert ledger.snapshot().spent == paid
        assert not ledger.snapshot().cap_closed
    assert json.loads(printed)["cost"] > 8  # the prompt is in it


SAMPLE = {"question_id": "q", "question": "x", "source": "s", "answer": "1", "gold": "1", "correct": 1.0}


def samples_of(*costs, unit="tokens", **fields):
    rows = [{**SAMPLE, "sample": at, "cost": c, "cost_unit": unit, **fields} for at, c in enumerate(costs)]
    return Samples.from_rows(rows)


def test_samples_tell_which_tokens_their_cost_counts():
    tokens = {"prompt_tokens": 9, "completion_tokens": 5}
    assert samples_of(5, 5, **tokens).counts == "completion"
    assert samples_of(14, 70, **tokens).counts == "total"  # one was drawn several times
    assert samples_of(5, 14, **tokens).counts is None
    assert samples_of(5, 5).counts is None
    assert samples_of(5, unit="usd", **tokens).counts is None


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_outcomes_keep_which_tokens_are_counted(tmp_path, form):
    table = estimate(samples_of(14, 14, prompt_tokens=9, completion_tokens=5), votes=(1,))
    table.write(tmp_path / f"o.{form}")
    read = Outcomes.read(tmp_path / f"o.{form}")
    assert read.counts == read.select([0]).counts == read.only([0]).counts == "total"
    with pytest.raises(OutcomesError, match="cost_counts is 'prompt'"):
        Outcomes.from_rows([{**row, "cost_counts": "prompt"} for row in read.rows()])


@pytest.fixture(scope="module")
def trained(encoder):
    session = EncoderSession(encoder)

    def made(**settings):
        rows = [
            {
                "question_id": f"q{at}",
                "question": f"what is {at} ?",
                "action": action,
                "accuracy": float((at + step) % 2),
                "cost": cost,
                "cost_unit": "tokens",
            }
            for at in range(30)
            for step, (action, cost) in enumerate((("direct", 12.0), ("cot", 30.0)))
        ]
        table = Outcomes.from_rows(rows)
        cache = VectorCache(session, encoder)
        return train(table, budget=20.0, encoder=session, cache=cache, **settings)

    return made


def test_what_disagrees_on_which_tokens_are_counted_is_named(trained):
    completions = samples_of(5, prompt_tokens=9, completion_tokens=5)
    with pytest.raises(OutcomesError, match="total by menu, completion by samples"):
        trained(menu={"counts": "total", "actions": {}}, samples=completions)
    assert trained(counts="total").card["counts"] == "total"
    assert trained().card["counts"] == "completion"


def test_the_meter_follows_the_policy_and_another_is_refused(trained, tmp_path):
    policy = LearnedPolicy.load(trained(counts="total").save(tmp_path / "policy"))
    source = Menu({"direct": Source(ScriptedModel(), max_tokens=8)})
    actions = dict.fromkeys(policy.actions, source.actions["direct"])
    followed = AdaptiveReasoner(source.sources["direct"], policy=policy, actions=actions)
    assert followed.meter == TokenMeter("total")
    assert followed.answer("what is 3 ?").record["cost"] == 12
    with pytest.raises(LedgerError, match=r"count the same tokens.*'meter': 'completion', 'policy': 'total'"):
        AdaptiveReasoner(source.sources["direct"], policy=policy, actions=actions, meter=TokenMeter())


def test_a_policy_that_called_all_tokens_completions_is_read_by_its_menu(trained, tmp_path):
    specs = {"meters": {"direct": repr(TokenMeter("total"))}, "actions": {"direct": {"max_tokens": 8}}}
    made = trained(menu=specs)
    made.card["counts"], made.card["worst_cost"] = "completion", [8.0, None]  # as version 0.1.0 wrote it
    policy = LearnedPolicy.load(made.save(tmp_path / "policy"))
    assert policy.counts == "total"
    with pytest.raises(BudgetExceededError):
        policy.decide("what is 3 ?", max_cost=100.0)  # the worst case of 8 tokens is none
