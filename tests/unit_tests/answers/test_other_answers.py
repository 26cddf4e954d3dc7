"""What makes another answer of a value, and which replies offer none, by kind and language."""

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import groups, math
from tests.unit_tests.answers.pair_counts import message

DIFFERENT = {
    "variables": [
        ("x = 3", "y = 3", "Solve for the unknown."),
        ("The answer is x = 3.", "The answer is y = 3.", "Which variable is known?"),
        (r"\boxed{x=3}", r"\boxed{y=3}", "Find x and y."),
        ("f(2) = 5", "f(3) = 5", "Which value?"),
        ("x = 3 or x = 4", "y = 3 or y = 4", "Solve."),
        ("x ∈ {1, 2}", "y ∈ {1, 2}", "Solve."),
        ("x > 3", "y > 3", "Which holds?"),
        ("Height = 5 m", "Width = 5 m", "Which dimension?"),
    ],
    "several options": [
        ("答案是A和C。", "答案是A和D。", "下列哪些是质数?A. 2 B. 9 C. 13 D. 21"),
        ("答案：AC", "答案：AD", "下列哪些是质数?A. 2 B. 9 C. 13 D. 21"),
        ("正解はAとCです。", "正解はAとDです。", "どれですか?"),
        ("A and C are correct.", "A and D are correct.", "Which? A) 2 B) 9 C) 13 D) 21"),
        ("Die Antwort ist A und C.", "Die Antwort ist A und D.", "Welche?"),
        ("La respuesta es A y C.", "La respuesta es A y D.", "¿Cuáles?"),
    ],
    "conditions": [
        ("Yes, but only if it rains.", "Yes.", "Should I take an umbrella?"),
        ("Yes. However, only on Sundays.", "Yes", "Is it open?"),
        ("Yes, provided that you pay.", "Yes", "May I park here?"),
        ("Yes, probably.", "Yes", "Is it true?"),
        ("Ja, aber nur sonntags.", "Ja", "Ist es offen?"),
        ("Sí, pero solo si llueve.", "Sí", "¿Está abierto?"),
        ("Oui, mais seulement le dimanche.", "Oui", "C'est ouvert ?"),
        ("Sim, mas apenas aos domingos.", "Sim", "Está aberto?"),
        ("Да, но только по воскресеньям.", "Да", "Открыто?"),
        ("是的,但只有在周日", "是的", "开门吗?"),
        ("はい、ただし日曜日だけです。", "はい", "開いていますか"),
        ("نعم، ولكن فقط يوم الأحد", "نعم", "هل المتجر مفتوح؟"),
    ],
    "times": [
        ("9 Uhr morgens", "9 Uhr abends", "Wann?"),
        ("9h du matin", "9h du soir", "Quelle heure ?"),
        ("9 o'clock in the morning", "9 o'clock at night", "When?"),
        ("9 am ET", "9 am PT", "When?"),
        ("The call is at 9 am Eastern.", "The call is at 9 am Pacific.", "When is the call?"),
        ("9 am London time", "9 am Paris time", "When?"),
        ("tomorrow at 9:00", "today at 9:00", "When?"),
        ("Monday, March 5", "Tuesday, March 5", "When?"),
    ],
    "qualified values": [
        ("5%", "5 percentage points", "By how much did it rise?"),
        ("5 mg twice a day", "5 mg once a day", "What is the dose?"),
        ("10 kg CO2", "10 kg CH4", "How much?"),
        ("$5 including tax", "$5 excluding tax", "How much?"),
        ("a loss of $5", "a profit of $5", "Profit or loss?"),
        ("He owes $5.", "He is owed $5.", "What is his balance?"),
        ("minus 5 degrees", "5 degrees", "What is the temperature?"),
        ("sank um 5 %", "stieg um 5 %", "Wie hat er sich entwickelt?"),
        ("5% más", "5% menos", "¿Cuánto?"),
        ("5以上", "5以下", "いくつ"),
        ("±3", "3", "x?"),
        ("40.7° N", "40.7° S", "What is the latitude?"),
        ("20 Grad", "20 Grad Fahrenheit", "Wie warm ist es?"),
        ("555-1234 ext. 5", "555-1234 ext. 6", "Which phone number?"),
        ("(0,1) ∪ (2,3)", "(0,1) ∪ (2,4)", "What is the domain?"),
        ("2, 2, 3", "2, 3", "What are the prime factors of 12?"),
        ("Python 3.10", "Python 3.1", "Which Python?"),
        ("4/5", "8/10", "What rating did it get?"),
    ],
    "signs and capitals": [
        ("aBc", "abc", "What is the key of the row?"),
        ("NaCl", "NaCL", "Which formula?"),
        ("5 Mbps", "5 MBps", "What is the speed?"),
        ("mm", "Mm", "Which unit?"),
        ("C♯", "C", "Which note?"),
        ("n!", "n", "How many?"),
        ("∀x", "∃x", "Which quantifier?"),
        ('{"id": "AbC"}', '{"id": "abc"}', ""),
        ('{"version": "1.10"}', '{"version": "1.1"}', ""),
        ('{"sku": "1e3"}', '{"sku": "1000"}', ""),
        ('[["open", {"file": "Readme"}]]', '[["open", {"file": "README"}]]', ""),
        ("Name: Anna\nAge: 5", "Name: Anna\nAge: 6", "Extract the fields."),
        ("From A to B", "From B to A", "Which route?"),
    ],
}

