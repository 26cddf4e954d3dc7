"""One form for Python programs that differ only in how they are written."""

import ast
import builtins
import threading
import warnings
from collections.abc import Iterator

LONGEST = 50_000
"""Characters of a program: a longer one is not compared, because its parser may take minutes."""

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPE = (*_FUNCTION, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_IMPORT = (ast.Import, ast.ImportFrom)
_FOR_ANNOTATIONS = ("__future__", "typing", "collections.abc")
_SEE_NAMES = {"locals", "vars", "eval", "exec", "dir", "globals", "inspect", "sys"}
_BUILTINS = frozenset(dir(builtins))
_warnings = threading.Lock()


def python_form(program: str, *, keep_parameters: bool = False) -> str | None:
    r"""The program in one form: layout, comments, docstrings, annotations and local names make no difference.

    The names of functions, classes, attributes and global variables stay, and so do parameters that a call in
    the program names. A program that can look at its own names keeps all of them.

    Args:
        program: The source; it is parsed, never run.
        keep_parameters: Keep the parameters of functions and methods, which callers may name.

    Returns:
        A program that does the same; None where the text is no Python or too long or too deep to compare.

    Example:
        >>> print(python_form("def add(a, b):\n    '''Sum.'''\n    return a+b  # the sum"))
        def add(_0, _1):
            return _0 + _1
    """
    tree = parsed(program)
    if tree is None:
        return None
    try:
        _drop_notes(tree)
        _drop_unused_imports(tree)
        _number_local_names(tree, keep_parameters=keep_parameters)
        return ast.unparse(tree)
    except (RecursionError, MemoryError, ValueError):
        return None


def parsed(program: str) -> ast.Module | None:
    """The syntax tree of a program; None where the text is no Python, or too long or too deep."""
    if len(program) > LONGEST:
        return None
    try:
        with _warnings, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python will refuse one day
            return ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _drop_notes(tree: ast.Module) -> None:
    """Take out what only readers need: docstrings, annotations, statements without effect."""
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTION) and not node.decorator_list:  # a decorator may read annotations
            node.returns = None
            for argument in _arguments(node):
                argument.annotation = None
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                plain = [_without_annotation(each, node) for each in body]
                kept = [each for each in plain if not _without_effect(each)]
                setattr(node, field, kept or ([ast.Pass()] if field == "body" and body else []))


def _without_annotation(statement: ast.stmt, parent: ast.AST) -> ast.stmt:
    """An assignment without its annotation, except in a class, where it may declare a field."""
    if not isinstance(statement, ast.AnnAssign) or isinstance(parent, ast.ClassDef) or not statement.simple:
        return statement
    if statement.value is None:
        return ast.Pass()
    return ast.Assign([statement.target], statement.value, lineno=statement.lineno)


def _without_effect(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def _drop_unused_imports(tree: ast.Module) -> None:
    """Take out the imports that only annotations needed."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}

    def needed(alias: ast.alias, module: str | None) -> bool:
        name = (alias.asname or alias.name).split(".")[0]
        return (module or alias.name) not in _FOR_ANNOTATIONS or name in used or name == "*"

    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        imports = [each for each in body if isinstance(each, _IMPORT)]
        for each in imports:
            each.names = [alias for alias in each.names if needed(alias, getattr(each, "module", None))]
        kept = [each for each in body if not isinstance(each, _IMPORT) or each.names]
        node.body = kept or ([ast.Pass()] if body else [])  # type: ignore[attr-defined]


def _number_local_names(tree: ast.Module, *, keep_parameters: bool) -> None:
    """Name what is local to a function `_0`, `_1`, ... in the order in which it is met.

    Names are exchanged one for one in the whole of an outermost function, so two programs get one form only
    if they do the same; where an inner function reuses a name of the outer one, they may get two.
    """
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    modules = {alias.name for node in nodes if isinstance(node, _IMPORT) for alias in node.names}
    if _SEE_NAMES & names or "*" in modules:
        return
    fixed = set(_BUILTINS) | {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    for node in nodes:
        if isinstance(node, ast.Global):
            fixed.update(node.names)
        elif isinstance(node, _IMPORT):
            fixed.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            fixed.add(node.name)
        elif isinstance(node, ast.NamedExpr):  # binds outside of the comprehension that it stands in
            fixed.add(node.target.id)
    outermost = list(_outermost(tree, fixed))
    for function in outermost:
        kept = {each.arg for each in function.args.kwonlyargs} if isinstance(function, _FUNCTION) else set()
        if keep_parameters and isinstance(function, _FUNCTION):
            kept |= {each.arg for each in _arguments(function)}
        _exchange(function, fixed | kept)


def _outermost(node: ast.AST, bound: set[str]) -> Iterator[ast.AST]:
    """The functions and comprehensions that are in no other; `bound` gets the names bound around them."""
    for child in ast.iter_child_nodes(node):
        bound.update(name for _, name in _binds(child))
        if isinstance(child, _SCOPE):
            yield child
        else:
            yield from _outermost(child, bound)


def _binds(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The name that a node binds, after the field that holds it."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield "id", node.id
    elif isinstance(node, ast.arg):
        yield "arg", node.arg
    elif isinstance(node, (*_FUNCTION, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield "name", node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield "rest", node.rest


def _exchange(function: ast.AST, fixed: set[str]) -> None:
    inside = [node for child in ast.iter_child_nodes(function) for node in ast.walk(child)]
    attributes = {
        name
        for node in inside
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        for each in ast.walk(statement)
        for _, name in _binds(each)
        if not isinstance(statement, _FUNCTION) or each is statement
    }
    new: dict[str, str] = {}
    for node in inside:
        for _, name in _binds(node):
            if name not in fixed | attributes:
                new.setdefault(name, f"_{len(new)}")
    taken = {node.id for node in inside if isinstance(node, ast.Name)} - set(new)
    if taken & set(new.values()):
        return
    for node in inside:
        for field, name in list(_binds(node)):
            setattr(node, field, new.get(name, name))
        if isinstance(node, ast.Name):
            node.id = new.get(node.id, node.id)
        elif isinstance(node, ast.Nonlocal):
            node.names = [new.get(name, name) for name in node.names]


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    every = function.args
    found = (*every.posonlyargs, *every.args, every.vararg, *every.kwonlyargs, every.kwarg)
    return [each for each in found if each is not None]
