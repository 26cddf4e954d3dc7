"""The options of multiple choice: which letter a text names."""

import re

from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.reply_text import last_found
from adaptive_reasoner.lazy_pattern import pattern

_LATEX = pattern(r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|boxed|mathbb)\s?\{([^{}]*)\}")
_SPACE = pattern(r"\\[ ,;!~]|\\quad|~")
_NAMED = pattern(
    r"\W*(?:(?:the\s+)?(?:correct\s+|right\s+|best\s+|final\s+)?(?:option|choice|answer|alternative|opción|"
    r"option|antwort|réponse|respuesta|"
    r"risposta|resposta|opção|选项|選択肢|答案|答え)\s*(?:is|est|ist|es|è|é|是|は)?\s*[:：]?\s*)?"
    r"[(\[]?(?P<letter>[A-Za-z])(?![\w'’/.&+-]*[A-Za-z\d])(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = pattern(r"\W*([A-Z])\W*(?:(?:,|and|und|y|et|e|&|or|和|と)\W*([A-Z])(?![\w'])\W*)+", re.IGNORECASE)
_SEPARATORS = pattern(r"(?<=[\s)])(?:and|und|y|et|e|or)(?=[\s(])")
_CORRECT = pattern(
    r"^\W*both\s+(?=\(?[A-J]\W)|(?<=[A-J])\)?\s+(?:are|is|sind|ist|son|es|sont|est)\s+(?:both\s+)?"
    r"(?:correct|right|true|richtig|correctas?|correctes?)\W*$"
)
_LETTERED = pattern(
    r"(?:(?i:option|choice|answer|antwort|opción|réponse|respuesta|opção)\s+(?=[A-J](?:[\s,.:)]|$))|"
    r"(?=\(?[A-J]\)))\(?([A-J])\)?(?:[\s:,.-].*)?",
    re.DOTALL,
)
_LETTERS = pattern(r"\(?[A-J]\)?(?:(?:\s*,\s*|\s+(?:and|und|y|et|e|&)\s+|\s*[和と]\s*)\(?[A-J]\)?)*")
_SENTENCE = pattern(
    r"(?:option|choice|answer|alternative|opción|antwort|réponse|respuesta|risposta|opção|resposta|选项|"
    r"選択肢|"
    r"答案|答え)"
    r"\W{0,6}(?:(?:is|est|ist|es|è|é|lautet|是|は|should be|must be|would be)\W{0,6})?\(?([A-Z])\)?(?![\w'])",
    re.IGNORECASE,
)


def option(text: str) -> str | None:
    r"""The letter of the option that a text names, or the letters; None where it names none.

    Args:
        text: What a reply states as its answer.

    Example:
        >>> [option(text) for text in ("(B)", r"\text{(B)}", "B) Paris", "option b.", "(B) and (D)", "N/A")]
        ['b', 'b', 'b', 'b', 'b and d', None]
    """
    text = _SPACE.sub(" ", text)
    for _ in range(3):
        text = _LATEX.sub(r" \1 ", text)
    text = text.replace("$", " ").replace("*", "").strip()
    if len(text) > 2000:
        return None
    if _SEVERAL.fullmatch(text):
        letters = re.findall(r"(?<![A-Za-z\d'])[A-Za-z](?![A-Za-z\d'])", _SEPARATORS.sub(" ", text))
        return " and ".join(sorted({letter.casefold() for letter in letters}))
    found = _NAMED.match(text)
    if found is None:
        return None
    rest = found["rest"]
    if re.match(r"\s+[^\W\d_]", rest) and not _SENTENCE.match(text) and text[:1] not in "([":
        return None  # a word of a sentence: I guess, a dog
    return found["letter"].casefold()


def option_of(text: str, question: QuestionText) -> str | None:
    r"""The letter of the option that a text names or repeats, where the question lists options.

    Example:
        >>> option_of("paris", QuestionText("Which?\nA) Paris\nB) Lyon"))
        'a'
    """
    if not question.options:
        return None
    text = _CORRECT.sub("", text)
    letter = option(text) or _run_of_letters(text)
    if letter is not None:
        return letter if all(each in question.options for each in letter.split(" and ")) else None
    wanted = _folded(text)
    found = [name for name, words in question.options.items() if _folded(words) == wanted]
    return found[0] if len(found) == 1 else None


def lettered(text: str) -> str | None:
    """The letter of a text that is an option by its look alone: "(C)", "C", "B) Lyon", "B and D".

    Example:
        >>> [lettered(text) for text in ("(C) carbon dioxide", "C", "B and D", "J. Smith", "a cat")]
        ['c', 'c', 'b and d', None, None]
    """
    if _LETTERS.fullmatch(text):
        letters = re.findall(r"(?<![A-Za-z])[A-J](?![A-Za-z])", text)
        return " and ".join(sorted({letter.casefold() for letter in letters}))
    found = _LETTERED.fullmatch(text)
    return found[1].casefold() if found else None


def option_in(text: str) -> str | None:
    """The option that the last sentence of its kind in a text names: "the correct option is (B)".

    Example:
        >>> option_in("Option A fails, so the correct option is (B).")
        'b'
    """
    found = last_found(_SENTENCE, text[-5000:])
    return found[1].casefold() if found and found[1].isupper() else None


def _run_of_letters(text: str) -> str | None:
    """The letters of several options written in a row: AC."""
    letters = text.strip(" .,;:!()").casefold()
    in_order = 2 <= len(letters) <= 10 and letters == "".join(sorted(set(letters)))
    return " and ".join(letters) if in_order and set(letters) <= set("abcdefghij") else None


def _folded(text: str) -> str:
    return " ".join(text.casefold().strip(" .,;:!\"'").removeprefix("the ").split())
