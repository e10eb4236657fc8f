"""Numbers as people write them: with separators, units and words."""

import re
from decimal import Decimal, InvalidOperation

_FORM = re.compile(r"([-+]?)\s*([0-9OolI.,'_ \u00a0\u202f]*[0-9OolI.])\s*([A-Za-z%\u2030]*)[.,;]?(?:\s.*)?", re.DOTALL)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[,'_ \u00a0\u202f][0-9]{3})+(\.[0-9]+)?")
_DOTTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}")  # with one dot only it may be a fraction
_PLAIN = re.compile(r"[0-9]+(?:[.,][0-9]+)?|\.[0-9]+")
_COIN = re.compile("^(?:eth|xdai)$", re.IGNORECASE)
_LETTERS = str.maketrans("OolI", "0011")

#: What a word behind a number multiplies it by; for a key with a unit, first those of that unit.
_MULTIPLES = {"k": 1000, "thousand": 1000, "m": 10**6, "mio": 10**6, "million": 10**6}
_UNITS: dict[str, dict[str, Decimal]] = {
    "seconds": {
        "ms": Decimal("0.001"),
        "milliseconds": Decimal("0.001"),
        **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), Decimal(60)),
        **dict.fromkeys(("h", "hour", "hours"), Decimal(3600)),
    },
    "wei": {
        "gwei": Decimal(10**9),
        "ether": Decimal(10**18),
    },
    "share": {"%": Decimal("0.01"), "percent": Decimal("0.01")},
}


def amount(text: str, unit: str | None = None) -> Decimal | None:
    """The number that a text means, such as 1000 for ``1,000``, ``1k`` and ``1000 people``; None when it is no number.

    ``unit`` is that of the key: then ``2 min`` is 120 for seconds, and ``90%`` is 0.9 for a share.
    """
    found = _FORM.fullmatch(text.strip().strip("\"'"))
    if not found or not any(character.isdigit() for character in found[2]):
        return None
    digits = _digits(found[2].translate(_LETTERS).strip())
    if digits is None:
        return None
    factor = _factor(found[3], unit)
    return Decimal(found[1] + digits) * factor


def _digits(text: str) -> str | None:
    if _GROUPED.fullmatch(text):
        return re.sub(r"[^0-9.]", "", text)
    if _DOTTED.fullmatch(text):
        return text.replace(".", "")
    if "_" in text and re.fullmatch("[0-9_]+", text):
        return text.replace("_", "")
    return text.replace(",", ".") if _PLAIN.fullmatch(text) else None


def _factor(word: str, unit: str | None) -> Decimal:
    """What the word behind a number multiplies it by. A word that only names what is counted is 1."""
    of_unit = _UNITS.get(unit or "", {})
    word = _COIN.sub("ether", word)
    if word.casefold() in of_unit:
        return of_unit[word.casefold()]
    return Decimal(_MULTIPLES.get(word.casefold(), 1))


def written(number: Decimal) -> str:
    """A number as it is to be written into a file."""
    try:
        whole = number == number.to_integral_value()
    except InvalidOperation:
        return str(number)
    return str(int(number)) if whole else format(number.normalize(), "f")
