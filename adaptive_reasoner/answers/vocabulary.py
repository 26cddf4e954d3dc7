"""Words by which replies answer.

In English, Spanish, French, German, Italian, Portuguese, Chinese, Japanese, Korean, Russian and Arabic.
"""

import re

from adaptive_reasoner.lazy_pattern import pattern


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def any_of(words: str, *, whole: bool = True) -> str:
    """A pattern of these alternatives, divided by `|`, the longest first."""
    escaped = sorted((re.escape(word.strip()) for word in words.split("|")), key=len, reverse=True)
    pattern = "|".join(word.replace(r"\ ", r"\s+") for word in escaped)
    return rf"(?<!\w)(?:{pattern})(?!\w)" if whole else f"(?:{pattern})"


COPULAS = any_of(
    "is|was|are|were|be|will be|would be|should be|must be|has to be|equals|is equal to|comes to|comes out "
    "to|"
    "amounts to|came to|adds up to|makes|gives|yields|becomes|remains|"
    "es|son|era|fue|sería|será|está|están|eran|fueron|est|sont|était|étaient|sera|c'est|fait|"
    "ist|sind|war|waren|lautet|beträgt|ergibt|heißt|wird|"
    "è|sono|era|fu|é|são|foi|será|é igual a|это|равен|равна|равно|هي|هو|تساوي|يساوي|كانت|كان"
)
"""What stands between what was asked for and the answer."""

YES = _words("yes yeah yep yup sí si oui ja sim sì да نعم はい 是 是的 对 对的 네 예 ええ")
NO = _words("no nope nah non nein não nao нет لا いいえ いや 不 不是 不对 否 아니요 아니오")
TRUE = _words("true wahr verdadero vrai vero verdadeiro правда верно صحيح 正しい 正确 真")
FALSE = _words("false falsch falso faux ложь неверно خطأ 間違い 错误 假")

NEGATIONS = pattern(
    any_of(
        "not|never|no longer|neither|nor|without|except|cannot|instead of|rather than|no|isn't|wasn't|aren't|"
        "weren't|doesn't|don't|didn't|won't|can't|couldn't|wouldn't|shouldn't|unlike|nicht|kein|keine|nie|"
        "nunca|tampoco|sin|ne|pas|jamais|sauf|não|нет|не|ليس|ليست|لا|لم|non"
    )
    + "|ではな|じゃな|ません|不是|没有|没|不|아니|않",
    re.IGNORECASE,
)

QUALIFIERS = pattern(
    any_of(
        "rose|rise|rises|risen|fell|fall|falls|fallen|grew|grow|grows|grown|shrank|increase|increases|"
        "increased|decrease|"
        "decreases|decreased|gain|gained|gains|lost|loses|lose|drop|dropped|up|down|ago|older|younger|"
        "taller|shorter|"
        "longer|more|less|fewer|higher|lower|faster|slower|earlier|later|bc|bce|ad|ce|first|last|in|per|"
        "each|every|early|late|"
        "monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|"
        "freitag|samstag|"
        "sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|"
        "sábado|domingo|"
        "gestiegen|gefallen|älter|jünger|pro|je|subió|bajó|aumentó|disminuyó|hace|augmenté|baissé|plus|moins|"
        "ext|extension|durchwahl|fahrenheit|celsius|north|south|east|west|"
        "morning|evening|afternoon|night|tonight|morgens|abends|nachts|vormittags|nachmittags|mittags|früh|"
        "mañana|tarde|noche|matin|soir|nuit|mattina|sera|notte|manhã|noite|утра|вечера|дня|ночи|صباحا|"
        "صباحًا|مساء|مساءً|"
        "eastern|pacific|aest|eet|sgt|hkt|kst|mez|mesz|"
        "local time|loss|profit|debit|credit|owes|owe|owed|minus|plus|before|after|tomorrow|today|"
        "yesterday|from|"
        "including|excluding|heute|gestern|sank|sinkt|stieg|steigt|ayer|hoy|demain|hier|aujourd'hui|más|"
        "menos|"
        "twice|once|daily|weekly|monthly|yearly|annually|net|gross"
    )
    + r"|(?-i:\b(?:[ECPM]T|IST|Central|Mountain)\b|[A-Z][a-z]+\s+time\b)"
    + r"|(?<=\b0)\s*\b(?-i:[NSEW])(?![A-Za-z])|\b[NSEW](?=\s+0)"
    + r"|(?<=\d)\s?/\s?(?:day|week|month|year|hour|mo|yr|h|d)(?!\w)|增|减|上升|下降|以前|前|以后|増|減|"
    r"明日|明天|今日|今天|昨日|昨天|夜の|朝の|下降|减少",
    re.IGNORECASE,
)
"""What says of a value which way it goes, or of what it is one of several."""

