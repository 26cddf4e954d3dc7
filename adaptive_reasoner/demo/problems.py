"""Questions for the demonstration: four families of arithmetic, mixed, seeded, with gold answers.

The families differ in what helps a small model: it knows products of digits by heart and stumbles when it
explains them; it cannot do a word problem without writing the sum down first. Which family a question
belongs to is kept as its `group`, to report by; nothing that prompts or decides may look at it.
"""

import itertools
import random
from collections.abc import Iterator

from adaptive_reasoner.demo.prompts import EXAMPLE_QUESTIONS
from adaptive_reasoner.errors import needs
from adaptive_reasoner.kit.questions import Question, text_id

FAMILIES = ("products", "sums", "chains", "words")
"""The hidden families: products of two digits; sums and differences of two numbers below 100, of three
digits; one-step word problems."""

_ENOUGH_DRAWS = 10_000
"""Draws after which a family that still repeats itself has no further text to give."""

_PEOPLE = (
    "Ada", "Bruno", "Clara", "David", "Elif", "Frank", "Grace", "Hugo", "Ivy", "Jonas", "Kira", "Leo"
)  # fmt: skip
_THINGS = ("apples", "books", "coins", "eggs", "keys", "marbles", "pencils", "shells", "stamps", "tickets")
_WORDINGS = (
    ("+", "{a} has {x} {things}. {a} {gains} {y} more {things}. How many {things} does {a} have now?"),
    ("-", "{a} has {x} {things}. {a} {loses} {y} {things}. How many {things} does {a} have left?"),
    ("+", "{a} has {x} {things} and {b} has {y} {things}. How many {things} do they have together?"),
    ("-", "{a} has {x} {things} and {b} has {y} {things}. How many more {things} does {a} have than {b}?"),
    (
        "+",
        "{a} puts {x} {things} in one box and {y} {things} in another. How many {things} are in both?",
    ),
    ("-", "There are {x} {things} on a table. {a} takes {y} of them. How many {things} are still there?"),
)
_GAINS = ("buys", "finds", "gets", "wins")
_LOSES = ("loses", "sells", "gives away", "breaks")


def problems(n: int, seed: int = 0) -> list[Question]:
    """Return `n` different questions, the four families equally frequent, in random order.

    Args:
        n: How many. The families hold only so many different texts (products of two digits: 100).
        seed: Equal seeds give equal questions.

    Raises:
        ImportError: reasoning-gym, which makes three of the families, is not installed.
        ValueError: `n` is more than the families hold.
    """
    families = {family: _distinct(_draws(family, seed)) for family in FAMILIES}
    questions: list[Question] = []
    for family in itertools.islice(itertools.cycle(FAMILIES), n):
        text, gold = next(families[family], ("", ""))
        if not text:
            raise ValueError(
                f"there are no {n} different questions: the {family} end; ask for at most {len(questions)}"
            )
        questions.append(Question(text_id(text), text, gold, family))
    random.Random(f"order {seed}").shuffle(questions)  # noqa: S311 - questions, not secrets
    return questions


def _distinct(draws: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Drop what came before, or stands in a prompt; end when nothing else has come for long."""
    seen = set(EXAMPLE_QUESTIONS)
    repeats = 0
    for text, gold in draws:
        if text in seen:
            repeats += 1
            if repeats > _ENOUGH_DRAWS:
                return
        else:
            repeats = 0
            seen.add(text)
            yield text, gold


def _draws(family: str, seed: int) -> Iterator[tuple[str, str]]:
    """Draw (text, gold) of one family without end; texts repeat."""
    # reasoning-gym seeds its entry i with seed + i: nearby seeds would share most of their entries.
    rng = random.Random(f"{family} {seed}")  # noqa: S311
    if family == "words":
        return _word_problems(rng)
    shape = {
        "products": ("products", {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}),
        "sums": ("chain_sum", {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2}),
        "chains": ("chain_sum", {"min_terms": 3, "max_terms": 3, "min_digits": 1, "max_digits": 1}),
    }
    return _expressions(*shape[family], seed=rng.getrandbits(48))


def _expressions(dataset: str, settings: dict[str, int], *, seed: int) -> Iterator[tuple[str, str]]:
    with needs("the demo's questions need reasoning-gym", "local"):
        import reasoning_gym
    entries = reasoning_gym.create_dataset(dataset, size=2**31, seed=seed, **settings)
    for entry in entries:
        yield entry["metadata"]["expression"], entry["answer"]


def _word_problems(rng: random.Random) -> Iterator[tuple[str, str]]:
    while True:
        sign, wording = rng.choice(_WORDINGS)
        larger, smaller = sorted(rng.sample(range(2, 41), 2), reverse=True)
        a, b = rng.sample(_PEOPLE, 2)
        verbs = {"gains": rng.choice(_GAINS), "loses": rng.choice(_LOSES)}
        text = wording.format(a=a, b=b, x=larger, y=smaller, things=rng.choice(_THINGS), **verbs)
        yield text, str(larger + smaller if sign == "+" else larger - smaller)
