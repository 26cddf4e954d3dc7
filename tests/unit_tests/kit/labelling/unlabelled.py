"""Small samples without right answers, for the tests of labelling."""

import json

QUESTIONS = {
    "capital": ("What is the capital of France?", {"direct": ["lyon", "paris"], "cot": ["paris", "paris"]}),
    "sum": ("What is 17 + 25?", {"direct": ["42", "42"], "cot": ["42", "42"]}),
    "product": ("What is 17 * 23?", {"direct": ["381", "371"], "cot": ["391", "391"]}),
    "river": ("Which river is longest?", {"direct": ["nile", None], "cot": ["amazon", "nile"]}),
}


def rows(**more):
    for name, (text, said) in QUESTIONS.items():
        for source, answers in said.items():
            for sample, answer in enumerate(answers):
                yield {
                    "question_id": name,
                    "question": text,
                    "source": source,
                    "sample": sample,
                    "answer": answer,
                    "gold": None,
                    "correct": None,
                    "cost": 2.0,
                    "cost_unit": "tokens",
                    **more,
                }


def write(path, lines=None):
    path.write_text("".join(json.dumps(row) + "\n" for row in (rows() if lines is None else lines)))
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def labels_of(path):
    """What the samples hold of each question: right answer, grades, and how it was picked."""
    found = {}
    for row in read(path):
        gold, grades, drawn = found.setdefault(row["question_id"], (row["gold"], [], row.get("label_drawn")))
        assert (gold, drawn) == (row["gold"], row.get("label_drawn"))
        grades.append(row["correct"])
    return found
