"""What groups of labelled replies are judged by."""

import itertools
import json

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import groups


def message(reply):
    """A reply; JSON of the form [["tool", {arguments}], ...] stands for tool calls."""
    try:
        content = json.loads(reply)
    except ValueError:
        return AIMessage(reply)
    match content:
        case [[str(), dict()], *_]:
            calls = [{"name": n, "args": a, "id": str(i)} for i, (n, a) in enumerate(content)]
            return AIMessage("", tool_calls=calls)
    return AIMessage(reply)


def pair_counts(replies, labels, question):
    """Pairs of different label in one group, of equal label in two and in one, and all of equal label."""
    found = groups([message(reply) for reply in replies], question=question)
    merged = rival = together = equal = 0
    labelled = zip(found, labels, strict=True)
    for (one, first), (two, second) in itertools.combinations(labelled, 2):
        equal += first == second
        if one is not None and two is not None:
            merged += first != second and one == two
            rival += first == second and one != two
            together += first == second and one == two
    return merged, rival, together, equal
