"""The invariant, held against the models' own truth: everybody has arrived exactly once, and nobody else was paid."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cicscenario.chain.contracts import ADD, GIVE_TO, TRANSFER
from cicscenario.people import pointer
from tests.soak.chain import SimChain
from tests.soak.contracts import FAUCET, FAUCET_AMOUNT, INDEX, TOKEN
from tests.soak.metadata import SimMeta
from tests.soak.phone import SimPhone


def accounts(state: Path) -> dict[int, tuple[bytes, int]]:
    """The account and the gift of each person, from the state; only SQL."""
    database = sqlite3.connect(state)
    try:
        return {
            person: (address, gift)
            for person, address, gift in database.execute("SELECT id, address, gift FROM people")
        }
    finally:
        database.close()


def is_claimed(state: Path) -> bool:
    """Whether a run has written into a state which scenario and chain it is of."""
    if not state.exists():
        return False
    database = sqlite3.connect(state)
    try:
        return bool(database.execute("SELECT 1 FROM meta WHERE key = 'lineage'").fetchone())
    finally:
        database.close()


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


def arrived(people: People, size: int, done: Counter[tuple[str, bytes]], *, paid: Sequence[str]) -> Iterator[str]:
    """What is wrong after a run that says that everybody has arrived; ``paid`` are the steps that the signer pays, beside
    the gift.
    """
    wanted = Counter(
        (what, account) for account, gift in people.values() for what in (*paid, *(["gift"] if gift else []))
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


def accounted(people: People, made: Sequence[bytes], state: Path, *, may_lose: bool) -> Iterator[str]:
    """Accounts that were made for nobody are those that the run knows of, certainly or possibly; without ``may_lose`` there
    are none.
    """
    mine = {account for account, _ in people.values()}
    if strange := mine - set(made):
        yield f"{len(strange)} people have accounts that the engine never made"
    database = sqlite3.connect(state)
    try:
        requests = database.execute("SELECT person, status, address FROM requests").fetchall()
    finally:
        database.close()
    told = sum(
        (address is not None and address != people[person][0]) or (address is None and status == "asked")
        for person, status, address in requests
    )
    if len(made) > len(mine) and not may_lose:
        yield f"{len(made)} accounts were made for {len(mine)} people, though no request was lost"
    elif len(made) - len(mine) > told:
        yield f"{len(made)} accounts were made for {len(mine)} people, and the run knows of {told} too many"


def written(state: Path, meta: SimMeta, phone: SimPhone) -> Iterator[str]:
    """What the metadata store and the phone interface lack or have wrong of the people in the state."""
    database = sqlite3.connect(state)
    try:
        rows = database.execute("SELECT phone, language, tags, address, document FROM people").fetchall()
    finally:
        database.close()
    for number, language, tags, account, document in rows:
        if phone.accounts.get(number, (b"",))[0] != account:
            yield f"the phone interface has another account of {number} than the run, or none"
        wanted = {
            pointer.phone(number): account.hex(),
            pointer.preferences(account): {"preferred_language": language},
            pointer.custom(account): {"tags": json.loads(tags)},
        }
        for at, value in wanted.items():
            if meta.value(at) != value:
                yield f"the entry {at.hex()[:8]} of {number} is {meta.value(at)!r}, and not {value!r}"
        found = meta.value(pointer.person(account))
        if not isinstance(found, dict) or found.get("vcard") != json.loads(document).get("vcard"):
            yield f"the person document of {number} is not in the metadata store"
