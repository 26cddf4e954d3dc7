"""Texts that say different things of the same things are in doubt, and those that say the same are not."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_reasoner.answers.free_text.differences import in_doubt

DOUBT = [
    ("It takes two hours.", "It takes three hours."),
    ("It costs 1,000,000 dollars.", "It costs 1,000,001 dollars."),
    ("The dose is 0.5 mg.", "You should take 5 mg of it."),
    ("It was -5 degrees outside.", "Outside we had 5 degrees."),
    ("القطار متأخر ٢ ساعة.", "القطار متأخر ٣ ساعات."),
    ("火车晚点了二小时。", "列车延误了3小时。"),
    ("Der Zug hat zwei Stunden Verspätung.", "Der Zug ist drei Stunden zu spät."),
    ("The drug is safe.", "The drug isn't safe."),
    ("It is possible to return it.", "Returning it is impossible, I fear."),
    ("Er hat einen Bruder.", "Er hat keinen Bruder."),
    ("Elle a aimé le film.", "Elle n'a pas aimé ce film."),
    ("Se puede fumar aquí, dicen.", "Nunca se puede fumar."),
    ("这里可以吸烟。", "这里不可以吸烟。"),
    ("ここで喫煙できます。", "ここで喫煙できません。"),
    ("Alice paid Bob.", "Bob paid Alice."),
    ("狗咬了人。", "人咬了狗。"),
    ("The capital of France is Paris.", "The capital of France is Lyon."),
    ("The patient has cancer.", "The patient may have cancer."),
    ("Red", "Blue"),
    ("North Korea", "South Korea"),
    ("It was released in the spring of 1990, in Rome.", "It was released in the autumn of 1990, in Rome."),
]
NONE = [
    ("Paris", "It is Paris."),
    ("Paris", "paris"),
    ("The meeting is at 3 pm.", "At 3 pm, we will all meet."),
    ("It takes two hours.", "You will need about 2 hours for it."),
    ("It costs 1,000 dollars.", "The price is $1000."),
    ("It costs 1.000,50 euros.", "The price is €1000.50."),
    ("The company hired a new director.", "They have appointed a fresh head of the firm."),
    ("1. Boil water. 2. Add salt.", "Bring water to the boil, then put some salt in."),
    ("I cannot open it.", "It was not possible for me to open the file."),
    ("The mitochondria", "Mitochondria"),
    ("", ""),
]


@pytest.mark.parametrize(("one", "other"), DOUBT)
def test_what_may_mean_something_else_is_in_doubt(one, other):
    assert in_doubt(one, other)
    assert in_doubt(other, one)


@pytest.mark.parametrize(("one", "other"), NONE)
def test_what_says_the_same_in_other_words_is_not_in_doubt(one, other):
    assert not in_doubt(one, other)
    assert not in_doubt(other, one)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_text_is_never_in_doubt_with_itself(text):
    assert not in_doubt(text, text)


def test_long_texts_are_compared_in_time():
    words = ["the", "a", "of", *map(str, range(40)), "cat", "dog"]
    pick = random.Random(0).choices
    one, other = (" ".join(pick(words, k=1_900)) for _ in range(2))
    started = time.process_time()
    in_doubt(one, other)
    in_doubt(one, one + " dog cat")
    assert in_doubt("word " * 3_000, "word " * 3_001)
    assert time.process_time() - started < 10
