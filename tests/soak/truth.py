"""The invariant, held against the models' own truth: everybody has arrived exactly once, and nobody else was paid."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import bcrypt

from cicscenario.chain import keyfile
from cicscenario.chain.contracts import ADD, GIVE_TO, TRANSFER
from cicscenario.chain.signer import address_of
from cicscenario.errors import InvalidError
from cicscenario.payments.payment import Payment
from cicscenario.people import pointer
from tests.soak.chain import SimChain
from tests.soak.contracts import FAUCET, FAUCET_AMOUNT, INDEX, TOKEN
from tests.soak.database import ACTIVE, Database
from tests.soak.metadata import SimMeta
from tests.soak.scenes import SEED


def accounts(state: Path) -> dict[int, tuple[bytes, int]]:
    """The account and the gift of each person, from the state; only SQL."""
    return {person: (address, gift) for person, address, gift in _rows(state, "SELECT id, address, gift FROM people")}


def is_claimed(state: Path) -> bool:
    """Whether a run has written into a state which scenario and chain it is of."""
    if not state.exists():
        return False
    return bool(_rows(state, "SELECT 1 FROM meta WHERE key = 'lineage'"))


def paid_by(chain: SimChain, signer: bytes) -> Counter[tuple[str, bytes]]:
    """How many times the signer's transactions have done something for an account."""
    done: Counter[tuple[str, bytes]] = Counter()
    for block, one in chain.mined():
        message = one.message
        if message.sender != signer or block.receipts[one.hash]["status"] != "0x1":
            continue
        if message.to == INDEX and message.data[:4] == ADD:
            done["registration", message.account] += 1
        elif message.to == TOKEN and message.data[:4] == TRANSFER:
            done["gift", message.account] += 1
        elif message.to == FAUCET and message.data[:4] == GIVE_TO:
            done["faucet", message.account] += 1
        elif message.value:
            done["gas", message.to] += 1
    return done


def doubled(done: Counter[tuple[str, bytes]]) -> Iterator[str]:
    """What happened to an account more than once."""
    for (what, account), times in done.items():
        if times > 1:
            yield f"{what} of 0x{account.hex()}: {times} times"


People = dict[int, tuple[bytes, int]]


def arrived(
    people: People, size: int, done: Counter[tuple[str, bytes]], *, paid: Sequence[str], gifts: bool = True
) -> Iterator[str]:
    """What is wrong after a run that says that everybody has arrived; ``paid`` are the steps that the signer pays, beside
    the gift.
    """
    wanted = Counter(
        (what, account) for account, gift in people.values() for what in (*paid, *(["gift"] if gift and gifts else []))
    )
    if len(people) != size or len({account for account, _ in people.values()}) != size:
        yield f"{len(people)} people of {size} are in the state, with {len(set(people.values()))} accounts"
    for what, account in wanted - done:
        yield f"lost: {what} of 0x{account.hex()}"
    for what, account in done - wanted:
        yield f"too many: {what} of 0x{account.hex()}"


def served(people: People, chain: SimChain) -> Iterator[str]:
    """The same by what the chain shows of each account, whoever paid for it."""
    state = chain.state()
    for account, gift in people.values():
        whose = f"0x{account.hex()}"
        if account not in state.registered:
            yield f"lost: {whose} is not registered"
        if account not in state.used_faucet:
            yield f"lost: {whose} has not used the faucet"
        if not state.wei.get(account):
            yield f"lost: {whose} has no gas"
        if (held := state.balance(account)) != gift * 10**6 + FAUCET_AMOUNT:
            yield f"{whose} has {held} base units, and its gift is {gift}"


def exchanged(people: People, chain: SimChain, plan: Iterable[Payment], gifts: int) -> Iterator[str]:
    """Each planned payment is carried out once, or refused if it is to be; people have sent nothing else.

    ``gifts`` is the sum of all gifts in tokens: what is to be refused asks for all that there is beside its amount.
    """
    accounts = {account for account, _ in people.values()}
    paid, refused = Counter[tuple[bytes, bytes, int]](), Counter[tuple[bytes, bytes, int]]()
    for block, one in chain.mined():
        message = one.message
        if message.sender in accounts and message.to == TOKEN:
            moved = (message.sender, message.account, int.from_bytes(message.argument(1), "big"))
            (paid if block.receipts[one.hash]["status"] == "0x1" else refused)[moved] += 1
    wanted, to_refuse = Counter[tuple[bytes, bytes, int]](), Counter[tuple[bytes, bytes, int]]()
    for payment in plan:
        extra = gifts * 10**6 + FAUCET_AMOUNT * len(people) if payment.refused else 0
        moved = (people[payment.payer][0], people[payment.payee][0], payment.amount * 10**6 + extra)
        (to_refuse if payment.refused else wanted)[moved] += 1
    if lost := wanted - paid:
        yield f"{lost.total()} payments were not made"
    if more := paid - wanted:
        yield f"{more.total()} payments are too many"
    if to_refuse - refused:
        yield f"{(to_refuse - refused).total()} payments that are to be refused were not sent"


