"""A data directory of the old data-seeding tools as a population: the people they generated, and the accounts they made.

All files are read once when the directory is opened, and all bad records are found then. Only a few bytes per person stay
in memory; a person document is read again when it is needed.

Reads the directories of 2022 (``src/``, comma in ``tags.csv``, ``preferences.json``) and of 2021 (``old/``, files that
end in ``.json``, a colon in ``tags.csv``, ``ussd/``).
"""

from array import array
from collections.abc import Callable
from pathlib import Path

from cicscenario.errors import InvalidError
from cicscenario.legacy.badrecords import SKIP_HINT, BadRecords
from cicscenario.legacy.hexfolder import HexFolder
from cicscenario.legacy.lists import UNIT, Languages, Pointers, balance_problem, rows
from cicscenario.legacy.record import OldRecord, addresses, read_json, read_record
from cicscenario.people.person import Person
from cicscenario.wording import counted

_ADDRESS = 20  # bytes

#: Why a person cannot be used, or None.
Unfit = Callable[[Person], str | None]


class OldPopulation:
    """The people of a data directory, in the order in which they were generated. Thread-safe.

    ``language`` is the language of people for whom the directory has none, ``region`` the country of phone numbers in
    national notation. With ``imported``, the document of a person who has an account is that of ``new/``, as the import wrote
    it; otherwise it is that of ``src/``. ``unfit`` may refuse people. ``rejected`` has the bad records: files that are not
    JSON or not a person document; a missing or repeated phone number; balances and tags of unknown people; people without a
    balance; balances that are not whole tokens; phone pointers, languages and imported people that do not match.

    Raises BadRecordsError when there are any. With ``skip``, the other people are used, unless a whole list or folder cannot
    be read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        language: str = "sw",
        region: str | None = None,
        imported: bool = False,
        skip: bool = False,
        unfit: Unfit = lambda person: None,
        rejected: BadRecords | None = None,
    ) -> None:
        people = next((folder / name for name in ("src", "old") if (folder / name).is_dir()), None)
        if people is None:
            raise InvalidError(
                f"{folder} is not a data directory of the old tools: it has no folder `src`",
                hint="name the folder that create_import_users.py made",
            )
        self._folder = folder
        self._people = HexFolder(people, _ADDRESS)
        self._accounts = HexFolder(folder / "new", _ADDRESS)
        self._region = region
        self._imported = imported
        self.rejected = bad = BadRecords() if rejected is None else rejected
        keys = self._people.keys(bad, people=True)
        index = {key: number for number, key in enumerate(keys)}
        self._keys = b"".join(keys)
        self._balances = self._read_balances(index, bad)
        self._tags = self._read_tags(index, bad)
        self._new = self._read_new(index, bad)
        self._languages = self._read_people(keys, bad, language, unfit)
        if not skip or bad.fatal:
            bad.raise_any(f"data directory {folder}", hint=None if bad.fatal else SKIP_HINT)
        self._leave_out(bad.people & index.keys(), index)
        if not self.size:
            if keys:
                bad.raise_any(f"data directory {folder} has nobody left: it")
            raise InvalidError(f"{people} has no people in it", hint="name the folder that create_import_users.py made")

    def _leave_out(self, people: set[bytes], index: dict[bytes, int]) -> None:
        if not people:
            return
        kept = [number for key, number in index.items() if key not in people]
        self._keys = b"".join(self._key(number) for number in kept)
        self._new = bytearray(b"".join(self._new[n * _ADDRESS : (n + 1) * _ADDRESS] for n in kept))
        self._balances = array("Q", (self._balances[number] for number in kept))
        self._tags = [self._tags[number] for number in kept]
        self._languages = [self._languages[number] for number in kept]

    def _key(self, index: int) -> bytes:
        return self._keys[index * _ADDRESS : (index + 1) * _ADDRESS]

    @property
    def size(self) -> int:
        """The number of people."""
        return len(self._keys) // _ADDRESS

    def person(self, index: int) -> Person:
        """Person ``index``, from 0. Raises InvalidError when there is none, or when its file has changed."""
        if not 0 <= index < self.size:
            raise InvalidError(
                f"{self._folder} has {counted(self.size, 'person')}: there is no person {index:,} (from 0)"
            )
        return self._person(index, self._record(index, validated=True), self._languages[index])

    def _record(self, index: int, *, validated: bool) -> OldRecord:
        """The record of a person. Raises InvalidError with the path."""
        account = self.account(index) if self._imported else None
        key = account or self._key(index)
        path = (self._accounts if account else self._people).path_of(key)
        try:
            return read_record(path, key, self._region, validated=validated)
        except InvalidError as error:
            raise InvalidError(f"{path}: {error.message}") from None

    def _person(self, index: int, record: OldRecord, language: str) -> Person:
        return Person.of(
            index,
            record.document,
            phone=record.phone,
            language=language,
            tags=self._tags[index],
            old_address=self._key(index),
            gift=self._balances[index],
        )

    def gift(self, index: int) -> int:
        """The opening balance of person ``index`` in whole tokens; reads no file."""
        return self._balances[index]

    def account(self, index: int) -> bytes | None:
        """The address that the old tools made for the person, or None; reads no file."""
        new = bytes(self._new[index * _ADDRESS : (index + 1) * _ADDRESS])
        return new if any(new) else None

    def _read_balances(self, index: dict[bytes, int], bad: BadRecords) -> "array[int]":
        balances = array("Q", bytes(8 * len(index)))
        path = self._folder / "balances.csv"
        read: set[int] = set()
        for line, key, amount in rows(path, ",", index, bad):
            number = index[key]
            if problem := balance_problem(amount):
                bad.add(path, problem, line=line, whose=key)
            elif number in read and balances[number] != int(amount) // UNIT:
                bad.add(path, "a line above has a balance of the same person", line=line, whose=key)
            else:
                balances[number] = int(amount) // UNIT
            read.add(number)
        if not path.exists():
            bad.add(path, "there is no such file", fatal=True)
        else:
            for key, number in index.items():
                if number not in read:
                    bad.add(self._people.path_of(key), "the person has no balance in balances.csv", whose=key)
        return balances

    def _read_tags(self, index: dict[bytes, int], bad: BadRecords) -> list[tuple[str, ...]]:
        tags: list[tuple[str, ...]] = [()] * len(index)
        shared: dict[str, tuple[str, ...]] = {}  # most people have the same tags
        path = self._folder / "tags.csv"
        seen: set[int] = set()
        for line, key, text in rows(path, ":,", index, bad):
            number = index[key]
            if text not in shared:
                shared[text] = tuple(tag for part in text.split(",") if (tag := part.strip()))
            if number in seen and tags[number] != shared[text]:
                bad.add(path, "a line above has tags of the same person", line=line, whose=key)
            seen.add(number)
            tags[number] = shared[text]
        return tags

    def _read_people(self, keys: list[bytes], bad: BadRecords, default: str, unfit: Unfit) -> list[str]:
        """Reads all person documents, and the languages and phone pointers of their phone numbers."""
        languages = Languages(self._folder, bad, default, self._region)
        pointers = Pointers(self._folder, bad)
        numbers: dict[int, bytes] = {}
        found: list[str] = []
        unread: set[bytes] = set()
        for number, key in enumerate(keys):
            path = self._people.path_of(key)
            found.append(default)
            try:
                record = read_record(path, key, self._region)
            except InvalidError as error:
                bad.add(path, error.message, whose=key)
                unread.add(key)
                continue
            first = numbers.setdefault(int(record.phone), key)
            if first is not key:
                bad.add(path, f"the phone number {_named(record)} is also that of {first.hex()}", whose=key)
            pointers.compare(record, key)
            found[-1] = languages.of(record.phone, key, path)
            if problem := self._problem(number, record, found[-1], unfit):
                bad.add(path, problem, whose=key)
        languages.finish(numbers.keys())
        pointers.finish(unread)
        return found

    def _problem(self, number: int, record: OldRecord, language: str, unfit: Unfit) -> str | None:
        """The reason why a person of a sound file cannot be used."""
        if self._imported and self.account(number) is not None:
            try:
                imported = self._record(number, validated=False)
            except InvalidError as error:
                return error.message
            if imported.phone != record.phone:
                return f"the phone number is {record.phone}, but {imported.phone} in `new`"
            record = imported
        return unfit(self._person(number, record, language))

    def _read_new(self, index: dict[bytes, int], bad: BadRecords) -> bytearray:
        new = bytearray(len(index) * _ADDRESS)
        for key in self._accounts.keys(bad):
            path = self._accounts.path_of(key)
            try:
                number = _imported(path, key, index)
            except InvalidError as error:
                bad.add(path, error.message)
                continue
            place = slice(number * _ADDRESS, (number + 1) * _ADDRESS)
            if any(new[place]):
                problem = f"the same person also has the new address {new[place].hex()}"
                bad.add(path, problem, whose=self._key(number))
            new[place] = key
        return new


def _named(record: OldRecord) -> str:
    """The phone number, and its notation if that is another."""
    return record.phone if record.notation == record.phone else f"{record.phone} ({record.notation})"


def _imported(path: Path, address: bytes, index: dict[bytes, int]) -> int:
    """The index of the person of a file in ``new/``."""
    document = read_json(path)
    known = addresses(document.get("identities") if isinstance(document, dict) else None)
    if address not in known:
        raise InvalidError(f"its identities do not have the address of its file name, {address.hex()}")
    people = [index[one] for one in known if one in index]
    if len(people) != 1:
        raise InvalidError(
            "none of its identities is a person of `src`" if not people else "its identities are of two people"
        )
    return people[0]
