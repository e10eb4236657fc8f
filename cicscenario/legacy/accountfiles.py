"""Reads and writes ``pins.csv`` and ``ussd_data.csv`` of the old data-seeding tools (data for cic-ussd's account table).

A file is validated completely before the first row is returned, so that no row is used if a later line is bad. Rows are
then read one by one, so memory does not grow with the number of people.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cicscenario.errors import InvalidError
from cicscenario.files import OWNER_ONLY, replacing
from cicscenario.legacy.badrecords import BadRecords

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*")
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
    language: str
    disabled: bool = False

    @property
    def status(self) -> int:
        """The account's status in cic-ussd's table: 2 active, 1 pending."""
        return _ACTIVE if self.active else _PENDING


_Row = TypeVar("_Row", PinRow, UssdDataRow)


def read_pins(path: Path) -> Iterator[PinRow]:
    """Reads rows of ``phone,hash``. Raises InvalidError with the bad lines."""
    return _read(path, _pin_row)


def read_ussd_data(path: Path) -> Iterator[UssdDataRow]:
    """Reads rows of ``phone,1 or 0,language,True or False``; blanks are stripped. Raises InvalidError with the bad lines."""
    return _read(path, _ussd_data_row)


def write_pins(path: Path, rows: Iterable[PinRow]) -> None:
    """Writes rows of ``phone,hash``. Only the owner can read the file."""
    _write(path, (f"{row.phone},{row.password_hash}\n" for row in rows))


def write_ussd_data(path: Path, rows: Iterable[UssdDataRow]) -> None:
    """Writes rows of ``phone,1,language,False`` without blanks, because the old tools stored a blank with the language."""
    _write(path, (f"{row.phone},{int(row.active)},{row.language},{row.disabled}\n" for row in rows))


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path, mode=OWNER_ONLY) as file:
        file.writelines(line.encode() for line in lines)


def good_ussd_data(path: Path, bad: BadRecords) -> Iterator[UssdDataRow]:
    """Reads the rows of ``ussd_data.csv`` in one pass; bad lines are added to ``bad``."""
    return _good(path, _ussd_data_row, bad)


def _read(path: Path, parse: Callable[[list[str]], _Row]) -> Iterator[_Row]:
    bad = BadRecords()
    for _ in _good(path, parse, bad):
        pass
    bad.raise_any(str(path))
    return (parse(fields) for _, fields in _lines(path))


def _good(path: Path, parse: Callable[[list[str]], _Row], bad: BadRecords) -> Iterator[_Row]:
    seen: dict[int, int] = {}  # phone numbers as integers need a third of the memory of text
    for line, fields in _lines(path):
        try:
            row = parse(fields)
        except InvalidError as error:
            bad.add(f"{path}:{line}", error.message)
            continue
        first = seen.setdefault(int(row.phone), line)
        if first == line:
            yield row
        else:
            bad.add(f"{path}:{line}", f"the phone number {row.phone} is also in line {first}")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line numbers and fields, with blanks stripped."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            for fields in reader:
                yield reader.line_num, [field.strip() for field in fields]
    except (OSError, ValueError, csv.Error) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "not a CSV file of UTF-8 text"
        raise InvalidError(f"cannot read {path}: {reason}") from None


def _pin_row(fields: list[str]) -> PinRow:
    if len(fields) != 2:
        raise InvalidError(f"has {len(fields)} fields: expected a phone number and a password hash")
    if not fields[1]:
        raise InvalidError("the password hash is empty")
    return PinRow(_phone(fields[0]), fields[1])


def _ussd_data_row(fields: list[str]) -> UssdDataRow:
    if len(fields) != 4:
        raise InvalidError(f"has {len(fields)} fields: expected phone number, activated, language, disabled")
    phone, active, language, disabled = fields
    if active not in ("0", "1"):
        raise InvalidError(f"activated is {active!r:.20}: expected 1 or 0")
    if not _LANGUAGE.fullmatch(language):
        raise InvalidError(f"the language is {language!r:.20}: expected a code such as en")
    if disabled not in ("True", "False"):
        raise InvalidError(f"disabled is {disabled!r:.20}: expected True or False")
    return UssdDataRow(_phone(phone), active == "1", language, disabled == "True")


def _phone(text: str) -> str:
    if not _E164.fullmatch(text):
        raise InvalidError(f"{text!r:.30} is not a phone number: expected E.164, such as +254711000001")
    return text
