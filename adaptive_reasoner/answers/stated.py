r"""The answer that a reply states: boxed, marked, on its last line, or the whole of a short reply."""

import re

from adaptive_reasoner.answers.phrases import is_conditional, leading_yes_or_no, yes_or_no
from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.reply_text import is_courtesy, plain, sentences, without_courtesies
from adaptive_reasoner.answers.statements import Stated, bare_text, statement
from adaptive_reasoner.answers.values.expressions import unwrapped
from adaptive_reasoner.answers.values.reading import value_key
from adaptive_reasoner.answers.values.series import listed
from adaptive_reasoner.answers.values.typed_values import typed_spans
from adaptive_reasoner.answers.vocabulary import CONCLUDING, LETTERS, REFUSALS, SALUTATIONS, any_of
from adaptive_reasoner.lazy_pattern import pattern

_NAMES = any_of(
    "answer|final answer|antwort|endergebnis|ergebnis|lösung|respuesta|respuesta final|resultado|solución|"
    "réponse|réponse finale|"
    "résultat|risposta|risultato|resposta|ответ|result|final result|final|solution|conclusion|الجواب|"
    "الإجابة|الجواب النهائي|الإجابة النهائية|النتيجة"
)
_CJK_NAMES = "最终答案|最終答案|最終的な答え|正确答案|答案|答え|正解|答|回答|結論|정답|답"
_LINKS = (
    r"(?:is|should be|would be|must be|will be|has to be|equals|is equal to|comes out to(?: be)?|turns out "
    r"to be|ist|lautet|beträgt|wäre|"
    r"es|sería|est|è|é|هو|هي|это)(?!\w)|[:=]|-(?=\s)|\u2014"
)
_MARK = pattern(
    rf"(?:{_NAMES}(?:\s+(?:to|for|of|auf|zu|a|à|für|de)\b[^\n.:=]{{1,80}}?(?=\s+(?:is|should|would|must|"
    rf"ist|lautet|es|est|è|é)\b|\s?[:=]))?"
    rf"\s*(?:\([^()\n]{{1,30}}\)\s*)?(?:{_LINKS})|(?:{_CJK_NAMES})\s*(?:是|为|為|は|은|는|:|=)|"
    rf"^[ \t]*#{{4}}(?!#)|"
    rf"<answer>)(?:\s*[:=])?",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING = pattern(
    rf"^[^\w\n]{{0,20}}(?:the\s+)?(?:{_NAMES}|{_CJK_NAMES})[^\w\n]{{0,20}}$\n",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_THE = pattern(
    r"(?:\b(?:this|that|your|any|an|another|each|every|a|no|which|what|whose|whether|first|previous|wrong|"
    r"incorrect|other|same|different|to|can|could|will|cannot|not)\s+|[-\w]-)$",
    re.IGNORECASE,
)
_NO_VALUE = pattern(
    r"\W*(?:correct|right|helpful|wrong|incorrect|clear|simple|obvious|useful|below|above|as follows|given|"
    r"here|found|based|it depends|not|"
    r"richtig|falsch|correcto|correcta|correcte?|verified|reasonable|straightforward|complicated|complex|"
    r"likely|in|that|what|how|a matter)\b",
    re.IGNORECASE,
)
_BLOCK = pattern(r"\\\[(.{1,400}?)\\\]|\$\$(.{1,400}?)\$\$|\\begin\{(\w+)\}.{1,600}?\\end\{\3\}", re.DOTALL)
_BOX = pattern(r"\\(?:boxed|fbox)\s?\{")
_CUT = pattern(
    r"[.!?]\s[^.!?]*\s(?:the|an?|and|or|of|to|with|in|der|die|das|den|und|oder|von|mit|el|la|los|las|y|"
    r"de|con|le|les|et|"
    r"du|des|che|e|и|в|на|و|في|من)\Z|[^\n]{40},\Z",
)
"""A text that ends within a sentence."""
_QUOTED = pattern(r"(['\"]).*\1\.?")
_PERHAPS_VERSION = pattern(r"\d{1,2}\.\d*[1-9]0")
"""A decimal or, as 3.10, a version; which of them, the question says."""
_MOST_SENTENCES = 5
_LAST_NUMBERS = 4


def find_answer(text: str, question: QuestionText) -> Stated | None:
    r"""The answer that a text states; None where it states none that can be compared.

    Args:
        text: A reply after its thoughts.
        question: What is asked.

    Example:
        >>> find_answer("We add 35 and 7.\nThe total is 42. I hope this helps!", QuestionText("")).text
        '42'
    """
    text = plain(text)
    asked = QuestionText(question.text, text)
    if (LETTERS.match(text) and last_boxed(text) is None) or _CUT.search(text):
        return None
    if asked.verbatim and _QUOTED.fullmatch(text):
        return None
    offered = find_declared(text, asked)
    if offered is not None:
        return offered[1]
    if not asked.known and _PERHAPS_VERSION.fullmatch(text):
        return None
    if asked.asks_free_text:
        return None
    if (items := listed(text, asked, lambda item: value_key(item, asked))) is not None:
        return Stated(text, items)
    parts = without_courtesies(sentences(text))
    if not parts or REFUSALS.search(parts[0]):
        return None
    all_parts = sentences(text)
    if _is_chat(all_parts, parts):
        return statement(parts[-1], asked, outright=True) if len(parts) == 1 else None
    if leading_yes_or_no(parts[0]) and any(is_conditional(part) for part in parts):
        return None
    return _yes_or_no(parts, asked) or _sentence(parts, asked)


def _is_chat(all_parts: list[str], parts: list[str]) -> bool:
    """Whether a reply greets, or ends with a question to the user that is no courtesy."""
    greets = len(parts) < len(all_parts) and bool(SALUTATIONS.match(all_parts[0]))
    return greets or (len(all_parts) > 1 and all_parts[-1].endswith("?") and not is_courtesy(all_parts[-1]))


def find_declared(text: str, question: QuestionText) -> tuple[str, Stated | None] | None:
    r"""What a text itself calls its answer, boxed or marked, and what that states; None without one.

    Args:
        text: In plain characters.
        question: What is asked.

    Example:
        >>> texts = (r"so \boxed{42}", "Answer: Paris, I think.")
        >>> [find_declared(text, QuestionText(""))[0] for text in texts]
        ['42', 'Paris, I think.']
    """
    boxed, marked = last_boxed(text), _last_marked(text, question)
    if boxed is not None and (marked is None or boxed[0] >= marked[0]):
        content = boxed[1]
        key = value_key(content, question, marked=True)
        return content, None if key is None else Stated(unwrapped(content).strip(), key)
    return None if marked is None else marked[1:]


def last_boxed(text: str) -> tuple[int, str] | None:
    r"""Where the last \boxed{...} of a text stands, and what is in it.

    Example:
        >>> last_boxed(r"\boxed{1} or rather \boxed{\frac{1}{2}}")
        (20, '\\frac{1}{2}')
    """
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    depth, first = 1, boxes[-1].end()
    for end in range(first, min(len(text), first + 2000)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            return boxes[-1].start(), text[first:end]
    return None


def _last_marked(text: str, question: QuestionText) -> tuple[int, str, Stated | None] | None:
    """Where the last marker that a value follows stands, the text that follows it, and what that states."""
    marks = sorted([*_MARK.finditer(text), *_HEADING.finditer(text)], key=lambda found: found.start())
    for mark in reversed(marks[-20:]):
        if _NOT_THE.search(text[max(0, mark.start() - 30) : mark.start()]):
            continue
        value = _after(text, mark.end())
        if not value or _NO_VALUE.match(value):
            continue
        return mark.start(), value, _marked_value(value, question)
    return None


def _after(text: str, at: int) -> str:
    """What follows a marker: a block of mathematics, or the next line that says something."""
    rest = text[at : at + 2000].lstrip(" \t\n*_:>`")
    if block := _BLOCK.match(rest):
        return block[1] or block[2] or block[0]
    line = rest.partition("\n")[0].partition("</answer>")[0].strip(" \t`*")
    return sentences(line)[0] if line else ""


def _marked_value(value: str, question: QuestionText) -> Stated | None:
    """What a marked value says: all of it, or what it begins with: "42 because ...", "B, since ..."."""
    if REFUSALS.search(value):
        return None
    box = last_boxed(value)
    value = unwrapped(box[1] if box else value)
    if (word := leading_yes_or_no(value)) is not None:
        return None if is_conditional(value) else Stated(word, word)
    key = value_key(value, question, marked=True)
    if key is not None:
        return Stated(bare_text(value), key)
    found = statement(value, question)
    if found is not None:
        return found
    first = next(typed_spans(value, question), None)
    return Stated(*first) if first is not None and value.startswith(first[0]) else None


def _yes_or_no(parts: list[str], question: QuestionText) -> Stated | None:
    """A reply that begins with yes or no and goes on; to a question that can be so answered."""
    if question.verbatim:
        return None
    if len(parts) == 1 and (whole := yes_or_no(parts[0])) is not None:
        return Stated(whole, whole)
    if question.known and not question.asks_yes_or_no:
        return None
    if sum(len(part.split()) for part in parts) > 80 or any(REFUSALS.search(part) for part in parts):
        return None
    word = leading_yes_or_no(parts[0])
    return None if word is None else Stated(word, word)


def _sentence(parts: list[str], question: QuestionText) -> Stated | None:
    """What the sentence that answers states."""
    if len(parts) == 1:
        return statement(parts[0], question)
    if question.asks_number:
        return _number(parts, question)
    if sum(bool(_LABELLED.match(part)) for part in parts) > 1:
        return None  # a record, of which every field counts
    final = parts[-1]
    if CONCLUDING.match(final) and (found := statement(final, question)) is not None:
        return found
    if not question.known or len(parts) > _MOST_SENTENCES or "\n" in parts[0]:
        return None
    outright = (statement(part, question, outright=True) for part in parts[:_MOST_SENTENCES])
    found = next(filter(None, outright), None)
    explained = all(part.endswith((".", "!", ")", '"')) for part in parts[1:])
    return found or (statement(parts[0], question) if explained else None)


_LABELLED = pattern(r"[^\W\d_][\w\s'/()-]{0,40}?\s*:\s+\S")


def _number(parts: list[str], question: QuestionText) -> Stated | None:
    """The number that a reply comes to: of the last sentence that has one."""
    for part in reversed(parts[-_LAST_NUMBERS:]):
        found = statement(part, question)
        if found is None:
            spans = list(typed_spans(unwrapped(part), question))
            found = Stated(*spans[-1]) if spans and (CONCLUDING.match(part) or len(set(spans)) == 1) else None
        if found is not None and any(map(str.isdigit, found.key)):
            return found
    return None
