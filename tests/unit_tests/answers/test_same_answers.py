"""Which replies say the same, tried on replies that a careful person has labelled."""

import itertools
from collections import Counter, defaultdict
from functools import cache, partial

import pytest

from adaptive_reasoner.answers import groups
from tests.unit_tests.answers.labelled_replies import FILES, cases, message
from tests.unit_tests.answers.vote_odds import wrong_call, wrong_vote

SAMPLES = [3, 5, 9]
FIELDS = {"case", "kind", "language", "question", "replies", "same", "free", "weights"}

every_file = pytest.mark.parametrize("file", FILES)
asked_or_not = pytest.mark.parametrize("asked", [True, False], ids=["with question", "without question"])


def pairs(case, found):
    """Each pair of replies of a case: whether a person calls them equal, and the group of each.

    Two replies that both offer nothing to compare are no pair, so free text has none.
    """
    if case["free"]:
        return
    for (one, first), (two, second) in itertools.combinations(zip(case["same"], found, strict=True), 2):
        if one is not None or two is not None:
            yield one == two, first, second


def equal_pairs(case, found):
    return sum(equal for equal, _, _ in pairs(case, found))


def together(case, found):
    return sum(equal and one is not None and one == two for equal, one, two in pairs(case, found))


def apart(case, found):
    """Equal pairs that are not in one group, be it that one of the two has no group."""
    return equal_pairs(case, found) - together(case, found)


def rival(case, found):
    return sum(equal and None not in (one, two) and one != two for equal, one, two in pairs(case, found))


def merged(case, found):
    return sum(not equal and one is not None and one == two for equal, one, two in pairs(case, found))


def not_none(case, found):
    """Replies that got a group though they offer nothing to compare."""
    return sum(
        group is not None and (case["free"] or label is None)
        for label, group in zip(case["same"], found, strict=True)
    )


def vote_worse(case, found, *, first_may_end=False):
    """Whether a vote of 3, 5 or 9 samples is wrong more often than one call, by over a hundredth."""
    labels, weights = case["same"], case["weights"]
    once = wrong_call(labels, weights)
    return any(
        wrong_vote(found, labels, weights, samples, first_may_end=first_may_end) - once > 0.01
        for samples in SAMPLES
    )


COUNTS = {
    "pairs": equal_pairs,
    "together": together,
    "apart": apart,
    "rival": rival,
    "merged": merged,
    "not None": not_none,
    "vote worse": vote_worse,
    "ended worse": partial(vote_worse, first_may_end=True),
}
FAULTS = ["apart", "rival", "merged", "not None", "vote worse", "ended worse"]


@cache
def judged(file, asked):
    """Each case with the groups its replies were put in, and what is counted of them."""
    rows = []
    for case in cases(file):
        replies = [message(reply) for reply in case["replies"]]
        found = groups(replies, question=case["question"] if asked else "")
        rows.append((case, found, {name: int(count(case, found)) for name, count in COUNTS.items()}))
    return rows


def total(name, file, asked):
    return sum(counts[name] for _, _, counts in judged(file, asked))


def line(name, cells):
    return f"{name:28}" + "".join(f"{cell:>12}" for cell in cells)


def report(fault, file, asked):
    """A table of all kinds, then each case that has the fault, with its replies."""
    kinds, faulty = defaultdict(Counter), []
    for case, found, counts in judged(file, asked):
        kinds[case["kind"]].update(cases=1, **counts)
        if counts[fault]:
            faulty.append(f"\n[{case['kind']}] {case['case']}: {case['question']!r}")
            replies = zip(found, case["same"], case["weights"], case["replies"], strict=True)
            faulty += [f"  group {g} label {label} weight {w}: {text!r}" for g, label, w, text in replies]
    kinds["all"] = sum(kinds.values(), Counter())
    columns = ["cases", *COUNTS]
    table = [line(kind, (row[name] for name in columns)) for kind, row in kinds.items()]
    head = f"{file}, {'with' if asked else 'without'} question"
    return "\n".join([head, line("kind", columns), *table, *faulty])


@every_file
@asked_or_not
def test_no_group_holds_replies_that_a_person_calls_different(file, asked):
    assert total("merged", file, asked) == 0, report("merged", file, asked)


@every_file
@asked_or_not
def test_at_most_one_equal_pair_in_five_is_in_rival_groups(file, asked):
    assert total("rival", file, asked) <= total("pairs", file, asked) / 5, report("rival", file, asked)


@every_file
@asked_or_not
def test_at_least_half_of_the_equal_pairs_are_together(file, asked):
    assert total("together", file, asked) >= total("pairs", file, asked) / 2, report("apart", file, asked)


@every_file
@asked_or_not
def test_free_text_offers_nothing_to_compare(file, asked):
    assert total("not None", file, asked) == 0, report("not None", file, asked)


@every_file
@asked_or_not
def test_no_vote_that_a_first_reply_without_answer_ends_is_wrong_more_often_than_one_call(file, asked):
    assert total("ended worse", file, asked) == 0, report("ended worse", file, asked)


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
    "case",
    [case for file in FILES for case in cases(file)],
    ids=lambda case: f"{case['kind']}, {case['language']}",
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
def test_groups_that_are_the_labels_have_no_fault(file):
    kept = cases(file)
    assert len(kept) > 50
    for case in kept:
        numbers = {label: n for n, label in enumerate(dict.fromkeys(case["same"])) if label is not None}
        found = [None if case["free"] else numbers.get(label) for label in case["same"]]
        assert not any(COUNTS[fault](case, found) for fault in FAULTS), case
