"""What a policy saves on live questions, as a shadow has compared them."""

from collections.abc import Mapping
from typing import Any

from adaptive_reasoner.cli.ledger import Name, Url
from adaptive_reasoner.cli.results import AsJson, print_result
from adaptive_reasoner.console import err, number

_INTERVALS = "95%, at all numbers of questions at once"


def show_savings(url: Url, name: Name = "default", as_json: AsJson = False) -> None:
    """Show quality and cost of answers and of second answers, and what was saved."""
    from adaptive_reasoner.ledger.sql.reader import LedgerReader

    with LedgerReader(url, name=name) as reader:
        found = reader.savings().as_dict()
    if as_json:
        print_result({"ledger": name, **found, "intervals": _INTERVALS}, as_json)
        return
    about = {"questions": f"about {found['questions']}"}  # each compared one stands for one over its share
    print_result({field: _shown(value) for field, value in (found | about).items()}, as_json)
    if not found["questions"]:
        err.plain_line(
            f"no question of ledger {name!r} was answered a second time yet: give shadow=Shadow(...) to the "
            "node, middleware, chat model or reasoner that charges it"
        )


def _shown(value: Any) -> Any:
    """An estimate with its interval as one phrase; other values as they are."""
    if not isinstance(value, Mapping):
        return None if value == "" else value
    mean, low, high = (value[end] for end in ("mean", "low", "high"))
    interval = "too few questions for an interval" if low is None else f"{number(low)} to {number(high)}"
    return f"{number(mean)} ({interval})"
