"""Code is compared by what it is: two programs share a group only if they do the same."""

import ast
import threading
import time

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import code, groups
from adaptive_reasoner.answers.programs.code_comparison import python_source
from adaptive_reasoner.answers.programs.python import python_form

ADD = "def add(a, b):\n    return a + b"


def fenced(program, language="python"):
    return f"Here is my solution:\n\n```{language}\n{program}\n```\n\nI hope this helps!"


def together(one, other, language="python"):
    first, second = groups([AIMessage(one), AIMessage(other)], key=code(language))
    assert first is not None
    assert second is not None
    return first == second


SAME = {
    "a fence and the whole reply": (fenced(ADD), ADD),
    "no language in the fence": (fenced(ADD, ""), ADD),
    "another name of the language": (fenced(ADD, "py"), ADD),
    "tildes": (f"~~~python\n{ADD}\n~~~", ADD),
    "an indented fence": ("1. So:\n   ```python\n   def f():\n       return 1\n   ```", "def f(): return 1"),
    "layout": (ADD, "def add( a,b ):\n  return (a+b)"),
    "comments": (ADD, "# sums\ndef add(a, b):  # two numbers\n    return a + b"),
    "docstrings": (ADD, 'def add(a, b):\n    """Sum of both."""\n    return a + b'),
    "annotations": (ADD, "def add(a: int, b: int) -> int:\n    return a + b"),
    "imports for annotations": (
        "def f(a):\n    return a[0]",
        "import typing\nfrom typing import List\ndef f(a: List[int]) -> int:\n    return a[0]",
    ),
    "names of parameters": (ADD, "def add(x, y):\n    return x + y"),
    "names of variables": (
        "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total",
        "def f(numbers):\n    s = 0\n    for n in numbers:\n        s += n\n    return s",
    ),
    "names in comprehensions": (
        "def f(a):\n    return [x * 2 for x in a]",
        "def f(a):\n    return [y * 2 for y in a]",
    ),
    "names of lambdas": ("f = lambda a: a + 1", "f = lambda b: b + 1"),
    "names of inner functions": (
        "def f(n):\n    def go(k):\n        return go(k - 1) if k else n\n    return go(n)",
        "def f(m):\n    def rec(i):\n        return rec(i - 1) if i else m\n    return rec(m)",
    ),
    "names of exceptions": (
        "def f():\n    try:\n        g()\n    except ValueError as e:\n        print(e)",
        "def f():\n    try:\n        g()\n    except ValueError as error:\n        print(error)",
    ),
    "methods": (
        "class A:\n    def get(self, at):\n        return self.rows[at]",
        "class A:\n    '''Rows.'''\n    def get(self, index):\n        return self.rows[index]",
    ),
    "quotes and numbers": ("x = 'a'\ny = 16", 'x = "a"\ny = 0x10'),
    "an example of its use": (f"{fenced(ADD)}\n\nFor example:\n{fenced('print(add(1, 2))')}", ADD),
    "a useless pass": ("def f():\n    pass", "def f():\n    '''Nothing.'''\n    ..."),
    "a body alone": ("    return a + b", "return a+b"),
    "a fence that is not closed": (f"```python\n{ADD}", ADD),
}
OTHER = {
    "another operator": (ADD, "def add(a, b):\n    return a - b"),
    "swapped parameters": ("def f(a, b):\n    return a - b", "def f(a, b):\n    return b - a"),
    "another public name": (ADD, "def plus(a, b):\n    return a + b"),
    "another number": ("def f():\n    return 1", "def f():\n    return 1.0"),
    "another default": ("def f(a=1):\n    return a", "def f(a=2):\n    return a"),
    "another attribute": ("def f(a):\n    return a.x", "def f(a):\n    return a.y"),
    "another builtin": ("def f(a):\n    return min(a)", "def f(a):\n    return max(a)"),
    "a shadowed builtin": (
        "def f(a):\n    b = [len for len in a]\n    return len(b)",
        "def f(a):\n    b = [sum for sum in a]\n    return sum(b)",
    ),
    "parameters that a call names": (
        "def f(a, b):\n    return a - b\nprint(f(a=1, b=2))",
        "def f(b, a):\n    return b - a\nprint(f(a=1, b=2))",
    ),
    "parameters that only a keyword can give": ("def f(*, a):\n    return a", "def f(*, b):\n    return b"),
    "a global variable": (
        "n = 1\nm = 2\ndef f():\n    return n",
        "n = 1\nm = 2\ndef f():\n    return m",
    ),
    "a declared global": (
        "def f():\n    global n\n    n = 1",
        "def f():\n    global m\n    m = 1",
    ),
    "a name that a walrus binds around": (
        "[y := x for x in [1]]\nprint(y)",
        "[z := x for x in [1]]\nprint(y)",
    ),
    "what locals() sees": (
        "def f(a):\n    return locals()",
        "def f(b):\n    return locals()",
    ),
    "a class attribute": (
        "def f():\n    class A:\n        x = 1\n    return A",
        "def f():\n    class A:\n        y = 1\n    return A",
    ),
    "an annotation that a class reads": ("class A:\n    x: int = 1", "class A:\n    x = 1"),
    "an annotation that a decorator reads": (
        "@register\ndef f(a: int):\n    return a",
        "@register\ndef f(a: str):\n    return a",
    ),
    "a helper in a block of its own": (
        fenced("def h(x):\n    return x") + fenced("def f(x):\n    return h(x)"),
        fenced("def h(x):\n    return -x") + fenced("def f(x):\n    return h(x)"),
    ),
    "a string in other letters": ("x = 'Paris'", "x = 'paris'"),
}
NO_CODE = [
    "",
    "Paris",
    "Paris, France",
    "42",
    "Answer: 42",
    "yes and no",
    "not sure",
    "I would sort the list first and then take the middle.",
    "```js\nconst add = (a, b) => a + b;\n```",
    "```python\ndef add(a, b:\n    return a\n```",
    f"{fenced(ADD)}\n```python\nprint(add(1,\n```",
    "I cannot help with that.",
]


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_is_only_written_differently_is_one(one, other):
    assert together(one, other)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_what_does_something_else_is_never_one(one, other):
    assert not together(one, other)


