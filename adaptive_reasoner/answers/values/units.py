"""Units, currencies and magnitudes by their names; pint knows what they are worth."""

from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from adaptive_reasoner.answers.waiting import about_to_wait
from adaptive_reasoner.lazy_pattern import pattern

_UNITS = {
    "meter": "m|metre|metres|meter|meters|metro|metros|mètre|mètres|метр|метров|米|メートル|متر",
    "kilometer": "km|kms|kilometre|kilometres|kilometer|kilometers|kilómetro|kilómetros|quilômetros|"
    "kilomètre|"
    "kilomètres|chilometri|км|километров|公里|キロメートル|كم|كيلومتر|كيلومترًا",
    "centimeter": "cm|centimetre|centimetres|centimeter|centimeters|centímetros|centimètres|zentimeter|см|"
    "厘米|سم",
    "millimeter": "mm|millimetre|millimetres|millimeter|millimeters|milímetros|millimètres|мм|毫米",
    "micrometer": "µm|μm|um|micrometer|micrometers|micron|microns",
    "nanometer": "nm|nanometer|nanometers|nanometre|nanometres",
    "mile": "mi|mile|miles|milla|millas|meile|meilen|英里",
    "yard": "yd|yard|yards",
    "foot": "ft|foot|feet|pie|pies|pieds|fuß",
    "inch": "inch|inches|pulgadas|pouces|zoll",
    "nautical_mile": "nmi|nautical mile|nautical miles",
    "light_year": "ly|light-year|light-years|light year|light years|lichtjahre|años luz|光年",
    "gram": "g|gram|grams|gramme|grammes|gramo|gramos|gramm|г|克|グラム",
    "kilogram": "kg|kgs|kilo|kilos|kilogram|kilograms|kilogramo|kilogramos|kilogramme|kilogrammes|kilogramm|"
    "кг|"
    "公斤|千克|キログラム|كجم|كيلوغرام",
    "milligram": "mg|milligram|milligrams|miligramos|milligrammes|milligramm|毫克",
    "microgram": "µg|μg|mcg|microgram|micrograms",
    "metric_ton": "t|tonne|tonnes|metric ton|metric tons|tonelada|toneladas|吨|トン",
    "pound": "lb|lbs",
    "ounce": "oz|ounce|ounces",
    "liter": "l|litre|litres|liter|liters|litro|litros|л|升|リットル|لتر",
    "milliliter": "ml|millilitre|millilitres|milliliter|milliliters|mililitros|毫升",
    "gallon": "gal|gallon|gallons",
    "cup": "cup|cups|taza|tazas|tasse|tassen",
    "tablespoon": "tbsp|tablespoon|tablespoons|esslöffel",
    "teaspoon": "tsp|teaspoon|teaspoons|teelöffel",
    "second": "s|sec|secs|second|seconds|segundo|segundos|seconde|secondes|sekunde|sekunden|secondo|secondi|"
    "секунд|秒|ثانية|ثواني",
    "minute": "min|mins|minute|minutes|minuto|minutos|minuten|minuti|минут|минуты|分|分钟|分間|دقيقة|دقائق",
    "hour": "h|hr|hrs|hour|hours|hora|horas|heure|heures|stunde|stunden|std|ora|ore|часов|часа|час|小时|時間|"
    "ساعة|ساعات",
    "day": "day|days|día|días|dia|dias|jour|jours|tag|tage|tagen|giorno|giorni|день|дня|дней|天|"
    "日間|يوم|أيام",
    "week": "wk|week|weeks|semana|semanas|semaine|semaines|woche|wochen|settimana|settimane|недель|недели|周|"
    "週間|"
    "أسبوع|أسابيع",
    "month": "month|months|mes|meses|mois|monat|monate|monaten|mese|mesi|месяцев|месяца|"
    "个月|ヶ月|か月|شهر|أشهر",
    "year": "yr|yrs|year|years|año|años|ans|année|années|jahr|jahre|jahren|anno|anni|ano|anos|лет|года|年間|"
    "سنة|سنوات",
    "decade": "decade|decades",
    "century": "century|centuries",
    "millisecond": "ms|msec|millisecond|milliseconds|millisekunden|毫秒",
    "microsecond": "µs|μs|us|microsecond|microseconds",
    "nanosecond": "ns|nanosecond|nanoseconds",
    "degree_Celsius": "°c|degc|celsius|degree celsius|degrees celsius|degrees c|grados celsius|grad celsius|"
    "degrés celsius|摄氏度",
    "degree_Fahrenheit": "grad fahrenheit|grados fahrenheit|degrés fahrenheit|°f|degf|fahrenheit|"
    "degree fahrenheit|degrees fahrenheit|degrees f|华氏度",
    "kelvin": "kelvin|kelvins",
    "degree": "°|deg|degree|degrees|grad|grados|degrés|\\circ",
    "radian": "rad|radian|radians",
    "byte": "b|byte|bytes",
    "kilobyte": "kb|kilobyte|kilobytes",
    "megabyte": "mb|megabyte|megabytes",
    "gigabyte": "gb|gigabyte|gigabytes",
    "terabyte": "tb|terabyte|terabytes",
    "kibibyte": "kib",
    "mebibyte": "mib",
    "gibibyte": "gib",
    "joule": "joule|joules",
    "kilojoule": "kj|kilojoule|kilojoules",
    "megajoule": "mj",
    "kilocalorie": "kcal|kilocalorie|kilocalories",
    "watt": "w|watt|watts|vatios",
    "kilowatt": "kw|kilowatt|kilowatts",
    "megawatt": "mw|megawatt|megawatts",
    "kilowatt_hour": "kwh|kilowatt-hour|kilowatt-hours|kilowatt hours",
    "volt": "v|volt|volts",
    "ampere": "a|amp|amps|ampere|amperes",
    "ohm": "ω|ohm|ohms",
    "hertz": "hz|hertz",
    "kilohertz": "khz",
    "megahertz": "mhz",
    "gigahertz": "ghz",
    "newton": "n|newton|newtons",
    "pascal": "pa|pascal|pascals",
    "kilopascal": "kpa",
    "bar": "bar|bars",
    "atmosphere": "atm",
    "psi": "psi",
    "mole": "mol|mole|moles",
    "hectare": "ha|hectare|hectares|hectáreas|hektar|公顷",
    "acre": "acre|acres",
    "mile / hour": "mph|miles per hour",
    "kilometer / hour": "kph|kmh|km/h|kilometers per hour|kilometres per hour|公里/小时",
    "knot": "knot|knots",
    "meter ** 2": "m2|m^2|sqm|square meter|square meters|square metre|square metres|metros cuadrados|mètres "
    "carrés|quadratmeter|平方米",
    "kilometer ** 2": "km2|km^2|square kilometer|square kilometers|square kilometre|square kilometres|"
    "kilómetros cuadrados|quadratkilometer|平方公里",
    "centimeter ** 2": "cm2|cm^2|square centimeter|square centimeters|square centimetres",
    "foot ** 2": "sqft|sq ft|ft2|ft^2|square foot|square feet",
    "inch ** 2": "in^2|square inch|square inches",
    "mile ** 2": "square mile|square miles",
    "meter ** 3": "m3|m^3|cubic meter|cubic meters|cubic metre|cubic metres|metros cúbicos|kubikmeter|立方米",
    "centimeter ** 3": "cm3|cm^3|cc|cubic centimeter|cubic centimeters|cubic centimetres",
}
_PINT_NAMES = {name: unit for unit, names in _UNITS.items() for name in names.split("|")}
_CASED = {
    "K": "kelvin",
    "J": "joule",
    "N": "newton",
    "W": "watt",
    "V": "volt",
    "A": "ampere",
    "B": "byte",
    "MW": "megawatt",
    "mW": "milliwatt",
    "MJ": "megajoule",
    "mJ": "millijoule",
    "Mb": "megabit",
    "kb": "kilobit",
    "Kb": "kilobit",
    "Gb": "gigabit",
    "Hz": "hertz",
    "Pa": "pascal",
    "L": "liter",
    "C": "degree_Celsius",
    "F": "degree_Fahrenheit",
    "Ω": "ohm",
    "k": "",
    "G": "",
    "S": "",
    "H": "",
    "D": "",
    "T": "",
    "a": "",
    "n": "",
    "b": "",
    "v": "",
    "w": "",
    "mb": "megabyte",
    "mM": "",
    "Mm": "megameter",
    "mhz": "megahertz",
    "M": "",
    "Mg": "megagram",
    "t": "metric_ton",
}
"""Names whose capitals mean something; no unit where empty."""

