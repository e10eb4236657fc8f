"""Numbers as people write them: with separators, units and words."""

import re
from decimal import Decimal, InvalidOperation

_FORM = re.compile(
    r"([-+]?)\s*([0-9OolI.,'_ \u00a0\u202f]*[0-9OolI.])\s*([A-Za-z\u00b5%\u2030]*)[.,;]?(?:\s(.*))?", re.DOTALL
)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[,'_ \u00a0\u202f][0-9]{3})+(\.[0-9]+)?")
_DOTTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}")  # with one dot only it may be a fraction
_PLAIN = re.compile(r"[0-9]+(?:[.,][0-9]+)?|\.[0-9]+")
_ABOUT = re.compile(
    r"(?:about|around|roughly|approximately|approx\.?|ca\.?|circa|at most|up to|maximum|max\.?|~)\s*", re.IGNORECASE
)
_LETTERS = str.maketrans("OolI", "0011")
_PART = re.compile(r"\s*(?:,|and\b)?\s*([0-9]+(?:[.,][0-9]+)?)\s*([A-Za-z]+)")  #: of ``1 h 30 min``
_ETHER = re.compile(r"\beth\b")
_RATE = re.compile(r"(.+?)\s*(?:requests?|payments?)?\s*(?:/|\bper\b|\ban?\b)\s*([a-z]+)", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z\u00b5%\u2030]+|[0-9/]")

#: What a word behind a number multiplies it by. In a key with a unit, the words of that unit come first.
_MULTIPLES = {
    "dozen": 12,
    "hundred": 100,
    "lakh": 10**5,
    "billion": 10**9,
    **dict.fromkeys(("k", "thousand"), 1000),
    **dict.fromkeys(("m", "mio", "million"), 10**6),
}
_SMALL = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_IN_WORDS = {word: at for at, word in enumerate(_SMALL, 1)} | {word: 10 * at for at, word in enumerate(_TENS, 2)}
#: The words of each unit, with what is to be written for one of them.
_UNITS: dict[str, dict[str, Decimal]] = {
    "seconds": {
        **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), Decimal("1e-9")),
        **dict.fromkeys(("us", "\u00b5s", "microsecond", "microseconds"), Decimal("1e-6")),
        **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), Decimal("0.001")),
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Decimal(1)),
        **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), Decimal(60)),
        **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), Decimal(3600)),
        **dict.fromkeys(("d", "day", "days"), Decimal(86_400)),
        **dict.fromkeys(("w", "week", "weeks"), Decimal(604_800)),
    },
    "days": {
        **dict.fromkeys(("d", "day", "days"), Decimal(1)),
        **dict.fromkeys(("w", "week", "weeks"), Decimal(7)),
        **dict.fromkeys(("month", "months"), Decimal(30)),
        **dict.fromkeys(("year", "years"), Decimal(365)),
    },
    "wei": {
        "wei": Decimal(1),
        "kwei": Decimal(10**3),
        "mwei": Decimal(10**6),
        **dict.fromkeys(("gwei", "shannon"), Decimal(10**9)),
        "szabo": Decimal(10**12),
        "finney": Decimal(10**15),
        **dict.fromkeys(("ether", "xdai"), Decimal(10**18)),
    },
    "share": {
        **dict.fromkeys(("%", "percent", "pct"), Decimal("0.01")),
        "\u2030": Decimal("0.001"),
        **dict.fromkeys(("bp", "bps"), Decimal("0.0001")),
    },
    "percent": {
        **dict.fromkeys(("%", "percent", "pct"), Decimal(1)),
        "\u2030": Decimal("0.1"),
        **dict.fromkeys(("bp", "bps"), Decimal("0.01")),
    },
    "bytes": {
        **dict.fromkeys(("b", "byte", "bytes"), Decimal(1)),
        **{f"{prefix}b": Decimal(1000**power) for power, prefix in enumerate("kmgt", 1)},
        **{f"{prefix}ib": Decimal(1024**power) for power, prefix in enumerate("kmgt", 1)},
    },
}
_MEASURES = frozenset(word for words in _UNITS.values() for word in words)


