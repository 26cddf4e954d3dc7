"""What a database's ledger does about a target that changes while others have it open."""

import threading

import pytest

from adaptive_reasoner.errors import LedgerError


def others_hold_the_new_target(opened):
    first, second = opened(target=20.0), opened()
    for i in range(100):
        second.charge(20.0, f"{i}")
    held = second.reserve(5.0, "open", worst=50.0)
    first.set_target(40.0)
    second.settle(held, 30.0)
    assert (second.target, second.price) == (40.0, pytest.approx(first.snapshot().price))
    assert second.snapshot().credit == pytest.approx((20.0 - 30.0) / 40.0)
    with pytest.raises(LedgerError, match=r"made with 40 as target, not 20; .* ledger set URL --target 20"):
        opened(target=20.0)
    assert opened(target=40.0).target == 40.0


def others_hold_the_new_accuracy(opened):
    first, second = opened(target=20.0), opened()
    price = second.price
    for number in range(60):
        second.feedback(f"{number}", 0.5)
    first.set_target_accuracy(0.8)
    second.feedback("late", 0.0)
    assert (second.quality.target, second.quality.feedbacks) == (0.8, 61)
    assert second.price == pytest.approx(
        price
    )  # the higher of two prices decides, and the floor's has fallen
    assert second.snapshot() == first.snapshot()
    with pytest.raises(
        LedgerError, match=r"made with 0\.8 as target_accuracy, .* ledger set URL --accuracy 0\.7"
    ):
        opened(target_accuracy=0.7)
    assert opened(target_accuracy=0.8).quality.target == 0.8


def charges_of_others_meet_no_half_made_change(opened):
    """Charges at the target of the moment leave no credit, whatever they overtake."""
    ledgers, failures = [opened(target=20.0) for _ in range(3)], []

    def charge(ledger, name):
        try:
            for i in range(60):
                ledger.charge(0.0, f"{name} {i}")
        except LedgerError as error:
            failures.append(error)

    threads = [threading.Thread(target=charge, args=(each, n)) for n, each in enumerate(ledgers[:2])]
    for thread in threads:
        thread.start()
    for target in (40.0, 20.0) * 5:
        ledgers[2].set_target(target)
    for thread in threads:
        thread.join()
    seen = ledgers[2].snapshot()
    assert not failures
    assert (seen.target, seen.questions) == (20.0, 120)
    assert {each.snapshot().credit for each in ledgers} == {seen.credit}
    assert 60.0 <= seen.credit <= 240.0  # 120 questions saved, each at 20 or at 40
