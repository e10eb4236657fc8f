"""The ledger's promise: whatever crashes, whenever, each person's transaction happens exactly once on the chain."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.chain.abi import from_hex, pack, to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import GIVE_TO
from cicscenario.chain.envelope import ChainTransaction, fees_of
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.chain.gasprice import DynamicFee
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.rpc import Call, Rpc, RpcError
from cicscenario.chain.session import ChainSession
from cicscenario.errors import ReconcileError, StepFailedError, UnavailableError
from cicscenario.state.rows import LedgerRow, Outcome
from cicscenario.state.store import Store
from tests.support.memory_chain import SIGNER, Transaction
from tests.support.paying_ledger import intents, ledger, limit, payee, received, state_of_fifty
from tests.support.sandboxes import NODES, Sandbox
from tests.support.waiting import eventually


class PowerCutError(Exception):
    """The process dies here."""


class FailingRpc(Rpc):
    """The node of ``rpc``, which takes transactions; then the answer is lost, with the process that waited for it."""

    def results(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        answers = super().results(calls)
        if calls[0][0] == "eth_sendRawTransaction":
            raise PowerCutError
        return answers


class SendingFirst(Ledger):
    """The ledger with its two lines the wrong way round: it sends, then commits."""

    def _admit(self, rows: list[LedgerRow]) -> None:
        self._broadcaster._broadcast(rows)
        super()._admit(rows)


@pytest.fixture(params=NODES)
def session(request: pytest.FixtureRequest, sandbox_of: Callable[..., Sandbox]) -> ChainSession:
    return sandbox_of(request.param).session()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with state_of_fifty(tmp_path) as store:
        yield store


def next_nonce(session: ChainSession) -> int:
    return int(session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "pending"), 16)


def take_nonce_of_the_first(session: ChainSession, store: Store) -> None:
    """Person 0's transaction is written down and never sent; another program uses its nonce."""
    nonce = next_nonce(session)
    store.add_transactions([ledger(session, store)._sign("gas", intents(1)[0], nonce, PLAIN_TRANSFER_GAS)])
    other = session.signer.sign(nonce=nonce, gas_price=10**9, gas=21000, to=b"\x99" * 20, value=1, data=b"")
    session.rpc.call("eth_sendRawTransaction", to_hex(other.raw))
    eventually(lambda: session.rpc.call("eth_getTransactionReceipt", to_hex(other.hash)))


def crash_while_sending(session: ChainSession, store: Store, kind: type[Ledger]) -> None:
    """A run that dies when the node has its transactions and nobody has heard of it yet."""
    rpc = FailingRpc(session.rpc.url)
    follower = Follower(session.rpc, session.contracts.addresses)
    broadcaster = Broadcaster(store, rpc, follower, window=session.block_gas_limit)
    dying = kind(store, session.rpc, session.signer, broadcaster, session.gas_price)
    first = next_nonce(session)
    rows = [dying._sign("gas", intent, first + intent.person, PLAIN_TRANSFER_GAS) for intent in intents(5)]
    if kind is SendingFirst:
        with pytest.raises(PowerCutError):
            dying._admit(rows)
        return
    dying._admit(rows)
    with pytest.raises(PowerCutError):
        broadcaster._send_some()


def pay(one: Ledger, count: int) -> list[Outcome]:
    """A run that pays so many people."""
    with one:
        return one.send("gas", intents(count), limit(PLAIN_TRANSFER_GAS))


def pay_after_a_crash(session: ChainSession, store: Store, kind: type[Ledger]) -> list[int]:
    crash_while_sending(session, store, kind)
    pay(ledger(session, store, kind), 5)
    eventually(lambda: 0 not in received(session, 5))
    return received(session, 5)


def test_a_crash_between_sending_and_hearing_pays_once(session: ChainSession, store: Store) -> None:
    assert pay_after_a_crash(session, store, Ledger) == [1] * 5


def test_with_the_ledger_written_after_the_send_this_suite_would_see_it(session: ChainSession, store: Store) -> None:
    assert pay_after_a_crash(session, store, SendingFirst) == [2] * 5


def test_everybody_is_paid_once_and_told_so(session: ChainSession, store: Store) -> None:
    with ledger(session, store) as open_ledger:
        outcomes = open_ledger.send("gas", intents(20), limit(PLAIN_TRANSFER_GAS))
        again = open_ledger.send("gas", intents(20), limit(PLAIN_TRANSFER_GAS))
    assert sorted(o.person for o in outcomes if o.ok) == list(range(20))
    assert sorted(o.person for o in again if o.ok) == list(range(20))
    assert received(session, 20) == [1] * 20
    assert store.transaction_counts() == {"gas": {"mined": 20}}


