"""Stand-ins for what a ledger is given."""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class Priced:
    """The part of a policy a ledger reads."""

    def __init__(self, price=0.002, slope=30.0, budget=50.0, cost_unit="tokens"):
        self.price, self.slope, self.budget, self.cost_unit = price, slope, budget, cost_unit
