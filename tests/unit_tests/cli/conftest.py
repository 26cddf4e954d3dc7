"""Files that several commands are run on."""

import json

import pytest


@pytest.fixture
def samples(tmp_path):
    """Two questions, two sources, five samples each: one easy, one that needs the chain of thought."""
    path = tmp_path / "samples.jsonl"
    rows = [
        {
            "question_id": question,
            "question": f"the {question} question",
            "source": source,
            "sample": number,
            "answer": answer,
            "gold": "7",
            "correct": float(answer == "7"),
            "cost": cost,
            "cost_unit": "tokens",
        }
        for question, source, answer, cost in [
            ("easy", "direct", "7", 2.0),
            ("easy", "cot", "7", 20.0),
            ("hard", "direct", "9", 2.0),
            ("hard", "cot", "7", 20.0),
        ]
        for number in range(5)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def outcomes(command, samples, tmp_path):
    path = tmp_path / "outcomes.jsonl"
    assert command("estimate", samples, "--out", path)[0] == 0
    return path


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps({"question": f"{n} + 1?", "gold": n + 1}) + "\n" for n in range(3)))
    return path