def test_what_was_sent_before_is_not_estimated_again(session: ChainSession, store: Store) -> None:
    """A faucet refuses a second call, so asking what one would cost would stop a run that was killed after the first."""
    asked: list[int] = []

    def gas(intent: Intent) -> int:
        asked.append(intent.person)
        return PLAIN_TRANSFER_GAS

    with ledger(session, store) as open_ledger:
        open_ledger.send("gas", intents(3), gas)
        open_ledger.send("gas", intents(3), gas)
        open_ledger.send("gas", intents(5), gas)
    assert asked == [0, 3]


def test_many_senders_share_one_nonce_sequence(session: ChainSession, store: Store) -> None:
    """Known issue 3 of the old tools: two scripts on one key broke the sequence."""
    with ledger(session, store) as open_ledger:
        threads = [
            threading.Thread(target=open_ledger.send, args=(f"purpose {n}", intents(10), limit(PLAIN_TRANSFER_GAS)))
            for n in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert received(session, 10) == [5] * 10
    nonces = [row.nonce for row in store.transactions()]
    assert sorted(nonces) == list(range(min(nonces), min(nonces) + 50))


def test_a_key_that_somebody_else_uses_stops_the_run(session: ChainSession, store: Store) -> None:
    """The nonce was taken: going on with a new one could pay somebody twice."""
    take_nonce_of_the_first(session, store)
    with pytest.raises(ReconcileError, match="was taken by another transaction"), ledger(session, store) as resumed:
        resumed.send("gas", intents(1), limit(PLAIN_TRANSFER_GAS))
    assert received(session, 1) == [0]


def test_reconciled_such_a_persons_transaction_is_sent_anew(session: ChainSession, store: Store) -> None:
    take_nonce_of_the_first(session, store)
    for _ in range(2):  # and it stays reconciled
        with ledger(session, store, reconcile=True) as resumed:
            (outcome,) = resumed.send("gas", intents(1), limit(PLAIN_TRANSFER_GAS))
        assert outcome.ok
        assert received(session, 1) == [1]
        assert store.transaction_counts() == {"gas": {"failed": 1, "mined": 1}}
    pay(ledger(session, store), 2)
    assert received(session, 2) == [1, 1]


def test_a_commit_that_fails_draws_no_nonce(
    session: ChainSession, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap in the sequence would hold up everybody behind it for ever."""
    with ledger(session, store) as open_ledger:
        with monkeypatch.context() as full:
            full.setattr(store, "add_transactions", fails)
            with pytest.raises(OSError, match="disk"):
                open_ledger.send("gas", intents(3), limit(PLAIN_TRANSFER_GAS))
        open_ledger.send("gas", intents(5), limit(PLAIN_TRANSFER_GAS))
    assert received(session, 5) == [1] * 5


def fails(rows: object) -> None:
    raise OSError("the disk is full")


def test_a_chain_that_went_back_gets_the_same_bytes_again(sandbox: Sandbox, store: Store) -> None:
    session = sandbox.session()
    mark = session.rpc.call("evm_snapshot")
    pay(ledger(session, store), 5)
    assert session.rpc.call("evm_revert", mark) is True
    assert received(session, 5) == [0] * 5
    hashes = {row.hash for row in store.transactions()}
    pay(ledger(session, store), 5)
    assert received(session, 5) == [1] * 5
    assert {row.hash for row in store.transactions()} == hashes


def test_a_reverted_transaction_is_a_failure_with_its_reason_and_may_be_tried_again(
    sandbox: Sandbox, store: Store
) -> None:
    session = sandbox.session()
    assert session.contracts.faucet

    give = [Intent(0, session.contracts.faucet.address, pack(GIVE_TO, payee(0)))]
    with ledger(session, store) as open_ledger:
        (outcome,) = open_ledger.send("faucet", give, limit(250_000))
        assert not outcome.ok
        assert outcome.detail is not None
        assert "ERR_ACCOUNT_NOT_IN_INDEX" in outcome.detail
        open_ledger.send("faucet", give, limit(250_000))
    assert store.transaction_counts() == {"faucet": {"failed": 2}}


def test_a_chain_that_stands_still_is_given_up_with_what_was_seen_last(sandbox: Sandbox, store: Store) -> None:
    session = sandbox.session()

    class Swallowing(Rpc):
        def results(self, calls: Sequence[Call]) -> list[Any | RpcError]:
            if calls[0][0] == "eth_sendRawTransaction":
                return [Transaction(from_hex(raw)).hash for _, (raw,) in calls]  # and nothing behind them
            return super().results(calls)

    still = ledger(session, store, rpc=Swallowing(session.rpc.url), patience=0.5)
    with pytest.raises(UnavailableError, match=r"no transaction was mined on .* the newest block read is"), still:
        still.send("gas", intents(2), limit(PLAIN_TRANSFER_GAS))
    assert store.transaction_counts() == {"gas": {"broadcast": 2}}
    pay(ledger(session, store), 2)
    assert received(session, 2) == [1, 1]


def test_what_a_node_accepted_and_lost_is_sent_again(sandbox: Sandbox, store: Store) -> None:
    """anvil answers with a hash and forgets; only the same bytes may follow."""
    session = sandbox.session()
    sent: list[str] = []

    class Forgetful(Rpc):
        def results(self, calls: Sequence[Call]) -> list[Any | RpcError]:
            if calls[0][0] == "eth_sendRawTransaction":
                fresh = not sent
                sent.extend(call[1][0] for call in calls)
                if fresh:
                    return ["0x"] * len(calls)
            return super().results(calls)

    pay(ledger(session, store, rpc=Forgetful(session.rpc.url), resend_after=0.1), 3)
    assert received(session, 3) == [1] * 3
    assert len(sent) >= 6
    assert len(set(sent)) == 3


def test_a_signer_without_money_is_said_at_once(session: ChainSession, store: Store) -> None:
    huge = [Intent(0, payee(0), value=10**30)]
    endless = ledger(session, store, patience=float("inf"))
    with pytest.raises(StepFailedError, match=r"(?i)will not accept gas of person 0: insufficient funds"), endless:
        endless.send("gas", huge, limit(PLAIN_TRANSFER_GAS))


def test_nothing_has_ended_before_the_block_is_deep_enough(session: ChainSession, store: Store) -> None:
    """Whatever is looked at: blocks, receipts, and what a node says of a transaction that is sent again."""
    impatient = ledger(session, store, patience=1, confirmations=3, resend_after=0.1)
    with pytest.raises(UnavailableError, match="no transaction was mined"), impatient:
        impatient.send("gas", intents(2), limit(PLAIN_TRANSFER_GAS))
    assert received(session, 2) == [1, 1]
    for _ in range(2):
        session.rpc.call("evm_mine")
        with ledger(session, store, confirmations=3):
            assert store.transaction_counts() == {"gas": {"broadcast": 2}}
    session.rpc.call("evm_mine")
    pay(ledger(session, store, confirmations=3), 2)
    assert store.transaction_counts() == {"gas": {"mined": 2}}
    assert received(session, 2) == [1, 1]


def test_a_transaction_is_written_down_before_anybody_may_send_it() -> None:
    """Killed between the two, the run knows of a transaction that nobody has sent, which it sends as it is."""
    order: list[str] = []
    nothing: Any = None
    store: Any = SimpleNamespace(
        await_check=lambda people: None,
        live_transactions=lambda purpose, people: {},
        failed_transactions=lambda purpose, people: [],
        add_transactions=lambda rows: order.append(f"{len(rows)} written"),
    )
    broadcaster: Any = SimpleNamespace(
        fees=nothing,
        follower=nothing,
        expect=lambda rows, ended: nothing,
        submit=lambda rows: order.append(f"{len(rows)} submitted"),
    )
    intents = [Intent(person, b"\x01" * 20) for person in range(2)]
    Ledger(store, nothing, SIGNER, broadcaster, 1).begin("gift", intents, lambda intent: 21_000)
    assert order == ["2 written", "2 submitted"]


def test_transactions_have_the_fees_of_eip_1559_where_blocks_have_a_base_fee(
    session: ChainSession, store: Store
) -> None:
    """Both nodes mine them, pay the price that their receipts tell, and give the signed bytes back."""
    follower = Follower(session.rpc, session.contracts.addresses)
    broadcaster = Broadcaster(store, session.rpc, follower, window=session.block_gas_limit)
    assert isinstance(session.price, DynamicFee)
    with Ledger(store, session.rpc, session.signer, broadcaster, session.price) as own:
        own.send("gas", intents(3), limit(21_000))
    for row in store.transactions():
        fields, receipt = session.rpc.calls(
            [("eth_getTransactionByHash", [to_hex(row.hash)]), ("eth_getTransactionReceipt", [to_hex(row.hash)])]
        )
        assert receipt["type"] == fields["type"] == "0x2"
        assert ChainTransaction.of(fields, int(receipt["blockNumber"], 16)).raw == row.raw
        assert fees_of(row.raw) == session.price
        assert int(receipt["effectiveGasPrice"], 16) <= session.gas_price
    assert received(session, 3) == [1] * 3
