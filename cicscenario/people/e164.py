"""Reads phone numbers in the notations that people use, and gives them in E.164: one number is one text."""

import re
import unicodedata

from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    country_code_for_region,
    format_number,
    is_possible_number,
    is_valid_number,
    parse,
)

from cicscenario.errors import InvalidError

#: Categories of Unicode that a notation may have: digits of any script, blanks, dashes, brackets. Letters would be read as
#: the digits of a telephone keypad, or as an extension.
_NOTATION = frozenset({"Nd", "Zs", "Pd", "Ps", "Pe"})
_SIGNS = frozenset("+\uff0b./~\u2212\t")  # plus signs, and separators that have other categories
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")  # +254 (0)711 ...: to be left out when calling from abroad
_E164 = re.compile(r"\+[1-9][0-9]+")
_TEL = re.compile("tel:", re.IGNORECASE)


def e164(text: str, region: str | None = None) -> str:
    """The number in E.164. ``region`` is the country of numbers in national notation, by its two ISO 3166 letters.

    A number in international notation may begin with ``+``, ``00`` or what is dialled for that in the region. Raises
    InvalidError for what is not one phone number, or has too few or too many digits for its country.
    """
    number = _parsed(_plain(text), region)
    if number is None:
        national = f", or a number of {region} in national notation" if region else ""
        raise InvalidError(f"{text!r:.40} is not a phone number: expected E.164, such as +254711000001{national}")
    return format_number(number, PhoneNumberFormat.E164)


def _plain(text: str) -> str:
    """The number of a ``tel:`` URI (RFC 3966), or the text, without invisible characters; empty when it cannot be a number."""
    if _E164.fullmatch(text):
        return text
    text = "".join(character for character in text if unicodedata.category(character) != "Cf").strip()
    if found := _TEL.match(text):
        text, *parameters = text[found.end() :].split(";")
        given = dict(parameter.lower().partition("=")[::2] for parameter in parameters)
        if "ext" in given:
            return ""  # the phone interface cannot tell people behind one number apart
        context = given.get("phone-context", "")
        text = context + text if context.startswith("+") else text
    return text if all(c in _SIGNS or unicodedata.category(c) in _NOTATION for c in text) else ""


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    """The reading of a number that is in use, or else of one with a possible number of digits, as test numbers are."""
    numbers = [number for reading, country in _readings(text, region) if (number := _read(reading, country))]
    if len(numbers) > 1:
        numbers.sort(key=is_valid_number, reverse=True)
    return next((number for number in numbers if is_possible_number(number)), None)


def _readings(text: str, region: str | None) -> list[tuple[str, str | None]]:
    """The ways to read a notation, each with the country to dial from. The first is the most likely."""
    if _E164.fullmatch(text):
        return [(text, None)]
    bare = "".join(character for character in text if character.isdecimal() or character in "+\uff0b")
    abroad = re.sub("^([+\uff0b]*(00)?)", "", bare)
    code = str(country_code_for_region(region)) if region else ""
    readings = [(text, region)]
    if abroad != bare or (code and _digits(bare).startswith(code)):
        readings.append((f"+{abroad}", None))
    if _TRUNK_ZERO.search(text):
        readings.append((_TRUNK_ZERO.sub("", text), region))
    return readings


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


def _read(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return parse(text, region)
    except NumberParseException:
        return None
