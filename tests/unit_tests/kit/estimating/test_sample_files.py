"""Samples that are read block by block give the outcomes of those in memory."""

import json

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit import Outcomes, Samples, estimate
from adaptive_reasoner.kit.estimating import sample_files
from adaptive_reasoner.kit.estimating.sample_files import estimate_file
from adaptive_reasoner.kit.tables import outcomes_file
from adaptive_reasoner.kit.tables.files import write_rows


def rows(n=23, graded=True):
    rng = np.random.default_rng(5)
    for i in range(n):
        for source, chance in (("direct", 0.3), ("cot", 0.7)):
            for sample in range(4):
                right = bool(rng.random() < chance)
                yield {
                    "question_id": f"q{i}",
                    "question": f"Q {i}",
                    "group": f"g{i % 3}",
                    "source": source,
                    "sample": sample,
                    "answer": "7" if right else str(int(rng.integers(20))),
                    "gold": "7",
                    "correct": float(right) if graded else None,
                    "cost": float(rng.integers(1, 9)),
                    "cost_unit": "tokens",
                }


@pytest.fixture
def blocks(monkeypatch):
    """With five questions in memory at a time."""
    monkeypatch.setattr(sample_files, "_QUESTIONS", 5)


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_the_outcomes_are_those_of_the_table_in_memory(tmp_path, blocks, ending):
    write_rows(tmp_path / f"samples.{ending}", list(rows()))
    found = estimate_file(tmp_path / f"samples.{ending}", tmp_path / "outcomes.parquet", votes=(1, 3))
    table = Samples.from_rows(rows())
    known, written = estimate(table, votes=(1, 3)), Outcomes.read(tmp_path / "outcomes.parquet")
    assert (written.actions, written.cost_unit, len(written)) == (known.actions, "tokens", 23)
    assert np.array_equal(written.question_ids, known.question_ids)
    assert np.array_equal(written.groups, known.groups)
    assert written.halves is not None
    np.testing.assert_allclose(written.accuracy, known.accuracy)
    np.testing.assert_allclose(written.cost, known.cost)
    assert found.questions == 23
    assert found.silent == {source: table.nothing_to_compare(source) for source in table.sources}
    means = [known.accuracy.mean(axis=0), known.cost.mean(axis=0)]
    np.testing.assert_allclose(list(found.actions.values()), np.transpose(means))


def test_questions_with_too_few_replies_are_left_out_and_counted(tmp_path, blocks):
    cut = [
        row | ({"error": "503"} if row["question_id"] in ("q3", "q9") and row["sample"] else {})
        for row in rows()
    ]
    write_rows(tmp_path / "samples.parquet", cut)
    found = estimate_file(tmp_path / "samples.parquet", tmp_path / "outcomes.parquet", votes=(3,))
    assert (found.questions, found.left_out) == (21, 2)
    assert len(Outcomes.read(tmp_path / "outcomes.parquet")) == 21


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: [*rows, *rows[:8]], "the rows of a question do not stand together"),
        (
            lambda rows: rows[:120] + [row for row in rows[120:] if row["source"] == "cot"],
            "give cot, cot_vote_3 in",
        ),
        (lambda rows: [*rows[:100], rows[100] | {"cost": -1.0}, *rows[101:]], "row 101: cost is -1.0"),
        (lambda rows: [row | {"gold": None, "correct": None} for row in rows], "right answer"),
        (lambda rows: [], "the table is empty"),
    ],
)
def test_a_faulty_file_is_refused_and_nothing_is_written(tmp_path, blocks, change, said):
    write_rows(tmp_path / "samples.jsonl", change(list(rows())))
    with pytest.raises(OutcomesError) as error:
        estimate_file(tmp_path / "samples.jsonl", tmp_path / "outcomes.parquet", votes=(1, 3))
    assert said in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["samples.jsonl"]


def test_the_command_reads_a_large_file_in_blocks_and_says_the_same(tmp_path, blocks, monkeypatch, command):
    write_rows(tmp_path / "samples.parquet", list(rows()))
    asked = (
        "estimate",
        tmp_path / "samples.parquet",
        "--out",
        tmp_path / "outcomes.parquet",
        "--labels",
        "gold",
    )
    code, printed, _ = command(*asked, "--votes", "1,3")
    with monkeypatch.context() as changed:
        changed.setattr(outcomes_file, "_LARGE", 100)
        changed.setattr(Samples, "read", None)
        assert command(*asked, "--votes", "1,3")[:2] == (code, printed) == (0, printed)
        shown = json.loads(command(*asked, "--votes", "1,3", "--json")[1])
    assert (shown["n_questions"], shown["n_labelled"], len(shown["actions"])) == (23, 23, 4)
    assert shown["nothing_to_compare"] == {name: {"samples": 0, "of": 92} for name in ("direct", "cot")}
    assert command(*asked[:3], tmp_path / "outcomes.csv", *asked[4:], "--votes", "1,3")[0] == 0