LETTERS = pattern(
    r"\A\W*(?:(?:subject|betreff|asunto|objet|oggetto|assunto|тема|الموضوع|件名|主题|主題|제목)\s*:.*\n"
    r"|(?:dear|hi|hello|hey|good morning|sehr geehrter?|liebe[rs]?|hallo|guten tag|estimad[oa]s?|"
    r"querid[oa]s?|hola|"
    r"chère?s?|bonjour|madame|monsieur|cara|caro|gentile|egregio|prezad[oa]|olá|уважаем\w+|дорог\w+|"
    r"здравствуйте|"
    r"عزيزي|عزيزتي|السيد|尊敬的|亲爱的|拝啓)\b[^\n?!]{0,60}[,:]?[ \t]*\n"
    r"|[^\n]{1,30}(?:様|さん|先生|您好|你好)[,:]?[ \t]*\n)(?:.*\n){2,}.*\Z",
    re.IGNORECASE,
)
"""A whole letter, from its subject or salutation on."""

CONDITIONS = pattern(
    any_of(
        "but|only|if|unless|except|provided|providing|as long as|so long as|assuming|depends|depending|"
        "however|"
        "although|though|in most cases|in some cases|sometimes|usually|generally|mostly|often|partly|"
        "partially|"
        "in part|probably|maybe|perhaps|possibly|almost|likely|subject to|wahrscheinlich|vielleicht|"
        "quizás|tal vez|"
        "probablemente|peut-être|probablement|forse|talvez|возможно|ربما|à partir|under certain|in "
        "principle|technically|on condition|until|"
        "aber|jedoch|nur|wenn|falls|sofern|außer|solange|vorausgesetzt|meistens|manchmal|teilweise|teils|"
        "kommt darauf|"
        "pero|solo|sólo|solamente|salvo|siempre que|excepto|a menos que|depende|a veces|en parte|"
        "mais|seulement|sauf|à condition|tant que|uniquement|parfois|en partie|dépend|"
        "ma|soltanto|tranne|purché|a meno che|dipende|a volte|mas|apenas|exceto|desde que|às vezes|"
        "но|только|если|кроме|зависит|иногда|при условии|ولكن|لكن|فقط|إذا|بشرط|إلا|أحيانا"
    )
    + "|^\\W*[^\\W\\d_]+,\\s(?:with|without|not without|for|in|on|at|after|before|when|from|mit|ohne|ab|"
    "nach|vor|con|sin|desde|avec|sans|dès)\\s"
    + "|但|只有|只要|如果|除非|不过|取决|ただし|ただ、|のみ|だけ|場合|限り|条件|では|なら|たぶん|可能|"
    "也许|大概|[,，]\\s?在|하지만|만약|경우|👎",
    re.IGNORECASE,
)
"""What makes yes or no another answer than the bare word."""

BOUNDS = pattern(
    any_of(
        "less than|more than|fewer than|greater than|at least|at most|up to|no more than|no less than|under|"
        "over|"
        "above|below|until|before|after|since|within|nearly|almost|maximum|minimum|max|min|"
        "menos de|más de|al menos|como máximo|hasta|antes de|después de|moins de|plus de|au moins|au plus|"
        "jusqu'à|avant|après|weniger als|mehr als|mindestens|höchstens|bis|vor|nach|unter|über|"
        "أكثر من|أقل من"
    )
    + "|以上|以下|未満|超|以内|不到|超过|至少|最多|[<>≤≥]|\\\\[lg]eq?(?![a-z])",
    re.IGNORECASE,
)
"""What makes a number a bound, so that it is not the number itself."""

