"""A data directory of the old data-seeding tools as a population: the people they generated, and the accounts they made.

All files are read once when the directory is opened, and all errors are reported together. Only a few bytes per person stay
in memory; a person document is read again when it is needed.

Reads the directories of 2022 (``src/``, comma in ``tags.csv``, ``preferences.json``) and of 2021 (``old/``, files that
end in ``.json``, a colon in ``tags.csv``, ``ussd/``).
"""

from array import array
from pathlib import Path

from cicscenario.errors import InvalidError
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.hexfolder import HexFolder
from cicscenario.legacy.lists import UNIT, Languages, Pointers, balance_problem, rows
from cicscenario.legacy.record import addresses, read_json, read_record
from cicscenario.people.person import Person

_ADDRESS = 20  # bytes


class OldPopulation:
    """The people of a data directory, in the order in which they were generated. Thread-safe.

    ``language`` is the language of people for whom the directory has none.

    Raises InvalidError with the bad records (the first twenty, and their number): files that are not JSON or not a person
    document; a missing or repeated phone number; balances and tags of unknown people; people without a balance; balances
    that are not whole tokens; phone pointers, languages and imported people that do not match.
    """

    def __init__(self, folder: Path, *, language: str = "sw") -> None:
        people = next((folder / name for name in ("src", "old") if (folder / name).is_dir()), None)
        if people is None:
            raise InvalidError(
                f"{folder} is not a data directory of the old tools: it has no folder `src`",
                hint="name the folder that create_import_users.py made",
            )
        self._folder = folder
        self._people = HexFolder(people, _ADDRESS)
        bad = BadRecords()
        keys = self._people.keys(bad)
        self._keys = b"".join(keys)
        index = {key: number for number, key in enumerate(keys)}
        self._balances = self._read_balances(index, bad)
        self._tags = self._read_tags(index, bad)
        self._languages = self._read_languages(keys, bad, language)
        self._new = self._read_new(index, bad)
        bad.raise_any(f"data directory {folder}")
        if not keys:
            raise InvalidError(f"{people} has no people in it", hint="name the folder that create_import_users.py made")

    @property
    def size(self) -> int:
        """The number of people."""
        return len(self._keys) // _ADDRESS

    def person(self, index: int) -> Person:
        """Person ``index``, from 0. Raises InvalidError when there is none, or when its file has changed."""
        if not 0 <= index < self.size:
            raise InvalidError(f"{self._folder} has {self.size:,} people: there is no person {index:,} (from 0)")
        key = self._keys[index * _ADDRESS : (index + 1) * _ADDRESS]
        path = self._people.path_of(key)
        try:
            record = read_record(path, key, validated=True)
        except InvalidError as error:
            raise InvalidError(f"{path}: {error.message}") from None
        return Person.of(
            index,
            record.document,
            phone=record.phone,
            language=self._languages[index],
            tags=self._tags[index],
            old_address=key,
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
        lacking = set(index.values())
        for place, number, amount in rows(path, ",", index, bad):
            problem = balance_problem(amount)
            if number not in lacking:
                problem = "a line above has a balance of the same person"
            lacking.discard(number)
            if problem:
                bad.add(place, problem)
            else:
                balances[number] = int(amount) // UNIT
        if not path.exists():
            bad.add(path, "there is no such file")
        else:
            for key, number in index.items():
                if number in lacking:
                    bad.add(self._people.path_of(key), "the person has no balance in balances.csv")
        return balances

    def _read_tags(self, index: dict[bytes, int], bad: BadRecords) -> list[tuple[str, ...]]:
        tags: list[tuple[str, ...]] = [()] * len(index)
        shared: dict[str, tuple[str, ...]] = {}  # most people have the same tags
        path = self._folder / "tags.csv"
        seen: set[int] = set()
        for place, number, text in rows(path, ":,", index, bad):
            if number in seen:
                bad.add(place, "a line above has tags of the same person")
            seen.add(number)
            if text not in shared:
                shared[text] = tuple(tag for part in text.split(",") if (tag := part.strip()))
            tags[number] = shared[text]
        return tags

    def _read_languages(self, keys: list[bytes], bad: BadRecords, default: str) -> list[str]:
        """Reads all person documents, and the languages and phone pointers of their phone numbers."""
        languages = Languages(self._folder, bad, default)
        pointers = Pointers(self._folder, bad)
        numbers: dict[int, bytes] = {}
        found: list[str] = []
        unread: set[bytes] = set()
        for key in keys:
            path = self._people.path_of(key)
            found.append(default)
            try:
                phone = read_record(path, key).phone
            except InvalidError as error:
                bad.add(path, error.message)
                unread.add(key)
                continue
            first = numbers.setdefault(int(phone), key)
            if first is not key:
                bad.add(path, f"the phone number {phone} is also that of {first.hex()}")
            pointers.compare(phone, key)
            found[-1] = languages.of(phone, key, path)
        languages.finish(numbers.keys())
        pointers.finish(unread)
        return found

    def _read_new(self, index: dict[bytes, int], bad: BadRecords) -> bytearray:
        new = bytearray(len(index) * _ADDRESS)
        folder = HexFolder(self._folder / "new", _ADDRESS)
        for key in folder.keys(bad):
            path = folder.path_of(key)
            try:
                number = _imported(path, key, index)
            except InvalidError as error:
                bad.add(path, error.message)
                continue
            place = slice(number * _ADDRESS, (number + 1) * _ADDRESS)
            if any(new[place]):
                bad.add(path, f"the same person also has the new address {new[place].hex()}")
            new[place] = key
        return new


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
