"""What values show of themselves in a notebook: pictures by matplotlib, and tables."""

import itertools
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.kit.allocation.solver import frontier, solve, uniform_hull
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.result import Result
from tests.unit_tests.toys import toy_outcomes

RECORDED = Path(__file__).parents[3] / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"


@pytest.fixture(autouse=True)
def _no_window():
    from matplotlib import pyplot as plt

    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.fixture
def table():
    return toy_outcomes(60)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_an_allocation_is_drawn_as_the_share_of_each_action(table):
    best = solve(table, 20.0)
    ax = best.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cot", "direct"]
    drawn = [bar.get_width() for bar in ax.patches]
    assert drawn == pytest.approx([100 * best.shares()[name] for name in ("cot", "direct")])
    assert f"accuracy {best.accuracy:.3f}" in ax.get_title(loc="left")


def test_a_frontier_is_drawn_above_fixed_actions_and_their_mixture(table):
    ax = frontier(table).plot()
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert set(lines) == {"hindsight", "random mixture of fixed actions", "fixed actions"}
    hindsight, mixture = lines["hindsight"], lines["random mixture of fixed actions"]
    assert mixture[:, 1] == pytest.approx(uniform_hull(table).accuracy_at(mixture[:, 0]))
    assert np.all(np.interp(mixture[:, 0], *hindsight.T) >= mixture[:, 1] - 1e-9)
    assert texts(ax) == ["direct", "cot"]
    assert ax.get_xlabel() == "mean cost per question (tokens)"


def test_a_picture_goes_where_it_is_told(table):
    from matplotlib import pyplot as plt

    _, (left, right) = plt.subplots(1, 2)
    assert solve(table, 20.0).plot(left) is left
    assert frontier(table).plot(right) is right
    assert len(plt.get_fignums()) == 1


def test_tables_say_what_their_values_hold(table):
    best = solve(table, 20.0)
    assert f"price {best.price:.3g}" in best._repr_html_()
    assert f"<td>{best.shares()['cot']:.1%}</td>" in best._repr_html_()
    assert "60 questions, cost in tokens" in table._repr_html_()
    assert "<th>budget</th><th>accuracy</th><th>price</th>" in frontier(table)._repr_html_()
    decision = FixedPolicy("vote_5", expected_cost=40.0).decide("Why?")
    assert "<tr><th>action</th><td>vote_5</td></tr>" in decision._repr_html_()


def test_a_result_shows_its_answer_and_its_bill():
    message = AIMessage("it is 42")
    result = Result(message=message, answer="42", record={"action": "vote_5", "cost": 40.0}, reply=message)
    assert (
        "<tr><th>answer</th><td>42</td></tr><tr><th>action</th><td>vote_5</td></tr>" in result._repr_html_()
    )


def test_names_of_fixed_actions_do_not_overlap():
    outcomes = estimate(Samples.read(RECORDED), votes=(1, 3, 5))
    ax = frontier(outcomes).plot()
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
