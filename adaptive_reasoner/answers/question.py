"""What a question lets expect of its answer: a number, a unit, an option, an order, or free text."""

import re
from functools import cached_property, lru_cache

from adaptive_reasoner.answers import question_patterns as patterns
from adaptive_reasoner.answers.reply_text import plain
from adaptive_reasoner.answers.values.units import currency, is_unit
from adaptive_reasoner.answers.vocabulary import BOUNDS, GREETINGS

_LONGEST = 4000


class QuestionText:
    """A question, and the text of the reply where it says more of what is meant.

    Args:
        text: The question; empty where it is not known.
        reply: The reply, whose own words count for its language and for what its numbers are.
    """

    def __init__(self, text: str, reply: str = "") -> None:
        self.text, self.reply = text, reply

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words, in lower case."""
        found = [word.casefold() for word in patterns.WORD.findall(self.text)]
        return frozenset(found + [word.rpartition("'")[2] for word in found if word[1:2] == "'"])

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of its words, without the alternatives that it offers: each of them may be the answer."""
        offered = {word.casefold() for pair in patterns.ALTERNATIVES.findall(self.text) for word in pair}
        return frozenset(stem(word) for word in self.words if word not in offered)

    @cached_property
    def known(self) -> bool:
        """Whether there is a question."""
        return bool(self.text.strip())

    @cached_property
    def asks_number(self) -> bool:
        """Whether a number is asked for."""
        return bool(patterns.HOW_MANY.search(self.text) or patterns.ARITHMETIC.search(self.text))

    @cached_property
    def asks_percent(self) -> bool:
        """Whether a percentage is asked for."""
        return bool(patterns.PERCENT.search(self.text))

    @cached_property
    def asks_free_text(self) -> bool:
        """Whether every fine reply may be worded in its own way: a poem, an explanation, a greeting."""
        if GREETINGS.match(self.text) and len(self.text.split()) <= 6:
            return not self.asks_word
        if self.options:
            return False
        if patterns.SMALL_TALK.search(self.text) or self._asks_definition:
            return not self.asks_number
        if patterns.TEXTS.search(self.text) and not (self.asks_number or patterns.YES_NO.search(self.text)):
            return True
        if patterns.WORKS.search(self.text) and not (
            self.asks_number
            or patterns.WH.search(self.text)
            or patterns.ANSWERABLE.search(self.text)
            or patterns.AS_VALUE.search(self.text)
        ):
            return True
        if (
            self.known
            and not self.asks_number
            and patterns.INSTRUCTION.match(self.text)
            and not patterns.ANSWERABLE.search(self.text)
        ):
            return True
        return bool(patterns.FREE.match(self.text)) and not (
            patterns.AS_VALUE.search(self.text)
            or self.asks_word
            or patterns.HOW_ABOUT.match(self.text)
            or (self.asks_number and len(self.text) < 200 and not self.text.lower().startswith("why"))
        )

    @cached_property
    def _asks_definition(self) -> bool:
        """Whether it asks what a word means."""
        found = patterns.DEFINITION.fullmatch(self.text)
        return bool(found) and not re.match(r"\W*what\W.*\s(?-i:[A-Z])", self.text, re.IGNORECASE)

    @cached_property
    def asks_yes_or_no(self) -> bool:
        """Whether yes or no is asked for."""
        asked = self.text.rstrip(" \"')").endswith("?") and not patterns.WH.search(self.text)
        return asked or bool(patterns.YES_NO.search(self.text))

    @cached_property
    def asks_when(self) -> bool:
        """Whether a date or a time is asked for."""
        return bool(patterns.WHEN.search(self.text))

    @cached_property
    def asks_name(self) -> bool:
        """Whether it asks who or which one."""
        return bool(patterns.ASKS_NAME.match(self.text))

    @cached_property
    def asks_word(self) -> bool:
        """Whether a word is asked for, as by a translation; the word may be a greeting."""
        return bool(patterns.TRANSLATION.search(self.text))

    @cached_property
    def counted(self) -> str:
        """The stem of what is to be counted, as apples in "how many apples"; empty otherwise."""
        found = patterns.UNIT_ASKED.search(self.text)
        return stem(found[1].casefold()) if found else ""

    def names(self, variable: str) -> bool:
        """Whether a value alone says the same as this variable with it: the unknown, x if none is named.

        Example:
            >>> asked, unknown = QuestionText("Solve 2y + 1 = 7."), QuestionText("")
            >>> asked.names("y"), unknown.names("x"), unknown.names("y")
            (True, True, False)
        """
        variable = re.sub(r"[\s{}\\]", "", variable)
        if "(" in variable:
            return variable in re.sub(r"\s", "", self.text)
        found = patterns.VARIABLE_ASKED.findall(self.text)
        variables = set(found) or {
            each for pair in patterns.VARIABLE.findall(self.text) for each in pair if each
        }
        return variables == {variable} if variables else variable == "x"

    @cached_property
    def says_version(self) -> bool:
        """Whether question or reply speak of a version, so that 3.10 is not 3.1."""
        return bool(patterns.VERSION.search(self.text) or patterns.VERSION.search(self.reply))

    @cached_property
    def verbatim(self) -> bool:
        """Whether signs are asked for as they are, as those of an identifier or of a program's output."""
        return bool(patterns.VERBATIM.search(self.text))

    @cached_property
    def says_ratio(self) -> bool:
        """Whether question or reply speak of a ratio."""
        return bool(patterns.RATIO.search(self.text) or patterns.RATIO.search(self.reply))

    @cached_property
    def says_score(self) -> bool:
        """Whether it is about a score, which is not reduced as a ratio is."""
        return bool(patterns.SCORE.search(self.text))

    @cached_property
    def says_money(self) -> bool:
        """Whether it is about money."""
        return bool(patterns.MONEY.search(self.text))

    @cached_property
    def says_phone(self) -> bool:
        """Whether it is about a telephone number."""
        return bool(patterns.PHONE.search(self.text) or patterns.PHONE.search(self.reply))

    @cached_property
    def order_matters(self) -> bool | None:
        """Whether the order of a list matters; None where that cannot be known."""
        if not self.known:
            return None
        if patterns.NO_ORDER.search(self.text):
            return False
        if patterns.ORDER.search(self.text) or patterns.FROM_TO.search(self.text):
            return True
        return False if patterns.SETS.search(self.text) else None

    @cached_property
    def currency(self) -> str:
        """The only currency that it names, dollars aside; empty otherwise."""
        names = [*re.findall(r"[€£₹₩₽₿¥]", self.text), *self.words]
        found = {
            code
            for name in names
            if len(name) != 1 or not name.isascii()
            for code in [currency(name)]
            if code
        }
        codes = {code for _, code in found}
        return codes.pop() if len(codes) == 1 and codes != {"USD"} and "$" not in self.text else ""

    @cached_property
    def unit(self) -> str:
        """The unit in which an answer is asked for, as in "how many hours"; empty otherwise."""
        for asked in (patterns.UNIT_ASKED, patterns.IN_UNIT):
            found = asked.search(self.text)
            if (
                found
                and is_unit(found[1])
                and found[1].casefold() not in ("a", "in", "h", "s", "n", "v", "w", "b")
            ):
                return found[1]
        return ""

    def counts(self, noun: str) -> bool:
        """Whether a number is asked for and these words after it only repeat of what.

        Example:
            >>> [QuestionText(text).counts("apples") for text in ("How many apples?", "What is left?")]
            [True, False]
        """
        if not self.asks_number:
            return False
        if re.search(r"[\d=<>%$€£°]", noun) or BOUNDS.search(noun):
            return False
        nouns = [word.casefold() for word in patterns.WORD.findall(noun)]
        return (bool(nouns) and all(stem(noun) in self.stems or noun in patterns.LEFT for noun in nouns)) or (
            len(noun) <= 2 and not noun.isascii() and not is_unit(noun)
        )

    @cached_property
    def options(self) -> dict[str, str]:
        r"""The options that it lists, by letter.

        Example:
            >>> QuestionText("Which?\nA) Paris\nB) Lyon").options
            {'a': 'Paris', 'b': 'Lyon'}
        """
        found = [(letter.casefold(), text.strip()) for letter, text in patterns.OPTION.findall(self.text)]
        letters = "".join(letter for letter, _ in found)
        return dict(found) if len(found) >= 2 and letters == "abcdefghij"[: len(found)] else {}

    @cached_property
    def comma(self) -> bool:
        """Whether the language is one in which 1,5 is written and 1.500 is fifteen hundred."""
        words = [word.casefold() for word in patterns.WORD.findall(f"{self.text} {self.reply[:500]}")]
        comma = sum(word in patterns.COMMA_LANGUAGES for word in words)
        return comma > sum(word in patterns.POINT_LANGUAGES for word in words)


@lru_cache(maxsize=64)
def read_question(text: str) -> QuestionText:
    """What a question lets expect, found out once."""
    return QuestionText(plain(text[:_LONGEST]))


def stem(word: str) -> str:
    """A word without the endings that tense and number give it.

    Example:
        >>> stem("discovered") == stem("discover"), stem("leaves") == stem("leave")
        (True, True)
    """
    word = patterns.PAST.get(word, word)
    for ending in ("ing", "ied", "ies", "ed", "es", "s", "d", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
