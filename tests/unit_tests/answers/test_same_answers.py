"""Which replies say the same, tried on replies that a careful person has labelled.

Each line of `same_answers_*.jsonl` is one case: a question, replies to it, and a label for each reply, equal
where a person calls the replies equal. The label null marks a reply that offers nothing to compare: empty,
cut, a refusal, a question back. A case is `free` where no reply offers anything to compare. A reply that is
JSON of the form `[["tool", {arguments}], ...]` stands for calls of tools. `weights` say how often each reply
is drawn.
"""

import itertools
import json
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import groups
from tests.unit_tests.answers.vote_odds import wrong_call, wrong_vote

FILES = ["same_answers_a.jsonl", "same_answers_b.jsonl"]
SAMPLES = [3, 5, 9]
FIELDS = {"case", "kind", "language", "question", "replies", "same", "free", "weights"}
COLUMNS = ["cases", "pairs", "together", "rival", "merged", "not None", "vote worse"]

every_file = pytest.mark.parametrize("file", FILES)
asked_or_not = pytest.mark.parametrize("asked", [True, False], ids=["with question", "without question"])


@cache
def cases(file):
    lines = Path(__file__).with_name(file).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def message(reply):
    try:
        calls = json.loads(reply)
    except ValueError:
        return AIMessage(reply)
    match calls:
        case [[str(), dict()], *_]:
            return AIMessage(
                "", tool_calls=[{"name": n, "args": a, "id": f"call_{i}"} for i, (n, a) in enumerate(calls)]
            )
    return AIMessage(reply)


@cache
def judged(file, asked):
    """Each case with the groups its replies were put in."""
    return [
        (case, groups([message(r) for r in case["replies"]], question=case["question"] if asked else ""))
        for case in cases(file)
    ]


def pairs(case, found):
    """Each pair of replies of a case: whether a person calls them equal, and the group of each.

    Two replies that both offer nothing to compare are no pair.
    """
    for (one, first), (two, second) in itertools.combinations(zip(case["same"], found, strict=True), 2):
        if one is not None or two is not None:
            yield one == two, first, second


def merged(case, found):
    return sum(not equal and one is not None and one == two for equal, one, two in pairs(case, found))


def rival(case, found):
    return sum(equal and None not in (one, two) and one != two for equal, one, two in pairs(case, found))


def together(case, found):
    return sum(equal and one is not None and one == two for equal, one, two in pairs(case, found))


def equal_pairs(case, found):
    return sum(equal for equal, _, _ in pairs(case, found))


def not_none(case, found):
    """Replies that got a group though they offer nothing to compare."""
    return sum(
        group is not None and (case["free"] or label is None)
        for label, group in zip(case["same"], found, strict=True)
    )


def vote_worse(case, found):
    """By how much a vote, at its worst number of samples, is wrong more often than one call."""
    once = wrong_call(case["same"], case["weights"])
    return max(wrong_vote(found, case["same"], case["weights"], samples) for samples in SAMPLES) - once


def report(file, asked, at_fault):
    """A table of all kinds, then each case of which `at_fault` is true, with its replies."""
    kinds = defaultdict(Counter)
    lines = []
    for case, found in judged(file, asked):
        kinds[case["kind"]].update(
            {
                "cases": 1,
                "pairs": 0 if case["free"] else equal_pairs(case, found),
                "together": 0 if case["free"] else together(case, found),
                "rival": 0 if case["free"] else rival(case, found),
                "merged": 0 if case["free"] else merged(case, found),
                "not None": not_none(case, found),
                "vote worse": vote_worse(case, found) > 0.01,
            }
        )
        if at_fault(case, found):
            lines.append(f"\n[{case['kind']}] {case['case']}: {case['question']!r}")
            replies = zip(found, case["same"], case["weights"], case["replies"], strict=True)
            lines += [f"  group {g} label {label} weight {w}: {text!r}" for g, label, w, text in replies]
    table = [f"{kind:28}" + "".join(f"{row[c]:11}" for c in COLUMNS) for kind, row in sorted(kinds.items())]
    whole = sum(kinds.values(), Counter())
    total = f"{'all':28}" + "".join(f"{whole[c]:11}" for c in COLUMNS)
    head = f"{file}, {'with' if asked else 'without'} question\n{'kind':28}" + "".join(
        f"{c:>11}" for c in COLUMNS
    )
    return "\n".join([head, *table, total, *lines])


