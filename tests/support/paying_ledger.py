"""A ledger in a sandbox that pays people who are in a state, and what they got."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cicscenario.chain.abi import pack, to_hex, word
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import BALANCE_OF, eth_call
from cicscenario.chain.follower import Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import GasLimit, Ledger
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.session import ChainSession
from cicscenario.chain.signer import Signer
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from tests.support.waiting import eventually

AMOUNT = 7  #: base units that each person is paid


def payee(person: int) -> bytes:
    return b"\xaa" * 19 + bytes([person])


def intents(count: int) -> list[Intent]:
    return [Intent(person, payee(person), value=AMOUNT) for person in range(count)]


def limit(gas: int) -> GasLimit:
    return lambda intent: gas


def received(session: ChainSession, count: int) -> list[int]:
    """How many times each person has been paid."""
    answers = session.rpc.calls([("eth_getBalance", [to_hex(payee(n)), "latest"]) for n in range(count)])
    return [int(answer, 16) // AMOUNT for answer in answers]


@contextmanager
def state_of_fifty(folder: Path) -> Iterator[Store]:
    """A state with fifty people, each with an account."""
    store = Store(folder / "state.sqlite")
    people = [Person(n, "{}", f"+2547{n:08d}", "en", (), payee(n), 1, payee(n)) for n in range(50)]
    store.commit("population", [Outcome(p.id, ok=True) for p in people], people=people)
    yield store
    store.close()


def ledger(
    session: ChainSession,
    store: Store,
    kind: type[Ledger] = Ledger,
    rpc: Rpc | None = None,
    patience: float = 20,
    confirmations: int = 0,
    reconcile: bool = False,
    resend_after: float = 3,
    lag: float = 60,
) -> Ledger:
    wire = rpc or session.rpc
    follower = Follower(session.rpc, session.contracts.addresses, confirmations)
    broadcaster = Broadcaster(
        store, wire, follower, window=session.block_gas_limit, patience=patience, resend_after=resend_after
    )
    return kind(store, session.rpc, session.signer, broadcaster, session.gas_price, reconcile=reconcile, lag=lag)


def balance(session: ChainSession, holder: bytes) -> int:
    return word(session.rpc.calls([eth_call(session.contracts.token.address, pack(BALANCE_OF, holder))])[0])


def sent(session: ChainSession, signer: Signer, to: bytes, data: bytes = b"", value: int = 0) -> None:
    nonce = int(session.rpc.call("eth_getTransactionCount", to_hex(signer.address), "latest"), 16)
    signed = signer.sign(nonce=nonce, gas_price=session.gas_price, gas=100_000, to=to, value=value, data=data)
    session.rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
    eventually(lambda: session.rpc.call("eth_getTransactionReceipt", to_hex(signed.hash)))