ABOUT = pattern(
    r"^(?:" + any_of(
        "about|approximately|roughly|around|approx|approx.|circa|ca.|exactly|precisely|just|only|a total of|"
        "the number|the value|unos|unas|aproximadamente|exactamente|solo|environ|exactement|seulement|"
        "etwa|ungefähr|rund|genau|nur|circa|cerca de|около|примерно|حوالي|تقريبا", whole=False,
    ) + r"(?!\w)|[~≈]|約|大约|约)\s*",
    re.IGNORECASE,
)  # fmt: skip

PERSONAL = pattern(
    any_of(
        "i|i'm|i've|i'd|i'll|me|my|mine|you|your|yours|you're|we|we're|us|our|let's|"
        "yo|mi|tú|usted|ustedes|su|te|le|nosotros|puedo|podemos|je|j'ai|moi|mon|ma|vous|votre|vos|nous|notre|"
        "ich|mir|mich|mein|meine|dir|dich|dein|sie|ihr|ihnen|ihre|ihren|wir|uns|unser|"
        "io|tuo|lei|noi|eu|você|vocês|seu|sua|meu|я|вы|вам|мне|мы|أنا|أنت|لك|يمكنني|نحن"
    )
    + "|私|僕|あなた|我|你|您|저는|당신",
    re.IGNORECASE,
)
"""Who speaks of himself or to the reader converses; he states nothing that can be compared."""

GREETINGS = pattern(
    r"^\W*(?:"
    + any_of(
        "hi|hi there|hello|hello there|hey|hey there|good morning|good afternoon|good evening|good night|"
        "greetings|welcome|thanks|"
        "thank you|many thanks|cheers|bye|goodbye|see you|sure|of course|certainly|absolutely|ok|okay|done|"
        "great|great question|good question|got it|understood|noted|sorry|my apologies|apologies|please|"
        "congratulations|"
        "no problem|no worries|anytime|any time|with pleasure|gern geschehen|avec plaisir|my pleasure|"
        "you're welcome|sounds good|will do|all right|alright|"
        "hola|buenos días|buenas tardes|buenas noches|gracias|de nada|claro|por supuesto|lo siento|adiós|"
        "bonjour|bonsoir|salut|coucou|merci|de rien|bien sûr|désolé|désolée|avec plaisir|au revoir|"
        "hallo|guten morgen|guten tag|guten abend|moin|servus|danke|bitte|gerne|natürlich|entschuldigung|"
        "tschüss|"
        "ciao|buongiorno|grazie|prego|certo|olá|oi|bom dia|boa tarde|obrigado|obrigada|claro que sim|"
        "привет|здравствуйте|спасибо|пожалуйста|مرحبا|مرحبًا|أهلا|أهلاً|السلام عليكم|شكرا|شكرًا|عفوا|آسف|"
        "عذرا|عذرًا"
    )
    + "|こちらこそ|"
    "不用谢|不用|こんにちは|こんばんは|おはよう|ありがとう|すみません|申し訳|どういたしまして|もちろん|"
    "はじめまして|"
    "你好|您好|早上好|晚上好|谢谢|不客气|抱歉|对不起|当然|好的|안녕|감사|죄송|물론|お疲れ|おめでとう|"
    "お誕生日|祝你|祝您|恭喜|好好|축하|alles gute|herzlichen "
    "glückwunsch|"
    "feliz |joyeux |bon anniversaire|happy |tanti auguri|buon |с днём|поздравляю|كل عام|مبروك)",
    re.IGNORECASE,
)

