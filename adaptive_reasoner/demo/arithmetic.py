"""Questions for the demonstration: six families of arithmetic, mixed, seeded, with right answers.

The families differ in what helps a small model, and within a family some numbers are harder than others. The
family of a question is kept as its `group`, for reports; nothing that prompts or decides may look at it.
"""

import itertools
import random
from collections.abc import Collection, Iterator

from adaptive_reasoner.demo.prompts import EXAMPLE_QUESTIONS
from adaptive_reasoner.errors import needs
from adaptive_reasoner.kit.questions import Question, text_id

FAMILIES = ("products", "sums", "chains", "words", "equations", "divisors")
"""Products of a digit and a number; sums and differences of a number below 25 and a digit; the same of three
digits; one-step word problems; linear equations; divisors of a number. Answers to the last two can be checked
without knowing the right one."""

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
_FACTORS = (*range(2, 20), *range(20, 100, 10))
_GAINS = ("buys", "finds", "gets", "wins")
_LOSES = ("loses", "sells", "gives away", "breaks")


def problems(n: int, seed: int = 0, *, without: Collection[str] = ()) -> list[Question]:
    """Return `n` different questions, the six families equally frequent, in random order.

    Args:
        n: How many. The families hold only so many different texts (some 350 products).
        seed: Equal seeds give equal questions.
        without: Texts that are left out, such as those of questions that a policy was trained on.

    Raises:
        ImportError: reasoning-gym, which makes two of the families, is not installed.
        ValueError: `n` is more than the families hold.
    """
    families = {family: _distinct(_draws(family, seed), without) for family in FAMILIES}
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


def _distinct(draws: Iterator[tuple[str, str]], without: Collection[str]) -> Iterator[tuple[str, str]]:
    """Drop what came before, or stands in a prompt; end when nothing else has come for long."""
    seen = {*EXAMPLE_QUESTIONS, *without}
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
    own = {"products": _products, "sums": _sums, "words": _word_problems, "divisors": _divisors}
    if family in own:
        return own[family](rng)
    dataset, settings = {
        "chains": ("chain_sum", {"min_terms": 3, "max_terms": 3, "min_digits": 1, "max_digits": 1}),
        "equations": ("simple_equations", {"min_terms": 2, "max_terms": 2, "min_value": 1, "max_value": 5}),
    }[family]
    return _expressions(dataset, settings, seed=rng.getrandbits(48))


def _expressions(dataset: str, settings: dict[str, int], *, seed: int) -> Iterator[tuple[str, str]]:
    with needs("the demo's questions need reasoning-gym", "local"):
        import reasoning_gym
    for entry in reasoning_gym.create_dataset(dataset, size=2**31, seed=seed, **settings):
        metadata = entry["metadata"]
        if "equation" in metadata:
            yield f"Solve for {metadata['variable']}: {metadata['equation']}", entry["answer"]
        else:
            yield metadata["expression"], entry["answer"]


def _products(rng: random.Random) -> Iterator[tuple[str, str]]:
    while True:
        factors = [rng.randint(2, 9), rng.choice(_FACTORS)]
        rng.shuffle(factors)
        yield f"{factors[0]} * {factors[1]}", str(factors[0] * factors[1])


def _sums(rng: random.Random) -> Iterator[tuple[str, str]]:
    while True:
        number, digit = rng.randint(2, 24), rng.randint(2, 9)
        if rng.random() < 0.5:
            yield f"{number} + {digit}", str(number + digit)
        else:
            yield f"{number} - {digit}", str(number - digit)


def _word_problems(rng: random.Random) -> Iterator[tuple[str, str]]:
    while True:
        sign, wording = rng.choice(_WORDINGS)
        larger, smaller = sorted(rng.sample(range(2, 21), 2), reverse=True)
        a, b = rng.sample(_PEOPLE, 2)
        verbs = {"gains": rng.choice(_GAINS), "loses": rng.choice(_LOSES)}
        text = wording.format(a=a, b=b, x=larger, y=smaller, things=rng.choice(_THINGS), **verbs)
        yield text, str(larger + smaller if sign == "+" else larger - smaller)


def _divisors(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Numbers with at least one divisor in the range that is asked for; the gold answer lists them all."""
    while True:
        number, lower, upper = rng.randint(10, 150), rng.choice((2, 3, 4)), rng.choice((9, 12))
        right = [divisor for divisor in range(lower, upper + 1) if number % divisor == 0]
        if right and number > upper:
            yield (
                f"Name a number from {lower} to {upper} that divides {number}.",
                " or ".join(map(str, right)),
            )
