"""A table of people as a population: the CSV file that a spreadsheet exports, with a row for each person.

The file is read once when it is opened, and all bad rows are found then. No row stays in memory: where it begins is kept in a
temporary file, and rows are read again in pages when they are needed.
"""

import hashlib
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import open_input
from cicscenario.language.columns import heading
from cicscenario.language.diagnostic import nearest
from cicscenario.legacy.badrecords import SKIP_HINT, BadRecords
from cicscenario.legacy.csvrows import CsvRows, TableRow
from cicscenario.legacy.directory import Unfit
from cicscenario.legacy.rowindex import RowIndex, RowPlace
from cicscenario.legacy.tablecells import FIELDS, Cells, read_cells
from cicscenario.people.person import Person
from cicscenario.people.uniform import TODAY
from cicscenario.people.vcard import Contact, encode
from cicscenario.wording import counted

_PAGE = 250  # people that are read at once
_KEPT = 8  # pages in memory; as many threads may read in different places
_DIGEST = 16  # bytes
_T = TypeVar("_T")


@dataclass(frozen=True)
class Columns:
    """The columns of a table: the place in a row of each field that it has, and the headings that are not read."""

    places: Mapping[str, int]
    headings: Mapping[str, str]  #: by field, as they are in the file
    unread: tuple[str, ...]

    @classmethod
    def of(cls, header: Sequence[str], wanted: Mapping[str, str], needed: Collection[str], *, named: bool) -> "Columns":
        """Finds the columns of a header. ``wanted`` are headings by field; ``needed`` are the fields that must be there.

        ``named``: the scenario names the headings.

        Raises InvalidError without the path.
        """
        if unnamed := [field for field in needed if field not in wanted]:
            raise InvalidError(
                f"`population.columns` has no `{unnamed[0]}`", hint="name the column, or leave `columns` out"
            )
        found = [heading(name) for name in header]
        places = {}
        for field, name in wanted.items():
            known = heading(name)
            if found.count(known) > 1:
                raise InvalidError(f"the header has `{name}` {counted(found.count(known), 'time')}, expected once")
            if known in found:
                places[field] = found.index(known)
            elif field in needed:
                raise _missing(field, name, header, named=named)
        taken = set(places.values())
        unread = tuple(name for at, name in enumerate(header) if at not in taken and name)
        return cls(places, {field: header[at] for field, at in places.items()}, unread)


def _missing(field: str, name: str, header: Sequence[str], *, named: bool) -> InvalidError:
    guess = nearest(name, [one for one in header if one])
    meant = f". Did you mean `{guess}`?" if guess else "."
    where = f", which `population.columns.{field}` names" if named else ""
    has = ", ".join(f"`{one}`" for one in header if one)
    hint = (
        "mend `population.columns`"
        if named
        else f"name the columns in `population.columns`, such as `{{{field}: ...}}`"
    )
    return InvalidError(f"the header has no column `{name}`{where}{meant} It has: {has}"[:1000], hint=hint)


