"""Commands whose arguments are checked as one kind, and whose usage errors are one line."""

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand
from typing_extensions import override

from adaptive_reasoner.amounts import written

_LARGEST = 2**53  # beyond it a float counts no more in ones

# What the parser raises of a command line it cannot read; typer names only its subclass.
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])

SEEDS = 2**32 - 1  # the largest that every generator of random numbers takes


class Engine(StrEnum):
    """Where work is done."""

    LOCAL = "local"
    RAY = "ray"


ClusterAddress = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: auto or HOST:PORT of a cluster; else one is started on this machine."
    ),
]
"""The option --address of commands that take --engine."""


class CheckedCommand(TyperCommand):
    """A command that refuses numbers that are not finite or too large, and text that is not UTF-8."""

    @override
    def invoke(self, ctx: Any) -> Any:
        for param in self.params:
            value = ctx.params.get(param.name)
            # A file's name may be any bytes. Older typer still has it as a string here, newer has a Path.
            if getattr(getattr(param, "type", None), "name", "") in ("path", "file", "directory"):
                continue
            for each in value if isinstance(value, list | tuple) else [value]:
                if (wrong := _wrong(each)) is not None:
                    # An option as it is written, an argument as the help has it.
                    option = param.param_type_name == "option"
                    name = param.opts[0] if option else str(param.name).upper()
                    raise typer.BadParameter(wrong, ctx=ctx, param_hint=f"'{name}'")
        return super().invoke(ctx)


class CheckedTyper(typer.Typer):
    """An application of such commands."""

    @override
    def command(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        kwargs.setdefault("cls", CheckedCommand)
        return super().command(*args, **kwargs)


def amount(value: list[float] | float | None) -> list[float] | float | None:
    """Refuse an amount that is negative or not finite, as the callback of an option."""
    for each in value if isinstance(value, list) else [value]:
        wrong = _wrong(each)
        if wrong is None and each is not None and each < 0.0:
            wrong = f"{written(each)} is below 0."
        if wrong is not None:
            raise typer.BadParameter(wrong)
    return value


def amounts(value: list[float] | None) -> list[float]:
    """Refuse a list with an impossible amount, as the callback of an option that may be repeated."""
    amount(value)
    return value or []  # typer 0.16 asks for the length of what it gets back


def one_of(**options: object) -> None:
    """Refuse options of which not exactly one is given, by the options' names."""
    if sum(value is not None for value in options.values()) != 1:
        names = " or ".join(f"--{name}" for name in options)
        raise typer.BadParameter(f"give either {names}.")


def check_engine(engine: Engine, **of_ray: object) -> None:
    """Refuse options of the Ray engine without it, by the options' names."""
    for name, value in of_ray.items():
        if value is not None and engine is not Engine.RAY:
            raise typer.BadParameter("goes with --engine ray", param_hint=f"'--{name}'")


def usage_line(error: typer.BadParameter) -> str:
    """A usage error as one line that says where to read on."""
    command = error.ctx.command_path if error.ctx is not None else "adaptive-reasoner"
    return f"{one_line(error.format_message())} See: {command} --help"


def one_line(text: str) -> str:
    """A text with every run of white space as one space."""
    return " ".join(text.split())


def share(value: float) -> float:
    """Refuse a number that is not a share of a whole."""
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value} is not between 0 and 1")
    return value


def _wrong(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number."
    if isinstance(value, int) and abs(value) > _LARGEST:
        return f"{value:.3g} is too large."
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return "it holds bytes that are no text in UTF-8."
    return None


Budget = Annotated[
    float | None,
    typer.Option(callback=amount, help="Allowed mean cost per question, in the table's unit."),
]
Accuracy = Annotated[
    float | None, typer.Option(help="Mean accuracy to reach at the least cost, instead of a budget.")
]
