import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.recipes import Recipe
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, run
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.menu.menus import source

ACTIONS = """
[sources.direct]
model = "m"
base_url = "http://127.0.0.1:1/v1"
max_tokens = 32
samples_per_request = 4

[sources.cot]
model = "m"
base_url = "http://127.0.0.1:1/v1"
max_tokens = 100

[actions.priced]
source = "direct"
strategy = "adaptive_consistency"
samples = 9

[actions.beta]
source = "direct"
strategy = "adaptive_consistency"
samples = 9
stop = "beta"
confidence = 0.9

[actions.thinking]
source = "cot"
strategy = "extended_thinking"
effort = 2000
samples = 3
stop = "window"
window = 2

[actions.judged]
source = "direct"
strategy = "best_of_n"
samples = 3
judge = "cot"

[actions.checked]
source = "direct"
strategy = "best_of_n"
samples = 4
checker = "my_checks:is_14"
stop = "priced"

[actions.cascade]
source = "direct"
strategy = "cascade"
samples = 3
strong = "cot"
accept = 0.6

[code]
modules = ["my_checks"]
"""


def sources(**answers):
    return {name: Source(ScriptedModel(answers=replies), max_tokens=50) for name, replies in answers.items()}


def answer(recipe, made, price=0.0):
    flow = Menu(made, recipes={"it": recipe}).actions["it"]
    caller = CallExecutor(next(iter(made.values())), TokenMeter())
    return run(flow, Task([HumanMessage("5 + 9?")], price=price), caller), caller


def test_a_menu_file_names_every_strategy_and_knows_the_most_it_can_cost(tmp_path):
    (tmp_path / "my_checks.py").write_text("def is_14(question, reply):\n    return '14' in reply.text\n")
    (tmp_path / "menu.toml").write_text(ACTIONS)
    menu = Menu.load(tmp_path / "menu.toml")
    worst = {name: spec["worst_cost"] for name, spec in menu.specs()["actions"].items()}
    assert worst == {
        "priced": 9 * 32,
        "beta": 9 * 32,
        "thinking": 3 * (100 + 2000),
        "judged": 3 * 32 + 3 * 100,
        "checked": 4 * 32,
        "cascade": 3 * 32 + 100,
    }
    assert menu.specs()["actions"]["checked"]["parameters"]["checker"] == "my_checks:is_14"
    assert menu.sources["direct"].samples_per_request == 4


def test_a_priced_vote_stops_at_the_price_of_its_task():
    recipe = Recipe("direct", "adaptive_consistency", {"samples": 9})
    made = sources(direct=("Answer: 1", "Answer: 2"))
    few, many = (len(answer(recipe, made, price)[1].bill) for price in (0.5, 0.0001))
    assert few == 1
    assert many > 5


def test_judge_and_strong_source_are_called_by_name():
    judged = Recipe("direct", "best_of_n", {"samples": 2, "judge": "judge"})
    made = sources(direct=("Answer: 1", "Answer: 2"), judge=("3", "8"))
    assert answer(judged, made)[0].value == "2"
    cascade = Recipe("direct", "cascade", {"samples": 2, "strong": "strong", "accept": 0.9})
    made = sources(direct=("Answer: 1", "Answer: 2"), strong=("Answer: 3",))
    assert answer(cascade, made)[0].value == "3"


@pytest.mark.parametrize(
    ("strategy", "parameters", "reason"),
    [
        ("adaptive_consistency", {"stop": "never"}, "no stop rule 'never'"),
        ("adaptive_consistency", {"stop": "beta", "window": 3}, "window belongs to the stop rule 'window'"),
        ("adaptive_consistency", {"stop": "beta", "confidence": 2}, "between 0 and 1, not 2"),
        ("best_of_n", {"samples": 2}, "one of judge, scorer and checker"),
        ("best_of_n", {"samples": 2, "judge": "nobody"}, "no source 'nobody'"),
        ("cascade", {"strong": "direct", "accept": 0.5}, "needs at least 2"),
        ("extended_thinking", {"effort": "huge"}, "no effort 'huge'"),
    ],
)
def test_a_recipe_that_cannot_be_cooked_is_refused_with_its_name(strategy, parameters, reason):
    with pytest.raises(MenuError, match=f"action 'it': .*{reason}"):
        Menu(sources(direct=("1",)), recipes={"it": Recipe("direct", strategy, parameters)})


def test_an_action_that_names_no_samples_counts_those_that_its_strategy_takes():
    sources = {"ask": source(max_tokens=20), "judge": source(max_tokens=50)}
    recipes = {
        "vote": Recipe("ask", "adaptive_consistency", {"stop": "lossless"}),
        "best": Recipe("ask", "best_of_n", {"judge": "judge"}),
        "think": Recipe("ask", "extended_thinking", {"effort": 100, "max_tokens": 200}),
        "once": Recipe("ask"),
    }
    menu = Menu(sources, {"ask": 5, "judge": 0}, recipes)
    assert {name: recipe.votes for name, recipe in recipes.items()} == {
        "vote": 5,
        "best": 5,
        "think": 1,
        "once": 1,
    }
    assert menu.specs()["actions"]["vote"]["worst_cost"] == 5 * 20
    assert menu.specs()["actions"]["best"]["worst_cost"] == 5 * (20 + 50)