class PeopleTable:
    """The people of a table, in the order of its rows. Thread-safe.

    ``columns`` are headings by field, all of which must be there; None: the columns that have the names of fields are read.
    ``leave`` are fields that are not read in any case, ``needed`` those that must be there beside the phone number.
    ``language`` is that of people who have none, ``region`` the country of phone numbers in national notation. ``unfit`` may
    refuse people. ``rejected`` has the bad rows.

    Raises InvalidError for a file that is no such table, and BadRecordsError when there are bad rows. With ``skip``, the other
    people are used.
    """

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str] | None = None,
        *,
        leave: Collection[str] = (),
        needed: Collection[str] = (),
        language: str = "sw",
        region: str | None = None,
        skip: bool = False,
        unfit: Unfit = lambda person: None,
        rejected: BadRecords | None = None,
    ) -> None:
        self.path = path
        self._language, self._region = language, region
        self.rejected = BadRecords() if rejected is None else rejected
        named = columns or {field: field for field in FIELDS}
        wanted = {field: named[field] for field in FIELDS if field in named and field not in leave}
        try:
            self._file = open_input(path)
        except OSError as error:
            raise InvalidError(f"{path} cannot be read: {reason_of(error)}") from None
        weakref.finalize(self, self._file.close)
        try:
            self._rows = CsvRows(self._file, wanted.values())
            must = {"phone", *needed, *(columns or ())} - set(leave)
            self.columns = Columns.of(self._rows.header, wanted, must, named=columns is not None)
        except InvalidError as error:
            raise InvalidError(f"{path}: {error.message}", hint=error.hint) from None
        self._key = os.urandom(_DIGEST)  # nobody can look for PINs in digests of rows
        self._index = RowIndex()
        self._places, self._people = _Pages[RowPlace](), _Pages[Person]()
        self.size = self._scan(unfit)
        if not skip:
            self.rejected.raise_any(str(path), hint=SKIP_HINT)
        if not self.size:
            self.rejected.raise_any(f"{path} has nobody left: it")
            raise InvalidError(f"{path} has a header and no people", hint="it needs a row for each person")

    @property
    def separator(self) -> str:
        """The character between fields."""
        return self._rows.separator

    def person(self, index: int) -> Person:
        """Person ``index``, from 0. Raises InvalidError when there is none, or when the row has changed."""
        self._require(index)
        return self._people.at(index, self._read_page)

    def gift(self, index: int) -> int:
        """The opening balance of person ``index`` in whole tokens; reads no row."""
        self._require(index)
        return self._places.at(index, self._place_page).gift

    def account(self, index: int) -> bytes | None:
        """The account that the person has already, or None; reads no row."""
        self._require(index)
        return self._places.at(index, self._place_page).account

    def line(self, index: int) -> int:
        """The first line of the person's row, from 1; reads no row."""
        self._require(index)
        return self._places.at(index, self._place_page).line

    @property
    def has_pins(self) -> bool:
        """Whether PINs are read from a column."""
        return "pin" in self.columns.places

    def pin(self, phone: str) -> str | None:
        """The PIN of the person with this phone number (E.164); None without one.

        Raises InvalidError when nobody has the number, and when the row has changed.
        """
        if (place := self._index.number(int(phone))) is None:
            raise InvalidError(f"{self.path} has no row with the phone number {phone}")
        return self._cells(place).pin

    def _require(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise InvalidError(f"{self.path} has {counted(self.size, 'person')}: there is no person {index:,} (from 0)")

    # --- reading ----------------------------------------------------------------------------------------------------

    def _scan(self, unfit: Unfit) -> int:
        """Reads all rows once. Gives the number of people who can be used."""
        size = 0
        for row in self._rows:
            try:
                place, person = self._first_look(row, size, unfit)
                self._index.add_person(size, replace(place, gift=person.gift))
                size += 1
            except InvalidError as error:
                self.rejected.add(self.path, error.message, line=row.line, person=True)
        return size

    def _first_look(self, row: TableRow, index: int, unfit: Unfit) -> tuple[RowPlace, Person]:
        """The person of a row, and its place. Raises InvalidError with the reason why there is none."""
        if row.fields is None:
            raise InvalidError(row.problem)
        cells = self._parsed(row.fields)
        place = RowPlace(
            int(cells.phone), row.line, row.offset, len(row.data), self._digest(row.data), account=cells.account
        )
        if first := self._index.add_number(place):
            raise InvalidError(f"the phone number is also in line {first}")
        if cells.account and (first := self._index.add_account(cells.account, row.line)):
            raise InvalidError(f"the account is also in line {first}")
        person = _person(index, cells)
        if problem := unfit(person):
            raise InvalidError(problem)
        return place, person

    def _parsed(self, fields: Sequence[str]) -> Cells:
        number = len(self._rows.header)
        if len(fields) < number or any(fields[number:]):
            raise InvalidError(f"has {counted(len(fields), 'value')}, expected {number}")
        values = {name: fields[at] for name, at in self.columns.places.items()}
        return read_cells(values, region=self._region, language=self._language, separator=self.separator)

    def _place_page(self, first: int) -> list[RowPlace]:
        return self._index.people(first, first + _PAGE)

    def _read_page(self, first: int) -> list[Person]:
        places = self._place_page(first)
        return [_person(first + number, self._cells(place)) for number, place in enumerate(places)]

    def _cells(self, place: RowPlace) -> Cells:
        """The values of a row, read again. Raises InvalidError when it is not as it was."""
        try:
            data = os.pread(self._file.fileno(), place.length, place.offset)
            if self._digest(data) == place.digest:
                return self._parsed(self._rows.parse(data))
            problem = "has changed since it was read"
        except OSError as error:
            problem = f"cannot be read: {reason_of(error)}"
        raise InvalidError(f"{self.path}:{place.line}: {problem}", hint="do not change the file while a run reads it")

    def _digest(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=_DIGEST, key=self._key).digest()


def _person(index: int, cells: Cells) -> Person:
    """The person of a row. What the table does not say is made from the phone number only, so that no other row matters."""
    old_address = hashlib.sha256(f"{cells.phone}|old address".encode()).digest()[:20]
    document: dict[str, Any] = {
        "date_registered": int(TODAY.timestamp()),
        "gender": cells.gender,
        "identities": {"evm": {"foo": {"1:oldchain": [old_address.hex()]}}},
        "location": {"area_name": cells.place},
        "products": [],
        "vcard": encode(Contact(cells.given, cells.family, None, cells.phone)),
    }
    return Person.of(
        index,
        document,
        phone=cells.phone,
        language=cells.language,
        tags=cells.tags,
        old_address=old_address,
        gift=cells.gift,
    )


class _Pages(Generic[_T]):
    """Pages of people that were read last. Thread-safe: a page is never changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Sequence[_T]] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, index: int, load: Callable[[int], Sequence[_T]]) -> _T:
        """What there is at ``index``; ``load`` gives the page that begins at an index."""
        first = index - index % _PAGE
        with self._lock:
            page = self._kept.get(first)
            if page is not None:
                self._kept.move_to_end(first)
        if page is None:
            page = load(first)  # perhaps twice at a time; the result is the same
            with self._lock:
                self._kept[first] = page
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return page[index - first]
