"""A mined transaction counts only with the log that proves its work: a token may answer false and revert nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from cicscenario.chain.abi import pack, selector, to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import ADD, GIVE_TO, MINT_TO, TRANSFER
from cicscenario.chain.follower import End, Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.proof import Log, ProofVerdict, SentCall, judge
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.session import ChainSession
from cicscenario.chain.signer import Signer
from cicscenario.people.person import Person
from cicscenario.state.rows import LedgerRow, Outcome
from cicscenario.state.store import Store
from tests.support.sandboxes import GENERATIONS, NODES, Sandbox
from tests.support.waiting import eventually

SIGNER = Signer(b"\x11" * 32, 8996)
TOKEN, INDEX, FAUCET, WHO, OTHER = (bytes([n]) * 20 for n in (0x70, 0x71, 0x72, 0xAA, 0xBB))
KNOWN = [to_hex(address) for address in (TOKEN, INDEX, FAUCET)]
#: Creates a contract that answers every call with a 32-byte 0, which is false, and does nothing.
ANSWERS_FALSE = bytes.fromhex("69" + "600060005260206000f3" + "600052600a6016f3")


def row(to: bytes, data: bytes, value: int = 0) -> LedgerRow:
    signed = SIGNER.sign(nonce=3, gas_price=1, gas=100_000, to=to, value=value, data=data)
    return LedgerRow("purpose", 0, SIGNER.address, 3, signed.hash, signed.raw, 100_000, "broadcast")


def log(address: bytes, event: str, *indexed: bytes | int, data: tuple[bytes | int, ...] = ()) -> Log:
    def word(value: bytes | int) -> str:
        return (value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")).hex()

    return {
        "address": to_hex(address),
        "topics": [to_hex(keccak(event.encode())), *("0x" + word(value) for value in indexed)],
        "data": "0x" + "".join(word(value) for value in data),
    }


MOVED = "Transfer(address,address,uint256)"
MINTED = "Mint(address,address,uint256)"
ADDED = "AddressAdded(address,uint256)"
USED = "FaucetUsed(address,address,uint256)"
ME = SIGNER.address
NOBODY = bytes(20)


@pytest.mark.parametrize(
    ("to", "data", "left"),
    [
        (TOKEN, pack(TRANSFER, WHO, 5), log(TOKEN, MOVED, ME, WHO, data=(5,))),
        (TOKEN, pack(TRANSFER, WHO, 0), log(TOKEN, MOVED, ME, WHO, data=(0,))),
        (TOKEN, pack(TRANSFER, WHO, 5), log(TOKEN, MOVED, data=(ME, WHO, 5))),  # a token that indexes nothing
        (TOKEN, pack(MINT_TO, WHO, 5), log(TOKEN, MINTED, ME, WHO, data=(5,))),
        (TOKEN, pack(MINT_TO, WHO, 5), log(TOKEN, MOVED, NOBODY, WHO, data=(5,))),
        (INDEX, pack(ADD, WHO), log(INDEX, ADDED, WHO, 7)),
        (INDEX, pack(ADD, WHO), log(INDEX, "AddressAdded(address)", data=(WHO,))),
        (FAUCET, pack(GIVE_TO, WHO), log(FAUCET, USED, WHO, TOKEN, data=(5,))),
        (FAUCET, pack(GIVE_TO, WHO), log(TOKEN, MOVED, FAUCET, WHO, data=(0,))),
        (FAUCET, pack(GIVE_TO, WHO), log(TOKEN, MINTED, FAUCET, WHO, data=(5,))),
    ],
)
def test_the_log_of_its_work_proves_it(to: bytes, data: bytes, left: Log) -> None:
    assert judge(row(to, data), [left], KNOWN) == ProofVerdict(ok=True)


@pytest.mark.parametrize(
    ("to", "data", "left", "said"),
    [
        (TOKEN, pack(TRANSFER, WHO, 5), [], f"the token at {to_hex(TOKEN)} shows no transfer to {to_hex(WHO)}"),
        (TOKEN, pack(TRANSFER, WHO, 5), [log(TOKEN, MOVED, ME, OTHER, data=(5,))], "no transfer to"),
        (TOKEN, pack(TRANSFER, WHO, 5), [log(TOKEN, MOVED, OTHER, WHO, data=(5,))], "no transfer to"),
        (TOKEN, pack(TRANSFER, WHO, 5), [log(INDEX, MOVED, ME, WHO, data=(5,))], "no transfer to"),
        (
            TOKEN,
            pack(TRANSFER, WHO, 5),
            [log(TOKEN, "Approval(address,address,uint256)", ME, WHO, data=(5,))],
            "no tra",
        ),
        (TOKEN, pack(TRANSFER, WHO, 5), [log(TOKEN, MOVED, ME, WHO, data=(0,))], "no transfer to"),
        (TOKEN, pack(MINT_TO, WHO, 5), [log(TOKEN, MINTED, ME, OTHER, data=(5,))], "no transfer to"),
        (INDEX, pack(ADD, WHO), [log(INDEX, ADDED, OTHER, 7)], f"the accounts index at {to_hex(INDEX)} shows no entry"),
        (INDEX, pack(ADD, WHO), [log(FAUCET, ADDED, WHO, 7)], "no entry of"),
        (FAUCET, pack(GIVE_TO, WHO), [log(OTHER, ADDED, WHO, 7)], f"the faucet at {to_hex(FAUCET)} shows no payment"),
        (
            FAUCET,
            pack(GIVE_TO, WHO),
            [log(FAUCET, "FaucetFail(address,address,uint256)", WHO, TOKEN, data=(5,))],
            "no payment to",
        ),
        (FAUCET, pack(GIVE_TO, WHO), [log(TOKEN, MOVED, FAUCET, OTHER, data=(5,))], "no payment to"),
    ],
)
def test_without_it_nothing_was_given(to: bytes, data: bytes, left: list[Log], said: str) -> None:
    one = row(to, data)
    verdict = judge(one, left, KNOWN)
    assert not verdict.ok
    assert verdict.detail is not None
    assert verdict.detail.startswith(f"transaction {to_hex(one.hash)} was mined, but the ")
    assert said in verdict.detail
    assert verdict.detail.endswith("it may have returned false")


def test_another_amount_is_not_sent_again() -> None:
    """A token that takes a fee has paid: to send again would pay twice. The check of balances judges the amount."""
    for data, event in ((pack(TRANSFER, WHO, 5), MOVED), (pack(MINT_TO, WHO, 5), MINTED)):
        verdict = judge(row(TOKEN, data), [log(TOKEN, event, ME, WHO, data=(4,))], KNOWN)
        assert verdict.ok
        assert "moved 4 base units of the token" in (verdict.detail or "")
        assert "5 were sent" in (verdict.detail or "")


def test_value_and_unknown_functions_need_no_log() -> None:
    assert judge(row(WHO, b"", value=7), [], KNOWN) == ProofVerdict(ok=True)
    assert judge(row(WHO, selector("decimals()")), [], KNOWN) == ProofVerdict(ok=True)


def test_what_was_sent_is_read_from_its_bytes() -> None:
    one = row(TOKEN, pack(TRANSFER, WHO, 5), value=9)
    assert SentCall.of(one.raw) == SentCall(TOKEN, 9, pack(TRANSFER, WHO, 5))


# --- on a chain -----------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.sqlite")
    person = Person(0, "{}", "+254700000000", "en", (), WHO, 1, WHO)
    store.commit("population", [Outcome(0, ok=True)], people=[person])
    yield store
    store.close()


def send(
    session: ChainSession, store: Store, purpose: str, to: bytes, data: bytes, known: tuple[bytes, ...]
) -> Outcome:
    follower = Follower(session.rpc, known)
    broadcaster = Broadcaster(store, session.rpc, follower, window=session.block_gas_limit)
    with Ledger(store, session.rpc, session.signer, broadcaster, session.gas_price) as ledger:
        (outcome,) = ledger.send(purpose, [Intent(0, to, data)], lambda intent: 300_000)
    return outcome


def by_receipt(session: ChainSession, store: Store) -> list[End]:
    """What the receipts alone say of all that was sent, as after a crash."""
    return Follower(session.rpc, session.contracts.addresses).receipts(list(store.transactions()))


class NoReceipts(Rpc):
    """Counts the receipts that are asked for."""

    asked = 0

    def results(self, calls: Any) -> list[Any]:
        self.asked += sum(method == "eth_getTransactionReceipt" for method, _ in calls)
        return super().results(calls)


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("node", NODES)
def test_every_step_of_both_generations_leaves_its_proof(
    sandbox_of: Callable[..., Sandbox], store: Store, node: str, generation: str
) -> None:
    box = sandbox_of(node, generation)
    for symbol in ("GFT", "DET"):
        session = box.session(symbol)
        contracts = session.contracts
        assert contracts.faucet
        rpc = NoReceipts(session.rpc.url)
        follower = Follower(rpc, contracts.addresses)
        broadcaster = Broadcaster(store, rpc, follower, window=session.block_gas_limit)
        sent = [
            (contracts.accounts_index, pack(ADD, WHO)),
            (contracts.token.address, pack(TRANSFER, WHO, 5_000_000)),
            (contracts.token.address, pack(MINT_TO, WHO, 5_000_000)),
            (contracts.faucet.address, pack(GIVE_TO, WHO)),
        ]
        if symbol == "DET":
            sent = sent[1:3]
        with Ledger(store, rpc, session.signer, broadcaster, session.gas_price) as ledger:
            for number, (to, data) in enumerate(sent):
                (outcome,) = ledger.send(f"{symbol} {number}", [Intent(0, to, data)], lambda intent: 400_000)
                assert outcome == Outcome(0, ok=True)
        assert rpc.asked == 0
    ends = by_receipt(session, store)
    assert len(ends) == 6
    assert all(end.ok and end.detail is None for end in ends)


@pytest.mark.parametrize("node", NODES)
def test_a_token_that_answers_false_has_given_nothing(
    sandbox_of: Callable[..., Sandbox], store: Store, node: str
) -> None:
    session = sandbox_of(node).session()
    nonce = int(session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "latest"), 16)
    made = session.signer.sign(
        nonce=nonce, gas_price=session.gas_price, gas=200_000, to=b"", value=0, data=ANSWERS_FALSE
    )
    session.rpc.call("eth_sendRawTransaction", to_hex(made.raw))
    receipt = eventually(lambda: session.rpc.call("eth_getTransactionReceipt", to_hex(made.hash)))
    token = bytes.fromhex(receipt["contractAddress"][2:])
    assert (
        int(session.rpc.call("eth_call", {"to": to_hex(token), "data": to_hex(pack(TRANSFER, WHO, 5))}, "latest"), 16)
        == 0
    )
    for known in ((token,), ()):  # whether or not its logs are asked for
        outcome = send(session, store, "gift", token, pack(TRANSFER, WHO, 5), known)
        assert not outcome.ok
        assert f"was mined, but the token at {to_hex(token)} shows no transfer to {to_hex(WHO)}" in (
            outcome.detail or ""
        )
    assert store.transaction_counts() == {"gift": {"failed": 2}}
    assert [end.ok for end in by_receipt(session, store)] == [False, False]
    for purpose, data in (
        ("registration", pack(ADD, WHO)),
        ("faucet", pack(GIVE_TO, WHO)),
        ("m", pack(MINT_TO, WHO, 5)),
    ):
        assert not send(session, store, purpose, token, data, (token,)).ok
