"""Reads the other lists of an old data directory: balances, tags, languages, phone pointers.

Entries that do not match the people are added to the bad records.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.inputs import LARGE, read_text_input
from cicscenario.legacy.accountfiles import good_ussd_data, parse_language
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.hexfolder import HexFolder
from cicscenario.legacy.record import OldRecord, read_json
from cicscenario.legacy.textlines import text_lines, unreadable
from cicscenario.people import pointer
from cicscenario.people.e164 import e164
from cicscenario.people.person import parse_address

#: The decimals of amounts in ``balances.csv``, for every token: the old tools write whole tokens times 10^6. At the import
#: they divide by 10^6 and multiply by the token's own decimals.
DECIMALS = 6
UNIT: int = 10**DECIMALS
_MOST = 2**64 - 1  # base units; 18 million million tokens
_ADDRESS, _POINTER = 20, 32  # bytes


def rows(path: Path, separators: str, index: dict[bytes, int], bad: BadRecords) -> Iterator[tuple[int, bytes, str]]:
    """Reads lines ``address,rest``: yields the line, the person's address and the rest. A missing file has no lines."""
    try:
        for line, fields in text_lines(path, bad):
            text = ",".join(fields)
            cut = min((at for at in map(text.find, separators) if at >= 0), default=len(text))
            key = parse_address(text[:cut])
            if key is None or cut == len(text):
                bad.add(path, f"expected an address and a value: {text!r:.60}", line=line)
            elif key not in index:
                bad.add(path, f"{key.hex()} is not a person of `src`", line=line)
            else:
                yield line, key, text[cut + 1 :].strip()
    except FileNotFoundError:
        return
    except (OSError, UnicodeError) as error:
        bad.add(path, f"cannot be read: {unreadable(error)}", fatal=True)


def balance_problem(amount: str) -> str | None:
    """The reason why an amount in ``balances.csv`` is not a whole number of tokens; None when it is."""
    if not (amount.isascii() and amount.isdigit()):
        return f"the balance {amount!r:.30} is not a number of base units"
    if len(amount) > 40 or int(amount) > _MOST:
        return f"the balance {amount:.30} is larger than {_MOST}"
    if int(amount) % UNIT:
        return f"the balance {amount} is not a whole number of tokens of {DECIMALS} decimals"
    return None


class Languages:
    """The languages of people, from the first that exists of the three files in which the old tools write them.

    People for whom a file has null have the ``default``. ``region`` is the country of phone numbers in national notation.
    """

    def __init__(self, folder: Path, bad: BadRecords, default: str, region: str | None) -> None:
        self._bad = bad
        self._default = default
        self._region = region
        self._files = HexFolder(folder / "ussd", _ADDRESS, ("_ussd_data.json", ".json"))
        self._flat = folder / "ussd"
        self._by_phone: dict[int, str | None] | None = None
        self._repeated: set[int] = set()
        self._source = folder / "preferences.json"
        if self._source.exists():
            self._by_phone = self._preferences()
        elif (folder / "ussd_data.csv").exists():
            self._source = folder / "ussd_data.csv"
            self._by_phone = self._ussd_data()

    def _ussd_data(self) -> dict[int, str | None] | None:
        try:
            return {int(row.phone): row.language for row in good_ussd_data(self._source, self._bad, self._region)}
        except InvalidError as error:  # the file cannot be read
            self._bad.add(self._source, error.message, fatal=True)
            return None

    def _preferences(self) -> dict[int, str | None] | None:
        found: dict[int, tuple[str, str | None]] = {}
        try:
            # Read twice: an object among the values is told from a list by the second reading only.
            if not isinstance(read_json(self._source, most=LARGE), dict):
                raise InvalidError("expected an object of languages by phone number")  # noqa: TRY301
            entries = read_json(self._source, pairs=True, most=LARGE)
        except InvalidError as error:
            self._bad.add(self._source, error.message, fatal=True)
            return None
        for phone, value in entries:
            try:
                number, entry = int(e164(phone, self._region)), (phone, _language(value))
                if found.setdefault(number, entry) != entry:
                    self._repeated.add(number)
            except InvalidError as error:
                self._bad.add(self._source, f"{phone}: {error.message}")
        return {number: language for number, (_, language) in found.items()}

    def of(self, phone: str, key: bytes, path: Path) -> str:
        """The language of a person; the default, after adding a bad record, when the source does not have the person."""
        if self._by_phone is not None:
            if int(phone) not in self._by_phone:
                self._bad.add(path, f"{self._source.name} has no language of {phone}", whose=key)
            elif int(phone) in self._repeated:
                self._bad.add(self._source, f"has two entries for the phone number {phone}", whose=key)
            return self._by_phone.get(int(phone)) or self._default
        if not self._flat.is_dir():
            return self._default
        flat = self._flat / f"{key.hex()}.json"
        file = flat if flat.exists() else self._files.path_of(key)
        try:
            document = read_json(file)
            if not isinstance(document, dict) or e164(str(document.get("phone")), self._region) != phone:
                raise InvalidError(f"it is not of {phone}")  # noqa: TRY301
            return _language(document.get("preferred_language")) or self._default
        except InvalidError as error:
            self._bad.add(file, error.message, whose=key)
            return self._default

    def finish(self, phones: Iterable[int]) -> None:
        """Adds a bad record for each language of an unknown person."""
        for phone in sorted((self._by_phone or {}).keys() - set(phones)):
            self._bad.add(self._source, f"+{phone} is not a person of `src`")


def _language(value: Any) -> str | None:
    """The language, or None where the old tools wrote null."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidError(f"the language is {value!r:.30}: expected a code such as en")
    return parse_language(value.strip())


class Pointers:
    """The folder ``phone/``: old addresses by phone pointer. Not every directory has it."""

    def __init__(self, folder: Path, bad: BadRecords) -> None:
        self._bad = bad
        self._folder = HexFolder(folder / "phone", _POINTER)
        self._left = set(self._folder.keys(bad))
        self._used = bool(self._left)

    def compare(self, record: OldRecord, key: bytes) -> None:
        """Adds a bad record when the phone pointer does not lead to the person.

        It may be the pointer of the number in E.164, or as it is written in the vCard.
        """
        if not self._used:
            return
        written = pointer.phone(record.notation)
        place = written if written in self._left else pointer.phone(record.phone)
        path = self._folder.path_of(place)
        self._left.discard(place)
        try:
            text = read_text_input(path, encoding="ascii")
        except (OSError, ValueError):
            self._bad.add(path, f"cannot be read: the phone pointer of {key.hex()}, {record.phone}", whose=key)
            return
        if parse_address(text) != key:
            problem = f"leads to {text.strip()!r:.50}, but {record.phone} is that of {key.hex()}"
            self._bad.add(path, problem, whose=key)

    def finish(self, unread: set[bytes]) -> None:
        """Adds a bad record for each pointer without a person, except for the ``unread`` people, whose files are bad."""
        for place in sorted(self._left):
            path = self._folder.path_of(place)
            if _address_in(path) not in unread:
                self._bad.add(path, "is not the phone pointer of a person of `src`")


def _address_in(path: Path) -> bytes | None:
    try:
        return parse_address(read_text_input(path, encoding="ascii"))
    except (OSError, ValueError):
        return None
