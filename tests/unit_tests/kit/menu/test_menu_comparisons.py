"""How a menu has answers graded, and counted in votes."""

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, judged
from adaptive_reasoner.answers import comparison, exact, math
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.presets import preset_menu
from adaptive_reasoner.kit.menu.recipes import Recipe
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.worst_cases import WorstCases
from tests.fakes import ScriptedModel
from tests.stub_server import StubServer
from tests.unit_tests.kit.menu.menus import ASK, source


def test_answers_are_compared_as_mathematics_or_by_a_model(load):
    mathematical = load(f"{ASK}[grader]\nkind = 'math'")
    assert mathematical.grader is mathematical.key is math
    refereed = load(
        f"{ASK}[sources.judge]\nmodel = 'm'\nsamples = 0\n[grader]\nkind = 'judge'\nsource = 'judge'"
    )
    assert (refereed.grader, refereed.sampled) == (Referee("judge"), ["ask"])
    assert list(refereed.actions) == ["ask", "ask_vote_3", "ask_vote_5"]


def test_answers_to_multiple_choice_are_counted_by_their_letter(load):
    menu = load(ASK + "[grader]\nkind = 'choice'")
    assert menu.grader is menu.key is comparison("choice")


@pytest.mark.parametrize("kind", ["auto", "exact", "numeric", "choice", "math", "json"])
def test_a_kind_is_the_comparison_of_that_name_for_votes_and_grades(load, kind):
    menu = load(f"{ASK}[grader]\nkind = '{kind}'")
    assert menu.grader is menu.key is menu.comparison is comparison(kind)


def test_fields_are_compared_and_graded_alone(load):
    menu = load(ASK + "[grader]\nkind = 'fields'\nfields = ['city']")
    one, other = ('{"city": "Paris", "why": "x"}', '{"city": "Paris", "why": "y"}')
    found, gold = menu.comparison.keys([AIMessage(one), AIMessage(other)])
    assert found == gold
    assert menu.grader is menu.comparison
    assert menu.grader.grade(found, gold) == 1.0


def test_a_function_or_a_judge_grades_beside_a_key_of_the_votes(load):
    menu = load(
        ASK + '[grader]\nfunction = "my_prompts:cot"\nkey = "numeric"\n[code]\nmodules = ["my_prompts"]'
    )
    assert menu.comparison is comparison("numeric")
    menu = load(ASK + '[grader]\nfunction = "my_prompts:cot"\n[code]\nmodules = ["my_prompts"]')
    assert menu.comparison is comparison("exact")


def test_free_text_is_compared_by_an_encoder_that_is_opened_late(load, tmp_path):
    for name in ("encoder.onnx", "tokenizer.json"):
        (tmp_path / name).write_text("not read yet")
    menu = load(f"{ASK}[grader]\nkind = 'similar'\nencoder = '.'\nat_least = 0.8")
    assert (menu.comparison.name, repr(menu.comparison)) == ("similar", "similar(at_least=0.8)")
    refereed = load(
        f"{ASK}[sources.judge]\nmodel = 'm'\nsamples = 0\n"
        "[grader]\nkind = 'judge'\nsource = 'judge'\nkey = 'similar'\nencoder = '.'"
    )
    assert (refereed.grader, refereed.comparison.name) == (Referee("judge"), "similar")


@pytest.mark.parametrize(
    ("grader", "reason"),
    [
        ("kind = 'similar'", r"names a folder that holds encoder.onnx and tokenizer.json"),
        ("kind = 'exact'\nat_least = 0.5", 'at_least belongs to kind = "similar"'),
        ("kind = 'fields'", "names them: fields = "),
        ("fields = ['city']", "fields belongs to kind"),
        (
            "kind = 'maths'",
            "exact, numeric, choice, math, json, auto, fields, code, python_tests, similar, judged, judge",
        ),
        ("key = 'maths'", "there is no kind 'maths'"),
        ("kind = 'judged'", 'names the source that compares replies: model = "judge"'),
        ("kind = 'judged'\nmodel = 'other'", "there is no source 'other'; known are ask"),
        ("kind = 'exact'\nmodel = 'ask'", 'model belongs to kind = "judged"'),
    ],
)
def test_a_grader_that_makes_no_sense_is_refused_by_name(load, grader, reason):
    with pytest.raises(MenuError, match=reason):
        load(f"{ASK}[grader]\n{grader}")


def test_a_menu_in_python_takes_a_key_as_a_node_does():
    made = Menu({"a": source()}, key="numeric")
    assert (made.comparison, Menu({"a": source()}).comparison) == (comparison("numeric"), exact)
    assert Menu({"a": source()}, grader=lambda answer, gold: 1.0).comparison is comparison("exact")
    with pytest.raises(MenuError, match="there is no key 'maths'"):
        Menu({"a": source()}, key="maths")


def test_a_preset_sends_a_key_where_a_menu_would_and_nowhere_else():
    with pytest.raises(MenuError, match="would go unencrypted"):
        preset_menu("paper", "m", base_url="http://example.org/v1", api_key_env="ANY_KEY")
    with pytest.raises(MenuError, match="base_url"):
        preset_menu("paper", "m", base_url="example.org/v1")
    assert preset_menu("paper", "m", base_url="https://example.org/v1", api_key_env="ANY_KEY").keys


def test_structured_answers_are_graded_and_counted_by_their_values(load):
    whole, part = (
        load(f"{ASK}[grader]\n{kind}") for kind in ("kind = 'json'", "kind = 'fields'\nfields = ['total']")
    )
    replies = [AIMessage('{"total": 12, "note": "x"}'), AIMessage('{"note": "y", "total": 12.0}')]
    one, two = comparison(whole.key).keys(replies)
    assert one != two
    one, two = comparison(part.key).keys(replies)
    assert one == two


