"""A list of people's PIN hashes (CSV), as cic-ussd keeps them: ``pins.csv`` of the old tools, or a table with a header."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import open_input
from cicscenario.language.columns import heading
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.csvrows import CsvRows, TableRow
from cicscenario.legacy.rowindex import RowIndex
from cicscenario.people.e164 import e164
from cicscenario.people.person import Person
from cicscenario.people.pins import Scheme, scheme_of
from cicscenario.wording import counted

_HASH = ("hash", "password_hash", "password hash")
_PHONE = ("phone", "phone_number", "phone number")
_FORMS = {
    "bcrypt": "a bcrypt hash: $2b$, a cost of 04 to 31, $ and 53 characters",
    "fernet": "a Fernet token, which begins with gAAAAA",
}


class HashTable:
    """The hashes of a list by person. Thread-safe; they are in a temporary file, so that memory stays flat.

    A row is a phone number and a hash; with a header, the columns ``phone`` and ``hash``, in any order. Two notations of one
    number are one number; ``region`` is the country of numbers in national notation. Rows that cannot be used are added to
    ``rejected``, without their values: somebody may have written a PIN. Raises InvalidError for a file that is no such list.
    """

    def __init__(self, path: Path, scheme: Scheme, *, region: str | None, rejected: BadRecords) -> None:
        self.path = path
        self._scheme, self._region = scheme, region
        self._index = RowIndex()
        try:
            file = open_input(path)
        except OSError as error:
            raise InvalidError(f"pins.from: {path} cannot be read: {reason_of(error)}") from None
        with file:
            try:
                rows = CsvRows(file, (*_HASH, *_PHONE))
                self._phone_at, self._hash_at, first = _columns(rows)
            except InvalidError as error:
                raise InvalidError(f"{path}: {error.message}", hint=error.hint) from None
            for row in chain(first, rows):
                try:
                    self._add(row)
                except InvalidError as error:
                    rejected.add(path, error.message, line=row.line)

    def of(self, person: Person) -> str | None:
        """The hash of a person, or None."""
        return self._index.hash(int(person.phone))

    def _add(self, row: TableRow) -> None:
        if row.fields is None:
            raise InvalidError(row.problem)
        if len(row.fields) <= max(self._phone_at, self._hash_at):
            raise InvalidError(f"has {counted(len(row.fields), 'value')}, expected a phone number and a hash")
        hashed = row.fields[self._hash_at]
        try:
            phone = int(e164(row.fields[self._phone_at], self._region))
        except InvalidError:
            raise InvalidError("`phone` is not a phone number, such as +254711000001") from None
        if scheme_of(hashed) != self._scheme or (self._scheme == "bcrypt" and not 4 <= int(hashed[4:6]) <= 31):
            raise InvalidError(f"the hash is not {_FORMS[self._scheme]}")
        if first := self._index.add_hash(phone, hashed, row.line):
            raise InvalidError(f"line {first} has a hash of the same person")


def _columns(rows: CsvRows) -> tuple[int, int, Sequence[TableRow]]:
    """Where the phone number and the hash are in a row; and the first row, if it is no header."""
    names = [heading(name) for name in rows.header]
    hashes = [at for at, name in enumerate(names) if name in _HASH]
    phones = [at for at, name in enumerate(names) if name in _PHONE]
    if len(hashes) == 1 and len(phones) == 1:
        return phones[0], hashes[0], ()
    if hashes or phones:
        raise InvalidError("the header has not one column of each that is needed", hint="expected `phone` and `hash`")
    return 0, 1, (TableRow(rows.header_line, 0, b"", rows.header),)
