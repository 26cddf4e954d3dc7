"""One form for SQL queries that differ only in how they are written.

Needs `pip install 'adaptive-reasoner[code]'`.
"""

import re
from importlib.util import find_spec
from typing import Any

LONGEST = 20_000
"""Characters of a query: a longer one is not compared, because its parser may take minutes."""

_DEEPEST = 50  # brackets inside one another
_STARTS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with|insert|update|delete|merge|create|alter|drop|values)\b",
    re.IGNORECASE | re.DOTALL,
)
_DIALECTS = (
    None,
    "mysql",
    "tsql",
)  # the first that reads a query: for `backticks`, then for [brackets] and TOP


def check_installed() -> None:
    """Raise ImportError where sqlglot is missing, before replies are paid for that cannot be compared."""
    if find_spec("sqlglot") is None:
        raise ImportError("comparing SQL needs: pip install 'adaptive-reasoner[code]'")


def sql_form(text: str) -> str | None:
    """The queries in one form: layout, case, aliases and the order of conditions make no difference.

    Nothing is executed and no schema is known: a column without its table is taken as of the only table of
    its query.

    Returns:
        The queries; None where the text is no SQL, or too long or too deep to compare.

    Raises:
        ImportError: sqlglot is not installed.

    Example:
        >>> sql_form("select u.name from Users u where u.age>3 -- adults")
        'SELECT t0.name FROM users AS t0 WHERE t0.age > 3'
        >>> sql_form("SELECT name FROM users WHERE (3 < age);")
        'SELECT t0.name FROM users AS t0 WHERE t0.age > 3'
    """
    if len(text) > LONGEST or not _STARTS.match(text) or _depth(text) > _DEEPEST:
        return None
    check_installed()
    statements = _parsed(text)
    if not statements:
        return None
    try:
        return ";\n".join(_form(each) for each in statements)
    except RecursionError:
        return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def _parsed(text: str) -> list[Any] | None:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    for dialect in _DIALECTS:
        try:
            found = [each for each in sqlglot.parse(text, read=dialect) if each is not None]
        except (SqlglotError, RecursionError):
            continue
        # What sqlglot cannot read becomes a command; "select Paris" is no query.
        for each in found:
            if each.find(exp.Command) or (each.find(exp.Column) and not each.find(exp.Table)):
                return None
        return found
    return None


def _form(statement: Any) -> str:
    from sqlglot import exp
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
    from sqlglot.optimizer.simplify import simplify

    statement = normalize_identifiers(statement)
    for name in statement.find_all(exp.Identifier):  # quotes stay where a name needs them
        name.set("quoted", not re.fullmatch(r"[a-z_][a-z0-9_]*", name.name))
    for select in list(statement.find_all(exp.Select)):
        _name_no_results(select)
    _number_tables(statement)
    _drop_defaults(statement)
    if not statement.find(exp.Update):  # whose assignments it would take for conditions
        statement = simplify(statement)
    _sort_conditions(statement)
    return str(statement.sql(comments=False))


def _name_no_results(select: Any) -> None:
    """Order by expressions, not by names or numbers of results, and drop the names that nothing needs."""
    from sqlglot import exp

    results = [each.unalias() for each in select.expressions]
    named = {each.alias: each.this for each in select.expressions if isinstance(each, exp.Alias)}
    for ordered in (select.args.get("order") or exp.Order()).find_all(exp.Ordered):
        by = ordered.this
        if isinstance(by, exp.Column) and not by.table and by.name in named:
            ordered.set("this", named[by.name].copy())
        elif by.is_int and not select.find(exp.Star) and 0 < int(by.name) <= len(results):
            ordered.set("this", results[int(by.name) - 1].copy())
    used = {column.name for column in select.find_all(exp.Column) if not column.table}
    seen_outside = select.find_ancestor(exp.Select, exp.CTE, exp.Create, exp.Subquery) is not None
    for each in select.expressions:
        if isinstance(each, exp.Alias):
            renames = not (isinstance(each.this, exp.Column) and each.this.name == each.alias)
            if not renames or not (seen_outside or each.alias in used):
                each.replace(each.this)


def _number_tables(statement: Any) -> None:
    """Call the tables of all queries `t0`, `t1`, ... in their order, and common tables `c0`, `c1`, ..."""
    from sqlglot import exp

    common: dict[str, str] = {}
    for each in statement.find_all(exp.CTE):
        common[each.alias] = f"c{len(common)}"
        each.args["alias"].set("this", exp.to_identifier(common[each.alias]))
    tables: dict[int, dict[str, str]] = {}  # of each query, by the name that its columns use
    number = 0
    for select in statement.find_all(exp.Select):
        own = tables[id(select)] = {}
        for source in select.find_all(exp.Table, exp.Subquery):
            if source.parent_select is select and isinstance(source.parent, exp.From | exp.Join):
                own[source.alias_or_name], number = f"t{number}", number + 1
                alias = source.args.get("alias") or exp.TableAlias()
                alias.set("this", exp.to_identifier(own[source.alias_or_name]))
                source.set("alias", alias)
    for column in statement.find_all(exp.Column):
        select = column.parent_select
        if select is not None and not column.table and len(tables[id(select)]) == 1:
            (new,) = tables[id(select)].values()
            column.set("table", exp.to_identifier(new))
            continue
        while select is not None and column.table not in tables[id(select)]:
            select = select.parent_select
        if select is not None:
            column.set("table", exp.to_identifier(tables[id(select)][column.table]))
    for table in statement.find_all(exp.Table):
        if table.name in common and not table.db:
            table.set("this", exp.to_identifier(common[table.name]))


def _drop_defaults(statement: Any) -> None:
    from sqlglot import exp

    for join in statement.find_all(exp.Join):
        if join.args.get("kind") == "INNER":
            join.set("kind", None)
    for ordered in statement.find_all(exp.Ordered):
        ordered.set("desc", ordered.args.get("desc") or None)
    for counted in statement.find_all(exp.Count):
        if isinstance(counted.this, exp.Literal):  # COUNT(1) is COUNT(*)
            counted.set("this", exp.Star())


def _sort_conditions(statement: Any) -> None:
    """Put the sides of AND, OR and = in one order, from the inside out."""
    from sqlglot import exp

    for node in reversed(list(statement.find_all(exp.And, exp.Or, exp.EQ, exp.NEQ))):
        if isinstance(node, exp.EQ | exp.NEQ):
            if isinstance(node.parent, exp.Update):
                continue
            sides = sorted(
                (node.this, node.expression),
                key=lambda side: (isinstance(side, exp.Literal), str(side.sql())),
            )
            node.set("this", sides[0])
            node.set("expression", sides[1])
        elif not isinstance(node.parent, type(node)):
            parts = sorted(node.flatten(unnest=False), key=lambda part: str(part.sql()))
            whole = parts[0].copy()
            for part in parts[1:]:
                whole = type(node)(this=whole, expression=part.copy())
            node.replace(whole)
