"""Patterns of requests for free text, for a number, for a fact or for a format, in ten languages.

They decide between one streamed pass and a vote before anything is known, so they need not be right about
every question: a vote that has nothing to compare costs one call as well, and what replies offer is learned.
"""

# ruff: noqa: RUF001 - words of other languages

import re

from adaptive_reasoner.lazy_pattern import pattern


def _words(*patterns: str) -> re.Pattern[str]:
    return pattern("|".join(patterns), re.IGNORECASE)


SENTENCE_END = pattern(r"(?<=[?!。？！؟])\s*|(?<=[.:;])\s+|\n+")

POLITE = pattern(
    r"^[¿¡\"'“«(]*(?:(?:please|kindly|hi|hello|hey|ok(?:ay)?|so|now|and|also|just|por favor|bitte"
    r"|s'il vous plaît)\b[,!.]*\s*"
    r"|(?:can|could|would|will) you (?:please |kindly )?(?!do\b|help\b)"
    r"|(?:i|we)(?: want|'d like| would like| need)(?: you)? to |help me (?:to )?|let'?s |请|請)*",
    re.IGNORECASE,
)
"""What may stand before the verb of a request."""

GREETING = pattern(
    r"\W*(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|night|day)|thanks?(?: you)?|bye|goodbye|cheers"
    r"|welcome|there|again|everyone|you|so|very|much|a lot|how are you(?: doing)?(?: today)?|what'?s up"
    r"|nice|great|cool|ok(?:ay)?|perfect"
    r"|hola|buen[oa]s (?:días|tardes|noches)|gracias|adiós|bonjour|bonsoir|salut|merci(?: beaucoup)?"
    r"|au revoir"
    r"|hallo|guten (?:tag|morgen|abend)|danke(?: schön)?|tschüss|olá|oi|obrigad[oa]|ciao|buongiorno|grazie"
    r"|привет|здравствуйте|спасибо|你好|您好|谢谢|早上好|再见|こんにちは|おはよう(?:ございます)?|こんばんは"
    r"|ありがとう(?:ございます)?|助かりました|안녕(?:하세요)?|감사합니다|مرحبا|أهلا|شكرا|السلام عليكم|नमस्ते"
    r"|धन्यवाद)\W*)+",
    re.IGNORECASE,
)
"""Nothing but a greeting or thanks."""

FORMAT = _words(
    r"\\boxed|####|\bfinal answer\b|\bmultiple[- ]choice\b",
    r"\b(?:as|in|into|valid) json\b|\bjson (?:object|with|only)\b",
    r"\b(?:end|finish|conclude|reply|respond|return|answer|line"
    r"|form(?:at)?)\b[^.\n]{0,60}\banswer\s*(?:is)?\s*:",
    r"\b(?:with|only|just|by) (?:(?:the|an?|one|your|its) )?(?:single )?"
    r"(?:letter|number|digit|integer|label|option|word|value|yes or no|true or false)\b",
    r"\b(?:one|a single) word\b|\byes or no\b|\btrue or false\b|\bone of (?:the following|these)\b",
    r"\b(?:solo|nur|uniquement|seulement) (?:(?:el|la|die|den|le|un) )?(?:número|letra|Zahl|Buchstaben"
    r"|nombre|lettre)",
    r"只(?:回答|输出|给|給)|のみ(?:で)?答え|だけ(?:で|を)?答え",
)
"""A format that the prompt demands of the answer, in which answers can be compared."""

OPTION = pattern(r"(?:^|\s)\(?([A-Ea-e])(?:\)|\.(?=\s)|:(?=\s))\s*\S", re.MULTILINE)
OPTIONS = _words(r"\b(?:options|choices|opciones|optionen|选项|選択肢)\s*[:：]")

CALCULATION = pattern(
    r"\d\s*[+*×÷^=]\s*[-(]?\s*[\dx]|\d\s+[-−/]\s+\d|[)\dx]\s*=\s*[-(]?\d|\b[xyn]\s?[-+*^]\s?\d"
    r"|\\(?:frac|sqrt|sum|int|log|cdot|times)\b|\$[^$\n]*[\\^_=<>+*()\d][^$\n]*\$|\\[(\[]"
    r"|\d\s*(?:plus|minus|times|divided by|más|por|mal|fois|加|减|乘|除以)\s*\d",
    re.IGNORECASE,
)
"""An expression, an equation, mathematics in LaTeX."""

ABOUT_MATHEMATICS = _words(
    r"explain|describe|discuss|prove|show|derive|review|translate|summari[sz]e|fix|debug|refactor"
)
"""Verbs that ask for free text even of an expression."""

FORM = _words(r"\bas an? (?:number|decimal|fraction|percentage|percent|mixed number)\b")