_CURRENCIES = {
    "USD": "$|us$|usd|dollar|dollars|dólar|dólares|us dollars|u.s. dollars|ドル|美元|доллар|долларов|دولار|"
    "دولارًا|دولارا",
    "EUR": "€|eur|euro|euros|欧元|ユーロ|евро|يورو",
    "GBP": "£|gbp|pound sterling|pounds sterling|british pounds|英镑",
    "JPY": "jpy|yen|円|日元",
    "CNY": "cny|rmb|yuan|renminbi|元|人民币",
    "INR": "₹|inr|rs|rs.|rupee|rupees|卢比",
    "KRW": "₩|krw|won|원",
    "RUB": "₽|rub|rubles|roubles|рублей",
    "CHF": "chf|franken|swiss francs",
    "CAD": "c$|ca$|cad|canadian dollars",
    "AUD": "a$|au$|aud|australian dollars",
    "BRL": "r$|brl|reais",
    "MXN": "mx$|mxn|pesos",
    "SEK": "sek",
    "PLN": "zł|pln",
    "BTC": "₿|btc|bitcoin",
    "yen or yuan": "¥",
}
_CODES = {name: code for code, names in _CURRENCIES.items() for name in names.split("|")}
_HUNDREDTHS = {
    **dict.fromkeys(("cent", "cents", "¢"), "USD"),
    **dict.fromkeys(("pence", "penny"), "GBP"),
    **dict.fromkeys(("centimes", "eurocent"), "EUR"),
}