@pytest.mark.parametrize("reply", NO_CODE)
def test_a_reply_without_code_offers_nothing_to_compare(reply):
    assert groups([AIMessage(reply)], key=code("python")) == [None]


def test_a_reply_that_was_cut_offers_nothing_to_compare():
    cut = AIMessage(fenced(ADD), response_metadata={"finish_reason": "length"})
    assert groups([cut], key=code("python")) == [None]


def test_drafts_in_thoughts_are_not_the_code():
    thinking = AIMessage(f"<think>{fenced('def add(a, b): return 0')}</think>{fenced(ADD)}")
    unfinished = AIMessage(f"<think>{fenced(ADD)}")
    assert groups([thinking, AIMessage(ADD), unfinished], key=code("python")) == [0, 0, None]


def test_tool_calls_are_compared_as_everywhere():
    calls = [AIMessage("", tool_calls=[{"name": "run", "args": {"x": x}, "id": str(x)}]) for x in (1, 1.0, 2)]
    assert groups(calls, key=code("python")) == [0, 0, 1]


@pytest.mark.parametrize("one", [one for one, _ in SAME.values()], ids=SAME)
def test_the_form_of_a_form_is_itself(one):
    source = python_source(one)
    form = python_form(source)
    assert python_form(form) == form
    assert ast.parse(form)


@pytest.mark.parametrize(("one", "other"), [*SAME.values(), *OTHER.values()])
def test_what_the_grade_calls_right_is_one_vote(one, other):
    compared = code("python")
    key, gold_key = compared.keys([AIMessage(one), AIMessage(other)])
    assert compared.grade(key, other) == float(key == gold_key)
    assert compared.grade(None, other) == 0.0


