"""Everything that is compared, at play on one split after another."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from adaptive_reasoner.arrays import Floats, Ints, Matrix
from adaptive_reasoner.kit.backtesting import baselines
from adaptive_reasoner.kit.backtesting.imitators import (
    Mistakes,
    Split,
    label_shares,
    look_plays,
    value_shares,
)
from adaptive_reasoner.kit.backtesting.lift import Key, Performance, SplitResult
from adaptive_reasoner.kit.backtesting.rules import Rule
from adaptive_reasoner.kit.learning.first_sample import FirstLook
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import split_by_text


@dataclass(frozen=True, eq=False)
class Played:
    """What one split came to, and how the imitators' choices differ from the oracle's."""

    trial: SplitResult
    mistakes: Mapping[Key, Mistakes]


@dataclass(frozen=True, eq=False)
class SplitRunner:
    """The field of a backtest: questions, budgets, and the stop rules replayed beforehand.

    Attributes:
        table: All questions.
        features: What an imitator sees of them, shape (n, width).
        budgets: Mean costs allowed.
        rules: Stop rules on the same questions, by name.
        look: The same questions with the first answer of the cheapest action, where samples have it.
    """

    table: Outcomes
    features: Matrix
    budgets: tuple[float, ...]
    rules: Mapping[str, Rule]
    look: FirstLook | None = None

    def play(self, seed: int, *, test_size: float) -> Played:
        """Hold out questions at random, train on the rest and play."""
        fit, held_out = split_by_text(self.table.questions, test_size=test_size, seed=seed)
        split = Split.of(self.table, self.features, fit, held_out)
        chosen = dict(self._imitators(split, seed))
        plays = {key: Performance.of(split.held_out, shares) for key, shares in chosen.items()}
        plays |= dict(self._baselines(split)) | dict(self._stop_rules(fit, held_out))
        if self.look is not None:
            looked = look_plays(self.look, split, fit, held_out, self.budgets, seed=seed)
            for budget, (shipped, ungated) in zip(self.budgets, looked, strict=True):
                plays["imitator_first_sample", budget] = shipped
                plays["first_sample_ungated", budget] = ungated
        mistakes = {key: Mistakes.of(split.held_out, shares, key[1]) for key, shares in chosen.items()}
        return Played(SplitResult(held_out, plays), mistakes)

    def _imitators(self, split: Split, seed: int) -> Iterator[tuple[Key, Floats]]:
        values = value_shares(split, self.budgets, seed=seed)
        labels = label_shares(split, self.budgets, seed=seed)
        for budget, (shipped, ungated), labelled in zip(self.budgets, values, labels, strict=True):
            yield ("imitator", budget), shipped
            yield ("imitator_ungated", budget), ungated
            yield ("imitator_labels", budget), labelled

    def _baselines(self, split: Split) -> Iterator[tuple[Key, Performance]]:
        fit, held_out = split.fit, split.held_out
        learned: dict[str, Callable[[Outcomes, Outcomes, float], Performance]] = {
            "uniform": baselines.uniform,
            "length_rule": baselines.length_rule,
        }
        if self.table.groups is not None:
            learned["group_lookup"] = baselines.group_lookup
        for budget in self.budgets:
            for name, play in learned.items():
                yield (name, budget), play(fit, held_out, budget)
            crossfit = baselines.oracle_crossfit(held_out, budget)
            if crossfit is not None:
                yield ("oracle_crossfit", budget), crossfit
            yield ("oracle_in_sample", budget), baselines.oracle_in_sample(held_out, budget)
            for action in self.table.actions:
                yield (action, budget), baselines.fixed(held_out, action)

    def _stop_rules(self, fit: Ints, held_out: Ints) -> Iterator[tuple[Key, Performance]]:
        for name, rule in self.rules.items():
            fitted = rule.fit(fit, held_out)
            for budget in self.budgets:
                yield (name, budget), fitted.at(budget)
