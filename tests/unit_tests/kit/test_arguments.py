"""What is no table is refused with what makes a table of it, wherever it is given."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adaptive_reasoner.kit.allocation.solver import frontier, solve, uniform_hull
from adaptive_reasoner.kit.backtesting.evaluation import backtest
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.cost_forecast import forecast
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.reporting.build import outcomes_report
from adaptive_reasoner.kit.samples import Samples
from tests.unit_tests.kit.collecting.sums import menu, questions
from tests.unit_tests.toys import toy_outcomes

ROW = {"question_id": "q", "question": "x", "source": "s", "sample": 0, "answer": "1", "gold": "1"}
SAMPLES = Samples.from_rows([{**ROW, "correct": 1.0, "cost": 1.0, "cost_unit": "tokens"}])
OUTCOMES = toy_outcomes(4)
TAKE_OUTCOMES = {
    "solve": lambda table: solve(table, 5.0),
    "frontier": frontier,
    "uniform_hull": uniform_hull,
    "train": lambda table: train(table, budget=5.0),
    "outcomes_report": outcomes_report,
}
TAKE_SAMPLES = {
    "estimate": estimate,
    "recorded_sources": recorded_sources,
    r"train\(samples=...\)": lambda table: train(OUTCOMES, budget=5.0, samples=table),
    r"outcomes_report\(samples=...\)": lambda table: outcomes_report(OUTCOMES, samples=table),
}


@pytest.mark.parametrize("call", TAKE_OUTCOMES)
@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("o.parquet", r"not a path; Outcomes.read\('o.parquet'\) reads them"),
        (Path("o.parquet"), r"not a path; Outcomes.read\('o.parquet'\) reads them"),
        (SAMPLES, r"not Samples; estimate\(samples\) makes them of those"),
        (pd.DataFrame([ROW]), r"not DataFrame; they come from .*Outcomes.from_rows\(frame.to_dict"),
        (pd.DataFrame([{**ROW, "accuracy": 1.0, "cost": 1.0, "action": "a"}]), "not DataFrame; they come"),
        ([ROW], "not list; they come from Outcomes.read"),
        (None, "not NoneType"),
    ],
    ids=["name", "path", "samples", "frame", "frame of outcomes", "rows", "none"],
)
def test_what_is_no_outcomes_is_refused_with_what_makes_some(call, given, advice):
    with pytest.raises(TypeError, match=f"^{call} takes Outcomes, {advice}"):
        TAKE_OUTCOMES[call](given)


@pytest.mark.parametrize("call", TAKE_SAMPLES)
@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("s.jsonl", r"not a path; Samples.read\('s.jsonl'\) reads them"),
        (OUTCOMES, r"not Outcomes; they come from Samples.read"),
        ([ROW], r"not list; they come from Samples.read"),
    ],
    ids=["path", "outcomes", "rows"],
)
def test_what_is_no_samples_is_refused_with_what_makes_some(call, given, advice):
    with pytest.raises(TypeError, match=f"^{call} takes Samples, {advice}"):
        TAKE_SAMPLES[call](given)


class OfVectorsAlone:
    def encode(self, texts):
        return np.zeros((len(texts), 3))


@pytest.mark.parametrize("run", [partial(train, budget=5.0), partial(backtest, budgets=[5.0])])
def test_an_encoder_without_its_files_is_refused_with_what_it_lacks(run):
    with pytest.raises(
        TypeError, match=r"an encoder, not OfVectorsAlone; it comes from open_encoder\(path\).*identity"
    ):
        run(OUTCOMES, encoder=OfVectorsAlone())


@pytest.mark.parametrize("given", [[ROW], None, 7], ids=str)
def test_a_backtest_is_of_outcomes_samples_or_a_file(given):
    with pytest.raises(TypeError, match=r"^backtest takes Samples, not .* they come from"):
        backtest(given, budgets=[5.0])


@pytest.mark.parametrize("run", [collect, forecast])
def test_questions_and_menu_are_read_from_their_files(run, tmp_path):
    out = tmp_path / "samples.jsonl"
    with pytest.raises(TypeError, match=r"not a path; read_questions\('q.jsonl'\) reads them"):
        run("q.jsonl", menu(), out)
    with pytest.raises(
        TypeError, match=r"collect takes questions, not list; they come from .*Question\(...\)"
    ):
        run([{"question": "x", "gold": "1"}], menu(), out)
    with pytest.raises(TypeError, match="collect takes questions, not int"):
        run(7, menu(), out)
    with pytest.raises(
        TypeError, match=r"collect takes a Menu, not a path; Menu.load\('menu.toml'\) reads it"
    ):
        run([Question("q", "x", "1")], "menu.toml", out)
    with pytest.raises(TypeError, match=r"collect takes a Menu, not dict; it comes from Menu.load"):
        run(questions(1), menu().sources, out)
    assert isinstance(menu(), Menu)
    assert not out.exists()
