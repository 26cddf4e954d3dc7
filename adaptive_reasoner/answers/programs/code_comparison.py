"""The code of a reply, compared by what it is and not by how it is written."""

import ast
import re
import textwrap
from collections.abc import Callable

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.programs.python import parsed, python_form
from adaptive_reasoner.answers.programs.sql import check_installed, sql_form
from adaptive_reasoner.answers.reply_text import spoken

_LONGEST = 1_000_000  # characters of a reply
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*")
_PYTHON = frozenset({"", "python", "python3", "py", "ipython", "ipython3"})
_SQL = frozenset({"", "sql", "mysql", "postgres", "postgresql", "sqlite", "tsql", "duckdb", "bigquery"})
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IS_CODE = (*_DEFINES, ast.Assign, ast.AugAssign, ast.For, ast.While, ast.If, ast.With, ast.Try)
_IS_CODE_TOO = (*_IS_CODE, ast.Import, ast.ImportFrom, ast.Return, ast.Match)
_Reading = Callable[[str], str | None]


def code(language: str) -> TextComparison:
    r"""Compare the code of replies: that of their fences, or the whole reply if it is code.

    Python is compared by its syntax tree: layout, comments, docstrings, annotations and the names of
    parameters and local variables make no difference. SQL is compared as sqlglot reads it. No code is run.
    A reply without code, or one that was cut, offers nothing to compare.

    Args:
        language: `"python"` or `"sql"`.

    Raises:
        ValueError: There is no such language.
        ImportError: The language is SQL, and sqlglot is not installed.

    Example:
        >>> replies = ["```python\ndef add(a, b):\n    return a+b\n```", "def add(x, y): return (x + y)"]
        >>> one, other = code("python").keys([AIMessage(reply) for reply in replies])
        >>> one == other
        True
    """
    if language not in _READERS:
        raise ValueError(f"code in {language!r} cannot be compared; known are {', '.join(_READERS)}")
    if language == "sql":
        check_installed()
    read, form = _READERS[language]

    def key(message: AIMessage, _: str) -> str | None:
        if message.tool_calls:
            return final_answer(message)
        source = code_of(message, read)
        return None if source is None else form(source)

    def form_of(answer: str) -> str:
        found = read(answer) or answer
        return form(found) or found  # a form may have none itself

    return TextComparison(f"code({language})", key, form_of)


def code_of(message: AIMessage, read: "_Reading") -> str | None:
    """The code of a reply without its thoughts; None where it was cut or refused, or holds none."""
    text = spoken(message)
    if text is None:
        return None
    return read(message.text if text == message.text.strip() else text)  # the layout of the first line counts


def python_source(text: str) -> str | None:
    r"""The Python program in a reply, as it is written; None where there is none.

    Of several blocks those that define nothing are left out, where others define something: they show how it
    is used.

    Example:
        >>> python_source("Here:\n```python\ndef f():\n    return 1\n```\nUse:\n```python\nprint(f())\n```")
        'def f():\n    return 1'
    """
    blocks = _blocks(text, _PYTHON)
    if blocks is None:
        whole = _bare(text)
        tree = parsed(whole)
        return whole if tree is not None and _looks_like_code(tree) else None
    programs = [(block, tree) for block in blocks if (tree := parsed(block)) is not None]
    if len(programs) < len(blocks):  # one is broken, so what the others do is not known
        return None
    defining = [block for block, tree in programs if any(isinstance(each, _DEFINES) for each in tree.body)]
    return "\n\n".join(defining or [block for block, _ in programs]) or None


def _sql_source(text: str) -> str | None:
    blocks = _blocks(text, _SQL)
    return _bare(text) if blocks is None else "\n;\n".join(blocks) or None


_READERS: dict[str, tuple[_Reading, _Reading]] = {
    "python": (python_source, python_form),
    "sql": (_sql_source, sql_form),
}


def _blocks(text: str, languages: frozenset[str]) -> list[str] | None:
    """What stands in fences of these languages, or else in fences of none; None where there are no fences."""
    found: list[tuple[str, str]] = []
    fence, language, lines = "", "", list[str]()
    for line in text[:_LONGEST].splitlines():
        mark = _FENCE.fullmatch(line)
        if fence and mark and mark[1].startswith(fence) and not mark[2]:
            found.append((language, textwrap.dedent("\n".join(lines))))
            fence = ""
        elif fence:
            lines.append(line)
        elif mark:
            fence, language, lines = mark[1], mark[2].casefold(), []
    if fence:
        found.append((language, textwrap.dedent("\n".join(lines))))
    named = [block for language, block in found if language and language in languages]
    chosen = named or [block for language, block in found if not language]
    return [block for block in chosen if block.strip()] if found else None


def _bare(text: str) -> str:
    """A reply without fences: the whole of it, or what stands between its only two backticks."""
    whole = textwrap.dedent(text.strip("\n"))
    within = whole.strip().strip("`")
    return within if whole.strip() == f"`{within}`" and "`" not in within else whole


def _looks_like_code(tree: ast.Module) -> bool:
    """Whether a reply that could be read as Python is meant so: `Paris` and `yes and no` could be, too."""
    if any(isinstance(each, _IS_CODE_TOO) for each in tree.body):
        return True
    return any(isinstance(each, ast.Call | ast.Lambda | ast.comprehension) for each in ast.walk(tree))