SALUTATIONS = pattern(
    r"\W*(?:"
    + any_of(
        "hi|hello|hey|good morning|good afternoon|good evening|good night|greetings|welcome|thanks|thank "
        "you|bye|goodbye|"
        "hola|buenos días|buenas tardes|buenas noches|gracias|bonjour|bonsoir|salut|merci|hallo|guten "
        "morgen|guten tag|"
        "guten abend|danke|ciao|buongiorno|grazie|olá|bom dia|obrigado|привет|здравствуйте|спасибо|مرحبا|"
        "أهلا|شكرا"
    )
    + "|こんにちは|こんばんは|おはよう|ありがとう|你好|您好|谢谢|안녕|감사)",
    re.IGNORECASE,
)
"""What greets or thanks; where it opens a reply, only what is stated outright answers."""

COURTESIES = pattern(
    any_of(
        "let me know|hope this|hope that|hope it|feel free|happy to help|glad to help|anything else|any "
        "other questions|"
        "any questions|any more questions|more questions|further questions|further assistance|need more "
        "help|need further|"
        "need help|don't hesitate|do not hesitate|reach out|contact us|have a great|have a nice|have a good|"
        "best of luck|good luck|would you like|if you need|if you have|if you want|if you'd like|"
        "is there anything|available 24/7|at your service|here to help|here for you|answers your question|"
        "thank you for|"
        "thanks for|you're welcome|different answer|double-checked|double checked|is correct|please note|"
        "¿necesitas|¿necesita|espero que|avísame|no dudes|no dude|si necesitas|si tienes|algo más|estoy "
        "aquí|quedo a|"
        "n'hésitez pas|n'hésitez pas|n'hésite pas|j'espère que|si vous avez|si vous voulez|besoin d'autre "
        "chose|"
        "autre chose|bonne journée|à votre disposition|"
        "ich hoffe|sag bescheid|melde dich|wenn du|falls du|falls sie|wenn sie noch|gerne helfe|noch etwas|"
        "noch fragen|"
        "zögern sie nicht|spero che|fammi sapere|se hai|espero ter|se precisar|надеюсь|если у вас|дайте "
        "знать|"
        "آمل أن|إذا كان لديك|هل تحتاج|لا تتردد"
    )
    + "|お役に立て|お気軽に|何かあれば|他に何か|ほかに何か|ありがとう|谢谢|感谢|감사|希望对|希望这|"
    "如果您|如果你|随时|还有什么|还需要|"
    "도움이 되|궁금한|(?:i am|i'm|we are|we're)\\s+available",
    re.IGNORECASE,
)
"""Sentences that close or open a reply and answer nothing."""

REFUSALS = pattern(
    any_of(
        "impossible to|no idea|nobody knows|no one knows|nobody can|unknown|not known|not much|hard to "
        "say|difficult to say|"
        "can't say|cannot say|it depends|that depends|depends on|depends upon|matter of taste|up to you|"
        "no reliable|"
        "not available|no information|not specified|not mentioned|not provided|not stated|not enough "
        "information|"
        "i can't|i can't|i cannot|i can not|i'm unable|i am unable|i'm not able|i am not able|"
        "i won't|i won't|i'm sorry|i am sorry|sorry, but|i don't know|i do not know|not sure|"
        "i do not have|i don't have|as an ai|unable to|can't help|cannot help|can't assist|"
        "cannot assist|"
        "lo siento|no puedo|no sé|no tengo acceso|je suis désolé|je suis désolée|je ne peux pas|je ne sais "
        "pas|désolé|"
        "es tut mir leid|tut mir leid|ich kann nicht|ich kann dir|ich kann ihnen|ich weiß nicht|leider|"
        "keine ahnung|kommt darauf an|kommt drauf an|hängt davon ab|hängt von|unbekannt|geschmackssache|"
        "unmöglich zu|"
        "depende|depende de|ni idea|desconocido|imposible|dépend|aucune idée|inconnu|impossible de|"
        "dipende|nessuna idea|"
        "sconosciuto|impossibile|desconhecido|не знаю|зависит|неизвестно|невозможно|يعتمد على|غير معروف|"
        "مستحيل|لا فكرة|"
        "mi dispiace|non posso|non so|sinto muito|desculpe|não posso|não sei|извините|я не могу|не знаю|"
        "آسف|عذرا|عذرًا|لا أستطيع|لا يمكنني|لا أعرف"
    )
    + "|申し訳|できません|わかりません|分かりません|抱歉|对不起|无法|恕|取决于|看情况|不清楚|未知|"
    "によります|による(?=[。.]|$)|かねます|ご相談|恐れ入り|不明|不能|不知道|"
    "죄송|수 없습니다|모르",
    re.IGNORECASE,
)

