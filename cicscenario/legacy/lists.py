"""Reads the other lists of an old data directory: balances, tags, languages, phone pointers.

Entries that do not match the people are added to the bad records.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.legacy.accountfiles import good_ussd_data
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.hexfolder import HexFolder
from cicscenario.legacy.record import e164, parse_address, read_json
from cicscenario.people import pointer

#: The decimals of amounts in ``balances.csv``, for every token: the old tools write whole tokens times 10^6. At the import
#: they divide by 10^6 and multiply by the token's own decimals.
DECIMALS = 6
UNIT: int = 10**DECIMALS
_MOST = 2**64 - 1  # base units; 18 million million tokens
_ADDRESS, _POINTER = 20, 32  # bytes


def rows(path: Path, separators: str, index: dict[bytes, int], bad: BadRecords) -> Iterator[tuple[str, int, str]]:
    """Reads lines ``address,rest``: yields the place, the person's index and the rest. A missing file has no lines."""
    try:
        with path.open(encoding="utf-8") as file:
            for count, line in enumerate(file, start=1):
                place, text = f"{path}:{count}", line.rstrip("\r\n")
                cut = min((at for at in map(text.find, separators) if at >= 0), default=len(text))
                key = parse_address(text[:cut])
                if key is None or cut == len(text):
                    bad.add(place, f"expected an address and a value: {text!r:.60}")
                elif key not in index:
                    bad.add(place, f"{key.hex()} is not a person of `src`")
                else:
                    yield place, index[key], text[cut + 1 :].strip()
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        bad.add(path, "cannot be read as UTF-8 text")


def balance_problem(amount: str) -> str | None:
    """The reason why an amount in ``balances.csv`` is not a whole number of tokens; None when it is."""
    if not (amount.isascii() and amount.isdigit()):
        return f"the balance {amount!r:.30} is not a number of base units"
    if int(amount[:40]) > _MOST or len(amount) > 40:
        return f"the balance {amount:.30} is larger than {_MOST}"
    if int(amount) % UNIT:
        return f"the balance {amount} is not a whole number of tokens of {DECIMALS} decimals"
    return None


class Languages:
    """The languages of people, from the first that exists of the three files in which the old tools write them."""

    def __init__(self, folder: Path, bad: BadRecords, default: str) -> None:
        self._bad = bad
        self._default = default
        self._files = HexFolder(folder / "ussd", _ADDRESS, ("_ussd_data.json", ".json"))
        self._flat = folder / "ussd"
        self._by_phone: dict[int, str] | None = None
        self._source = folder / "preferences.json"
        if self._source.exists():
            self._by_phone = self._preferences()
        elif (folder / "ussd_data.csv").exists():
            self._source = folder / "ussd_data.csv"
            try:
                self._by_phone = {int(row.phone): row.language for row in good_ussd_data(self._source, bad)}
            except InvalidError as error:  # the file cannot be read; the message names it
                bad.add(folder, error.message)

    def _preferences(self) -> dict[int, str] | None:
        found: dict[int, str] = {}
        try:
            document = read_json(self._source)
            if not isinstance(document, dict):
                raise InvalidError("expected an object of languages by phone number")  # noqa: TRY301
        except InvalidError as error:
            self._bad.add(self._source, error.message)
            return None
        for phone, language in document.items():
            try:
                found[int(e164(phone))] = _language(language)
            except InvalidError as error:
                self._bad.add(self._source, f"{phone}: {error.message}")
        return found

    def of(self, phone: str, key: bytes, path: Path) -> str:
        """The language of a person; the default, after adding a bad record, when the source does not have the person."""
        if self._by_phone is not None:
            if int(phone) not in self._by_phone:
                self._bad.add(path, f"{self._source.name} has no language of {phone}")
            return self._by_phone.get(int(phone), self._default)
        if not self._flat.is_dir():
            return self._default
        flat = self._flat / f"{key.hex()}.json"
        file = flat if flat.exists() else self._files.path_of(key)
        try:
            document = read_json(file)
            if not isinstance(document, dict) or document.get("phone") != phone:
                raise InvalidError(f"it is not of {phone}")  # noqa: TRY301
            return _language(document.get("preferred_language"))
        except InvalidError as error:
            self._bad.add(file, error.message)
            return self._default

    def finish(self, phones: Iterable[int]) -> None:
        """Adds a bad record for each language of an unknown person."""
        for phone in (self._by_phone or {}).keys() - set(phones):
            self._bad.add(self._source, f"+{phone} is not a person of `src`")


def _language(value: Any) -> str:
    language = value.strip() if isinstance(value, str) else ""
    if not language:
        raise InvalidError(f"the language is {value!r:.30}: expected a code such as en")
    return language


class Pointers:
    """The folder ``phone/``: old addresses by phone pointer. Not every directory has it."""

    def __init__(self, folder: Path, bad: BadRecords) -> None:
        self._bad = bad
        self._folder = HexFolder(folder / "phone", _POINTER)
        self._left = set(self._folder.keys(bad))
        self._used = bool(self._left)

    def compare(self, phone: str, key: bytes) -> None:
        """Adds a bad record when the phone pointer does not lead to the person."""
        if not self._used:
            return
        place = pointer.phone(phone)
        path = self._folder.path_of(place)
        self._left.discard(place)
        try:
            text = path.read_text("ascii")
        except (OSError, ValueError):
            self._bad.add(path, f"cannot be read: the phone pointer of {key.hex()}, {phone}")
            return
        if parse_address(text) != key:
            self._bad.add(path, f"leads to {text.strip()!r:.50}, but {phone} is that of {key.hex()}")

    def finish(self, unread: set[bytes]) -> None:
        """Adds a bad record for each pointer without a person, except for the ``unread`` people, whose files are bad."""
        for place in sorted(self._left):
            path = self._folder.path_of(place)
            if _address_in(path) not in unread:
                self._bad.add(path, "is not the phone pointer of a person of `src`")


def _address_in(path: Path) -> bytes | None:
    try:
        return parse_address(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
