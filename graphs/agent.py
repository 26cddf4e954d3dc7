"""An agent with tools and a budget: each model call decides how hard to think, and a run is one question.

Without labels every call is a vote that continues while another sample is worth the price; the tool calls
of the winner run once. `BUDGET` tokens are allowed per run on average, and `RUN_BUDGET` at most. It must be
more than a vote of samples with `MAX_TOKENS` each can cost, or no vote would ever fit.
"""

import ast
import operator
from collections.abc import Callable

from langchain.agents import create_agent
from langchain_core.tools import tool

from adaptive_reasoner import AdaptiveComputeMiddleware, AdaptiveContext
from graphs.models import chat_model

BUDGET, RUN_BUDGET, MAX_TOKENS = 600.0, 60_000.0, 2_000

_OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}


@tool
def calculate(expression: str) -> str:
    """Evaluate an arithmetic expression of numbers, + - * / and parentheses."""
    try:
        return f"{_value(ast.parse(expression, mode='eval').body):g}"
    except (SyntaxError, TypeError, ZeroDivisionError) as error:
        return f"cannot calculate {expression!r}: {error}"


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand))
    raise TypeError("only numbers, + - * / and parentheses")


graph = create_agent(
    chat_model(MAX_TOKENS),
    [calculate],
    middleware=[AdaptiveComputeMiddleware(budget=BUDGET, run_budget=RUN_BUDGET)],
    context_schema=AdaptiveContext,
)
