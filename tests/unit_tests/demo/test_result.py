import numpy as np

from adaptive_reasoner.demo.result import Demo, Run, rows_of
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from tests.unit_tests.toys import toy_outcomes


def demo():
    outcomes = toy_outcomes(60)
    play = Performance(outcomes.accuracy.max(axis=1), outcomes.cost.mean(axis=1))
    gain = measure(outcomes, [SplitResult(np.arange(60), {("adaptive", 0.0): play})])["adaptive", 0.0]
    replay = Run(60, gain.accuracy, 0.4, 0.6, gain.realised_cost, {}).compared(gain)
    return Demo(
        target=20.0,
        cost_unit="tokens",
        rows=rows_of(outcomes, {"adaptive": gain}, 20.0),
        live=Run(24, 0.25, 0.08, 0.42, 11.96, {}),
        replay=replay,
        verdict="ship",
        gate={"lift": 0.0312, "low": 0.0104, "high": 0.0551, "questions": 780},
        conclusion="Ship: as measured.",
        report="demo-run/report.html",
        seconds={},
    )


def test_the_table_says_what_the_replay_measured(capsys):
    shown = demo()
    rows = {row["policy"]: row for row in shown.rows}
    assert rows["adaptive"]["accuracy"] == shown.replay.accuracy
    assert rows["adaptive"]["lift"] == shown.replay.lift
    assert rows["uniform"]["accuracy"] == shown.replay.uniform_at_cost
    assert rows["uniform"]["mean_cost"] == rows["adaptive"]["mean_cost"] == shown.replay.mean_cost
    shown.print()
    printed = capsys.readouterr().out
    assert f"{shown.replay.accuracy:.1%}" in printed
    assert f"{100 * shown.replay.lift:+.1f} points" in printed


def test_the_result_is_told_in_numbers_as_people_read_them(capsys):
    demo().print()
    printed = capsys.readouterr().out
    assert "the gate said: ship (+3.1 points, 1.0 to 5.5, on 780 questions)" in printed
    assert "On held-out questions: Ship: as measured." in printed
    assert "Live: 6 of 24 right at 12.0 tokens per question, 8% to 42%" in printed
    assert "e-" not in printed.replace("held-out", "")
