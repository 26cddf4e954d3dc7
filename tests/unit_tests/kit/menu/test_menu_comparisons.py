"""How a menu has answers graded, and counted in votes."""

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import comparison, exact, math
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.presets import preset_menu
from tests.unit_tests.kit.menu.menus import ASK, source


def test_answers_are_compared_as_mathematics_or_by_a_model(load):
    mathematical = load(f"{ASK}[grader]\nkind = 'math'")
    assert mathematical.grader is mathematical.key is math
    judged = load(
        f"{ASK}[sources.judge]\nmodel = 'm'\nsamples = 0\n[grader]\nkind = 'judge'\nsource = 'judge'"
    )
    assert (judged.grader, judged.sampled) == (Referee("judge"), ["ask"])
    assert list(judged.actions) == ["ask", "ask_vote_3", "ask_vote_5"]


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
    judged = load(
        f"{ASK}[sources.judge]\nmodel = 'm'\nsamples = 0\n"
        "[grader]\nkind = 'judge'\nsource = 'judge'\nkey = 'similar'\nencoder = '.'"
    )
    assert (judged.grader, judged.comparison.name) == (Referee("judge"), "similar")


@pytest.mark.parametrize(
    ("grader", "reason"),
    [
        ("kind = 'similar'", r"names a folder that holds encoder.onnx and tokenizer.json"),
        ("kind = 'exact'\nat_least = 0.5", 'at_least belongs to kind = "similar"'),
        ("kind = 'fields'", "names them: fields = "),
        ("fields = ['city']", "fields belongs to kind"),
        (
            "kind = 'maths'",
            "known are exact, numeric, choice, math, json, auto, fields, code, python_tests, similar, judge",
        ),
        ("key = 'maths'", "there is no kind 'maths'"),
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
