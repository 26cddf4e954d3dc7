"""Real outcome tables as traffic for a ledger, and the laws that are compared on it.

A closed loop with so many questions in flight, each settled when its call ends. Decisions are
`argmax accuracy - price * cost` on predictions from the other half of the data. `ledger_adherence.py` and
`ledger_regret.py` replay it.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from adaptive_reasoner.kit.learning.encoders import VectorCache, open_encoder
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.ledger import open_ledger

PRICES = np.geomspace(1e-7, 1.0, 300)


@dataclass(frozen=True)
class Table:
    """Held-out questions as traffic: predictions (n, k), and (n, k, draws) what really happened."""

    name: str
    target: float
    price: float
    slope: float
    planned_accuracy: np.ndarray
    planned_cost: np.ndarray
    accuracy: np.ndarray
    cost: np.ndarray
    hard: np.ndarray
    cost_unit: str = "tokens"

    @property
    def budget(self):
        """What the ledger takes as its target."""
        return self.target

    def choices(self, rows, price):
        """The action of each question at a price."""
        return np.argmax(self.planned_accuracy[rows] - price * self.planned_cost[rows], axis=1)


@dataclass(frozen=True)
class Stream:
    """Which questions come, which of their recorded outcomes each gets, and how long its call takes."""

    rows: np.ndarray
    draws: np.ndarray
    seconds: np.ndarray

    def hindsight(self, table):
        """Mean cost and accuracy of every static price on this stream."""
        points = []
        for price in PRICES:
            chosen = table.choices(self.rows, price)
            points.append(
                (
                    table.cost[self.rows, chosen, self.draws].mean(),
                    table.accuracy[self.rows, chosen, self.draws].mean(),
                )
            )
        return np.array(sorted(points))


# Tables


def bbh(folder, seed=0, target=75.0):
    """BIG-Bench Hard, direct or chain of thought, completion tokens; ridge and kNN on MiniLM vectors."""
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    outcomes = Outcomes.read(folder / "bbh_direct_cot.outcomes.parquet")
    vectors = VectorCache(open_encoder()).vectors(list(outcomes.questions))
    truth = np.hstack([outcomes.accuracy, outcomes.cost])

    def predict(known, asked):
        models = (Ridge(alpha=1.0), KNeighborsRegressor(20, n_jobs=1))
        return np.mean(
            [model.fit(vectors[known], truth[known]).predict(vectors[asked]) for model in models], axis=0
        )

    rng = np.random.default_rng(seed)
    fit, held = np.array_split(rng.permutation(len(outcomes)), 2)
    folds = rng.integers(0, 4, len(fit))
    out_of_fold = np.empty((len(fit), truth.shape[1]))
    for fold in range(4):
        out_of_fold[folds == fold] = predict(fit[folds != fold], fit[folds == fold])
    k = len(outcomes.actions)
    groups = np.array([str(group) for group in outcomes.groups])
    dear = {group: outcomes.cost[groups == group].max(axis=1).mean() for group in set(groups)}
    middle = np.median(list(dear.values()))
    return table_of(
        "bbh_direct_cot",
        target,
        (out_of_fold[:, :k], out_of_fold[:, k:], truth[fit, :k], truth[fit, k:]),
        (predict(fit, held), truth[held, :k, None], truth[held, k:, None]),
        np.array([dear[group] > middle for group in groups[held]]),
        "tokens",
    )


def gpqa(folder, target=1_500.0):
    """GPQA with thinking budgets, logged tokens, heavy-tailed; predicted from half of the samples."""
    samples = Samples.read(folder / "gpqa_thinking_opus45.samples.parquet")
    replies = [
        [samples.of(question, source) for source in samples.sources] for question in samples.question_ids
    ]
    accuracy = np.array([[[reply.correct for reply in of] for of in sources] for sources in replies])
    cost = np.array([[[reply.cost for reply in of] for of in sources] for sources in replies])
    known, later = slice(0, 4), slice(4, 8)
    planned = accuracy[:, :, known].mean(axis=2), cost[:, :, known].mean(axis=2)
    return table_of(
        "gpqa_thinking_opus45",
        target,
        (*planned, accuracy[:, :, known].mean(axis=2), cost[:, :, known].mean(axis=2)),
        (np.hstack(planned), accuracy[:, :, later], cost[:, :, later]),
        planned[1].max(axis=1) > np.median(planned[1].max(axis=1)),
        "tokens",
    )


def table_of(name, target, fit, held, hard, unit):
    """With the offline price and slope, from out-of-fold predictions against real cost."""
    planned_accuracy, planned_cost, _, real_cost = fit
    planned_cost = np.maximum(planned_cost, 0.0)
    at = np.arange(len(real_cost))
    costs = np.minimum.accumulate(
        [real_cost[at, np.argmax(planned_accuracy - p * planned_cost, axis=1)].mean() for p in PRICES]
    )
    logs = np.log(PRICES)
    log_price = np.interp(-target, -costs, logs)
    around = np.interp([log_price - 0.5, log_price + 0.5], logs, costs)
    predicted, accuracy, cost = held
    k = accuracy.shape[1]
    return Table(
        name=name,
        target=target,
        price=float(np.exp(log_price)),
        slope=float(around[0] - around[1]),
        planned_accuracy=predicted[:, :k],
        planned_cost=np.maximum(predicted[:, k:], 0.0),
        accuracy=accuracy,
        cost=cost,
        hard=hard,
        cost_unit=unit,
    )


def heavy_tailed(table, tail=1.3, draws=8, seed=0):
    """The same predictions, but each cost is drawn from a Pareto law around its mean."""
    drawn = 1.0 + np.random.default_rng(seed).pareto(tail, (len(table.cost), 1, draws))
    cost = table.cost.mean(axis=2, keepdims=True) * drawn * (tail - 1.0) / tail
    return replace(
        table, cost=cost, accuracy=np.repeat(table.accuracy.mean(axis=2)[:, :, None], draws, axis=2)
    )


# Traffic


def stream_of(table, kind, n, seed):
    """A stream of n questions.

    `shifted` takes 20% from the dear half of the tasks, then 80%; `easy_to_hard` asks for two thirds of its
    time what costs less than the target whatever is chosen, and then what costs far more.
    """
    rng = np.random.default_rng(seed)
    questions = len(table.hard)
    if kind == "stationary":
        rows = rng.permutation(questions)[:n] if n <= questions else rng.integers(0, questions, n)
    elif kind == "easy_to_hard":
        order = np.argsort(table.planned_cost.max(axis=1))
        cheap, dear = order[: int(0.12 * len(order))], order[int(0.3 * len(order)) :]
        rows = np.concatenate([rng.choice(cheap, 2 * n // 3), rng.choice(dear, n - 2 * n // 3)])
    else:
        easy, hard = np.flatnonzero(~table.hard), np.flatnonzero(table.hard)
        shares = {"shifted": (0.2, 0.8), "shifted_back": (0.8, 0.2)}[kind]
        halves = []
        for share, size in zip(shares, (n // 2, n - n // 2), strict=True):
            dear = rng.binomial(size, share)
            half = np.concatenate([rng.choice(hard, dear), rng.choice(easy, size - dear)])
            halves.append(rng.permutation(half))
        rows = np.concatenate(halves)
    return Stream(rows, rng.integers(0, table.cost.shape[2], n), rng.lognormal(0.0, 0.5, n))


# Laws: each gives the price, is told of an admission, and of a settlement


class Static:
    """The offline price, never moved."""

    def __init__(self, table, **_):
        self.price = table.price

    def admit(self, key, planned):
        """Nothing to learn from."""

    def settle(self, key, cost):
        """Nothing to learn from."""


class DualAscent:
    """price <- max(0, price + eta (cost - target)), at settlement, or on reservations corrected later."""

    def __init__(self, table, reserve=False, horizon=30.0, **_):
        self.price, self.target, self.reserve = table.price, table.target, reserve
        self.eta = table.price / (horizon * table.slope)
        self.planned = {}

    def admit(self, key, planned):
        """A question was decided."""
        self.planned[key] = planned
        if self.reserve:
            self.price = max(0.0, self.price + self.eta * (planned - self.target))

    def settle(self, key, cost):
        """Its cost is known."""
        counted = self.planned.pop(key) if self.reserve else self.target
        self.price = max(0.0, self.price + self.eta * (cost - counted))


class ParetoBanditPacer:
    """The budget pacer of the package paretobandit, at its defaults, over the policy that all laws share.

    Its soft mode takes lambda times a cost normalised to [0, 1] off each arm's value. Here the cost is the
    predicted one over the dearest action's mean, so that lambda is a price of compute. It hears of a question
    when its cost is known, as it has no reservations.

    Args:
        table: What is replayed.
        warm: Begin at the offline price, which the package has no means to be told, instead of at 0.
    """

    def __init__(self, table, warm=False):
        from pareto_bandit.budget_pacer import BudgetPacer, PacingMode

        self.pacer = BudgetPacer(table.target, mode=PacingMode.SOFT)
        self.scale = float(table.cost.mean(axis=(0, 2)).max())
        if warm:
            self.pacer.lambda_t = table.price * self.scale

    @property
    def price(self):
        """The dual variable in accuracy per unit of cost."""
        return self.pacer.lambda_t / self.scale

    def admit(self, key, planned):
        """It knows no plans."""

    def settle(self, _, cost):
        """A question's cost is known."""
        self.pacer.observe(cost)


