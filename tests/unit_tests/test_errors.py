"""Errors keep their attributes in another process and in a copy."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from adaptive_reasoner.errors import (
    AdaptiveReasonerError,
    BudgetExceededError,
    InfeasibleAccuracyError,
    InfeasibleBudgetError,
    OutcomesError,
    UnknownActionError,
    needs,
)
from adaptive_reasoner.kit.collecting.sent_errors import SentError
from adaptive_reasoner.ledger import UnreachableLedgerError, open_ledger
from adaptive_reasoner.models.replies import EmptyReplyError, LostReplyError
from adaptive_reasoner.policy.mixture import CostCurve
from adaptive_reasoner.strategies.flow import NothingArrivedError
from tests.public_errors import every_error

SPECIAL = {
    OutcomesError: OutcomesError("no gold", file="rows.jsonl", row=3),
    InfeasibleAccuracyError: InfeasibleAccuracyError(0.9, 0.8),
    InfeasibleBudgetError: InfeasibleBudgetError(1.0, 2.0, "tokens"),
    UnknownActionError: UnknownActionError("vote", ["single_pass"]),
    BudgetExceededError: BudgetExceededError(3.0, 2.0, "tokens"),
    NothingArrivedError: NothingArrivedError(TimeoutError("slow")),
}


def seen(error):
    return type(error), str(error), error.args, {name: repr(value) for name, value in vars(error).items()}


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling_and_copying_with_its_attributes(kind, again):
    error = SPECIAL[kind] if kind in SPECIAL else kind("it failed")
    error.add_note("seen at noon")
    assert seen(again(error)) == seen(error)


def test_all_errors_of_the_package_are_one_tree():
    assert {EmptyReplyError, LostReplyError, UnreachableLedgerError} < set(every_error())
    own = [kind for kind in every_error() if not issubclass(kind, SentError)]  # which stands for another's
    assert all(issubclass(kind, AdaptiveReasonerError) for kind in own)


def reserve_too_much():
    open_ledger("memory://", hard_cap=1.0).reserve(5.0, "k")


def name_an_unknown_action():
    raise UnknownActionError("vote", ["single_pass"])


@pytest.mark.slow
def test_an_error_raised_in_a_worker_process_arrives_in_the_parent():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(BudgetExceededError) as refused:
            pool.submit(reserve_too_much).result()
        with pytest.raises(UnknownActionError, match="known are single_pass") as unknown:
            pool.submit(name_an_unknown_action).result()
    assert (refused.value.wanted, refused.value.left) == (5.0, 1.0)
    assert (unknown.value.action, unknown.value.known) == ("vote", ("single_pass",))


def test_an_extra_that_an_inner_block_has_named_stays_named():
    with (
        pytest.raises(ImportError, match=r"\[code\]"),
        needs("the kit needs", "kit"),
        needs("SQL needs", "code"),
    ):
        import nowhere_to_be_found  # noqa: F401


@pytest.mark.parametrize("cheapest", [123.4564, 0.000123456333, 1 / 3])
def test_the_least_budget_that_an_error_names_is_enough(cheapest):
    curve = CostCurve.of([0.1, 0.2], [cheapest * 2, cheapest], [0.0, 0.0], [0.0, 0.0])
    with pytest.raises(InfeasibleBudgetError) as error:
        curve.price_at(cheapest / 2)
    least = float(str(error.value).split("at least ")[1])
    assert curve.price_at(least) == pytest.approx(0.2, rel=1e-3)
