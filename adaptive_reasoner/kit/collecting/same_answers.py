"""One answer for replies that mean the same, where only other replies can tell: the text of the first one.

Rows are written one by one, and votes on a table count equal answers. So a reply that a comparison such as
`similar` finds to say what an earlier one of its question and source says gets that one's text as its answer.
"""

import threading
from collections import defaultdict

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import Comparison, TextComparison
from adaptive_reasoner.kit.tables.files import Row
from adaptive_reasoner.strategies.flow import may_vote, vote_of


class SameAnswers:
    """Answers of replies, the same text for those that say the same.

    Args:
        key: When two replies say the same.
    """

    def __init__(self, key: Comparison) -> None:
        self._key = key
        self._first: dict[tuple[str, str], list[AIMessage]] = defaultdict(list)
        self._lock = threading.Lock()

    def see(self, row: Row) -> None:
        """Take note of the answer in a row that is there."""
        answer = row.get("answer")
        if answer is None or isinstance(self._key, TextComparison):
            return
        known = self._first[str(row["question_id"]), str(row["source"])]
        if all(message.text != answer for message in known):
            known.append(AIMessage(str(answer)))

    def of(self, message: AIMessage, question: str, *, question_id: str, source: str) -> str | None:
        """The answer of a reply; None where it offers nothing to compare."""
        if isinstance(self._key, TextComparison) or message.tool_calls or not may_vote(message):
            return vote_of(message, self._key, question)
        with self._lock:
            known = self._first[question_id, source]
            *others, own = self._key.keys([*known, message], question=question)
            if own is None:
                return None
            if own in others:
                return known[others.index(own)].text
            text = " ".join(message.text.split())
            known.append(AIMessage(text))
        return text
