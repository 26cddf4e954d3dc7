"""States of graphs that have a budget."""

import operator
from typing import Annotated, TypedDict


class Steps(TypedDict, total=False):
    question: str
    reply: str
    decision: dict
    budget: dict
    step: Annotated[int, operator.add]


class Plain(TypedDict, total=False):
    question: str
    reply: str
