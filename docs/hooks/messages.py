"""The messages of the errors that the library raises, read from its code."""

import ast
import re
from pathlib import Path


def messages(package: Path) -> dict[str, set[str]]:
    """The messages by the name of their error, with `...` in place of what is filled in."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(package.rglob("*.py"))]
    items = [item for tree in trees for item in ast.walk(tree)]
    makers = {  # the functions that make an error of a message
        item.name: ast.unparse(item.returns)
        for item in items
        if isinstance(item, ast.FunctionDef) and item.returns is not None and not item.name.startswith("_")
    }
    found: dict[str, set[str]] = {}
    for item in items:
        if isinstance(item, ast.Raise) and isinstance(item.exc, ast.Call):
            called = ast.unparse(item.exc.func).rpartition(".")[2]
            name = makers.get(called, called)
            said = {text for part in item.exc.args if len(text := _text(part).strip(" .")) > 3}
            if name[:1].isupper() and name.endswith("Error") and said:
                found.setdefault(name, set()).update(said)
    return found


def texts(package: Path) -> list[str]:
    """Every text in the code, with `...` in place of what is filled in: where a message is looked for."""
    return [
        text
        for file in sorted(package.rglob("*.py"))
        for item in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(item, ast.Constant | ast.JoinedStr) and (text := _text(item))
    ]


def _text(item: ast.AST) -> str:
    if isinstance(item, ast.Constant):
        return item.value if isinstance(item.value, str) else ""
    if isinstance(item, ast.JoinedStr):
        parts = (_text(part) if isinstance(part, ast.Constant) else "..." for part in item.values)
        return re.sub(r"(?:\.{3}){2,}", "...", "".join(parts))
    if isinstance(item, ast.BinOp):
        return _text(item.left) + _text(item.right)
    return ""
