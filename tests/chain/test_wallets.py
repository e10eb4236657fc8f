"""People who sign for themselves: whatever happens, each of their transactions is carried out once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.proof import SentCall
from cicscenario.chain.review import Recognised, Recogniser
from cicscenario.chain.session import ChainSession
from cicscenario.chain.signer import Signer, address_of, derive_key
from cicscenario.chain.wallets import OwnKeys, OwnPart
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from tests.support.sandboxes import NODES, Sandbox
from tests.support.waiting import eventually

SECRET = b"\x07" * 32
PEOPLE, EACH = 6, 3
FUNDS = 10**18


def key(person: Person) -> bytes:
    return derive_key(SECRET, person.id)


def account(person: int) -> bytes:
    return address_of(derive_key(SECRET, person))


def payee(number: int) -> bytes:
    """An account of its own for each part, so that its balance shows how often it was paid."""
    return b"\xee" * 18 + number.to_bytes(2, "big")


def part(number: int) -> OwnPart:
    """The part of this number: the people pay in turn, each 1 + number wei."""
    return OwnPart(f"traffic/{number}", Intent(number % PEOPLE, payee(number), value=1 + number))


PARTS = [part(number) for number in range(PEOPLE * EACH)]


def recognise(person: Person) -> Recogniser:
    own = {
        SentCall(one.intent.to, one.intent.value, b""): (one.purpose, person.id)
        for one in PARTS
        if one.intent.person == person.id
    }
    return lambda call: Recognised((own[call],) if call in own else ())


def ledger(session: ChainSession, store: Store, *, lag: float = 1, reconcile: bool = False) -> Ledger:
    follower = Follower(session.rpc, session.contracts.addresses)
    broadcaster = Broadcaster(store, session.rpc, follower, window=session.block_gas_limit, patience=20)
    return Ledger(
        store, session.rpc, session.signer, broadcaster, session.gas_price, lag=lag, reconcile=reconcile,
        own=OwnKeys(key, recognise),
    )  # fmt: skip


@pytest.fixture(params=NODES)
def session(request: pytest.FixtureRequest, sandbox_of: Callable[..., Sandbox]) -> ChainSession:
    return sandbox_of(request.param).session()


@pytest.fixture
def store(tmp_path: Path, session: ChainSession) -> Iterator[Store]:
    """People who have native currency."""
    store = Store(tmp_path / "state.sqlite")
    people = [Person(n, "{}", f"+2547{n:08d}", "en", (), account(n), 1, account(n)) for n in range(PEOPLE)]
    store.commit("population", [Outcome(p.id, ok=True) for p in people], people=people)
    with ledger(session, store) as one:
        one.send("gas", [Intent(n, account(n), value=FUNDS) for n in range(PEOPLE)], lambda intent: PLAIN_TRANSFER_GAS)
    yield store
    store.close()


def paid(session: ChainSession) -> list[int]:
    """How much each payee has, in parts of what they are to get."""
    calls = [("eth_getBalance", [to_hex(one.intent.to), "latest"]) for one in PARTS]
    return [int(answer, 16) // one.intent.value for answer, one in zip(session.rpc.calls(calls), PARTS, strict=True)]


def nonces(session: ChainSession) -> list[int]:
    calls = [("eth_getTransactionCount", [to_hex(account(person)), "latest"]) for person in range(PEOPLE)]
    return [int(answer, 16) for answer in session.rpc.calls(calls)]


def send(session: ChainSession, store: Store) -> None:
    with ledger(session, store) as one:
        one.begin_own(PARTS, PLAIN_TRANSFER_GAS).wait()


def copied(store: Store, folder: Path) -> Path:
    """A copy of the state as it is now."""
    store.flush()
    return Path(shutil.copy(store.path, folder / "copy.sqlite"))


def use_nonce(session: ChainSession, person: int, nonce: int, to: bytes = b"\x99" * 20, value: int = 5) -> None:
    """Another program uses the key of a person."""
    signed = Signer(derive_key(SECRET, person), session.chain_id).sign(
        nonce=nonce, gas_price=10**9, gas=PLAIN_TRANSFER_GAS, to=to, value=value, data=b""
    )
    session.rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
    eventually(lambda: session.rpc.call("eth_getTransactionReceipt", to_hex(signed.hash)))


def sign_only(session: ChainSession, store: Store, parts: list[OwnPart]) -> None:
    """A run that is killed when it has written its transactions down, and has sent none."""
    one = ledger(session, store)
    one.review()
    one._broadcaster.submit = lambda rows: None  # type: ignore[method-assign]
    one.begin_own(parts, PLAIN_TRANSFER_GAS)


def test_each_person_has_a_nonce_sequence_and_each_part_is_carried_out_once(
    session: ChainSession, store: Store
) -> None:
    for _ in range(2):
        send(session, store)
        assert paid(session) == [1] * len(PARTS)
        assert nonces(session) == [EACH] * PEOPLE
    assert store.transaction_counts()["traffic"] == {"mined": len(PARTS)}


def test_they_are_in_the_ledger_before_anybody_may_send_them(session: ChainSession, store: Store) -> None:
    one, seen = ledger(session, store), list[str]()
    one.review()
    one._broadcaster.submit = lambda rows: seen.extend(store.transaction(row.hash).status for row in rows)  # type: ignore
    one.begin_own(PARTS, PLAIN_TRANSFER_GAS)
    assert seen == ["signed"] * len(PARTS)


def test_what_was_signed_and_not_sent_is_sent_by_the_next_run_byte_for_byte(
    session: ChainSession, store: Store
) -> None:
    sign_only(session, store, PARTS)
    before = {row.hash for row in store.parts_sent([one.purpose for one in PARTS])}
    send(session, store)
    assert {row.hash for row in store.parts_sent([one.purpose for one in PARTS])} == before
    assert paid(session) == [1] * len(PARTS)


def test_an_older_copy_of_the_state_pays_nobody_twice(session: ChainSession, store: Store, tmp_path: Path) -> None:
    """It has none of what people have sent: their transactions are found on the chain, and taken over."""
    path = copied(store, tmp_path)
    send(session, store)
    with closing(Store(path)) as older:
        send(session, older)
        assert older.transaction_counts()["traffic"] == {"mined": len(PARTS)}
    assert paid(session) == [1] * len(PARTS)
    assert nonces(session) == [EACH] * PEOPLE


def test_a_copy_that_lacks_the_last_part_finds_the_rest_on_the_chain(
    session: ChainSession, store: Store, tmp_path: Path
) -> None:
    with ledger(session, store) as one:
        one.begin_own(PARTS[:PEOPLE], PLAIN_TRANSFER_GAS).wait()
    path = copied(store, tmp_path)
    send(session, store)
    with closing(Store(path)) as older:
        send(session, older)
    assert paid(session) == [1] * len(PARTS)


def test_a_state_that_has_lost_the_first_part_finds_it_on_the_chain(
    session: ChainSession, store: Store, tmp_path: Path
) -> None:
    """As a repair leaves a ledger of which some rows were damaged."""
    path = copied(store, tmp_path)
    send(session, store)
    with closing(Store(path)) as damaged:
        damaged.add_transactions(row for row in store.parts_sent([one.purpose for one in PARTS]) if row.nonce)
        send(session, damaged)
        assert damaged.transaction_counts()["traffic"] == {"mined": len(PARTS)}
    assert paid(session) == [1] * len(PARTS)
    assert nonces(session) == [EACH] * PEOPLE


def test_who_has_used_the_key_before_goes_on_behind_that(session: ChainSession, store: Store) -> None:
    use_nonce(session, 2, 0)
    for _ in range(2):
        send(session, store)
    assert paid(session) == [1] * len(PARTS)
    assert nonces(session) == [EACH + (person == 2) for person in range(PEOPLE)]


def test_a_nonce_that_another_program_took_in_between_is_passed_over(session: ChainSession, store: Store) -> None:
    sign_only(session, store, PARTS[:PEOPLE])
    use_nonce(session, 3, 0)
    send(session, store)
    assert paid(session) == [1] * len(PARTS)
    assert store.transaction_counts()["traffic"] == {"mined": len(PARTS), "failed": 1}


def test_a_hole_in_the_nonces_is_no_reason_to_pay_again(session: ChainSession, store: Store) -> None:
    """Another program's transaction waits in the node behind what the run has signed: its own are sent first."""
    sign_only(session, store, PARTS[:PEOPLE])
    send(session, store)
    use_nonce(session, 1, EACH)
    with ledger(session, store) as one:
        one.begin_own([*PARTS, part(PEOPLE * EACH + 1)], PLAIN_TRANSFER_GAS).wait()
    assert paid(session) == [1] * len(PARTS)
    assert nonces(session)[1] == EACH + 2