def test_a_numeric_grader_counts_votes_by_the_number(load):
    menu = load(f"{ASK}[grader]\nkind = 'numeric'")
    assert comparison(menu.key).keys([AIMessage("She has $1,200 left today.")]) == ["1200"]


JUDGE = "[sources.judge]\nmodel = 'm'\nmax_tokens = 50\nsamples = 0\n"


def test_free_text_is_compared_by_a_source_of_the_menu(load):
    menu = load(f"{ASK}{JUDGE}[grader]\nkind = 'judged'\nmodel = 'judge'")
    assert menu.grader is menu.key is menu.comparison
    assert (menu.comparison.name, menu.comparison.source) == ("judged", menu.sources["judge"])
    assert (menu.sampled, list(menu.actions)) == (["ask"], ["ask", "ask_vote_3", "ask_vote_5"])


def test_a_judge_grades_and_another_source_compares_the_votes(load):
    menu = load(
        f"{ASK}{JUDGE}{JUDGE.replace('judge', 'comparing')}"
        "[grader]\nkind = 'judge'\nsource = 'judge'\nkey = 'judged'\nmodel = 'comparing'"
    )
    assert menu.grader == Referee("judge")
    assert menu.comparison.source is menu.sources["comparing"]


def test_a_model_that_compares_is_on_the_bill_of_a_vote():
    asked = Source(ScriptedModel(answers=("It scatters.", "Scattering.", "Waves.")), max_tokens=20)
    judge = Source(ScriptedModel(answers=("Groups: [[1, 2]]", "Groups: [[1, 2], [3]]")), max_tokens=50)
    vote = {"vote": Recipe("ask", "self_consistency", {"samples": 3})}
    menu = Menu({"ask": asked, "judge": judge}, {"ask": 3, "judge": 0}, vote, key=judged(judge))
    policy = FixedPolicy("vote", expected_cost=9.0, cost_unit="tokens")
    reasoner = AdaptiveReasoner(asked, policy=policy, actions=menu.actions, meter=menu.meter)
    result = reasoner.answer("Why is the sky blue?")
    assert result.message.text in ("It scatters.", "Scattering.")
    assert (len(asked.model.requests), len(judge.model.requests)) == (2, 1)
    assert result.record["cost"] == (2 + 1) + 3  # words: two replies, and the verdict
    assert menu.specs()["actions"]["vote"]["worst_cost"] == 3 * 20 + 2 * 50 >= result.record["cost"]


def test_a_menu_in_a_file_has_its_source_compare_the_votes_of_an_action(load):
    def answer(prompt, number):
        return "Groups: [[1, 2]]" if "Groups:" in prompt else ("It scatters.", "Scattering.")[number % 2]

    with StubServer(answer) as server:
        hosted = f"base_url = '{server.base_url}'\nmodel = 'stub'\nmax_tokens = 50\n"
        menu = load(
            f"[sources.ask]\n{hosted}samples = 3\n[sources.judge]\n{hosted}samples = 0\n"
            "[grader]\nkind = 'judged'\nmodel = 'judge'"
        )
        policy = FixedPolicy("ask_vote_3", expected_cost=9.0, cost_unit="tokens")
        asked = menu.sources["ask"]
        reasoner = AdaptiveReasoner(asked, policy=policy, actions=menu.actions, meter=menu.meter)
        result = reasoner.answer("Why is the sky blue?")
    assert result.record["cost"] == server.billed == (3 + 2) + 4  # two replies that agree, and the verdict


def test_the_worst_cost_counts_a_comparison_after_each_reply_of_a_vote_but_the_first():
    sources = {"ask": source(max_tokens=20), "judge": source(max_tokens=50)}
    recipes = {
        "once": Recipe("ask"),
        "vote": Recipe("ask", "self_consistency", {"samples": 5}),
        "best": Recipe("ask", "best_of_n", {"samples": 5, "judge": "judge"}),
        "cascade": Recipe("ask", "cascade", {"samples": 3, "strong": "judge", "accept": 0.6}),
    }
    menu = Menu(sources, {"ask": 5, "judge": 0}, recipes, key=judged(sources["judge"]))
    actions = menu.specs()["actions"]
    assert {name: spec["worst_cost"] for name, spec in actions.items()} == {
        "once": 20,
        "vote": 5 * 20 + 4 * 50,
        "best": 5 * 20 + 5 * 50,
        "cascade": 3 * 20 + 50 + 2 * 50,
    }
    assert {name: menu.most_calls(name) for name in recipes} == {
        "once": 1,
        "vote": 9,
        "best": 10,
        "cascade": 6,
    }
    cases = WorstCases(actions, [None] * 4, {"actions": actions}).on_question(lambda action: 1.0)
    assert cases.all().tolist() == [1, 5 + 4, 5 + 5, 3 + 1 + 2]


def test_the_worst_cost_is_unknown_where_a_model_compares_that_is_no_source_of_the_menu():
    menu = Menu({"ask": source(max_tokens=20)}, key=judged(source(max_tokens=50)))
    worst = {name: spec["worst_cost"] for name, spec in menu.specs()["actions"].items()}
    assert worst == {"ask": 20, "ask_vote_3": None, "ask_vote_5": None}


def test_samples_are_not_collected_by_a_comparison_that_asks_a_model(tmp_path):
    menu = Menu({"ask": source(max_tokens=20)}, key=judged(source(max_tokens=50)))
    questions = [Question("q", "Why is the sky blue?", "It scatters.")]
    for use in (collect, forecast):
        with pytest.raises(MenuError, match=r'judged compares .* collect with kind or key = "similar"'):
            use(questions, menu, tmp_path / "samples.jsonl")
    assert not (tmp_path / "samples.jsonl").exists()