CONCLUDING = pattern(
    r"^\W*(?:(?:and|but)\s+)?(?:"
    + any_of(
        "so|thus|therefore|hence|in total|altogether|in all|overall|finally|in conclusion|as a result|"
        "consequently|"
        "then|to conclude|in short|this gives|we get|we have|that makes|this means|the total|the result|the "
        "sum|the final|"
        "the remaining|total|result|sum|por lo tanto|por tanto|así que|entonces|en total|en conclusión|donc|"
        "ainsi|"
        "par conséquent|au total|en tout|also|daher|deshalb|somit|insgesamt|folglich|quindi|dunque|in "
        "totale|portanto|"
        "logo|assim|no total|итак|значит|следовательно|всего|إذن|لذلك|إذا|بالتالي|المجموع"
    )
    + "|したがって|よって|つまり|従って|ゆえに|合計|因此|所以|故|总共|一共|따라서|그러므로|∴|⇒|=>)",
    re.IGNORECASE,
)
"""What opens the sentence that draws the conclusion."""

FUNCTION_WORDS = _words(
    "a an the of to in on at by for from with as and or that this these those it its it's he she they his "
    "her their "
    "than there here is was are were be been being will would should must has have had do does did can "
    "could may "
    "might "
    "which who whom whose what when where why how so thus therefore also then called named known located "
    "approximately about el la los las un una unos unas de del al en por para con y o que se es son era fue "
    "está lo "
    "le les des du au aux dans sur par pour avec et ou est sont était qui c'est il elle on l d der die das "
    "den dem "
    "ein eine einen einem einer von zu zum zur im am an auf mit und oder ist sind war wird es er sie durch "
    "il lo gli "
    "uno di da è sono nel nella del della o os as um uma do da no na é são foi это в на из هي هو في من على"
)
"""Words that join; a sentence without its question and these is its answer."""

TITLES = _words("dr dr. prof prof. professor doctor sir dame dott. ing.")

ARTICLES = pattern(
    r"^(?:the|an?|der|die|das|ein|eine|el|los|las|une?|le|les|il|lo|gli|um|uma|l[''])(?:\s+|(?<=['']))(?=\S)",
    re.IGNORECASE,
)

PREPOSITIONS = pattern(
    r"^(?:on|in|at|by|to|from|for|around|about|am|um|im|en|el|le|à|a las|a la|a los|para|le|los|dem|den|der|"
    r"as|às|il|el día|le|o dia|dia|يوم|في|بتاريخ|في يوم)\s+(?=\S)",
    re.IGNORECASE,
)

RATIONALES = _words(
    "reason reasoning reasons explanation explanations rationale thought thoughts thinking analysis "
    "justification "
    "chain_of_thought scratchpad working confidence certainty comment comments steps begründung erklärung "
    "razón "
    "explicación raisonnement explication"
)
"""Fields in which a reply explains itself."""

VERBATIM_FIELDS = _words(
    "id uuid key code sku serial user username login file filename path folder dir column field table "
    "variable function "
    "method class module package command cmd regex pattern expr expression formula symbol ticker token "
    "password secret "
    "branch tag version v hash url uri header zip zipcode postcode phone pin letter char unit"
)
"""Fields in which every sign counts."""

FREE_FIELDS = _words(
    "q query queries search search_query search_term keywords body message text content prompt question "
    "subject note "
    "notes description summary title topic comment reply email html caption instructions thought task input"
)
"""Fields that hold wording of the model's own, where they hold more than a word."""
