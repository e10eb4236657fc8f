"""The files people expect in a run directory, written from the state, so that they can always be written again."""

from collections.abc import Iterator
from pathlib import Path

from cicscenario.files import write_whole
from cicscenario.legacy.accountfiles import PinRow, UssdDataRow, write_pins, write_ussd_data
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.state.store import PersonRow, Store

PINS, USSD_DATA = "pins.csv", "ussd_data.csv"
_PAGE = 500  # people in one query


def write_transactions(directory: Path, store: Store) -> None:
    """Writes each transaction as ``tx/<hash>``: its raw signed bytes in hexadecimal, without 0x. Skips what is there."""
    folder = directory / "tx"
    folder.mkdir(exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    for row in store.transactions():
        if (name := row.hash.hex()) not in there:
            write_whole(folder / name, row.raw.hex())


def write_pin_file(directory: Path, store: Store, accounts: AccountsDatabase) -> None:
    """Writes ``pins.csv``, 0600, of everybody whose PIN is in the account table: the state holds no hashes."""

    def rows() -> Iterator[PinRow]:
        for people in _pages(store, "pins"):
            found = accounts.read(person.phone for person in people)
            for person in people:
                row = found.get(person.phone)
                if row and row.password_hash:
                    yield PinRow(person.phone, row.password_hash)

    write_pins(directory / PINS, rows())


def write_ussd_data_file(directory: Path, store: Store) -> None:
    """Writes ``ussd_data.csv`` of everybody whose status and language were set."""
    pages = _pages(store, "ussd_data")
    rows = (UssdDataRow(p.phone, active=True, language=p.language) for people in pages for p in people)
    write_ussd_data(directory / USSD_DATA, rows)


def _pages(store: Store, step: str) -> Iterator[list[PersonRow]]:
    """Those who are through a step, a page at a time."""
    for first in range(0, store.population(), _PAGE):
        done = store.done(step, first, first + _PAGE)
        yield [person for person in store.people(first, first + _PAGE) if person.id in done]
