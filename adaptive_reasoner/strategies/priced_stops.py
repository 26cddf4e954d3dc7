"""Stop rules that weigh what a sample may still change against what it costs."""

from dataclasses import dataclass

from adaptive_reasoner.strategies.optimal_stopping import beta_vote_model, plan, retries_worth
from adaptive_reasoner.strategies.stop_rules import Persistent, SamplePrice
from adaptive_reasoner.strategies.vote_state import VoteState


@dataclass(frozen=True)
class Priced:
    """Stop when no further samples are worth their price, in money and in waiting.

    Goes by what collected samples say of such votes, where the policy brings it; without, by the two leading
    answers under a Beta posterior, which needs no labels. One price steers the choice of the action and every
    further sample. After replies that were all empty, filtered or cut, it goes on where collected samples say
    that this pays; without such samples it draws one more.

    Example:
        >>> state = VoteState(top=2, second=0, drawn=2, limit=9)
        >>> [Priced().wave(state, SamplePrice(price=price, cost=1.0)) for price in (0.0001, 0.05)]
        [3, 0]
    """

    non_blocking = True  # plans a vote of a few samples within milliseconds, and so without a thread

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        """The wave that is worth most, at the task's price and what a sample of this vote costs."""
        most = self._most(state, terms)
        if state.drawn and not (terms.in_time and most):
            return 0
        known = terms.prospects or beta_vote_model(state.limit)
        if state.drawn >= min(known.limit, state.limit):
            return 0
        paid = terms.cost, terms.prompt_cost, terms.samples_per_request
        if terms.cost is None and known.cost is not None:
            paid = max(0.0, known.cost - known.prompt_cost), known.prompt_cost, known.samples_per_request
        cost, prompt_cost, together = paid
        if cost is None or 0 < state.failed == state.drawn:
            return 1  # to learn what one costs, and whether there is anything to compare
        seconds = terms.seconds or known.seconds or 0.0
        best = plan(
            known.within(state.limit),
            terms.price * cost,
            round_cost=terms.second_price * seconds,
            request_cost=terms.price * prompt_cost,
            samples_per_request=together,
            last=0 < terms.seconds_left < 2 * seconds,
        )
        drawn = state.drawn if state.top else state.drawn - state.failed  # failures tell nothing of a reply
        return min(int(best.wave[drawn, state.top, state.second]), most)

    def _most(self, state: VoteState, terms: SamplePrice) -> int:
        """The most samples that may be started next; 0 where the vote is over at any price.

        Whether further samples answer where all so far were empty, filtered or cut, collected samples say.
        """
        known = terms.prospects
        if state.unanswered and (state.nothing or known is None or not known.answers_late):
            return state.needed
        return state.limit - state.drawn if state.unanswered or state.needed else 0


@dataclass(frozen=True)
class PricedRetries:
    """Try again while the chance of success is worth the price.

    The chance falls with every failure: as collected samples say or, without any, as 1 / (failures + 2),
    the posterior mean under a uniform prior.

    Example:
        >>> [PricedRetries().wave(rejected, 20, SamplePrice(price=0.1, cost=1.0)) for rejected in (0, 5, 12)]
        [1, 1, 0]
    """

    def wave(self, rejected: int, limit: int, terms: SamplePrice) -> int:
        """1 while a further try is worth it."""
        known = terms.prospects if terms.prospects and terms.prospects.accepted is not None else None
        accepted = (known or beta_vote_model(limit)).accepted
        assert accepted is not None
        if not rejected or not Persistent().wave(rejected, min(limit, len(accepted)), terms):
            return int(not rejected)
        cost = terms.price * ((terms.cost or 0.0) + terms.prompt_cost) + terms.second_price * terms.seconds
        return int(retries_worth(accepted[:limit], cost)[rejected] > 0)