def share(file, asked, count):
    labelled = [(case, found) for case, found in judged(file, asked) if not case["free"]]
    return sum(count(*one) for one in labelled) / sum(equal_pairs(*one) for one in labelled)


@every_file
@asked_or_not
def test_no_group_holds_replies_that_a_person_calls_different(file, asked):
    def fault(case, found):
        return not case["free"] and merged(case, found)

    assert not any(itertools.starmap(fault, judged(file, asked))), report(file, asked, fault)


@every_file
@asked_or_not
def test_at_most_one_equal_pair_in_five_is_in_rival_groups(file, asked):
    def fault(case, found):
        return not case["free"] and rival(case, found)

    assert share(file, asked, rival) <= 1 / 5, report(file, asked, fault)


@every_file
@asked_or_not
def test_at_least_half_of_the_equal_pairs_are_together(file, asked):
    def fault(case, found):
        return not case["free"] and together(case, found) < equal_pairs(case, found)

    assert share(file, asked, together) >= 1 / 2, report(file, asked, fault)


@every_file
@asked_or_not
def test_free_text_offers_nothing_to_compare(file, asked):
    assert not any(itertools.starmap(not_none, judged(file, asked))), report(file, asked, not_none)


@every_file
@asked_or_not
def test_no_vote_is_wrong_more_often_than_one_call(file, asked):
    def fault(case, found):
        return vote_worse(case, found) > 0.01

    assert not any(itertools.starmap(fault, judged(file, asked))), report(file, asked, fault)


def test_the_table_holds_250_cases_of_30_kinds_in_8_languages():
    table = [case for file in FILES for case in cases(file)]
    assert len(table) == 250
    assert len({case["case"] for case in table}) == 250
    assert len({case["kind"] for case in table}) >= 30
    assert len({case["language"] for case in table}) >= 8
    assert len({(case["question"], *case["replies"]) for case in table}) == 250


def test_every_kind_is_in_both_files():
    one, two = ({case["kind"] for case in cases(file)} for file in FILES)
    assert one == two
    assert [len(cases(file)) for file in FILES] == [125, 125]


@pytest.mark.parametrize(
    "case", [case for file in FILES for case in cases(file)], ids=lambda case: case["case"]
)
def test_a_case_is_whole(case):
    assert set(case) == FIELDS
    assert case["question"].strip()
    assert 3 <= len(case["replies"]) <= 6
    assert len(set(case["replies"])) == len(case["replies"]) == len(case["same"]) == len(case["weights"])
    assert all(isinstance(weight, int) and weight > 0 for weight in case["weights"])
    drawn = Counter()
    for label, weight in zip(case["same"], case["weights"], strict=True):
        drawn[label] += weight
    (most, weight), *others = drawn.most_common()
    assert most is not None
    assert all(other < weight for _, other in others), "two labels are the heaviest"


@every_file
def test_groups_that_are_the_labels_would_pass(file):
    for case in cases(file):
        numbers = {
            label: number for number, label in enumerate(dict.fromkeys(case["same"])) if label is not None
        }
        found = [None if case["free"] else numbers.get(label) for label in case["same"]]
        assert merged(case, found) == rival(case, found) == not_none(case, found) == 0
        assert case["free"] or together(case, found) == equal_pairs(case, found)
        assert vote_worse(case, found) <= 0.01, case["case"]