class Ledger:
    """The library's ledger; without `reserve` it only hears of a question when its cost is known."""

    def __init__(self, table, reserve=True, **terms):
        self.ledger = open_ledger("memory://", policy=table, **terms)
        self.reserve = reserve

    @property
    def price(self):
        """As the ledger says."""
        return self.ledger.price

    def admit(self, key, planned):
        """A question was decided."""
        if self.reserve:
            self.ledger.reserve(planned, key)

    def settle(self, key, cost):
        """Its cost is known."""
        if self.reserve:
            self.ledger.settle(key, cost)
        else:
            self.ledger.charge(cost, key)


class Renamed:
    """A law that goes on with another stream: its questions have other names."""

    def __init__(self, law, name):
        self._law, self._name = law, name

    @property
    def price(self):
        """As the law says."""
        return self._law.price

    def admit(self, key, planned):
        """A question was decided."""
        self._law.admit(f"{self._name} {key}", planned)

    def settle(self, key, cost):
        """Its cost is known."""
        self._law.settle(f"{self._name} {key}", cost)


LAWS: dict[str, Callable] = {
    "static_price": Static,
    "dual_ascent": DualAscent,
    "dual_ascent_reserving": lambda table: DualAscent(table, reserve=True),
    "paretobandit_pacer": ParetoBanditPacer,
    "paretobandit_pacer_warm": lambda table: ParetoBanditPacer(table, warm=True),
    "ledger_without_reservations": lambda table: Ledger(table, reserve=False),
    "ledger": Ledger,
}


