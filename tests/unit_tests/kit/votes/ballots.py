"""Samples files made of ballots: the answers of each question in the order they were drawn."""

from adaptive_reasoner.kit.samples import Samples


def ballots_of(ballots, *, right="a", source="cot", each=lambda question, number: {}):
    """One question a ballot; `each` gives the cells that a sample has of its own, by question and number."""
    rows = [
        {
            "question_id": f"q{question}",
            "question": f"question {question}",
            "source": source,
            "sample": number,
            "answer": answer,
            "correct": float(answer == right),
            "cost": 1.0,
            "cost_unit": "samples",
            **each(question, number),
        }
        for question, ballot in enumerate(ballots)
        for number, answer in enumerate(ballot)
    ]
    return Samples.from_rows(rows)