AS_WRITTEN = [
    ("True", "true", "What does print(1 == 1) output?"),
    ("1.0", "1", "What does print(2 / 2) output in Python?"),
    ("1e5", "100000", "What is the hex id?"),
    ("X-Request-Id", "x-request-id", "Which header is missing?"),
    ("`a`", "`A`", "Which letter comes first in ASCII?"),
]

SAME = [
    ("x = 7", "7", "Solve 2x + 1 = 15."),
    ("x = 7", "The answer is 7.", ""),
    ("y = 7", "7", "Solve 2y + 1 = 15."),
    ("n = 7", "The answer is 7.", "Find n."),
    ("f(2) = 5", "5", "What is f(2) if f(x) = x + 3?"),
    ("答案：AC", "答案是A和C。", "下列哪些是质数?A. 2 B. 9 C. 13 D. 21"),
    ("A and C are correct.", "C, A", "Which? A) 2 B) 9 C) 13 D) 21"),
    ("9 Uhr abends", "21 Uhr", "Wann?"),
    ("Yes, it is.", "Yes.", "Is it open?"),
    ("The film lasts 90 minutes.", "90 minutes", ""),
    ("The laptop costs $1,299.", "$1,299", ""),
    ("34560 habitants", "34560", "Combien d'habitants compte la commune ?"),
    ("The program prints 42.", "42", "What does the program print?"),
]

FREE = [
    ("Draft an e-mail.", "Hi Ms. Hill,\n\nthe answer is to start small.\n\nBest,\nTom"),
    ("Redacta un correo.", "Estimado Luis:\n\nLa respuesta es sencilla: tengo cita.\n\nUn saludo,\nMarta"),
    ("返信を書いてください。", "田中様\n\nお世話になっております。答えは3です。\n\n鈴木"),
    ("春の俳句を一つ作ってください。", "花びらや\n川面に眠る\n昼の月"),
    ("시를 써줘", "푸른 바다\n하얀 달"),
    ("Give the project a slogan.", "Think big. Start small."),
    ("Geburtstagswunsch für Tom", "Alles Gute zum Geburtstag, Tom!"),
    ("トムへの誕生日メッセージ", "お誕生日おめでとうございます!"),
    ("薬を倍にしていい?", "恐れ入りますが、薬の量についての判断はできかねます。"),
    ("営業時間は?", "渋谷店と新宿店の2店舗がございますが、どちらをお調べしましょうか。"),
    ("Who will win?", "It's impossible to say."),
    ("What is the name of my dog?", "No idea."),
    ("Should I quit?", "That depends."),
    ("Soll ich kündigen?", "Das kommt darauf an."),
    ("¿Debo renunciar?", "Depende de tus ahorros."),
    ("我该辞职吗?", "这取决于你的存款。"),
    ("仕事を辞めるべきですか", "状況によります。"),
    ("هل أستقيل؟", "هذا يعتمد على مدخراتك."),
    ("What is love?", "Love is a deep affection."),
    ("Was hältst du von Tee?", "Ich finde Tee großartig."),
    ("お元気ですか", "元気です。"),
    ("What do you recommend for dinner?", "Pasta with tomatoes."),
    ("Any tips for sleep?", "Go to bed at 10 pm."),
    ("What happened in the meeting?", "The team agreed on $5000. Anna will write the plan by Friday."),
    ("Как сбросить роутер?", "Удерживайте кнопку 10 секунд."),
    ("What happened in 1989?", "Many things happened. The Berlin Wall fell, the"),
    ("What is 1/0?", "Division by zero is undefined."),
    ("What next?", "The next step is to call the bank."),
    ("Packing list for Rome", "1. Shoes\n2. Hat\n3. Passport"),
]

UNASKED = [
    "Timer set for 5 minutes.",
    "Anna is 34 years old.",
    "Go to bed at 10 pm.",
    "Wegen der Rayleigh-Streuung.",
    "El pedido 4711 ha sido cancelado.",
    "El equipo aprobó un presupuesto de 5000 euros.",
    "お疲れさまでした。",
    "祝你生日快乐!",
]


def flat(kinds):
    return [pytest.param(*pair, id=f"{kind}, {pair[0]}") for kind, pairs in kinds.items() for pair in pairs]


def are_one(one, two, question):
    first, second = groups([message(one), message(two)], question=question)
    return first is not None and first == second


@pytest.mark.parametrize(("one", "two", "question"), flat(DIFFERENT))
def test_another_answer_is_another_vote_with_its_question_and_without(one, two, question):
    assert not are_one(one, two, question)
    assert question.startswith(("What rating", "Which Python")) or not are_one(one, two, "")


@pytest.mark.parametrize(("one", "two", "question"), AS_WRITTEN)
def test_what_is_asked_for_sign_by_sign_is_compared_as_it_is_written(one, two, question):
    assert not are_one(one, two, question)


@pytest.mark.parametrize(("one", "two", "question"), SAME)
def test_the_same_answer_stays_one_vote(one, two, question):
    assert are_one(one, two, question)


@pytest.mark.parametrize(("question", "reply"), FREE)
def test_wording_of_ones_own_offers_nothing_to_compare(question, reply):
    assert groups([AIMessage(reply)], question=question) == [None]


@pytest.mark.parametrize("reply", UNASKED)
def test_a_remark_without_its_question_offers_nothing_to_compare(reply):
    assert groups([AIMessage(reply)]) == [None]


def test_a_grader_of_mathematics_takes_a_value_with_whatever_variable():
    assert math("y = 3", "3") == 1.0
    assert math("y = 3", "x = 4") == 0.0