def in_flight_at(flight, n) -> Iterator[int]:
    """How many questions may be in flight as each arrives; bursts go up to 128."""
    for i in range(n):
        yield flight if isinstance(flight, int) else (128 if i % 500 < 100 else 1)


def replay(table, stream, law, flight):
    """Costs and accuracies of a stream, in order of arrival, and what nobody can know yet as each arrives.

    That is what the questions in flight will cost beyond their plan, in the table's unit: a law that knew
    every planned cost, and held settled plus planned spend at the target exactly, would be off by this.
    """
    n = len(stream.rows)
    costs, scores, unknown = np.empty(n), np.empty(n), np.empty(n)
    calls, now, beyond = [], 0.0, 0.0
    for i, limit in enumerate(in_flight_at(flight, n)):
        while len(calls) >= limit:
            now, key, cost, planned = heapq.heappop(calls)
            law.settle(key, cost)
            beyond -= cost - planned
        row, draw = stream.rows[i], stream.draws[i]
        action = int(np.argmax(table.planned_accuracy[row] - law.price * table.planned_cost[row]))
        planned = float(table.planned_cost[row, action])
        costs[i], scores[i] = table.cost[row, action, draw], table.accuracy[row, action, draw]
        law.admit(str(i), planned)
        beyond += costs[i] - planned
        unknown[i] = beyond
        duration = stream.seconds[i] * (0.5 + costs[i] / table.target)  # dear calls end later
        heapq.heappush(calls, (now + duration, str(i), float(costs[i]), planned))
    for _, key, cost, _ in sorted(calls):
        law.settle(key, cost)
    return costs, scores, unknown
