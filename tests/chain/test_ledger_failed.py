"""Transactions that failed: a chain that goes back may carry them out after all, and nobody is paid twice for that."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import GIVE_TO, TRANSFER
from cicscenario.chain.follower import Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.rpc import Call, Rpc, RpcError
from cicscenario.chain.session import ChainSession
from cicscenario.chain.signer import Signer
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from tests.support.paying_ledger import AMOUNT, balance, ledger, limit, payee, sent, state_of_fifty
from tests.support.sandboxes import Sandbox
from tests.support.waiting import eventually


class PowerCutError(Exception):
    """The process dies here."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with state_of_fifty(tmp_path) as store:
        yield store


def test_what_failed_and_was_carried_out_after_all_is_not_sent_again(sandbox: Sandbox, store: Store) -> None:
    """The chain goes back to before a gift that had reverted, and then mines the same bytes with another result."""
    session = sandbox.session()
    token, friend = session.contracts.token.address, Signer(b"\x22" * 32, session.chain_id)
    has = balance(session, session.signer.address)
    sent(session, session.signer, friend.address, value=10**18)
    sent(session, session.signer, token, pack(TRANSFER, friend.address, has))
    mark = session.rpc.call("evm_snapshot")
    gift = [Intent(0, token, pack(TRANSFER, payee(0), AMOUNT))]
    with ledger(session, store) as open_ledger:
        (outcome,) = open_ledger.send("gift", gift, limit(100_000))
    assert not outcome.ok
    (failed,) = store.transactions()
    session.rpc.call("evm_revert", mark)
    sent(session, friend, token, pack(TRANSFER, session.signer.address, has))
    session.rpc.call("eth_sendRawTransaction", to_hex(failed.raw))
    eventually(lambda: session.rpc.call("eth_getTransactionReceipt", to_hex(failed.hash)))
    for _ in range(2):
        with ledger(session, store) as resumed:
            (outcome,) = resumed.send("gift", gift, limit(100_000))
        assert outcome.ok
        assert store.transaction_counts() == {"gift": {"mined": 1}}
        assert balance(session, payee(0)) == AMOUNT


def test_what_failed_and_was_forgotten_waits_for_the_chain(sandbox: Sandbox, store: Store) -> None:
    session = sandbox.session()
    assert session.contracts.faucet
    give = [Intent(0, session.contracts.faucet.address, pack(GIVE_TO, payee(0)))]
    mark = session.rpc.call("evm_snapshot")
    with ledger(session, store, patience=1) as open_ledger:
        open_ledger.send("faucet", give, limit(250_000))
        session.rpc.call("evm_revert", mark)
        with pytest.raises(UnavailableError, match="does not know transaction 0x"):
            open_ledger.send("faucet", give, limit(250_000))
    assert store.transaction_counts() == {"faucet": {"failed": 1}}


def a_failed_gift_that_was_replaced(session: ChainSession, store: Store) -> Callable[[], None]:
    """The first transaction of a gift fails, the second is carried out. The answer sets the chain back to before both, and
    makes both possible.
    """
    token, friend = session.contracts.token.address, Signer(b"\x22" * 32, session.chain_id)
    has = balance(session, session.signer.address)
    sent(session, session.signer, friend.address, value=10**18)
    sent(session, session.signer, token, pack(TRANSFER, friend.address, has))
    mark = session.rpc.call("evm_snapshot")
    assert not pay_gift(ledger(session, store), token).ok
    sent(session, friend, token, pack(TRANSFER, session.signer.address, has))
    assert pay_gift(ledger(session, store), token).ok

    def set_back() -> None:
        assert session.rpc.call("evm_revert", mark) is True
        sent(session, friend, token, pack(TRANSFER, session.signer.address, has))

    return set_back


def pay_gift(one: Ledger, token: bytes) -> Outcome:
    with one:
        (outcome,) = one.send("gift", [Intent(0, token, pack(TRANSFER, payee(0), AMOUNT))], limit(100_000))
    return outcome


def test_a_failed_transaction_that_another_followed_is_never_sent_again(sandbox: Sandbox, store: Store) -> None:
    """The chain went back to before both, and both could be carried out now: its nonce is used up by one that does nothing."""
    session = sandbox.session()
    token = session.contracts.token.address
    set_back = a_failed_gift_that_was_replaced(session, store)
    failed, paid = store.transactions()
    set_back()
    assert pay_gift(ledger(session, store, lag=0.2), token).ok
    assert store.transaction_counts() == {"gift": {"failed": 1, "mined": 1}, "void": {"mined": 1}}
    assert store.live_transactions("gift", [0])[0].hash == paid.hash
    (void,) = store.live_transactions("void", [failed.nonce]).values()
    assert void.nonce == failed.nonce
    assert balance(session, payee(0)) == AMOUNT
    assert session.rpc.call("eth_getTransactionReceipt", to_hex(failed.hash)) is None
    assert pay_gift(ledger(session, store), token).ok
    assert balance(session, payee(0)) == AMOUNT


def test_a_node_that_lags_is_waited_for(sandbox: Sandbox, store: Store) -> None:
    """It looks like a chain that was set back, until it has caught up."""
    session = sandbox.session()
    a_failed_gift_that_was_replaced(session, store)
    seconds = iter(range(0, 1000, 10))
    lagging = Lagging(session.rpc.url, count=next(store.transactions()).nonce, times=2)
    with Ledger(
        store,
        lagging,
        session.signer,
        Broadcaster(store, session.rpc, Follower(session.rpc, session.contracts.addresses), window=10**9),
        session.gas_price,
        lag=60,
        clock=lambda: next(seconds),
    ):
        assert lagging.times == 0
    assert store.transaction_counts() == {"gift": {"failed": 1, "mined": 1}}


class Lagging(Rpc):
    """Counts ``count`` transactions of the signer for as many ``times`` as it is asked, and then what there are."""

    def __init__(self, url: str, count: int, times: int) -> None:
        super().__init__(url)
        self.times = times
        self._count = count

    def results(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        answers = super().results(calls)
        if calls[0][0] == "eth_getTransactionCount" and self.times:
            self.times -= 1
            answers[:2] = [hex(self._count)] * 2
        return answers


def test_waiting_for_a_node_that_lags_ends_at_a_stop(sandbox: Sandbox, store: Store) -> None:
    session = sandbox.session()
    a_failed_gift_that_was_replaced(session, store)()
    stopping = threading.Event()
    broadcaster = Broadcaster(store, session.rpc, Follower(session.rpc, ()), window=10**9)
    threading.Timer(0.3, stopping.set).start()
    began = time.monotonic()
    with (
        pytest.raises(InterruptedRunError),
        Ledger(store, session.rpc, session.signer, broadcaster, session.gas_price, stopping=stopping),
    ):
        pass
    assert time.monotonic() - began < 1.5


def test_what_failed_and_was_not_replaced_is_sent_again_as_it_was(sandbox: Sandbox, store: Store) -> None:
    session = sandbox.session()
    assert session.contracts.faucet
    give = [Intent(0, session.contracts.faucet.address, pack(GIVE_TO, payee(0)))]
    mark = session.rpc.call("evm_snapshot")
    with ledger(session, store) as open_ledger:
        open_ledger.send("faucet", give, limit(250_000))
    (before,) = store.transactions()
    session.rpc.call("evm_revert", mark)
    with ledger(session, store) as open_ledger:
        (outcome,) = open_ledger.send("faucet", give, limit(250_000))
    assert not outcome.ok
    (after,) = store.transactions()
    assert after.raw == before.raw