N = 49_000
HOSTILE = {
    "brackets": "x = " + "(" * N,
    "signs": "x = " + "-" * N + "1",
    "attributes": "x = a" + ".b" * (N // 2),
    "sums": "x = " + "+".join("1" * (N // 2)),
    "calls": "x = f" + "()" * (N // 2),
    "elifs": "if a: pass\n" + "elif a: pass\n" * (N // 13),
    "powers": "x = " + "**".join("a" * (N // 3)),
    "a zero byte": "x = 'a\0'",
    "half a character": "x = '\ud800'",
    "a huge number": "x = 0x" + "f" * N,
    "f-strings": "x = f'" + "{x}" * (N // 3) + "'",
    "a bad escape": r"x = '\d'",
    "too long": "x = 1\n" * 200_000,
    "fences": "```python\n" * 100_000,
    "open fences of two kinds": "```a\n~~~b\n" * 100_000,
}


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE)
def test_hostile_code_is_compared_or_not_but_never_harms(reply):
    found = []
    started = time.process_time()
    thread = threading.Thread(target=lambda: found.extend(code("python").keys([AIMessage(reply)])))
    thread.start()
    thread.join()
    assert len(found) == 1
    assert time.process_time() - started < 60


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="code in 'cobol' cannot be compared; known are python, sql"):
        code("cobol")


SAME_SQL = {
    "case and layout": ("select a from t", "SELECT a\nFROM t;"),
    "a fence": (fenced("select a from t", "sql"), "SELECT a FROM t"),
    "comments": ("SELECT a FROM t -- all of them", "/* so */ SELECT a FROM t"),
    "aliases of tables": ("SELECT u.a FROM users u", "SELECT users.a FROM users"),
    "qualified or not": ("SELECT a FROM t", "SELECT t.a FROM t"),
    "names of results": ("SELECT COUNT(*) AS n FROM t", "SELECT COUNT(*) AS total FROM t"),
    "quotes": ('SELECT "a" FROM t', "SELECT a FROM t"),
    "backticks": ("SELECT `a` FROM `t`", "SELECT a FROM t"),
    "inner join": (
        "SELECT x.a FROM x JOIN y ON x.i = y.i",
        "SELECT p.a FROM x AS p INNER JOIN y AS q ON q.i = p.i",
    ),
    "order of conditions": ("SELECT a FROM t WHERE b = 1 AND c = 2", "SELECT a FROM t WHERE c = 2 AND b = 1"),
    "turned comparison": ("SELECT a FROM t WHERE b > 3", "SELECT a FROM t WHERE 3 < b"),
    "ascending": ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a ASC"),
    "order by name or number": (
        "SELECT a, COUNT(*) AS n FROM t GROUP BY a ORDER BY n",
        "SELECT a, COUNT(1) FROM t GROUP BY a ORDER BY 2",
    ),
    "names of common tables": (
        "WITH x AS (SELECT a FROM t) SELECT a FROM x",
        "WITH y AS (SELECT a FROM t) SELECT y.a FROM y",
    ),
    "unequal": ("SELECT a FROM t WHERE b != 1", "SELECT a FROM t WHERE b <> 1"),
    "a correlated query": (
        "SELECT e.a FROM emp e WHERE e.s > (SELECT AVG(s) FROM emp WHERE dept = e.dept)",
        "SELECT x.a FROM emp x WHERE x.s > (SELECT AVG(y.s) FROM emp y WHERE x.dept = y.dept)",
    ),
}
OTHER_SQL = {
    "another column": ("SELECT a FROM t", "SELECT b FROM t"),
    "another table": ("SELECT a FROM t", "SELECT a FROM u"),
    "distinct": ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    "direction": ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
    "limit": ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"),
    "left join": ("SELECT a FROM t JOIN u ON t.i = u.i", "SELECT a FROM t LEFT JOIN u ON t.i = u.i"),
    "brackets": (
        "SELECT a FROM t WHERE b = 1 AND (c = 2 OR d = 3)",
        "SELECT a FROM t WHERE (b = 1 AND c = 2) OR d = 3",
    ),
    "letters of a value": ("SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'"),
    "which of two tables": (
        "SELECT x.a FROM t x JOIN t y ON x.i = y.p",
        "SELECT y.a FROM t x JOIN t y ON x.i = y.p",
    ),
    "or equal": ("SELECT a FROM t WHERE b > 3", "SELECT a FROM t WHERE b >= 3"),
    "kind of statement": ("SELECT a FROM t", "DELETE FROM t"),
    "order of columns": ("SELECT a, b FROM t", "SELECT b, a FROM t"),
    "a second statement": ("SELECT a FROM t", "SELECT a FROM t; DROP TABLE t"),
    "what is set": ("UPDATE t SET a = b", "UPDATE t SET b = a"),
    "a group by a name that is a column": (
        "SELECT LOWER(name) AS n FROM t GROUP BY n",
        "SELECT LOWER(name) AS m FROM t GROUP BY n",
    ),
    "count of a column": ("SELECT COUNT(*) FROM t", "SELECT COUNT(a) FROM t"),
}
HOSTILE_SQL = {
    "brackets": "SELECT " + "(" * 9_000 + "1" + ")" * 9_000,
    "conditions": "SELECT a FROM t WHERE " + " AND ".join(["a = 1"] * 1_500),
    "nots": "SELECT a FROM t WHERE " + "NOT " * 4_000 + "a",
    "cases": "SELECT " + "CASE WHEN a THEN " * 1_000 + "1" + " END" * 1_000,
    "unions": " UNION ".join(["SELECT 1"] * 1_200),
    "signs": "SELECT " + "- " * 9_000 + "1",
    "too long": "SELECT " + "a, " * 300_000 + "a FROM t",
    "comments": "/*" * 9_000,
    "half a character": "SELECT '\ud800'",
}


@pytest.mark.parametrize(("one", "other"), SAME_SQL.values(), ids=SAME_SQL)
def test_queries_that_are_only_written_differently_are_one(one, other):
    assert together(one, other, "sql")


@pytest.mark.parametrize(("one", "other"), OTHER_SQL.values(), ids=OTHER_SQL)
def test_queries_that_ask_for_something_else_are_never_one(one, other):
    assert not together(one, other, "sql")


@pytest.mark.parametrize(
    "reply",
    [
        "Select Paris",
        "With pleasure",
        "Paris",
        "Update: it works.",
        "SELECT FROM WHERE",
        "```python\nx = 1\n```",
    ],
)
def test_a_reply_without_a_query_offers_nothing_to_compare(reply):
    assert groups([AIMessage(reply)], key=code("sql")) == [None]


@pytest.mark.parametrize("reply", HOSTILE_SQL.values(), ids=HOSTILE_SQL)
def test_a_hostile_query_is_compared_or_not_but_never_harms(reply):
    started = time.process_time()
    assert len(groups([AIMessage(reply)], key=code("sql"))) == 1
    assert time.process_time() - started < 60


def test_sql_without_sqlglot_names_the_extra(monkeypatch):
    monkeypatch.setattr("adaptive_reasoner.answers.programs.sql.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'adaptive-reasoner\[code\]'"):
        code("sql")