MAGNITUDES = {
    **dict.fromkeys(("thousand", "thousands", "k", "tausend", "тысяч", "тыс", "千", "ألف", "آلاف"), 10**3),
    **dict.fromkeys(("万", "萬"), 10**4),
    **dict.fromkeys(("lakh", "lakhs"), 10**5),
    **dict.fromkeys(("million", "millions", "mn", "mio", "mio.", "millionen", "millón", "millones"), 10**6),
    **dict.fromkeys(
        ("milhão", "milhões", "milioni", "milione", "миллион", "миллионов", "млн", "百万", "مليون"), 10**6
    ),
    **dict.fromkeys(("crore", "crores"), 10**7),
    **dict.fromkeys(("億", "亿"), 10**8),
    **dict.fromkeys(
        ("billion", "billions", "bn", "milliarde", "milliarden", "mrd", "mrd.", "milliard"), 10**9
    ),
    **dict.fromkeys(
        ("milliards", "mil millones", "miliardi", "bilhão", "bilhões", "миллиард", "млрд", "مليار"), 10**9
    ),
    **dict.fromkeys(("trillion", "trillions", "tn", "兆"), 10**12),
}

_POWER = pattern(r"([^\d^]{1,30}?)\s?(?:\^?\{?(-?[1-4])\}?)?")


@lru_cache(maxsize=1000)
def unit(name: str) -> tuple[Fraction, Fraction, str] | None:
    """Factor, offset and base unit of a unit's name; None where it names none.

    Example:
        >>> factor, offset, base = unit("km")
        >>> str(factor), str(offset), base
        ('1000', '0', 'meter')
    """
    found = _pint_name(name) or _compound(name)
    if found is None:
        return None
    registry = _registry()
    zero, one = (registry.Quantity(Fraction(each), found).to_base_units() for each in (0, 1))
    offset = Fraction(zero.magnitude)
    base = "*".join(f"{part}^{power}" if power != 1 else part for part, power in sorted(one.unit_items()))
    return Fraction(one.magnitude) - offset, offset, base


def is_unit(name: str) -> bool:
    """Whether a name is a unit's, without looking up what it is worth."""
    return _pint_name(name) is not None


def currency(name: str) -> tuple[Fraction, str] | None:
    """Factor and code of a currency's name or sign; None where it names none.

    Example:
        >>> currency("€"), currency("cents")
        ((Fraction(1, 1), 'EUR'), (Fraction(1, 100), 'USD'))
    """
    folded = name.casefold()
    if folded in _HUNDREDTHS:
        return Fraction(1, 100), _HUNDREDTHS[folded]
    code = _CODES.get(folded)
    return None if code is None else (Fraction(1), code)


def _compound(name: str) -> str | None:
    """Units divided, and raised: m/s^2, dollars aside."""
    parts = [_POWER.fullmatch(part.strip()) for part in name.replace(" per ", "/").split("/")]
    found = [(_pint_name(part[1]), part[2] or "1") for part in parts if part]
    if len(found) != len(parts) or len(parts) > 3 or not all(unit for unit, _ in found):
        return None
    return " / ".join(f"({unit}) ** {power}" for unit, power in found)


def _pint_name(name: str) -> str | None:
    if name in _CASED:
        return _CASED[name] or None
    return _PINT_NAMES.get(name.casefold())


@cache
def _registry() -> Any:
    about_to_wait("units are loaded")
    import pint

    return pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