def amount(text: str, unit: str | None = None) -> Decimal | None:
    """The number that a text means, such as 1000 for ``1,000``, ``1k`` and ``1000 people``.

    ``unit`` is that of the key: then ``2 min`` is 120 for seconds, ``90%`` is 0.9 for a share, and ``30/min`` is 0.5 for
    ``requests/s``. None when the text is no
    number, and when it has a unit that cannot be converted to that of the key.
    """
    text = _in_digits(without_about(text.strip().strip("\"'")))
    if unit == "seconds" and (total := _together(text)) is not None:
        return total
    if unit and unit.endswith("/s") and (rate := _RATE.fullmatch(text)):
        number, seconds = amount(rate[1]), _UNITS["seconds"].get(rate[2].casefold())
        return None if number is None or seconds is None else number / seconds
    found = _FORM.fullmatch(text)
    if not found or not any(character.isdigit() for character in found[2]):
        return None
    digits = _digits(found[2].translate(_LETTERS).strip())
    factor = _factor(f"{found[3]} {found[4] or ''}", unit)
    return None if digits is None or factor is None else Decimal(found[1] + digits) * factor


def _in_digits(text: str) -> str:
    """The text with digits for a number in words at its start, such as ``twenty`` and ``a hundred``."""
    first, _, rest = text.partition(" ")
    word, following = first.casefold(), rest.partition(" ")[0].casefold()
    if word in _IN_WORDS:
        return f"{_IN_WORDS[word]} {rest}".strip()
    if word in ("a", "an") and len(following) > 1 and following in _MULTIPLES:
        return f"1 {rest}"
    return f"1 {text}" if len(word) > 1 and word in _MULTIPLES else text


def without_about(text: str) -> str:
    """The text without words such as ``about`` at its start."""
    found = _ABOUT.match(text)
    return text[found.end() :] if found else text


def has_unit(text: str) -> bool:
    """Whether there is a word or a sign behind a number."""
    return _WORD.search(without_about(text).lstrip("-+0123456789OolI.,'_ \u00a0\u202f\"")) is not None


def _together(text: str) -> Decimal | None:
    """The seconds of a time in several parts, such as ``1 h 30 min``; None for any other text."""
    parts = list(_PART.finditer(text))
    if len(parts) < 2 or "".join(part[0] for part in parts) != text:
        return None
    of_unit = _UNITS["seconds"]
    if any(part[2].casefold() not in of_unit for part in parts):
        return None
    return sum((Decimal(part[1].replace(",", ".")) * of_unit[part[2].casefold()] for part in parts), Decimal(0))


def _digits(text: str) -> str | None:
    if _GROUPED.fullmatch(text):
        return re.sub(r"[^0-9.]", "", text)
    if _DOTTED.fullmatch(text):
        return text.replace(".", "")
    if "_" in text and re.fullmatch("[0-9_]+", text):
        return text.replace("_", "")
    return text.replace(",", ".") if _PLAIN.fullmatch(text) else None


def _factor(text: str, unit: str | None) -> Decimal | None:
    """What the words behind a number multiply it by; None when they give it another unit than that of the key.

    In a key whose unit is measured, a word must be of that unit. In any other, a word only names what is counted.
    """
    own = _UNITS.get(unit or "", {})
    text = _ETHER.sub("ether", re.sub(r"\bper cent\b", "percent", text.casefold()))
    words = _WORD.findall(text)
    factor, converted = Decimal(1), False
    for at, word in enumerate(words):
        if word.isdigit() or word in _IN_WORDS:
            return None  # another number
        if word in ("per", "/"):
            if not converted and set(words[at:]) & _MEASURES:
                return None  # a rate
            break
        if word in own:
            factor, converted = factor * own[word], True
        elif word in _MULTIPLES and unit not in ("share", "percent"):
            factor *= _MULTIPLES[word]
        elif word in _MEASURES or (own and not converted):
            return None
    return factor


def written(number: Decimal) -> str:
    """A number as it is to be written into a file."""
    try:
        whole = number == number.to_integral_value()
    except InvalidOperation:
        return str(number)
    return str(int(number)) if whole else format(number.normalize(), "f")
