"""Tables read block by block are solved as those in memory are, with the same certificate."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from adaptive_reasoner.errors import InfeasibleAccuracyError, InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit import Outcomes, solve
from adaptive_reasoner.kit.allocation import solver_of_files
from adaptive_reasoner.kit.tables import outcomes_file
from adaptive_reasoner.kit.tables.outcomes_file import OutcomesFile
from tests.unit_tests.kit.allocation.tables import large_tables, tables

AGAIN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[(1 << 19, 8_000_000), (7, 1)], ids=["at once", "in pieces"])
def pieces(request, monkeypatch):
    """With so many rows read at a time, and so many edges in memory."""
    rows, edges = request.param
    monkeypatch.setattr(outcomes_file, "_ROWS", rows)
    monkeypatch.setattr(solver_of_files, "_IN_MEMORY", edges)


def written(path, table, **columns):
    n, k = np.shape(table.cost)
    columns = {
        "question_id": np.repeat([f"q{i}" for i in range(n)], k),
        "action": list(table.actions) * n,
        "accuracy": np.ravel(table.accuracy),
        "cost": np.ravel(table.cost),
        "cost_unit": ["tokens"] * (n * k),
        **columns,
    }
    parquet.write_table(pa.table(columns), path, row_group_size=10_000)
    return path


def check_same(ours, table, **limit):
    found, known = solve(ours, **limit), solve(table, **limit)
    scale = max(1.0, known.cost)
    assert found.accuracy == pytest.approx(known.accuracy, abs=1e-10)
    assert found.cost == pytest.approx(known.cost, abs=1e-10 * scale)
    assert found.gap <= 1e-9
    assert found.bound == pytest.approx(known.bound, abs=1e-9)
    if "target_accuracy" in limit:
        assert found.cost_gap <= 1e-9 * scale
    chosen = table.accuracy[np.arange(len(table)), found.choice].mean()
    if found.mixed is None:
        assert chosen == pytest.approx(found.accuracy, abs=1e-12)
    assert sum(found.shares().values()) == pytest.approx(1.0)


@AGAIN
@given(table=tables(most_questions=12, most_actions=6), part=st.floats(0, 1.2))
def test_a_file_is_solved_as_the_table_in_memory_is(tmp_path, pieces, table, part):
    ours = OutcomesFile(written(tmp_path / "outcomes.parquet", table))
    least, most = table.cost.min(axis=1).mean(), table.cost.max(axis=1).mean()
    check_same(ours, table, budget=least + part * (most - least))
    worst, best = table.accuracy.min(axis=1).mean(), table.accuracy.max(axis=1).mean()
    check_same(ours, table, target_accuracy=worst + min(part, 1.0) * (best - worst) - 1e-9)


@pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in large_tables()])
def test_more_edges_than_memory_holds_are_solved_exactly(tmp_path, monkeypatch, table):
    monkeypatch.setattr(solver_of_files, "_IN_MEMORY", 2_000)
    ours = OutcomesFile(written(tmp_path / "outcomes.parquet", table))
    least, most = table.cost.min(axis=1).mean(), table.cost.mean(axis=0).max()
    for part in (0.02, 0.4):
        check_same(ours, table, budget=least + part * (most - least))


def test_rewards_and_the_order_of_actions_are_read_as_in_memory(tmp_path, pieces):
    rng = np.random.default_rng(3)
    rows = [
        {"question_id": i, "question": f"Q {i}", "action": action, "cost": cost, "cost_unit": "usd"}
        | {"accuracy": float(rng.normal()), "accuracy_unit": "reward"}
        for i in range(40)
        for action, cost in rng.permutation([("a", 1), ("b", 2), ("c", 4)]).tolist()
    ]
    rows = [row | {"cost": float(row["cost"])} for row in rows]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rewards.parquet")
    ours, table = OutcomesFile(tmp_path / "rewards.parquet"), Outcomes.read(tmp_path / "rewards.parquet")
    assert (ours.actions, ours.cost_unit, len(ours)) == (table.actions, "usd", 40)
    blocks = [np.concatenate(parts) for parts in zip(*ours, strict=True)]
    assert np.array_equal(blocks, [table.accuracy, table.cost])
    check_same(ours, table, budget=1.7)


def test_what_cannot_be_reached_is_refused_with_the_numbers(tmp_path):
    rng = np.random.default_rng(0)
    table = next(tables for name, tables in large_tables() if name == "tied")
    table.accuracy, table.cost = table.accuracy[:50], table.cost[:50] + rng.random((50, 1))
    ours = OutcomesFile(written(tmp_path / "outcomes.parquet", table))
    for error, limit in (
        (InfeasibleBudgetError, {"budget": 0.5}),
        (InfeasibleAccuracyError, {"target_accuracy": 2}),
    ):
        with pytest.raises(error) as here:
            solve(ours, **limit)
        with pytest.raises(error) as there:
            solve(table, **limit)
        assert str(here.value) == str(there.value)


def rows_of(*cells):
    return [
        {"question_id": q, "question": "?", "action": a, "accuracy": x, "cost": c, "cost_unit": u}
        for q, a, x, c, u in cells
    ]


GOOD = [("q1", "a", 0.5, 1.0, "tokens"), ("q1", "b", 1.0, 2.0, "tokens"), ("q2", "b", 0.0, 2.0, "tokens")]
LAST = ("q2", "a", 0.0, 1.0, "tokens")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            [*GOOD, ("q2", "a", 1.5, 1.0, "tokens")],
            "row 4: accuracy is 1.5, outside [0, 1]; a reward on another",
        ),
        ([*GOOD, ("q2", "a", 1.0, -1.0, "tokens")], "row 4: cost is -1.0; a cost is never negative"),
        ([*GOOD, ("q2", "a", None, 1.0, "tokens")], "row 4: accuracy is missing"),
        ([*GOOD, ("q2", "a", 1.0, float("nan"), "tokens")], "row 4: cost is nan; a finite number is needed"),
        (
            [*GOOD, ("q2", "a", 1.0, 1.0, "usd")],
            "row 4: cost_unit is 'usd', but 'tokens' in row 1: one table has",
        ),
        ([*GOOD, ("q2", "c", 1.0, 1.0, "tokens")], "row 4: action 'c' is none of the first question's"),
        ([*GOOD, ("q2", None, 1.0, 1.0, "tokens")], "row 4: action is missing"),
        ([*GOOD, (None, "a", 1.0, 1.0, "tokens")], "row 4: question_id is missing"),
        ([*GOOD, ("q2", "b", 1.0, 1.0, "tokens")], "row 4: question 'q2', action 'b' is already in row 3"),
        (GOOD, "row 3: question 'q2' has no row for action 'a'"),
        ([*GOOD, ("q3", "a", 1.0, 1.0, "tokens")], "row 3: question 'q2' has no row for action 'a'"),
        (
            [*GOOD, LAST, *GOOD[:2]],
            "row 5: question 'q1' is already in row 1; the rows of a question have to",
        ),
        ([], "the table is empty"),
    ],
)
def test_a_faulty_file_is_refused_with_its_row(tmp_path, monkeypatch, cells, said):
    path = tmp_path / "outcomes.parquet"
    schema = pa.schema(
        [(name, pa.string()) for name in ("question_id", "question", "action", "cost_unit")]
        + [(name, pa.float64()) for name in ("accuracy", "cost")]
    )
    parquet.write_table(pa.Table.from_pylist(rows_of(*cells), schema=schema), path)
    for rows in (1 << 19, 3, 1):
        monkeypatch.setattr(outcomes_file, "_ROWS", rows)
        with pytest.raises(OutcomesError) as error:
            OutcomesFile(path)
        assert said in str(error.value)
        assert str(path) in str(error.value)


def test_what_is_no_parquet_file_of_outcomes_is_refused(tmp_path):
    with pytest.raises(OutcomesError, match="no such file"):
        OutcomesFile(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(OutcomesError, match=r"not readable as Parquet .*; Outcomes.read\(path\) reads"):
        OutcomesFile(tmp_path / "text.parquet")
    parquet.write_table(pa.table({"question_id": ["q"], "action": ["a"]}), tmp_path / "less.parquet")
    with pytest.raises(OutcomesError, match="accuracy is missing"):
        OutcomesFile(tmp_path / "less.parquet")


def test_the_command_reads_a_large_file_in_pieces_and_says_the_same(tmp_path, monkeypatch, command):
    table = next(tables for name, tables in large_tables() if name == "tied")
    table.accuracy, table.cost = table.accuracy[:200], table.cost[:200]
    path = tmp_path / "outcomes.parquet"
    written(path, table, question=["?"] * 1200)
    for limit in ("--budget", "4"), ("--accuracy", "0.7"):
        said = command("solve", path, *limit, "--json")
        with monkeypatch.context() as changed:
            changed.setattr(outcomes_file, "_LARGE", 1000)
            changed.setattr(Outcomes, "read", None)
            assert command("solve", path, *limit, "--json")[:2] == said[:2]
        assert said[0] == 0
