"""A run that is done, and ways to break what it made, each from outside."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from cicscenario.chain.abi import to_hex
from cicscenario.chain.signer import derive_key
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.state.store import STATE, Store
from tests.support.sandboxes import Run, send_from


def people_of(run: Run) -> list[Person]:
    store = Store(run.place / STATE)
    try:
        return list(store.all_people())
    finally:
        store.close()


def pointer_of(kind: str, person: Person) -> bytes:
    """Where the metadata entry of a kind is."""
    return pointer.phone(person.phone) if kind == "phone" else getattr(pointer, kind)(person.account)


def delete_entries(home: Path, pointers: Iterable[bytes]) -> None:
    """Deletes metadata entries in the store's own file."""
    with closing(sqlite3.connect(home / "sandbox" / "meta" / "meta.sqlite", timeout=10)) as db, db:
        for at in pointers:
            assert db.execute("DELETE FROM entries WHERE pointer = ?", (at.hex(),)).rowcount == 1


def entries(home: Path) -> int:
    with closing(sqlite3.connect(home / "sandbox" / "meta" / "meta.sqlite", timeout=10)) as db:
        number: int = db.execute("SELECT count(*) FROM entries").fetchone()[0]
        return number


def spend_gas(run: Run, people: Iterable[Person]) -> None:
    """Each of them, whose keys follow from the run's secret, gives all native currency away."""
    session = run.box.session()
    secret = bytes.fromhex((run.place / "secret").read_text())
    for person in people:
        held = int(session.rpc.call("eth_getBalance", to_hex(person.account), "latest"), 16)
        rest = held - 21_000 * 10**9
        send_from(session, derive_key(secret, person.id), session.signer.address, value=rest, gas=21_000)
        assert int(session.rpc.call("eth_getBalance", to_hex(person.account), "latest"), 16) == 0


def contents(run: Run) -> dict[str, bytes]:
    """What a command that changes nothing leaves: every file of the run but what tells of commands, and what is in its state."""
    folder = {
        str(path.relative_to(run.place)): path.read_bytes()
        for path in run.place.rglob("*")
        if path.is_file() and not path.name.startswith((STATE, "lock", "run.log", "now.json"))
    }
    tables = ("meta", "people", "outcomes", "ledger", "requests", "checks")
    return folder | {name: repr(run.rows(f"SELECT * FROM {name}")).encode() for name in tables}


def failing_checks(run: Run) -> dict[str, int]:
    return {check["name"]: check["errors"] for check in run.report()["checks"] if check["errors"]}
