"""The code that a menu may run: functions of the modules that it names itself, and no other."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.toml_tables import MenuTable
from adaptive_reasoner.sandbox.running import check_sandbox

CodeUse = Literal["run", "leave", "refuse"]
"""What to do with the functions that a menu names: load them, keep their names only, or refuse the menu."""


class _Code(MenuTable):
    modules: Annotated[list[str], Field(default_factory=list)]


@dataclass(frozen=True)
class MenuCode:
    """The functions of a menu.

    Attributes:
        modules: The modules whose functions it may name: those of its `[code]`.
        folder: Where the menu lies; a module file beside it comes first.
        use: What to do with functions.
    """

    modules: frozenset[str]
    folder: Path
    use: CodeUse = "run"
    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, entries: Any, folder: Path, use: CodeUse) -> "MenuCode":
        """The functions that the `[code]` of a menu allows.

        Raises:
            MenuError: An entry is unknown or wrong.
        """
        modules = _Code.read(entries, "code").modules
        for module in modules:
            if not all(part.isidentifier() for part in module.split(".")):
                raise MenuError(f"[code] modules holds {module!r}, which is not the name of a module")
        return cls(frozenset(modules), folder, use)

    def function(self, address: str | None, where: str) -> Callable[..., Any]:
        """The function at `module:name`.

        Raises:
            MenuError: Its module is not among those of the menu, cannot be loaded or has no such function, or
                functions are refused.
        """
        module_name, _, name = (address or "").partition(":")
        if not module_name or not name:
            raise MenuError(f'[{where}] a function is named as "module:name", not {address!r}')
        if self.use == "refuse":
            raise MenuError(f"[{where}] {address} is code of the menu's, and --no-code refuses it")
        if module_name not in self.modules:
            modules = ", ".join(f'"{module}"' for module in (*sorted(self.modules), module_name))
            raise MenuError(
                f"[{where}] {address} runs code of a module that the menu does not name; if you trust it, "
                f"put [code] and modules = [{modules}] into the menu"
            )
        if self.use == "leave":
            return NotRun(str(address), where)
        try:
            module = self._module(module_name)
        except (ImportError, SyntaxError) as error:
            raise MenuError(f"[{where}] {address}: {error}") from error
        function = getattr(module, name, None)
        if not callable(function):
            raise MenuError(f"[{where}] module {module_name!r} has no function {name!r}")
        return function  # type: ignore[no-any-return]

    def run_replies(self, where: str, what: str) -> None:
        """Let the menu run code that replies hold.

        Raises:
            MenuError: Code is refused, or this machine has no sandbox for it.
        """
        if self.use == "refuse":
            raise MenuError(f"[{where}] {what}, and --no-code refuses it")
        if self.use == "run":
            try:
                check_sandbox()
            except OSError as error:
                raise MenuError(f"[{where}] {what}: {error}") from error

    def _module(self, name: str) -> Any:
        if name not in self._loaded:
            beside = self.folder / f"{name}.py"
            self._loaded[name] = (
                _run_file(name, beside) if beside.is_file() else importlib.import_module(name)
            )
        return self._loaded[name]


def _run_file(name: str, file: Path) -> Any:
    """The module in a file, which is known by its name to those who look it up, as dataclasses do."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    known = sys.modules.get(name)
    if known is None or getattr(known, "__file__", None) == module.__file__:  # never in place of another one
        sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if sys.modules.get(name) is module:
            del sys.modules[name]
        raise
    return module


@dataclass(frozen=True)
class NotRun:
    """Stands for a function in a dry run, which calls none."""

    address: str
    where: str

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuse.

        Raises:
            MenuError: Always.
        """
        raise MenuError(
            f"[{self.where}] {self.address} is a function, and a dry run calls none, so this source cannot "
            "be priced; if you trust the menu, add --allow-code"
        )