TEXT = _words(
    r"(?:write|draft|compose|re(?:write|word|phrase|fine|ply|spond|view|factor|commend|search)|paraphrase"
    r"|explain"
    r"|describe|discuss|summari[sz]e|outline|tell|talk|chat|teach|show|help|suggest|advise|recommend"
    r"|brainstorm"
    r"|imagine|invent|pretend|create|design|build|implement|code|program|debug|fix|improve|edit|proofread"
    r"|polish"
    r"|generate|make|prepare|plan|book|schedule|order(?! (?:does|doesn|is|isn))|send|say|e-?mail|post|close"
    r"|open|cancel|update|change"
    r"|remind|call"
    r"|translate|critique|argue|prove|continue|elaborate|expand|introduce|inform|announce|apologi[sz]e"
    r"|congratulate"
    r"|invite|convince|persuade|entertain|sing|joke|analy[sz]e|compare|contrast|comment|react|consider"
    r"|reflect|share"
    r"|walk me|guide|act (?:as|like))\b",
    r"give (?:me|us) (?:some|sql|code|a few|an?|your|tips|ideas|advice|feedback|examples?|instructions"
    r"|\w+ (?:tips"
    r"|ideas))\b",
    r"why\b|how (?:do|does|did|can|could|should|would|will|to|come|is|are|was|were|has|have|had|about"
    r"|might)\b",
    r"what (?:should|would|could|can|do (?:you|i|we)|happen|makes|about|if"
    r"|are (?:some|your|the (?:pros|cons|benefits|(?:dis)?advantages|differences|causes|reasons|steps"
    r"|effects|main|key|best))"
    r"|is (?:an? |your|it like|the (?:difference|meaning|point|purpose|best way|story|history)))",
    r"(?:nice|lovely|beautiful|great|what an?) |qué (?:bonito|buen)|quel beau|na,? |schönes?|who are you"
    r"|(?:can|could|would|will) you (?:do|help)|do you|are you|you are an? ",
    r"(?:i|we)(?:'m|'ve| am| are| feel| think| have| had)\b|as an? [\w ]+,? (?:what|describe|write)\b",
    r"dime |dame |crea |haz |escrib|redact|explic|expliqu|resum|describ|traduc|traduz|cuént|cuent|ayúd"
    r"|por qué|cómo ",
    r"dis |dites|fais|crée|command|réserv|écri|rédig|résum|décri|tradui|racont|pourquoi|comment |aide",
    r"sag |sagen sie|mach|erstell|bestell|buch|schreib|verfass|erklär|fasse|beschreib|übersetz|erzähl|warum"
    r"|hilf"
    r"|wie (?!viel|hei|alt|lang|hoch|weit|groß|oft|schnell|schwer|tief)",
    r"escrev|por que|descrev|como |scriv|spieg|riassum|descriv|traduci|raccont|perché",
    r"напиши|объясни|расскажи|опиши|переведи|почему|اكتب|اشرح|لخص|ترجم|صف |لماذا|كيف ",
)
"""How a request for free text begins."""

TEXT_ANYWHERE = pattern(
    r"[写寫]|天气真|いい天気|作一首|解释|解釋|介绍|介紹|总结|總結|翻译|翻譯|描述|为什么|為什麼|怎么(?!样)"
    r"|如何|讲个"
    r"|書いて|作って|説明して|要約|翻訳|教えて|言って|なぜ|どうして|どうやって"
    r"|써\s?줘|써\s?주세요|작성|설명|요약|번역해|왜 |어떻게|लिखो|लिखें|लिखिए|समझा|क्यों|कैसे"
)

NUMBER = _words(
    r"\bhow (?:many|much|old|far|tall|long|high|deep|big|large|often|fast|heavy|wide)\b",
    r"\b(?:calculate|compute|evaluate|solve|simplify|factor(?:i[sz]e)?|integrate|differentiate|estimate"
    r"|count|convert)\b",
    r"\b(?:what|find|determine|give)\b[^.?!\n]{0,40}\b(?:number|sum|total|product|difference|quotient"
    r"|remainder|average"
    r"|mean|median|value|area|volume|perimeter|length|distance|speed|age|price|cost|rate|ratio|probability"
    r"|percentage"
    r"|percent|fraction|amount|population|revenue|year|date|time|temperature|root|square|cube)\b",
    r"cuánt[oa]s?|calcula|resuelve|combien|calcule[rz]?|résou|wie ?viele?|berechne|quant[oaie]s?\b|resolva"
    r"|risolvi",
    r"сколько|вычисли|решите?|كم |احسب|कितन",
    r"多少|几[个人天年岁只]|幾|计算|計算|等于|等於|いくつ|何[人個本枚歳年円回]|いくら|求め|몇|얼마|계산",
)
"""What asks for a number, wherever it stands."""

FACT = _words(
    r"(?:who|whom|whose|which|when|where|in (?:what|which)|what'?s the"
    r"|what (?:is|are|was|were) (?:the|his|her|its|their|our|my|this|that)"
    r"|what (?:year|day|date|time|city|country|colou?r|name|number|size|kind|type|language|currency)"
    r"|is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|must"
    r"|isn'?t|aren'?t|doesn'?t|don'?t)\b",
    r"(?:name|classify|identify|select|choose|pick|label|rate|score|rank|sort|reverse|concatenate|take"
    r"|extract|spell"
    r"|find|determine|decide|complete|fill|guess|round|add|subtract|multiply|divide|return|output|put"
    r"|replace|remove"
    r"|tag|detect)\b",
    r"quién|cuándo|dónde|cuál|qué|qui |quand|où|quel|wer|wann|wo |welche|was |quem|quando|onde|qual|chi "
    r"|dove",
    r"кто|когда|где|как(?:ой|ая|ие)|من |متى|أين|ما |هل ",
)
"""How a question begins that asks for a fact, for yes or no, or for something done to what is given."""

FACT_ANYWHERE = pattern(r"谁|誰|什么时候|哪|吗[？?]|どこ|いつ|どれ|どちら|누구|언제|어디|कौन|कब|कहाँ")
