"""The router of the package paretobandit on a table of outcomes: taught, playing a stream, and stopped."""

from dataclasses import dataclass

import numpy as np

from adaptive_reasoner.kit.learning.encoders import feature_matrix

GAMMA = 0.997  # how fast it forgets: the default of the package for three models
COMPONENTS = 25
PRICES = np.linspace(0.0, 5.0, 2_001)  # up to the greatest price of its pacer


@dataclass(frozen=True)
class Linear:
    """What a router has learnt when it stops learning: a line for each action.

    Attributes:
        lines: Weights of whitened directions and a constant, shape (26, k).
        scale: Mean cost of each action as the router counts it, from 0 to 1, shape (k,).
    """

    lines: np.ndarray
    scale: np.ndarray

    def shares(self, contexts, table, budget):
        """Its choices for the questions of a table, at the price whose mean cost is nearest to the budget."""
        expected, rows = contexts @ self.lines, np.arange(len(contexts))
        choices = [(expected - price * self.scale).argmax(axis=1) for price in PRICES]
        nearest = min(choices, key=lambda chosen: abs(table.cost[rows, chosen].mean() - budget))
        return np.eye(len(self.scale))[nearest]


class ParetoRouter:
    """Its LinUCB and its pacer, on the vectors of a policy, begun with the outcomes the policy learnt from.

    Args:
        fit: Those outcomes.
        encoder: The policy's.
        budget: The mean cost that its pacer keeps.
        seed: Of the directions.
    """

    def __init__(self, fit, encoder, budget, seed):
        from sklearn.decomposition import PCA

        self.encoder, self.actions, self.budget, self.seed = encoder, list(fit.actions), budget, seed
        vectors = self._vectors(fit.questions)
        self.pca = PCA(COMPONENTS, whiten=True, random_state=seed).fit(vectors)
        self.scale = fit.cost.mean(axis=0) / fit.cost.mean(axis=0).max()
        self.lessons = self._contexts(vectors), fit.accuracy

    def contexts(self, questions):
        """What it sees of questions."""
        return self._contexts(self._vectors(questions))

    def taught(self):
        """A router that knows the outcomes."""
        from pareto_bandit import DisjointLinUCBPolicy

        bandit = DisjointLinUCBPolicy(self.actions, dim=COMPONENTS + 1, seed=self.seed)
        for context, scores in zip(*self.lessons, strict=True):
            for action, score in zip(self.actions, scores, strict=True):
                bandit.update(action, context, float(score))
        bandit.gamma = GAMMA  # from the first question on
        return bandit

    def reads(self, contexts, taken, score):
        """A router that learns from decisions that others made."""
        bandit = self.taught()
        for context, k, each in zip(contexts, taken, score, strict=True):
            bandit.mark_selected(self.actions[k])
            bandit.update(self.actions[k], context, float(each))
        return self._stopped(bandit)

    def plays(self, contexts, outcome_of):
        """A router that decides each question of a stream and hears at once what came of it.

        Args:
            contexts: Of the questions in their order.
            outcome_of: Score and cost of a question by its number and the action's.

        Returns:
            The scores, the costs, and the router at the end.
        """
        from pareto_bandit.budget_pacer import BudgetPacer, PacingMode

        bandit, pacer = self.taught(), BudgetPacer(self.budget, mode=PacingMode.SOFT)
        scores, costs = np.zeros(len(contexts)), np.zeros(len(contexts))
        for at, context in enumerate(contexts):
            penalties = dict(zip(self.actions, (pacer.lambda_t * self.scale).tolist(), strict=True))
            chosen, _ = bandit.select_arm(context, candidates=self.actions, cost_penalties=penalties)
            bandit.mark_selected(chosen)
            scores[at], costs[at] = outcome_of(at, self.actions.index(chosen))
            bandit.update(chosen, context, float(scores[at]))
            pacer.observe(float(costs[at]))
        return scores, costs, self._stopped(bandit)

    def _stopped(self, bandit):
        return Linear(np.column_stack([bandit.theta[action] for action in self.actions]), self.scale)

    def _vectors(self, questions):
        return feature_matrix(questions.tolist(), self.encoder)[:, : self.encoder.dimension]

    def _contexts(self, vectors):
        return np.hstack([self.pca.transform(vectors), np.ones((len(vectors), 1))])
