"""Replies by kind, with a label each, equal where a person calls them equal."""

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import comparison
from tests.unit_tests.answers.pair_counts import pair_counts

KINDS = {
    "sci": (
        "What is the speed of light in m/s?",
        [
            ("a", "3 × 10^8 m/s"),
            ("a", "300,000,000 m/s"),
            ("a", "$3 \\times 10^8$ m/s"),
            ("a", "3e8 m/s"),
            ("b", "3 × 10^6 m/s"),
            ("a", "The speed of light is about 3.0 × 10^8 m/s."),
        ],
    ),
    "apples": (
        "How many apples are left?",
        [
            ("a", "5"),
            ("a", "5 apples"),
            ("a", "There are 5 apples left."),
            ("a", "Five."),
            ("b", "6 apples"),
            ("a", "12 - 7 = 5, so 5 apples are left."),
        ],
    ),
    "pears": (
        "What did she buy?",
        [
            ("a", "5 apples"),
            ("b", "5 pears"),
            ("a", "She bought 5 apples."),
            ("b", "She bought 5 pears."),
            ("a", "Five apples"),
        ],
    ),
    "temp": (
        "What is the temperature?",
        [
            ("a", "25 °C"),
            ("a", "77 °F"),
            ("a", "It is 25 degrees Celsius."),
            ("b", "25 °F"),
        ],
    ),
    "dur": (
        "How long is the film?",
        [
            ("a", "1 h 30 min"),
            ("a", "90 minutes"),
            ("a", "1.5 hours"),
            ("a", "The film is 90 minutes long."),
            ("b", "90 hours"),
        ],
    ),
    "ratio": (
        "What is the ratio of boys to girls?",
        [
            ("a", "3:4"),
            ("a", "6:8"),
            ("a", "3 to 4"),
            ("b", "4:3"),
        ],
    ),
    "interval": (
        "What is the domain?",
        [
            ("a", "[0, 1)"),
            ("b", "(0, 1]"),
            ("c", "[0, 1]"),
            ("a", "$[0,1)$"),
            ("a", "The domain is $[0, 1)$."),
        ],
    ),
    "coords": (
        "What are the coordinates of the vertex?",
        [
            ("a", "(2, -3)"),
            ("a", "The vertex is at (2, -3)."),
            ("b", "(-3, 2)"),
        ],
    ),
    "set": (
        "Which primes are below 6?",
        [
            ("a", "{2, 3, 5}"),
            ("a", "2, 3, 5"),
            ("a", "5, 3 and 2"),
            ("b", "2, 3"),
            ("a", "The primes are 2, 3 and 5."),
        ],
    ),
    "order": (
        "List the letters in order of appearance: b, a, c",
        [
            ("a", "b, a, c"),
            ("b", "a, b, c"),
            ("a", "b, a, and c"),
        ],
    ),
    "title": (
        "Who wrote the report?",
        [
            ("a", "Dr. Anna Schmidt"),
            ("a", "Anna Schmidt"),
            ("a", "The report was written by Dr. Anna Schmidt."),
            ("b", "Anna Schmitt"),
            ("c", "Prof. Hans Schmidt"),
        ],
    ),
    "yes es": (
        "¿Es 7 un número primo?",
        [
            ("y", "Sí."),
            ("y", "Sí, 7 es primo."),
            ("n", "No."),
            ("n", "No, no lo es."),
        ],
    ),
    "yes ja": (
        "7は素数ですか？",
        [
            ("y", "はい。"),
            ("y", "はい、素数です。"),
            ("n", "いいえ。"),
            ("n", "いいえ、違います。"),
        ],
    ),
    "yes zh": (
        "7是素数吗？",
        [
            ("y", "是的。"),
            ("y", "是的，7是素数。"),
            ("n", "不是。"),
            ("n", "不，不是素数。"),
        ],
    ),
    "yes de": (
        "Ist 7 eine Primzahl?",
        [
            ("y", "Ja"),
            ("y", "Ja, 7 ist eine Primzahl."),
            ("n", "Nein"),
            ("n", "Nein, das stimmt nicht."),
        ],
    ),
    "yes ar": (
        "هل 7 عدد أولي؟",
        [
            ("y", "نعم"),
            ("y", "نعم، 7 عدد أولي."),
            ("n", "لا"),
            ("n", "لا، ليس أوليا."),
        ],
    ),
    "capital fr": (
        "Quelle est la capitale de l'Allemagne ?",
        [
            ("a", "Berlin"),
            ("a", "La capitale de l'Allemagne est Berlin."),
            ("a", "C'est Berlin."),
            ("b", "Munich"),
            ("a", "**Berlin**."),
        ],
    ),
    "capital de": (
        "Was ist die Hauptstadt von Italien?",
        [
            ("a", "Rom"),
            ("a", "Die Hauptstadt von Italien ist Rom."),
            ("a", "Antwort: Rom"),
            ("b", "Mailand"),
        ],
    ),
    "capital zh": (
        "法国的首都是哪里？",
        [
            ("a", "巴黎"),
            ("a", "法国的首都是巴黎。"),
            ("a", "答案：巴黎"),
            ("b", "里昂"),
        ],
    ),
    "capital ar": (
        "ما هي عاصمة فرنسا؟",
        [
            ("a", "باريس"),
            ("a", "عاصمة فرنسا هي باريس."),
            ("a", "الجواب: باريس"),
            ("b", "ليون"),
        ],
    ),
    "capital es": (
        "¿Cuál es la capital de Perú?",
        [
            ("a", "Lima"),
            ("a", "La capital de Perú es Lima."),
            ("a", "Respuesta: Lima."),
            ("b", "Cusco"),
        ],
    ),
    "num de": (
        "Wie viel ist 1000 mal 1000?",
        [
            ("a", "1.000.000"),
            ("a", "1000000"),
            ("a", "Das Ergebnis ist 1.000.000."),
            ("b", "1.000"),
            ("a", "1 Million"),
        ],
    ),
    "num fr": (
        "Combien font 1000 fois 1,5 ?",
        [
            ("a", "1 500"),
            ("a", "1500"),
            ("a", "Cela fait 1 500."),
            ("b", "1,5"),
            ("b2", "15 000"),
        ],
    ),
    "num hi": (
        "What is the population of the town?",
        [
            ("a", "12,34,567"),
            ("a", "1,234,567"),
            ("a", "The population is 1234567."),
            ("b", "123,456"),
        ],
    ),
    "time tz": (
        "When is the call?",
        [
            ("a", "3 pm EST"),
            ("a", "20:00 UTC"),
            ("b", "3 pm PST"),
            ("a", "The call is at 3 pm EST."),
        ],
    ),
    "money eur": (
        "What does the ticket cost?",
        [
            ("a", "€1,200.50"),
            ("a", "1200.50 euros"),
            ("a", "The ticket costs €1,200.50."),
            ("b", "$1,200.50"),
            ("c", "€1,200.05"),
        ],
    ),
    "label": (
        "Classify: spam or ham?",
        [
            ("a", "spam"),
            ("a", "Label: spam"),
            ("a", "The message is spam."),
            ("b", "ham"),
            ("a", "**Spam**"),
        ],
    ),
    "version": (
        "Which Python version introduced match?",
        [
            ("a", "Python 3.10"),
            ("a", "3.10"),
            ("b", "Python 3.1"),
            ("a", "It was introduced in Python 3.10."),
        ],
    ),
    "email": (
        "What is her email address?",
        [
            ("a", "anna@example.org"),
            ("a", "Her email address is anna@example.org."),
            ("a", "Anna@Example.org"),
            ("b", "anna@example.com"),
        ],
    ),
    "think": (
        "What is 6*7?",
        [
            ("a", "<think>6*7 is 41? no 42</think>42"),
            ("a", "42"),
            ("b", "<think>42</think>41"),
            (None, "<think>42 maybe"),
        ],
    ),
    "cite": (
        "Who founded Microsoft?",
        [
            ("a", "Bill Gates and Paul Allen [1]"),
            ("a", "Bill Gates and Paul Allen"),
            ("a", "Paul Allen and Bill Gates"),
            ("b", "Steve Jobs【3†source】"),
            ("a", "Microsoft was founded by Bill Gates and Paul Allen.[2]"),
        ],
    ),
    "frac": (
        "What fraction is shaded?",
        [
            ("a", "3/4"),
            ("a", "$\\frac{3}{4}$"),
            ("a", "0.75"),
            ("a", "three quarters"),
            ("b", "4/3"),
            ("a", "The shaded fraction is 3/4."),
        ],
    ),
    "mixed": (
        "How many hours did it take?",
        [
            ("a", "2 1/2"),
            ("a", "2.5 hours"),
            ("a", "2½ hours"),
            ("a", "It took 2 hours and 30 minutes."),
            ("b", "21/2"),
        ],
    ),
    "neg": (
        "Is it allowed?",
        [
            ("n", "No, it is not allowed."),
            ("y", "Yes, it is allowed."),
            ("y", "Yes"),
            ("n", "No"),
        ],
    ),
    "neg2": (
        "Who won?",
        [
            ("a", "Anna won."),
            ("b", "Anna did not win."),
            ("a", "Anna"),
            ("c", "Ben"),
        ],
    ),
    "eq": (
        "What is the equation of the line?",
        [
            ("a", "y = 2x + 1"),
            ("a", "$y=2x+1$"),
            ("b", "y = 2x - 1"),
            ("a", "The equation is $y = 2x + 1$."),
        ],
    ),
    "matrix": (
        "Find the inverse.",
        [
            ("a", "$\\begin{pmatrix}1&0\\\\0&2\\end{pmatrix}$"),
            ("a", "\\begin{bmatrix} 1 & 0 \\\\ 0 & 2 \\end{bmatrix}"),
            ("b", "$\\begin{pmatrix}1&0\\\\0&3\\end{pmatrix}$"),
        ],
    ),
    "poly": (
        "Expand (x+1)^2.",
        [
            ("a", "x^2 + 2x + 1"),
            ("a", "$x^2+2x+1$"),
            ("a", "The expansion is $x^2 + 2x + 1$."),
            ("b", "x^2 + x + 1"),
        ],
    ),
    "root": (
        "Simplify sqrt(12).",
        [
            ("a", "2\\sqrt{3}"),
            ("a", "$2\\sqrt{3}$"),
            ("a", "\\sqrt{12}"),
            ("b", "3\\sqrt{2}"),
        ],
    ),
    "tool num": (
        "",
        [
            ("a", '[["add", {"x": 1, "y": 2}]]'),
            ("a", '[["add", {"y": 2.0, "x": 1.0}]]'),
            ("b", '[["add", {"x": 1, "y": 3}]]'),
            ("c", '[["sub", {"x": 1, "y": 2}]]'),
        ],
    ),
    "json list": (
        "List the primes below 6 as a JSON array.",
        [
            ("a", "[2, 3, 5]"),
            ("a", "```json\n[2,3,5]\n```"),
            ("b", "[2, 3]"),
            ("a", "Here you go: [2, 3, 5]"),
        ],
    ),
    "json reason": (
        "Answer in JSON.",
        [
            ("a", '{"answer": 42, "reasoning": "6 times 7."}'),
            ("a", '{"answer": 42.0, "reasoning": "Because 7*6=42"}'),
            ("b", '{"answer": 41, "reasoning": "6 times 7."}'),
        ],
    ),
    "planet": (
        "Which planet is closest to the sun?",
        [
            ("a", "Mercury"),
            ("a", "Mercury is the closest planet to the sun."),
            ("a", "The planet closest to the sun is Mercury."),
            ("b", "Venus"),
            ("a", "It's Mercury."),
        ],
    ),
    "year": (
        "When did WW2 end?",
        [
            ("a", "1945"),
            ("a", "In 1945."),
            ("a", "WW2 ended in 1945."),
            ("b", "1944"),
            ("a", "It ended in 1945."),
        ],
    ),
    "date rel": (
        "When is the deadline?",
        [
            ("a", "Friday"),
            ("a", "The deadline is Friday."),
            ("a", "On Friday."),
            ("b", "Monday"),
        ],
    ),
    "ja num": (
        "リンゴは全部で何個ですか。",
        [
            ("a", "12個"),
            ("a", "12個です。"),
            ("a", "12"),
            ("a", "十二個です。"),
            ("b", "21個です。"),
        ],
    ),
    "zh money": (
        "这本书多少钱？",
        [
            ("a", "35元"),
            ("a", "三十五元"),
            ("a", "这本书35元。"),
            ("b", "53元"),
        ],
    ),
    "pct": (
        "What percentage passed?",
        [
            ("a", "25%"),
            ("a", "25"),
            ("a", "25 percent"),
            ("a", "25% of the students passed."),
            ("b", "75%"),
        ],
    ),
    "half past": (
        "What time is it?",
        [
            ("a", "half past nine"),
            ("a", "9:30"),
            ("b", "9:13"),
        ],
    ),
    "mm": (
        "How wide is it?",
        [
            ("a", "25 mm"),
            ("a", "2.5 cm"),
            ("a", "It is 2.5 cm wide."),
            ("b", "25 cm"),
        ],
    ),
    "kg": (
        "How heavy is the bag?",
        [
            ("a", "2 kg"),
            ("a", "2000 g"),
            ("a", "The bag weighs 2 kg."),
            ("b", "2 lb"),
        ],
    ),
    "choice text": (
        "Which is a fruit?\nA) Carrot\nB) Apple\nC) Potato",
        [
            ("b", "B"),
            ("b", "Apple"),
            ("b", "B) Apple"),
            ("b", "The answer is (B) Apple."),
            ("c", "C"),
            ("b", "Option B, because an apple is a fruit."),
        ],
    ),
    "two nums": (
        "What are the two solutions of x^2 = 4?",
        [
            ("a", "2 and -2"),
            ("a", "x = ±2"),
            ("a", "-2, 2"),
            ("a", "x = 2 or x = -2"),
            ("b", "2"),
        ],
    ),
    "system": (
        "Solve x + y = 3, x - y = 1.",
        [
            ("a", "x = 2, y = 1"),
            ("a", "y = 1 and x = 2"),
            ("a", "(x, y) = (2, 1)"),
            ("b", "x = 1, y = 2"),
        ],
    ),
    "ineq": (
        "Solve 2x > 4.",
        [
            ("a", "x > 2"),
            ("a", "$x > 2$"),
            ("b", "x < 2"),
            ("c", "x \\ge 2"),
        ],
    ),
    "addr": (
        "Where is the office?",
        [
            ("a", "Berlin"),
            ("a", "The office is in Berlin."),
            ("a", "In Berlin."),
            ("b", "Bonn"),
        ],
    ),
    "lang": (
        "What language is this?",
        [
            ("a", "German"),
            ("a", "This is German."),
            ("a", "The language is German."),
            ("b", "Dutch"),
        ],
    ),
    "neg num": (
        "What is 3 - 10?",
        [
            ("a", "-7"),
            ("a", "−7"),
            ("a", "The result is -7."),
            ("b", "7"),
        ],
    ),
    "zip": (
        "What is the zip code?",
        [
            ("a", "01234"),
            ("a", "The zip code is 01234."),
            ("b", "1234"),
        ],
    ),
    "range de": (
        "Wie lange dauert die Lieferung?",
        [
            ("a", "3-5 Tage"),
            ("a", "3 bis 5 Tage"),
            ("a", "Die Lieferung dauert 3 bis 5 Tage."),
            ("b", "2 bis 5 Tage"),
        ],
    ),
    "data": (
        "How big is the file?",
        [
            ("a", "1.5 GB"),
            ("a", "1500 MB"),
            ("b", "1.5 MB"),
            ("a", "The file is 1.5 GB."),
        ],
    ),
    "emoji": (
        "What is the capital of Spain?",
        [
            ("a", "Madrid 🇪🇸"),
            ("a", "Madrid!"),
            ("a", "Madrid"),
            ("b", "Barcelona"),
        ],
    ),
    "quote": (
        "What word is missing?",
        [
            ("a", '"light"'),
            ("a", "light"),
            ("a", 'The missing word is "light".'),
            ("b", "night"),
        ],
    ),
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
