"""What is read from a table of a TOML file: known entries of the right kind, functions by address."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adaptive_reasoner.errors import MenuError

Entries = Mapping[str, Any]

NUMBER = (int, float)


def entries_of(entries: Any, where: str, **kinds: type | tuple[type, ...]) -> dict[str, Any]:
    """The entries of a table, once each is known and of its kind."""
    if not isinstance(entries, dict):
        raise MenuError(f"[{where}] must be a table, not {entries!r}")
    for name, value in entries.items():
        if name not in kinds:
            raise MenuError(f"[{where}] there is no entry {name!r}; known are {', '.join(kinds)}")
        if not isinstance(value, kinds[name]) or (isinstance(value, bool) and kinds[name] is not bool):
            raise MenuError(f"[{where}] {name} cannot be {value!r}")
    return dict(entries)


def function_at(address: str | None, where: str, folder: Path) -> Callable[..., Any]:
    """The function at `module:name`; a module file beside the menu comes first."""
    module_name, _, name = (address or "").partition(":")
    if not module_name or not name:
        raise MenuError(f'[{where}] a function is named as "module:name", not {address!r}')
    beside = folder / f"{module_name}.py"
    try:
        if beside.is_file():
            spec = importlib.util.spec_from_file_location(module_name, beside)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise MenuError(f"[{where}] {address}: {error}") from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise MenuError(f"[{where}] module {module_name!r} has no function {name!r}")
    return function
