"""One split of a backtest: all policies are trained on one part of the questions and play the other."""

from collections.abc import Mapping
from dataclasses import dataclass

from adaptive_reasoner.arrays import Matrix
from adaptive_reasoner.kit.backtesting.baselines import play_baselines
from adaptive_reasoner.kit.backtesting.imitators import Mistakes, Split, look_plays, play_imitators
from adaptive_reasoner.kit.backtesting.performance import Key, Performance, SplitResult
from adaptive_reasoner.kit.backtesting.rules import Rule
from adaptive_reasoner.kit.learning.first_sample import FirstLook
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import split_by_text


@dataclass(frozen=True, eq=False)
class SplitRunner:
    """Plays everything that is compared, on one split after another.

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

    def play(self, seed: int, *, test_size: float) -> tuple[SplitResult, dict[Key, Mistakes]]:
        """Hold out questions at random, train on the rest and play; and compare imitators with the oracle."""
        fit, held_out = split_by_text(self.table.questions, test_size=test_size, seed=seed)
        split = Split.of(self.table, self.features, fit, held_out)
        chosen = dict(play_imitators(split, self.budgets, seed=seed))
        plays = {key: Performance.of(split.held_out, shares) for key, shares in chosen.items()}
        plays |= play_baselines(split.fit, split.held_out, self.budgets)
        for name, rule in self.rules.items():
            fitted = rule.fit(fit, held_out)
            plays |= {(name, budget): fitted.at(budget) for budget in self.budgets}
        if self.look is not None:
            looked = look_plays(self.look, split, fit, held_out, self.budgets, seed=seed)
            for budget, (shipped, ungated) in zip(self.budgets, looked, strict=True):
                plays["imitator_first_sample", budget] = shipped
                plays["first_sample_ungated", budget] = ungated
        mistakes = {key: Mistakes.of(split.held_out, shares, key[1]) for key, shares in chosen.items()}
        return SplitResult(held_out, plays), mistakes
