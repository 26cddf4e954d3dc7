"""Which votes samples allow: as large as there are samples of every question, and none of free text."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.samples import Samples

Sizes = Sequence[int] | Mapping[str, Sequence[int]]

_SIZES = (1, 3, 5)
_FREE_TEXT = 0.5  # share of samples with nothing to compare beyond which votes are refused
_MANY = 0.1  # beyond which they are warned of
_COMPARED = 20  # questions from which replies that never agree are taken for free text


def can_vote(samples: Samples, source: str) -> bool:
    """Whether at least half of the samples of a source offer something to compare, and some ever agree.

    Free text does neither.
    """
    return not (_is_free_text(*samples.nothing_to_compare(source)) or _never_agree(samples, source))


def check_comparable(samples: Samples, sources: Iterable[str]) -> None:
    """Say for how many samples of a source there was nothing to compare; refuse votes of free text."""
    for source in sources:
        silent, total = samples.nothing_to_compare(source)
        if _is_free_text(silent, total):
            raise OutcomesError(
                f"{_said(source, silent, total)}, so votes of it cannot be priced: estimate single calls "
                f"only (`votes={{{source!r}: [1], ...}}`, --votes '{source}=1 ...'), or collect again with "
                'kind or key = "similar" under [grader], which compares free text by meaning; judged(model) '
                "does so for votes online"
            )
        if silent > _MANY * total:
            warnings.warn(f"{_said(source, silent, total)}, and never vote", stacklevel=4)


def sizes_allowed(samples: Samples) -> tuple[dict[str, list[int]], list[str]]:
    """The sizes 1, 3 and 5 as far as every question has samples, of each source; only 1 of free text.

    Returns:
        The sizes by source, and what to tell the user of those that are left out.
    """
    made = {
        source: {name: len(samples.of(name, source)) for name in samples.question_ids}
        for source in samples.sources
    }
    replies = {source: samples.nothing_to_compare(source) for source in made}
    for source in filter(partial(_never_agree, samples), made):
        replies[source] = (replies[source][1],) * 2
    return sizes_counted(made, replies)


def sizes_counted(
    made: Mapping[str, Mapping[str, int]], replies: Mapping[str, tuple[int, int]]
) -> tuple[dict[str, list[int]], list[str]]:
    """The same of counts.

    Args:
        made: Samples of each question by source, failed ones included.
        replies: By source how many replies offer nothing to compare, and how many there are.
    """
    sizes: dict[str, list[int]] = {}
    notes = []
    for source, by_question in made.items():
        counts = {name: count for name, count in by_question.items() if count}
        fewest = min(counts, key=counts.__getitem__, default="")
        least, most = counts.get(fewest, 1), max(counts.values(), default=1)  # the lack of any is told later
        sizes[source] = [size for size in _SIZES if size <= least]
        left_out = [size for size in _SIZES if least < size <= most]
        if _is_free_text(*replies.get(source, (0, 0))) and most > 1:
            sizes[source] = [1]
            notes.append(f"single calls only: {_said(source, *replies[source])}")
        elif left_out:
            notes.append(
                f"without votes of {' and '.join(map(str, left_out))} samples of source {source!r}, as "
                f"question {fewest!r} has {least} and others have up to {most}; `collect` adds those that "
                "are missing"
            )
    return sizes, notes


def _never_agree(samples: Samples, source: str) -> bool:
    """Whether no two replies to one question are the same, as where a judge is to compare whole texts."""
    compared = 0
    for question_id in samples.question_ids:
        answers = [r.answer for r in samples.votes(question_id, source) if r.answer is not None]
        if len(set(answers)) < len(answers):
            return False
        compared += len(answers) > 1
    return compared >= _COMPARED


def _is_free_text(silent: int, total: int) -> bool:
    return silent > _FREE_TEXT * total


def _said(source: str, silent: int, total: int) -> str:
    return f"{silent} of {total} samples of source {source!r} offer nothing to compare ({silent / total:.0%})"
