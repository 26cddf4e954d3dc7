"""What replies are expected to offer for comparison, and how replies correct it."""

# ruff: noqa: RUF001 - words of other languages

from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptive_reasoner.answers.grouping import comparison
from adaptive_reasoner.models.metering import SampleMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy import expectations
from adaptive_reasoner.policy.expectations import AskedFor, OfferedReplies, is_structured
from adaptive_reasoner.policy.label_free import LabelFreePolicy
from tests.fakes import ScriptedModel

TEXT = [
    "Hi!",
    "Hello there, how are you?",
    "Thanks a lot!",
    "Good morning",
    "Write a poem about the 7 seas.",
    "Please write an e-mail to my landlord about the 2 broken windows.",
    "Could you draft a short essay on democracy?",
    "Explain why the sky is blue.",
    "Summarise this text: sales were 5 million in 2021, costs 3 million.",
    "Write a Python function that adds two numbers.",
    "How does a transformer work?",
    "How do I get rid of 3 wasps?",
    "Why did Rome fall in 476?",
    "Tell me a story about how many stars there are.",
    "Give me some tips for a job interview.",
    "What are the pros and cons of nuclear power?",
    "What should I cook tonight?",
    "Book me a flight.",
    "Close my account.",
    "Help me plan my wedding.",
    "Can you help me?",
    "Who are you?",
    "I feel sad today.",
    "Prove that $x^2 \\ge 0$ for all real x.",
    "Escribe un poema sobre el mar.",
    "¡Hola!",
    "Écris une lettre à ma mère.",
    "Bonjour !",
    "Schreib mir bitte ein Gedicht.",
    "Warum ist der Himmel blau?",
    "请写一首关于秋天的诗。",
    "你好！",
    "秋についての詩を書いてください。",
    "こんにちは",
    "اكتب قصيدة عن البحر",
    "مرحبا",
]
COMPARABLE = [
    ("What is 17 * 23?", "number"),
    ("0 + 0", "number"),
    ("Joan found 70 seashells and gave Sam some. How many did she give to Sam?", "number"),
    ("Solve x^2 - x - 6 = 0.", "number"),
    ("Write $\\frac{3}{20}$ as a decimal.", "number"),
    ("Explain step by step: what is 12*13?", "number"),
    ("I have a bag of marbles. I add 5 of them. How many are there?", "number"),
    ("Combien font 6 fois 7 ?", "number"),
    ("¿Cuántos días tiene un año?", "number"),
    ("Wie viele Tage hat ein Jahr?", "number"),
    ("一年有多少天？", "number"),
    ("1年は何日ですか。いくつ？", "number"),
    ("كم يوما في السنة؟", "number"),
    ("Which is a fruit?\n(A) stone (B) apple (C) iron", "options"),
    ("Topic: Math\nQuestion: two and two?\nChoices:\n  A: 4\n  B: 5", "options"),
    ("Is it true?\nOptions:\n- Yes\n- No", "options"),
    ("Return the totals as JSON with the keys total and n.", "format"),
    ("Tell a story, and end with 'Answer: ...'.", "format"),
    ("Put your final answer in \\boxed{}.", "format"),
    ("Who wrote Hamlet?", "fact"),
    ("When does the train leave?", "fact"),
    ("Is 91 prime?", "fact"),
    ('Take the last letters of each word in "Ann Bo" and concatenate them.', "fact"),
    ('Classify the sentiment of: "I love it".', "fact"),
    ("日本の首都はどこですか。", "fact"),
]


def policy(**options):
    return LabelFreePolicy(Source(ScriptedModel()), SampleMeter(), budget=3.0, **options)


def chosen(made, **asked):
    return made.expecting(AskedFor(**asked)).decide("", price=0.0).action


@pytest.mark.parametrize("question", TEXT)
def test_where_free_text_is_asked_for_one_pass_answers(question):
    assert AskedFor(question=question).kind == "text"
    decision = policy().decide(question)
    assert (decision.action, decision.reason, decision.worst_cost) == (
        "single_pass",
        "nothing to compare",
        1.0,
    )


@pytest.mark.parametrize(("question", "kind"), COMPARABLE)
def test_where_an_answer_is_asked_for_a_vote_is_begun(question, kind):
    assert AskedFor(question=question).kind == kind
    assert policy().decide(question).action == "adaptive_vote"


def test_in_doubt_a_vote_is_begun_until_a_reply_offers_nothing():
    made, asked = policy(), AskedFor(question="Bananas")
    assert asked.kind == "unknown"
    assert chosen(made, question="Bananas") == "adaptive_vote"
    made.expecting(asked).learn(offered=False)
    assert chosen(made, question="Bananas") == "single_pass"
    assert chosen(made, question="What is 17 * 23?") == "adaptive_vote"


def test_a_format_that_the_system_prompt_demands_counts():
    demand = "Think, and end with a line `Answer: ...`."
    assert chosen(policy(), question="Describe the sea.", instructions=demand) == "adaptive_vote"
    plain = "Answer: be friendly and only helpful."
    assert chosen(policy(), question="Describe the sea.", instructions=plain) == "single_pass"


def test_a_declared_structure_and_a_key_of_ones_own_let_expect_something_to_compare():
    assert chosen(policy(), question="Write a poem.", structured=True) == "adaptive_vote"
    assert chosen(policy(key=comparison("numeric")), question="Write a poem.") == "adaptive_vote"
    assert chosen(policy(key=comparison("auto")), question="Write a poem.") == "single_pass"


@pytest.mark.parametrize(
    ("settings", "structured"),
    [
        ({}, False),
        ({"tools": [{}]}, False),
        ({"tool_choice": "auto"}, False),
        ({"tool_choice": {"type": "auto"}}, False),
        ({"tool_choice": "none"}, False),
        ({"tool_choice": "any"}, True),
        ({"tool_choice": {"type": "function", "function": {"name": "add"}}}, True),
        ({"response_format": {"type": "json_object"}}, True),
        ({"ls_structured_output_format": {"schema": {}}}, True),
    ],
)
def test_call_time_arguments_tell_of_a_structure_in_the_words_of_any_provider(settings, structured):
    assert is_structured(settings) == structured


def test_replies_that_offer_nothing_correct_what_is_expected_of_their_kind_and_of_no_other():
    made = policy()
    for _ in range(20):
        made.expecting(AskedFor(question="What is 17 * 23?")).learn(offered=False)
    assert chosen(made, question="What is 2 * 3?") == "single_pass"
    assert chosen(made, question="What is 2 * 3?", tools="called") == "adaptive_vote"
    assert chosen(made, question="Who wrote Hamlet?") == "adaptive_vote"


def test_what_is_expected_comes_back_once_replies_offer_something_again():
    made, asked = policy(), AskedFor(question="What is 17 * 23?")
    for offered in [False] * 1000 + [True] * 200:
        made.expecting(asked).learn(offered=offered)
    assert chosen(made, question="What is 2 * 3?") == "adaptive_vote"


def test_copies_of_a_policy_at_another_budget_learn_together():
    made = policy()
    for _ in range(20):
        made.at(budget=9.0).expecting(AskedFor(question="Write a poem.")).learn(offered=True)
    assert chosen(made, question="Write a poem.") == "adaptive_vote"


def test_threads_lose_no_reply(monkeypatch):
    monkeypatch.setattr(expectations, "_MEMORY", 1e9)
    offered, asked = OfferedReplies(), AskedFor(question="Write a poem.")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: offered.add(asked, "text", offered=True), range(991)))
    assert offered.expected(asked, "text") == pytest.approx(992 / 1000)
