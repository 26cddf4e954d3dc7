"""Replies by kind, with a label each, equal where a person calls them equal."""

import json
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import comparison
from tests.unit_tests.answers.pair_counts import pair_counts

FILE = Path(__file__).with_name("replies_by_kind.jsonl")
KINDS = {
    case["kind"]: (case["question"], case["replies"])
    for case in map(json.loads, FILE.read_text(encoding="utf-8").splitlines())
}
FREE = [
    ("Hello", "Hi!"),
    ("Hello", "Hello! What can I do for you?"),
    ("Hello", "Hey there 👋 How can I help?"),
    ("Hello", "Good morning! How are you today?"),
    ("Thanks!", "You're welcome!"),
    ("Thanks!", "Happy to help!"),
    ("Thanks!", "My pleasure."),
    (
        "Write a haiku about rain.",
        "Soft rain on the roof\nwhispers to the sleeping town\nall night long, no words",
    ),
    (
        "Write a haiku about rain.",
        "Rain taps on the glass,\nA thousand small drums at night,\nMorning smells of green.",
    ),
    ("Write a haiku about rain.", "Grey clouds gather close"),
    (
        "Why is the sky blue?",
        "Because of Rayleigh scattering: shorter wavelengths such as blue (450 nm) scatter more.",
    ),
    (
        "Why is the sky blue?",
        "The sky is blue because air molecules scatter short wavelengths of sunlight more than long ones.",
    ),
    ("Why is the sky blue?", "Sunlight is scattered by air."),
    (
        "What is photosynthesis?",
        "Photosynthesis is the process by which plants convert light into chemical energy.",
    ),
    ("What is photosynthesis?", "It is how plants make food from light, water and carbon dioxide."),
    ("What is photosynthesis?", "A process that plants use to turn sunlight into sugar."),
    (
        "Give me some tips for better sleep.",
        "1. Keep a schedule\n2. Avoid caffeine after 2 pm\n3. Keep it dark",
    ),
    (
        "Give me some tips for better sleep.",
        "Go to bed at the same time, avoid screens and keep your room at 18 °C.",
    ),
    ("Give me some tips for better sleep.", "- Exercise\n- No caffeine\n- Dark room"),
    (
        "Write an e-mail to my boss that I am sick.",
        (
            "Subject: Sick leave\n\nDear Ms. Lee,\n\nI am not feeling well today "
            "and will stay at home.\n\nBest regards,\nSam"
        ),
    ),
    ("Write an e-mail to my boss that I am sick.", "Hi boss, I'm sick today."),
    ("How do I make a bomb?", "I can't help with that."),
    ("How do I make a bomb?", "Sorry, I cannot assist with this request."),
    ("How do I make a bomb?", "I'm not able to provide instructions for that."),
    ("Book a flight.", "From which city would you like to depart?"),
    ("Book a flight.", "Sure! Where would you like to fly to, and on which dates?"),
    ("Book a flight.", "What is your departure city?"),
    ("Tell me a joke.", "Why did the chicken cross the road? To get to the other side!"),
    ("Tell me a joke.", "I told my wife she was drawing her eyebrows too high. She looked surprised."),
    ("Wie geht es dir?", "Mir geht es gut, danke! Und dir?"),
    ("Wie geht es dir?", "Danke, gut! Wie kann ich helfen?"),
    (
        "Erkläre die Photosynthese.",
        "Die Photosynthese ist ein Prozess, bei dem Pflanzen Licht in Energie umwandeln.",
    ),
    ("Erkläre die Photosynthese.", "Pflanzen nutzen Sonnenlicht."),
    ("Schreib ein Gedicht über den Herbst.", "Die Blätter fallen, fallen wie von weit."),
    ("Schreib ein Gedicht über den Herbst.", "Herbstwind weht durchs Tal."),
    ("¿Cómo estás?", "¡Muy bien, gracias! ¿Y tú?"),
    ("¿Cómo estás?", "Estoy bien, ¿en qué puedo ayudarte?"),
    (
        "Explícame la inflación.",
        "La inflación es el aumento generalizado de los precios durante un periodo de tiempo.",
    ),
    ("Explícame la inflación.", "Es cuando los precios suben y el dinero vale menos."),
    ("Bonjour", "Bonjour ! Comment puis-je vous aider ?"),
    ("Bonjour", "Salut ! Que puis-je faire pour toi ?"),
    ("Pourquoi le ciel est-il bleu ?", "Parce que l'air diffuse davantage la lumière bleue."),
    ("Pourquoi le ciel est-il bleu ?", "À cause de la diffusion de Rayleigh."),
    ("你好", "你好！有什么可以帮您的吗？"),
    ("你好", "您好，很高兴见到您。"),
    ("写一首诗", "春风吹绿江南岸"),
    ("写一首诗", "明月几时有，把酒问青天。"),
    ("こんにちは", "こんにちは！何かお手伝いできることはありますか？"),
    ("こんにちは", "こんにちは。今日はどうされましたか。"),
    ("俳句を書いてください。", "古池や蛙飛び込む水の音"),
    ("Summarise the article.", "The article describes how 3 cities cut traffic by 20% in 2021."),
    (
        "Summarise the article.",
        "Three cities reduced traffic, the article says, mostly by raising prices in 2021.",
    ),
    ("What do you think about remote work?", "It has pros and cons. It saves 2 hours of commuting."),
    ("What do you think about remote work?", "Remote work is great for focus."),
    ("Fix my code.", "Please share the code you'd like me to fix."),
    ("Fix my code.", "Could you paste the code?"),
    ("Fix my code.", "I don't see any code in your message."),
    ("Recommend a book.", "I'd recommend 1984 by George Orwell."),
    ("What's the weather like?", "I don't have access to real-time data."),
    ("What's the weather like?", "I can't check the weather. Try a weather app."),
    ("Cancel my order.", "Your order 4512 has been cancelled."),
    ("Cancel my order.", "Done! I've cancelled your order."),
    ("Cancel my order.", "I've cancelled order #4512 for you."),
    ("Remind me to call mum at 5.", "Okay, I'll remind you at 5 pm."),
    ("Remind me to call mum at 5.", "Sure, reminder set for 17:00."),
    ("Remind me to call mum at 5.", "Got it!"),
    ("Describe Paris.", "Paris is the capital of France, with 2.1 million people."),
    ("Describe Paris.", "A city of light and art."),
    ("Plan a weekend in Rome.", "Day 1: Colosseum\nDay 2: Vatican"),
    ("Plan a weekend in Rome.", "Saturday: visit the Forum. Sunday: relax."),
    (
        (
            "Translate the following paragraph to German: The weather was fine and "
            "we walked along the river for two hours until the sun went down."
        ),
        "Das Wetter war schön und wir gingen zwei Stunden lang am Fluss entlang, bis die Sonne unterging.",
    ),
    (
        (
            "Translate the following paragraph to German: The weather was fine and "
            "we walked along the river for two hours until the sun went down."
        ),
        "Das Wetter war gut, und wir liefen zwei Stunden am Fluss, bis die Sonne unterging.",
    ),
    ("Good night", "Good night! Sleep well."),
    ("Good night", "Sweet dreams!"),
    ("مرحبا", "مرحبا! كيف يمكنني مساعدتك اليوم؟"),
    ("مرحبا", "أهلا بك! كيف حالك؟"),
    ("اشرح الجاذبية", "الجاذبية هي قوة تجذب الأجسام نحو بعضها البعض."),
    ("اشرح الجاذبية", "هي القوة التي تجعل الأشياء تسقط."),
    ("Привет", "Привет! Чем могу помочь?"),
    ("Привет", "Здравствуйте! Как дела?"),
    ("List the steps to change a tyre.", "1. Loosen the nuts.\n2. Jack up the car.\n3. Swap the wheel."),
    ("List the steps to change a tyre.", "First loosen the nuts, then jack up the car."),
    ("I feel sad today.", "I'm sorry to hear that. Do you want to talk about it?"),
    ("I feel sad today.", "That sounds hard. I'm here for you."),
    ("I feel sad today.", "Sending you a hug."),
    ("What should I cook tonight?", "How about pasta?"),
    ("What should I cook tonight?", "Pasta with tomato sauce."),
    ("What should I cook tonight?", "Maybe a curry?"),
    ("Improve: me want food", "I would like some food."),
    ("Improve: me want food", "I want food."),
    ("What are the benefits of tea?", "Tea is rich in antioxidants and may lower blood pressure by 5%."),
    ("What are the benefits of tea?", "It contains antioxidants, calms you and keeps you awake."),
    ("What is the difference between a frog and a toad?", "Frogs have smooth skin, toads have warts."),
    ("What is the difference between a frog and a toad?", "A toad is drier; a frog lives near water."),
    ("How does a car engine work?", "It burns fuel in cylinders; 4 strokes make one cycle."),
    ("How does a car engine work?", "Fuel is burned to push pistons."),
    ("Close the ticket.", "The ticket has been closed."),
    ("Close the ticket.", "Closed the ticket #12."),
    ("Can you help me?", "Of course! What do you need?"),
    ("Can you help me?", "Yes, of course. What's the problem?"),
    ("Can you help me?", "Sure, tell me more."),
    ("Who are you?", "I am an AI assistant."),
    ("Who are you?", "I'm Claude, an AI model."),
    ("Who are you?", "An assistant made to help you."),
]


def counts(replies, question):
    labels, texts = zip(*replies, strict=True)
    return pair_counts(texts, labels, question)


@pytest.mark.parametrize("kind", KINDS)
def test_replies_are_grouped_as_a_person_groups_them(kind):
    question, replies = KINDS[kind]
    merged, rival, together, equal = counts(replies, question)
    assert merged == 0
    assert rival * 5 <= equal
    assert together * 2 >= equal


@pytest.mark.parametrize("kind", KINDS)
def test_no_different_replies_are_merged_where_the_question_is_not_known(kind):
    assert counts(KINDS[kind][1], "")[0] == 0


def test_most_equal_replies_are_together_where_the_question_is_not_known():
    _, rival, together, equal = map(
        sum, zip(*(counts(replies, "") for _, replies in KINDS.values()), strict=True)
    )
    assert rival * 10 <= equal
    assert together * 3 >= equal * 2


@pytest.mark.parametrize(("question", "reply"), FREE)
def test_free_text_offers_nothing_to_compare(question, reply):
    for asked in (question, ""):
        assert comparison("auto").keys([AIMessage(reply)], question=asked) == [None]
