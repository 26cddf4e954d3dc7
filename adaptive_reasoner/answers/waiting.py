"""Reading a reply on an event loop, as far as nothing has to be loaded or waited for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from adaptive_reasoner.errors import AdaptiveReasonerError


class WouldWaitError(AdaptiveReasonerError):
    """A reading came to where it has to load something, or to wait for another process."""


@contextmanager
def at_once() -> Iterator[None]:
    """Within it, what would have to wait raises `WouldWaitError` and is not done.

    Example:
        >>> from adaptive_reasoner.answers.math_equivalence import canonical_expression
        >>> try:
        ...     with at_once():
        ...         canonical_expression("(x+8)^2")
        ... except WouldWaitError as error:
        ...     print(error)
        an expression is read by another process
    """
    before = _at_once.set(True)
    try:
        yield
    finally:
        _at_once.reset(before)


def about_to_wait(reason: str) -> None:
    """Say that what follows loads something or waits.

    Raises:
        WouldWaitError: It may not, as what reads has to go on at once.
    """
    if _at_once.get():
        raise WouldWaitError(reason)


_at_once: ContextVar[bool] = ContextVar("adaptive_reasoner_at_once", default=False)
