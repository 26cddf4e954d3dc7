from collections import Counter

import pytest

from adaptive_reasoner.demo.arithmetic import FAMILIES
from adaptive_reasoner.demo.checks import can_check, check, right
from adaptive_reasoner.demo.prompts import EXAMPLE_QUESTIONS
from adaptive_reasoner.demo.record import RECORD, recorded


@pytest.fixture(scope="module")
def record():
    return recorded()


def test_the_record_holds_all_families_and_eight_samples_of_both_sources(record):
    assert record.sources == ("direct", "cot")
    assert record.cost_unit == "tokens"
    families = Counter(dict(zip(record.question_ids, record.groups, strict=True)).values())
    assert set(families) == set(FAMILIES)
    assert min(families.values()) > 0.8 * max(families.values())
    for question_id in record.question_ids:
        assert all(len(record.of(question_id, source)) == 8 for source in record.sources)
    assert not set(record.questions) & EXAMPLE_QUESTIONS


def test_the_grades_of_the_record_are_those_of_its_answers(record):
    assert any(can_check(question) for question in record.questions)
    for question_id, question in zip(record.question_ids, record.questions, strict=True):
        for source in record.sources:
            for sample in record.of(question_id, source):
                assert sample.correct == right(sample.answer, sample.gold)
                if can_check(question):
                    assert check(question, sample.answer) == bool(sample.correct)
                assert 0 < sample.cost <= (8 if source == "direct" else 32)


def test_the_record_comes_with_the_package():
    from importlib.resources import files

    assert (files("adaptive_reasoner.demo") / RECORD).is_file()
    assert len((files("adaptive_reasoner.demo") / RECORD).read_bytes()) < 3_000_000
