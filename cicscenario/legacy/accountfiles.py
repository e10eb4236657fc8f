"""Reads and writes ``pins.csv`` and ``ussd_data.csv`` of the old data-seeding tools (data for cic-ussd's account table).

A file is validated completely before the first row is returned, so that no row is used if a later line is bad. Rows are
then read one by one, so memory does not grow with the number of people.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cicscenario.errors import InvalidError
from cicscenario.files import OWNER_ONLY, replacing
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.textlines import text_lines, unreadable
from cicscenario.people.e164 import e164

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*")
_TRUTHS = {"1": True, "true": True, "0": False, "false": False}
_PENDING, _ACTIVE = 1, 2  # cic-ussd's AccountStatus


@dataclass(frozen=True)
class PinRow:
    """A line of ``pins.csv``."""

    phone: str  #: E.164
    password_hash: str


@dataclass(frozen=True)
class UssdDataRow:
    """A line of ``ussd_data.csv``. The old tools ignored its last field, ``disabled``."""

    phone: str  #: E.164
    active: bool
    language: str | None  #: None when it is not known
    disabled: bool = False

    @property
    def status(self) -> int:
        """The account's status in cic-ussd's table: 2 active, 1 pending."""
        return _ACTIVE if self.active else _PENDING


_Row = TypeVar("_Row", PinRow, UssdDataRow)
_Parser = Callable[[list[str], str | None], _Row]


def read_pins(path: Path, region: str | None = None) -> Iterator[PinRow]:
    """Reads rows of ``phone,hash``. ``region`` is the country of phone numbers in national notation.

    Raises InvalidError with the bad lines. Two notations of one phone number are one number.
    """
    return _read(path, _pin_row, region)


def read_ussd_data(path: Path, region: str | None = None) -> Iterator[UssdDataRow]:
    """Reads rows of ``phone,1 or 0,language,True or False``; blanks are stripped. See ``read_pins``."""
    return _read(path, _ussd_data_row, region)


def write_pins(path: Path, rows: Iterable[PinRow]) -> None:
    """Writes rows of ``phone,hash``. Only the owner can read the file."""
    _write(path, (f"{row.phone},{row.password_hash}\n" for row in rows))


def write_ussd_data(path: Path, rows: Iterable[UssdDataRow]) -> None:
    """Writes rows of ``phone,1,language,False`` without blanks, because the old tools stored a blank with the language."""
    _write(path, (f"{row.phone},{int(row.active)},{row.language},{row.disabled}\n" for row in rows))


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path, mode=OWNER_ONLY) as file:
        file.writelines(line.encode() for line in lines)


def good_ussd_data(path: Path, bad: BadRecords, region: str | None = None) -> Iterator[UssdDataRow]:
    """Reads the rows of ``ussd_data.csv`` in one pass; bad lines are added to ``bad``. Raises InvalidError."""
    return _good(path, _ussd_data_row, bad, region)


def parse_language(text: str) -> str | None:
    """The code of a language; None for ``None`` and ``null``, which the old tools write when it is not known.

    Raises InvalidError for anything else.
    """
    if text in ("None", "null"):
        return None
    if not _LANGUAGE.fullmatch(text):
        raise InvalidError(f"the language is {text!r:.20}: expected a code such as en")
    return text


def _read(path: Path, parse: _Parser[_Row], region: str | None) -> Iterator[_Row]:
    bad = BadRecords()
    for _ in _good(path, parse, bad, region):
        pass
    bad.raise_any(str(path))
    return (parse(fields, region) for _, fields in _lines(path, bad))


def _good(path: Path, parse: _Parser[_Row], bad: BadRecords, region: str | None) -> Iterator[_Row]:
    seen: dict[int, int] = {}  # phone numbers as integers need a third of the memory of text
    for line, fields in _lines(path, bad):
        try:
            row = parse(fields, region)
        except InvalidError as error:
            bad.add(path, error.message, line=line)
            continue
        first = seen.setdefault(int(row.phone), line)
        if first == line:
            yield row
        else:
            bad.add(path, f"the phone number {row.phone} is also in line {first}", line=line)


def _lines(path: Path, bad: BadRecords) -> Iterator[tuple[int, list[str]]]:
    try:
        yield from text_lines(path, bad)
    except (OSError, UnicodeError) as error:
        raise InvalidError(f"cannot read {path}: {unreadable(error)}") from None


def _pin_row(fields: list[str], region: str | None) -> PinRow:
    if len(fields) != 2:
        raise InvalidError(f"has {len(fields)} fields: expected a phone number and a password hash")
    if not fields[1]:
        raise InvalidError("the password hash is empty")
    return PinRow(e164(fields[0], region), fields[1])


def _ussd_data_row(fields: list[str], region: str | None) -> UssdDataRow:
    if len(fields) != 4:
        raise InvalidError(f"has {len(fields)} fields: expected phone number, activated, language, disabled")
    phone, active, language, disabled = fields
    return UssdDataRow(
        e164(phone, region),
        _truth("activated", active, "1 or 0"),
        parse_language(language),
        _truth("disabled", disabled, "True or False"),
    )


def _truth(name: str, text: str, expected: str) -> bool:
    """A truth value as Python or a spreadsheet writes it."""
    if text.lower() not in _TRUTHS:
        raise InvalidError(f"{name} is {text!r:.20}: expected {expected}")
    return _TRUTHS[text.lower()]
