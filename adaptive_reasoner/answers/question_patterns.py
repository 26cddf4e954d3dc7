"""Patterns of questions by which a reply is read: what kind of answer is meant, in which unit and order.

Whether a vote pays is decided before there is a reply, by the patterns of `policy.request_patterns`.
"""

import re

from adaptive_reasoner.answers.vocabulary import any_of
from adaptive_reasoner.lazy_pattern import pattern

HOW_MANY = pattern(
    any_of(
        "how many|how much|how old|how tall|how long|how far|how fast|how large|how big|how heavy|how deep|"
        "how high|"
        "calculate|compute|evaluate|what number|which number|total number|number of|what is the sum|sum of|"
        "product of|"
        "difference between|remainder|what percentage|what percent|what fraction|average|mean|median|"
        "probability|"
        "solve|simplify|value of|square root|cuántos|cuántas|cuánto|cuánta|calcula|calcule|combien|calculez|"
        "wie viele|wie viel|wieviel|wieviele|wie alt|wie lange|wie weit|wie hoch|berechne|berechnen|quanti|"
        "quante|"
        "quanto|quanta|quantos|quantas|calcola|сколько|вычислите|كم|احسب|total cost|area of|perimeter|"
        "volume of"
    )
    + "|いくつ|いくら|何人|何個|何本|何冊|何円|何歳|何日|何年|何時間|計算|合計|多少|几个|几|计算|求|몇|얼마",
    re.IGNORECASE,
)
ARITHMETIC = pattern(r"\d\s*(?:[-+*/×÷^x]|\*\*|plus|minus|times|mal|fois|por|divided by)\s*\d", re.IGNORECASE)
PERCENT = pattern(
    any_of("percent|percentage|per cent|prozent|porcentaje|pourcentage|percentuale|porcentagem")
    + "|百分之|パーセント|what % |in %",
    re.IGNORECASE,
)
RATIO = pattern(
    any_of("ratio|proportion|odds|verhältnis|proporción|razón|rapport|rapporto|proporção")
    + "|比例|比率|比は|之比",
    re.IGNORECASE,
)
SCORE = pattern(
    any_of(
        "score|match|game|result of the game|marcador|résultat du match|spielstand|aspect|"
        "rating|rate|rated|grade|stars"
    ),
    re.IGNORECASE,
)
MONEY = pattern(
    any_of(
        "cost|costs|price|pay|paid|earn|earns|spend|spent|money|charge|salary|fee|worth|revenue|profit|sell|"
        "sold|buy|bill"
    ),
    re.IGNORECASE,
)
PHONE = pattern(
    any_of(
        "phone|call|telephone|fax|hotline|dial|ring|número de teléfono|teléfono|llamar|llamo|llame|appeler|"
        "appelle|téléphone|telefonnummer|anrufen|rufe|telefono|telefone|ligar"
    )
    + "|电话|電話|هاتف",
    re.IGNORECASE,
)
ORDER = pattern(
    any_of(
        "order|ordered|sort|sorted|rank|ranked|ranking|sequence|first|second|third|next|then|ascending|"
        "descending|"
        "chronological|chronologically|alphabetical|alphabetically|oldest|newest|youngest|largest to "
        "smallest|smallest to largest|steps|step|top|podium|"
        "route|path|coordinates|coordinate|point|vector|permutation|combination|arrange|arranged|digits|"
        "code|pin|"
        "respectively|priority|orden|ordena|ordenar|primero|ordre|ordonne|classe|classez|premier|"
        "reihenfolge|sortiere|sortieren|"
        "ordine|ordina|ordem|по порядку|ترتيب|رتب|how do i|how to|rhyme|itinerary|schedule|followed by|"
        "du plus|croissant|décroissant|plus petit|plus grand|range|rangez|größe nach|kleinsten|größten|"
        "menor a mayor|"
        "mayor a menor|ascendente|descendente|crescente|decrescente|più piccolo|más pequeño"
    )
    + "|順|順番|顺序|排序|次序|순서",
    re.IGNORECASE,
)
FROM_TO = pattern(
    r"\b(?:smallest|largest|lowest|highest|shortest|longest|oldest|youngest|least|most|best|"
    r"worst)\b.{0,30}\b(?:to|first)\b",
    re.IGNORECASE,
)
NO_ORDER = pattern(
    r"order (?:does not|doesn't|do not|is not|isn't) (?:matter|important)|(?:any|no particular|whatever) "
    r"order|regardless of (?:the )?order|"
    r"reihenfolge (?:ist )?(?:egal|beliebig)|beliebige[rn]? reihenfolge|orden no importa|cualquier orden|"
    r"ordre n'importe pas|"
    r"n'importe quel ordre|peu importe l'ordre|qualsiasi ordine|qualquer ordem|"
    r"順不同|顺序不限|不分顺序|顺序无关",
    re.IGNORECASE,
)
WHEN = pattern(
    any_of(
        "when|what time|what date|which date|which day|what day|what year|which year|cuándo|qué día|qué "
        "fecha|qué hora|quand|"
        "quelle date|quel jour|quelle heure|wann|an welchem tag|welches datum|um wie viel uhr|quando|a che "
        "ora|que horas|когда|متى"
    )
    + "|いつ|何時|何日|何月|什么时候|哪天|几点|何时|哪一年|언제",
    re.IGNORECASE,
)
TRANSLATION = pattern(
    any_of(
        "translate|translation|how do you say|how do i say|in french|in spanish|in german|in english|in "
        "italian|in japanese|in chinese|"
        "what is the word|opposite|synonym|antonym|übersetze|übersetzen|heißt|auf spanisch|auf englisch|auf "
        "deutsch|auf französisch|"
        "traduis|traduisez|comment dit-on|en anglais|en français|en espagnol|traduce|traduzca|cómo se dice|"
        "en inglés|en francés|traduci|"
        "traduza|in inglese|em inglês|ترجم"
    )
    + "|翻译|訳|怎么说|何と言い",
    re.IGNORECASE,
)
VERSION = pattern(
    any_of(
        "version|release|versión|versione|versão|релиз|версия|python|java|node|ios|ipados|android|ubuntu|"
        "macos|windows|"
        "django|react|postgresql|kernel|firmware|section|chapter|clause|kapitel|abschnitt|capítulo|chapitre"
    )
    + r"|版本|バージョン|(?<!\w)v\d",
    re.IGNORECASE,
)
VERBATIM = pattern(
    r"\b(?:prints?|printed|outputs?|returns?|evaluates? to|stdout|repr)\b|"
    + any_of(
        "which letter|what letter|which character|what character|which char|hex|identifier|username|user "
        "name|variable name|name of the variable|password|token|header|serial|sku|id|ids|"
        "ascii|case-sensitive|verbatim|character by character|filename|file name|ausgabe|ausgegeben|gibt|"
        "imprime|salida|"
        "affiche|stampa|выведет"
    )
    + "|输出|出力|出力され",
    re.IGNORECASE,
)
"""What asks for signs as they are: 1e5 is not 100000, True is not true."""
AS_VALUE = pattern(
    r"^\W*(?:please\s+)?(?:write|express|give|generate|create)\b.{0,80}\b(?:as (?:an?|the) (?:\w+ "
    r")?(?:number|decimal|fraction|percent\w*|ratio|equation|"
    r"product|power|mixed|numeral|json|list|set)|in (?:digits|numerals|figures|words|scientific|standard|"
    r"roman|lowest|simplest|decimal|json)|"
    r"(?:the )?(?:number|equation|formula|expression|json)\b)|\b(?:in|with|using) (?:only )?(?:one|a "
    r"single) word\b|\bjson\b",
    re.IGNORECASE,
)
WH = pattern(
    any_of(
        "who|whom|whose|what|which|when|where|why|how|qué|quién|cuál|cuándo|dónde|cómo|cuánto|cuántos|"
        "cuántas|qui|quel|quelle|quels|quelles|"
        "quand|où|comment|combien|pourquoi|que|was|wer|wen|wem|welche|welcher|welches|wann|wo|wie|warum|chi|"
        "che|quale|quando|dove|come|"
        "quanto|quem|qual|onde|or|oder|ou|o|что|кто|какой|когда|где|сколько|ما|من|متى|أين|كم|أي"
    )
    + "|谁|什么|哪|几|多少|誰|何|どこ|いつ|いくつ|どれ|누구|무엇|어디|언제",
    re.IGNORECASE,
)
SETS = pattern(
    any_of(
        "which|what are|who are|list|name|give|find|are there|what|who|solve|roots|factors|divisors|"
        "solutions|"
        "qué|cuáles|quiénes|nombra|enumera|quels|quelles|qui|citez|cite|nomme|welche|wer|nenne|nennen|was "
        "sind|quali|"
        "elenca|quais|liste|какие|назовите|ما هي|اذكر"
    )
    + "|哪些|有哪|何ですか|どれ|挙げ|列出|무엇|어떤",
    re.IGNORECASE,
)
FREE = pattern(
    r"^\W*(?:(?:please|can you|could you|would you|will you|kindly|i want you to|i need you to|i'd like you "
    r"to|help me|now|"
    r"bitte|por favor|s'il vous plaît|请|por gentileza|peux-tu|pouvez-vous|puedes|kannst du|können "
    r"sie)[\s,]+)*(?:"
    + any_of(
        "caption|edit|shorten|make a|make me|give me an example|give an example|write|draft|compose|"
        "summarise|summarize|explain|describe|rewrite|rephrase|paraphrase|improve|"
        "proofread|brainstorm|suggest|"
        "recommend|propose|come up with|invent|imagine|create|design|tell me about|tell me a|tell me how|"
        "tell me why|"
        "tell us|discuss|elaborate|outline|help me|give me advice|give me tips|give me ideas|give advice|"
        "advise|make up|generate|why|how do|how does|how did|how can|how should|how would|"
        "how to|how come|what do you think|what should i|what can you|what is your opinion|thank you|thanks|"
        "who are you|"
        "introduce|compare|analyse|analyze|review|comment on|reply to|respond to|continue|plan|"
        "escribe|redacta|resume|explica|describe|por qué|cómo|sugiere|cuéntame|"
        "écris|écrivez|rédige|rédigez|résume|résumez|explique|expliquez|décris|décrivez|pourquoi|comment|"
        "raconte|"
        "schreibe|schreib|verfasse|fasse|erkläre|erklär|beschreibe|warum|wieso|wie funktioniert|wie kann|"
        "erzähle|erzähl|"
        "scrivi|spiega|riassumi|perché|descrivi|escreva|explique|resuma|por que|descreva|conte|"
        "напиши|напишите|объясни|объясните|почему|расскажи|опиши|اكتب|اشرح|لماذا|لخص|صف|كيف"
    )
    + "|写|解释|为什么|描述|总结|请写|如何|怎么|怎样|介绍|"
    r".{0,30}(?:を書いて|書いてください|詠んで|作ってください|説明して|要約して|なぜ|どうして|"
    r"教えてください$)|왜|설명|써|.{0,30}(?:써|지어)\s?(?:줘|주세요))",
    re.IGNORECASE,
)  # fmt: skip
HOW_ABOUT = pattern(
    r"how (?:do|does|did|can|should|would) .{0,200}\b(?:cost|weigh|measure|many|much|old|far|long|tall)\b",
    re.IGNORECASE,
)
YES_NO = pattern(
    r"(?:^|[.!?\n]\s*|,\s*)(?:"
    + any_of(
        "is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|may|must|am|isn't|aren't|"
        "doesn't|don't|"
        "es|son|está|puedo|puede|hay|tiene|est-ce|est-ce que|peut-on|puis-je|ist|sind|kann|darf|hat|haben|"
        "gibt|muss|"
        "è|sono|posso|può|é|são|pode|هل|является|можно"
    )
    + r")[^?\n]{1,300}\?|吗[?？]?|ますか|ですか[?？。.]?$|でしょうか",
    re.IGNORECASE,
)
OPTION = pattern(
    r"(?:^|[\s(;,?!)。:])\(?([A-Ja-j])[).:]\s+(\S[^\n]{0,200}?)(?=\s*(?:[\n;,]?\s*\(?[A-Ja-j][).:]\s|\n|$))"
)
WORD = pattern(r"[^\W_]+(?:['\u2019.-][^\W_]+)*")
VARIABLE_ASKED = pattern(
    r"(?:solve for|find|value of|determine|calculate|what(?:'s| is)|valor de|encuentra|halla|nach|"
    r"bestimme|finde|"
    r"wert von|valeur de|trouve[rz]?|vaut|valore di|trova|求|"
    r"найдите)\s*\\?\(?\$?([A-Za-z](?:_\{?\d\}?)?)(?![\w'(,]|,\s?[a-z]\b)"
    r"(?! (?:and|y|und|et|e) )",
    re.IGNORECASE,
)
VARIABLE = pattern(
    r"(?<![A-Za-z\\])(?:(?<=[\d+*/^=<>$(-])([A-Za-z])|([A-Za-z])(?=\s?[\^=<>+*/$²³]|\s-\s))(?![A-Za-z])"
)
ASKS_NAME = pattern(
    r"\W*(?:who|whom|whose|where|which|wer|wo|qui|où|quién|dónde|chi|dove|quem|onde|кто|где)\b", re.IGNORECASE
)
ALTERNATIVES = pattern(
    r"([^\W\d_]+),?\s+(?:or|oder|ou|o|или|أو)\s+(?:(?:an?|the|der|die|das|eine?|el|la|los|las|une?|le|les|il|o|a)\s+)?"
    r"([^\W\d_]+)",
    re.IGNORECASE,
)
COMMA_LANGUAGES = frozenset(
    (
    "der die das ist sind und nicht wie viel viele beträgt lautet antwort ergebnis kostet el los las "
    "es son cuál cuánto cuántos cuántas respuesta total de la le les est sont combien réponse "
    "résultat quel quelle il è sono quanto quanti risposta risultato o os são quantos qual resposta "
    "kilometer insgesamt сколько равно ответ euro berechne bestimme ermittle löse nenne welche "
    "welcher welches wann nach auf für eine calcula resuelve halla calcule calculez résous calcola "
    "risolvi resolva"
    ).split()
) - {"total", "o", "kilometer"}  # fmt: skip
POINT_LANGUAGES = frozenset(
    ("the is are was of what how many much which answer and in it does do has have total kilometers").split()
)
LEFT = frozenset(("left remaining more total altogether of the in now people items pieces").split())
UNIT_ASKED = pattern(
    r"(?:how many|how much|number of|cuántos|cuántas|combien de|combien d'|wie viele|wieviele|quanti|quante|"
    r"quantos|quantas|сколько|كم)\s+([^\W\d_]+)",
    re.IGNORECASE,
)
IN_UNIT = pattern(r"\b(?:in|to|into|en|auf)\s+([^\W\d_°]+|°[CF])\W*$", re.IGNORECASE)
INSTRUCTION = pattern(
    r"\W*(?:(?:please|kindly|can you|could you|bitte|por favor|s'il vous plaît|just|now|and|ok|"
    r"okay)[\s,]+)*(?:"
    + any_of(
        "close|cancel|book|send|remind|set|turn|open|create|delete|update|schedule|order|play|call|tell|say|"
        "let|make|"
        "fix|improve|check|help|stop|start|add|remove|buy|contact|escalate|refund|reschedule|move|i|i'm|"
        "i've|i'd|my|we|"
        "our|it|schließe|storniere|buche|sende|schicke|erinnere|ich|mein|meine|wir|cierra|cancela|reserva|"
        "envía|manda|"
        "recuérdame|me|mi|estoy|ferme|annule|réserve|envoie|rappelle|je|j'ai|mon|ma|chiudi|annulla|prenota|"
        "invia|io|"
        "feche|cancele|reserve|envie|eu|meu|закрой|отмени|я|احجز|أرسل|ألغ|أنا"
    )
    + "|关闭|取消|预订|发送|提醒|我|キャンセル|予約|送って|私)",
    re.IGNORECASE,
)
"""What opens a request to do something, or a remark."""
ANSWERABLE = pattern(
    any_of(
        "who|whom|whose|what|which|when|where|how|name|list|classify|label|categorize|extract|identify|find|"
        "solve|"
        "compute|calculate|evaluate|simplify|determine|choose|select|pick|answer|return|convert|translate|"
        "count|sort|"
        "rank|json|welche|welcher|wer|was|wann|wo|wie|nenne|qué|cuál|quién|cuándo|dónde|quel|quelle|qui|"
        "quand|où|che|"
        "quale|chi|quando|dove|qual|quem|onde"
    )
    + r"|[?=？؟]",
    re.IGNORECASE,
)
"""What makes even such a request a question."""
WORKS = pattern(
    any_of(
        "slogan|motto|tagline|headline|caption|title|toast|tweet|haiku|limerick|sonnet|lyrics|song|poem|"
        "joke|story|essay|"
        "email|e-mail|letter|message|reply|speech|greeting|wish|birthday wish|blog post|cover letter|opinion|"
        "gedicht|witz|geschichte|brief|mail|nachricht|geburtstagswunsch|glückwunsch|geburtstagsgruß|rede|"
        "meinung|"
        "poema|cuento|chiste|correo|carta|mensaje|deseo|discurso|opinión|poème|histoire|blague|courriel|"
        "lettre|discours|avis|"
        "poesia|barzelletta|storia|lettera|messaggio|poesia|piada|стихотворение|стих|письмо|история|шутка|"
        "قصيدة|قصة|رسالة|نكتة|بريد"
    )
    + "|俳句|短歌|川柳|詩|物語|メール|手紙|メッセージ|スローガン|诗|故事|邮件|笑话|祝福|标语|口号|작문|"
    "편지|이야기|농담|(?:^|\\s)시를?(?=\\s|$)",
    re.IGNORECASE,
)
"""What is written, each in its own way, where no question is asked about it."""
SMALL_TALK = pattern(
    any_of(
        "how are you|how's it going|how do you feel|how was your day|what's up|what's new|what is new|do "
        "you think|"
        "what do you recommend|what do you suggest|what would you|your opinion|your view|your thoughts|"
        "thoughts on|"
        "what happened|what do you see|what's wrong|what is wrong|what are some|a fun fact|an example of|"
        "quote|quotes|"
        "to-do list|todo list|packing list|shopping list|was ist passiert|qué pasó|que s'est-il passé|"
        "что случилось|"
        "any tips|any advice|any ideas|any suggestions|any thoughts|"
        "wie geht es|wie geht's|was gibt's neues|was hältst du|was halten sie|was meinst du|was denkst "
        "du|was empfiehlst|deine meinung|"
        "cómo estás|cómo está usted|qué tal|qué opinas|qué piensas|qué recomiendas|qué me recomiendas|tu "
        "opinión|"
        "comment ça va|comment allez-vous|ça va|que penses-tu|que pensez-vous|que recommandes-tu|ton "
        "avis|votre avis|"
        "come stai|come va|cosa ne pensi|che ne pensi|cosa consigli|como vai|como você está|o que você acha|"
        "как дела|как ты|что ты думаешь|что вы думаете|что посоветуешь|كيف حالك|ما رأيك|بماذا تنصح"
    )
    + "|お元気|元気ですか|調子は|どう思|おすすめ|what (?:does|do|did) [^?]{1,40} do\\?|satz mit|"
    "как \\w+(?:ть|ти|"
    "чь)(?!\\w)|你好吗|最近怎么样|你怎么样|怎么看|你觉得|你认为|有什么推荐|잘 지내|어떻게 생각|추천",
    re.IGNORECASE,
)
"""What every reply answers in its own way."""
DEFINITION = pattern(
    r"\W*(?:what(?:'s| is| are)(?: an?)?|was (?:ist|sind)(?: eine?)?|(?:qué (?:es|son)|qu'est-ce que|"
    r"cos'è|o que é|"
    r"что такое|ما هو|ما هي)(?: (?:el|la|los|las|les?|l'|il|o|a))?)\s?"
    r"(?-i:[a-zà-ÿа-я]{4,}|[A-ZÄÖÜ][a-zäöüß]{3,})\s*\?\W*",
    re.IGNORECASE,
)
"""What asks what a word means; a capital is an English name, but a German noun."""
TEXTS = pattern(
    r"\b(?:tips|advice|ideas|suggestions|pointers|recipes?|steps|ways|reasons|benefits|advantages|"
    r"disadvantages|pros|cons|"
    r"causes|effects|risks|differences?|main points|key points|takeaways|implications|symptoms|strategies|"
    r"examples|"
    r"instructions|overview|summary|outline|essay|story|poem|joke|meaning of life|vorteile|nachteile|gründe|"
    r"tipps|"
    r"unterschiede?|schritte|ventajas|desventajas|consejos|razones|diferencias?|pasos|avantages|"
    r"inconvénients|conseils|"
    r"raisons|différences?|étapes|vantaggi|svantaggi|consigli|vantagens|dicas|differenz[ae])\b|优点|"
    r"缺点|建议|区别|"
    r"原因|"
    r"步骤|メリット|違い|理由|コツ|方法|فوائد|أسباب|نصائح|الفرق",
    re.IGNORECASE,
)
"""What is asked for where several good answers are worded each in its own way."""
PAST = dict(
    pair.split(":")
    for pair in (
        "bought:buy won:win wrote:write written:write sold:sell went:go gone:go made:make took:take "
        "taken:take found:find "
        "ate:eat eaten:eat saw:see seen:see ran:run spent:spend paid:pay got:get gave:give given:give "
        "knew:know known:know "
        "began:begin begun:begin broke:break built:build came:come drew:draw drawn:draw drove:drive "
        "fell:fall flew:fly "
        "held:hold kept:keep led:lead lost:lose met:meet said:say sang:sing sung:sing sent:send spoke:speak "
        "spoken:speak "
        "stood:stand swam:swim taught:teach thought:think told:tell wore:wear shot:shoot chose:choose "
        "became:become"
    ).split()
)
"""English verbs whose past is not made by an ending."""