def accounted(people: People, made: Sequence[bytes], state: Path, *, may_lose: bool) -> Iterator[str]:
    """Accounts that were made for nobody are those that the run knows of, certainly or possibly; without ``may_lose`` there
    are none.
    """
    mine = {account for account, _ in people.values()}
    if strange := mine - set(made):
        yield f"{len(strange)} people have accounts that the engine never made"
    requests = _rows(state, "SELECT person, status, address FROM requests")
    told = sum(
        (address is not None and address != people[person][0]) or (address is None and status == "asked")
        for person, status, address in requests
    )
    if len(made) > len(mine) and not may_lose:
        yield f"{len(made)} accounts were made for {len(mine)} people, though no request was lost"
    elif len(made) - len(mine) > told:
        yield f"{len(made)} accounts were made for {len(mine)} people, and the run knows of {told} too many"


def entered(state: Path, database: Database, *, has_pins: bool, has_data: bool) -> Iterator[str]:
    """What the account table lacks or has wrong of the people in the state, and what the lists of the run directory do."""
    rows = _rows(state, "SELECT id, phone, language, address FROM people")
    if strange := database.accounts.keys() - {phone for _, phone, *_ in rows}:
        yield f"the account table has {len(strange)} numbers of nobody"
    for person, phone, language, address in rows:
        row = database.accounts.get(phone)
        if row is None or row.address != address:
            yield f"the phone interface has another account of {phone} than the run, or none"
            continue
        if has_data and (row.status, row.language) != (ACTIVE, language):
            yield f"{phone} has the status {row.status} and the language {row.language}, and not {language}"
        if has_pins and not _opens(row.password_hash, person):
            yield f"the hash of {phone} is not of the PIN: {row.password_hash}"
    if has_pins:
        hashes = {phone: row.password_hash for phone, row in database.accounts.items()}
        yield from _listed(state.with_name("pins.csv"), [f"{phone},{hashes.get(phone)}" for _, phone, *_ in rows])
    if has_data:
        lines = [f"{phone},1,{language},False" for _, phone, language, _ in rows]
        yield from _listed(state.with_name("ussd_data.csv"), lines)


_open: dict[Path, sqlite3.Connection] = {}


@contextmanager
def at_rest(state: Path) -> Iterator[None]:
    """Nobody writes to the state in the block, so one connection is enough to read it."""
    _open[state] = sqlite3.connect(state)
    try:
        yield
    finally:
        _open.pop(state).close()


def _rows(state: Path, sql: str) -> list[Any]:
    if state in _open:
        return _open[state].execute(sql).fetchall()
    with at_rest(state):
        return _rows(state, sql)


@cache
def _opens(hashed: str | None, person: int) -> bool:
    digest = hashlib.sha256(f"{SEED}|{person}|pin".encode()).digest()
    pin = f"{int.from_bytes(digest[:8], 'big') % 10_000:04}"
    return hashed is not None and bcrypt.checkpw(pin.encode(), hashed.encode())


def _listed(path: Path, lines: list[str]) -> Iterator[str]:
    found = path.read_text().splitlines() if path.exists() else []
    if sorted(found) != sorted(lines):
        yield f"{path.name} has other lines: {sorted(set(found) ^ set(lines))[:2]}"


def opened(people: People, directory: Path) -> Iterator[str]:
    """Keystore files that are not there, cannot be opened with the run's password, or are of nobody."""
    password = (directory / "keystore.password").read_text().strip()
    there = {path.name for path in (directory / "keystore").iterdir()}
    if strange := there - {f"{account.hex()}.json" for account, _ in people.values()}:
        yield f"keystore files of nobody: {sorted(strange)[:2]}"
    for account, _ in people.values():
        path = directory / "keystore" / f"{account.hex()}.json"
        try:
            if address_of(keyfile.decrypt(path.read_bytes(), password)) != account:
                yield f"{path.name} holds another key"
        except (OSError, InvalidError) as error:
            yield f"{path.name} cannot be opened: {error}"


def written(state: Path, meta: SimMeta, kinds: Collection[str]) -> Iterator[str]:
    """What the metadata store lacks or has wrong of the people in the state. ``kinds`` are the entries that it should have."""
    for number, language, tags, account, document in _rows(
        state, "SELECT phone, language, tags, address, document FROM people"
    ):
        wanted = {
            "phone": (pointer.phone(number), account.hex()),
            "preferences": (pointer.preferences(account), {"preferred_language": language}),
            "custom": (pointer.custom(account), {"tags": json.loads(tags)}),
        }
        for at, value in (entry for kind, entry in wanted.items() if kind in kinds):
            if meta.value(at) != value:
                yield f"the entry {at.hex()[:8]} of {number} is {meta.value(at)!r}, and not {value!r}"
        found = meta.value(pointer.person(account)) if "person" in kinds else None
        if "person" in kinds and (
            not isinstance(found, dict) or found.get("vcard") != json.loads(document).get("vcard")
        ):
            yield f"the person document of {number} is not in the metadata store"