def test_one_that_was_meant_to_fail_and_did_is_not_sent_again(session: ChainSession, store: Store) -> None:
    token = session.contracts.token.address
    overdraft = OwnPart("traffic/99", Intent(0, token, pack(TRANSFER, payee(0), 10**30)), to_fail=True)
    for _ in range(3):
        with ledger(session, store) as one:
            (outcome,) = one.begin_own([overdraft], 120_000).wait() or [Outcome(0, ok=False)]
            assert not outcome.ok
    assert store.transaction_counts()["traffic"] == {"failed": 1}
    assert nonces(session)[0] == 1


def test_one_that_failed_and_was_not_meant_to_is_followed_by_another(session: ChainSession, store: Store) -> None:
    token = session.contracts.token.address
    too_much = OwnPart("traffic/99", Intent(0, token, pack(TRANSFER, payee(0), 10**30)))
    for _ in range(2):
        with ledger(session, store) as one:
            one.begin_own([too_much], 120_000).wait()
    assert store.transaction_counts()["traffic"] == {"failed": 2}
    assert nonces(session)[0] == 2


def test_what_a_chain_that_went_back_has_lost_is_carried_out_again_once(
    sandbox_of: Callable[..., Sandbox], tmp_path: Path
) -> None:
    session = sandbox_of("embedded").session()
    store = Store(tmp_path / "state.sqlite")
    people = [Person(n, "{}", f"+2547{n:08d}", "en", (), account(n), 1, account(n)) for n in range(PEOPLE)]
    store.commit("population", [Outcome(p.id, ok=True) for p in people], people=people)
    with ledger(session, store) as one:
        one.send("gas", [Intent(n, account(n), value=FUNDS) for n in range(PEOPLE)], lambda intent: PLAIN_TRANSFER_GAS)
    kept = session.rpc.call("evm_snapshot")
    send(session, store)
    store.commit("traffic", [Outcome(p.id, ok=True) for p in people])
    session.rpc.call("evm_revert", kept)
    assert paid(session) == [0] * len(PARTS)
    with ledger(session, store) as one:
        assert store.counts().get("traffic", (0, 0)) == (0, 0), "who has to pay again is not done"
        one.begin_own(PARTS, PLAIN_TRANSFER_GAS).wait()
    assert paid(session) == [1] * len(PARTS)
    store.close()


def test_no_key_is_in_the_state_or_in_an_error(session: ChainSession, store: Store) -> None:
    send(session, store)
    held = store.path.read_bytes() + (store.path.with_name("state.sqlite-wal").read_bytes())
    for person in range(PEOPLE):
        assert derive_key(SECRET, person) not in held
        assert derive_key(SECRET, person).hex().encode() not in held
