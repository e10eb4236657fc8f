"""Reads the values of a row of people, as spreadsheets write them. No reason repeats a value: it may be somebody's PIN."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.legacy.accountfiles import parse_language
from cicscenario.people.e164 import e164
from cicscenario.people.person import parse_address
from cicscenario.people.pins import is_pin
from cicscenario.people.uniform import GENDERS

#: What each field takes, in words. A table has a column for some of them; ``phone`` must be there.
FIELDS = {
    "phone": "a phone number",
    "name": "given names and the family name, or `family name, given names`",
    "gender": "female, male or other",
    "place": "text",
    "balance": "a number of whole tokens",
    "language": "a code, such as sw",
    "tags": "text, with commas, semicolons or bars between tags",
    "pin": "four digits",
    "account": "an address: 40 hexadecimal digits",
}
UNKNOWN_GENDER = "other"  #: of people whose gender is not known: the stack has three only
UNKNOWN_PLACE = "unknown"
MOST_TOKENS = 10**18

_GENDERS = {name: name for name in GENDERS} | {"f": "female", "m": "male", "o": "other", "unknown": UNKNOWN_GENDER}
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")
_FLOAT = re.compile(r"([0-9]+)\.0+")
_THOUSANDS = re.compile(r"\+?[0-9]{1,3}(,[0-9]{3})+")
_TEXT_FORMULA = re.compile('="(.*)"')
_BETWEEN_TAGS = re.compile("[,;|]")
_BLANKS = re.compile("['\u2019\\s]")  # between thousands
_AMOUNT = re.compile("[0-9]+|[0-9]{1,3}([,.])[0-9]{3}(?:\\1[0-9]{3})*")


@dataclass(frozen=True)
class Cells:
    """The values of a row. What the table does not have is as for people about whom it is not known."""

    phone: str  #: E.164
    given: str = ""
    family: str = ""
    gender: str = UNKNOWN_GENDER
    place: str = UNKNOWN_PLACE
    gift: int = 0  #: whole tokens
    language: str = ""
    tags: tuple[str, ...] = ()
    pin: str | None = field(default=None, repr=False)
    account: bytes | None = None


def read_cells(values: Mapping[str, str], *, region: str | None, language: str, separator: str) -> Cells:
    """The person of a row. ``values`` are by field; ``language`` is that of people who have none.

    ``region`` is the country of phone numbers in national notation. The ``separator`` of the file's fields tells how its
    program writes numbers. Raises InvalidError with all that is wrong in the row.
    """
    problems: list[str] = []
    found: dict[str, Any] = {"language": language}
    for name, text in values.items():
        if not text and name != "phone":
            continue
        try:
            found |= _READERS[name](text, region, separator)
        except InvalidError as error:
            problems.append(f"`{name}` {error.message}")
    if problems:
        raise InvalidError("; ".join(problems))
    return Cells(**found)


def whole_tokens(text: str, separator: str) -> int:
    """The number of tokens of an amount, which may have signs between thousands, and decimals that are 0.

    A lone comma or point before three digits may be either. In a file whose fields are separated by commas, a comma is taken
    as a thousands sign, since the point is the decimal one there; anything else that can be read in two ways is refused. Raises
    InvalidError.
    """
    bare = _BLANKS.sub("", _plain(text))
    if _ROUNDED.fullmatch(bare):
        raise InvalidError("was rounded by a spreadsheet: write it as a number with all its digits")
    if bare.startswith(("-", "\u2212")):
        raise InvalidError("is negative")
    whole, decimals = _split(bare, separator)
    grouped = _AMOUNT.fullmatch(whole)
    if not grouped or not whole.isascii() or (decimals and not (decimals.isascii() and decimals.isdigit())):
        raise InvalidError(f"is not {FIELDS['balance']}")
    if decimals.strip("0"):
        raise InvalidError("is not a whole number of tokens")
    digits = whole.replace(",", "").replace(".", "")
    if len(digits) > 30 or int(digits) > MOST_TOKENS:
        raise InvalidError(f"is larger than {MOST_TOKENS:,}")
    return int(digits)


def _split(text: str, separator: str) -> tuple[str, str]:
    """An amount without its decimals, and the decimals."""
    signs = [character for character in text if character in ",."]
    if not signs or (len(signs) > 1 and len(set(signs)) == 1):
        return text, ""
    whole, _, decimals = text.rpartition(signs[-1])
    if len(signs) == 1 and len(decimals) == 3 and 1 <= len(whole) <= 3 and whole.strip("0"):
        if (signs[0], separator) == (",", ","):
            return text, ""
        raise InvalidError("can be read in two ways: write it without a sign between thousands, and without decimals")
    return whole, decimals


def _plain(text: str) -> str:
    """The text of a cell that a spreadsheet was told to take as text: ``'0042`` or ``="0042"``."""
    if found := _TEXT_FORMULA.fullmatch(text):
        text = found[1]
    return text.removeprefix("'").strip()


def _phone(text: str, region: str | None, separator: str) -> dict[str, Any]:
    plain = _plain(text)
    if not plain:
        raise InvalidError("is empty")
    if _ROUNDED.fullmatch(plain.lstrip("+")):
        raise InvalidError("was rounded by a spreadsheet, and its last digits are lost: format the column as text")
    if found := _FLOAT.fullmatch(plain):
        plain = found[1]
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        return {"phone": e164(plain, region)}
    except InvalidError:
        national = f", or as it is dialled in {region}" if region else ""
        raise InvalidError(f"is not a phone number: expected one such as +254711000001{national}") from None


def _name(text: str, *_: object) -> dict[str, Any]:
    name = " ".join(text.split())
    if name.count(",") == 1:
        last, _comma, first = name.partition(",")
    else:
        first, _blank, last = name.rpartition(" ")
        first, last = (first, last) if first else (last, "")
    return {"given": first.strip(), "family": last.strip()}


def _gender(text: str, *_: object) -> dict[str, Any]:
    if text.lower() not in _GENDERS:
        raise InvalidError(f"is not {FIELDS['gender']}")
    return {"gender": _GENDERS[text.lower()]}


def _place(text: str, *_: object) -> dict[str, Any]:
    return {"place": " ".join(text.split())}


def _balance(text: str, region: str | None, separator: str) -> dict[str, Any]:
    return {"gift": whole_tokens(text, separator)}


def _language(text: str, *_: object) -> dict[str, Any]:
    try:
        known = parse_language(text)
    except InvalidError:
        raise InvalidError(f"is not {FIELDS['language']}") from None
    return {"language": known.lower() if known.isalpha() else known} if known else {}


def _tags(text: str, *_: object) -> dict[str, Any]:
    tags = (" ".join(tag.split()) for tag in _BETWEEN_TAGS.split(text))
    return {"tags": tuple(dict.fromkeys(tag for tag in tags if tag))}


def _pin(text: str, *_: object) -> dict[str, Any]:
    plain = _plain(text)
    if not is_pin(plain):
        lost = (
            ": zeros at its beginning may be lost; format the column as text"
            if plain.isdigit() and len(plain) < 4
            else ""
        )
        raise InvalidError(f"is not {FIELDS['pin']}{lost}")
    return {"pin": plain}


def _account(text: str, *_: object) -> dict[str, Any]:
    if (account := parse_address(text)) is None:
        raise InvalidError(f"is not {FIELDS['account']}")
    return {"account": account}


_READERS: dict[str, Callable[[str, str | None, str], dict[str, Any]]] = {
    "phone": _phone, "name": _name, "gender": _gender, "place": _place, "balance": _balance, "language": _language,
    "tags": _tags, "pin": _pin, "account": _account,
}  # fmt: skip
