"""What the follower reads of blocks, logs and receipts, on a chain in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.errors import UnavailableError
from cicscenario.state.rows import LedgerRow
from tests.support.memory_chain import MEMORY_TOKEN, SIGNER, FakeRpc, MemoryChain, Transaction

WHO = b"\xaa" * 20


def gift(nonce: int, gas: int = 60_000) -> LedgerRow:
    return _row(nonce, MEMORY_TOKEN, pack(TRANSFER, WHO, 5), gas)


def value(nonce: int) -> LedgerRow:
    return _row(nonce, WHO, b"", PLAIN_TRANSFER_GAS)


def _row(nonce: int, to: bytes, data: bytes, gas: int) -> LedgerRow:
    signed = SIGNER.sign(nonce=nonce, gas_price=1, gas=gas, to=to, value=0, data=data)
    return LedgerRow("purpose", nonce, SIGNER.address, nonce, signed.hash, signed.raw, gas, "broadcast")


def watched(*rows: LedgerRow) -> dict[bytes, LedgerRow]:
    return {row.hash: row for row in rows}


@pytest.fixture
def chain() -> MemoryChain:
    return MemoryChain()


@pytest.fixture
def rpc(chain: MemoryChain) -> FakeRpc:
    return FakeRpc(chain)


def mined(chain: MemoryChain, *rows: LedgerRow) -> None:
    for row in rows:
        assert chain.take(Transaction(row.raw)) is None
    chain.mine()


def methods(rpc: FakeRpc) -> list[str]:
    return [method for calls in rpc.requests for method, _ in calls]


def test_nothing_new_is_one_question(rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    rpc.requests.clear()
    assert follower.ends({}) == []
    assert methods(rpc) == ["eth_blockNumber"]


def test_a_block_and_its_logs_settle_gifts_and_values_without_receipts(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    rows = [gift(0), value(1), gift(2)]
    mined(chain, *rows)
    ends = follower.ends(watched(*rows))
    assert [(end.row, end.ok, end.block) for end in ends] == [(row, True, 1) for row in rows]
    assert "eth_getTransactionReceipt" not in methods(rpc)
    assert len(rpc.requests) == 3  # at its making; the newest block; the blocks and logs, in one request
    assert follower.block == 1


def test_what_is_not_watched_is_nobodys(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, gift(0))
    assert follower.ends({}) == []


@pytest.mark.parametrize(
    ("token", "said"), [("reverts", "reverted: execution reverted"), ("answers false", "no transfer")]
)
def test_without_a_log_the_receipt_tells(chain: MemoryChain, rpc: FakeRpc, token: str, said: str) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    chain.token = token
    mined(chain, gift(0))
    (end,) = follower.ends(watched(gift(0)))
    assert not end.ok
    assert end.block == 1
    assert said in (end.detail or "")


def test_logs_that_were_not_asked_for_are_found_in_the_receipt(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [])
    mined(chain, gift(0))
    (end,) = follower.ends(watched(gift(0)))
    assert end.ok
    assert "eth_getTransactionReceipt" in methods(rpc)


def test_reasons_of_many_are_asked_in_one_request(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    chain.token = "reverts"
    rows = [gift(n) for n in range(10)]
    mined(chain, *rows)
    assert len(follower.ends(watched(*rows))) == 10
    assert len(rpc.requests) == 5  # making, newest, blocks, receipts, reasons


def test_many_blocks_are_read_in_parts(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    rows = [value(n) for n in range(45)]
    for row in rows:
        mined(chain, row)
    found = [follower.ends(watched(*rows)) for _ in range(4)]
    assert [len(ends) for ends in found] == [20, 20, 5, 0]
    assert [end.row for ends in found for end in ends] == rows


def test_what_could_not_be_read_is_read_the_next_time(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, gift(0))

    def fail(calls: Any) -> None:
        if calls[0][0] == "eth_getBlockByNumber":
            raise UnavailableError("away")

    rpc.before = fail
    with pytest.raises(UnavailableError):
        follower.ends(watched(gift(0)))
    rpc.before = lambda calls: None
    assert [end.ok for end in follower.ends(watched(gift(0)))] == [True]


@pytest.mark.parametrize("confirmations", [0, 1, 3])
def test_nothing_ends_before_enough_blocks_are_on_top(confirmations: int) -> None:
    chain = MemoryChain()
    follower = Follower(FakeRpc(chain), [MEMORY_TOKEN], confirmations)
    mined(chain, gift(0))
    for _ in range(confirmations):
        assert follower.ends(watched(gift(0))) == []
        assert follower.receipts([gift(0)]) == []
        chain.mine()
    assert [end.block for end in follower.receipts([gift(0)])] == [1]
    assert [end.block for end in follower.ends(watched(gift(0)))] == [1]


def test_logs_of_a_block_that_was_replaced_prove_nothing(chain: MemoryChain, rpc: FakeRpc) -> None:
    """Behind one address a second node may still tell of the old block."""
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, gift(0))
    old = chain.blocks[-1].receipts[next(iter(chain.blocks[-1].receipts))]["logs"]
    chain.set_back(1, waiting_again=True)
    chain.token = "reverts"
    chain.mine()
    rpc._eth_getLogs = lambda query: old  # type: ignore[method-assign]
    (end,) = follower.ends(watched(gift(0)))
    assert not end.ok


@pytest.mark.parametrize(
    "break_it",
    [
        lambda rpc: setattr(rpc, "_eth_getBlockByNumber", lambda number, full: None),
        lambda rpc: setattr(rpc, "_eth_getBlockByNumber", lambda number, full: {"number": number}),
        lambda rpc: setattr(rpc, "_eth_getLogs", lambda query: None),
        lambda rpc: setattr(rpc, "_eth_blockNumber", lambda: None),
        lambda rpc: setattr(rpc, "_eth_blockNumber", lambda: "soon"),
    ],
)
def test_an_answer_of_another_form_is_said(
    chain: MemoryChain, rpc: FakeRpc, break_it: Callable[[FakeRpc], None]
) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, gift(0))
    break_it(rpc)
    with pytest.raises(UnavailableError, match=r"http://fake.example (gave an answer that is not of|has no block 1)"):
        follower.ends(watched(gift(0)))
    assert follower.block == 0


# --- nonces that others have used ----------------------------------------------------------------------------------


def test_a_nonce_is_taken_when_it_is_used_and_the_transaction_is_unknown(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, value(0), gift(1))
    waits = gift(2)
    chain.take(Transaction(waits.raw))
    assert follower.taken([gift(0), gift(1), waits, gift(3)]) == [gift(0)]
    assert follower.taken([]) == []


def test_nonce_and_transactions_are_asked_together(chain: MemoryChain, rpc: FakeRpc) -> None:
    """Asked one after the other, a node that is ahead and one that lags would together prove what is not so."""
    follower = Follower(rpc, [MEMORY_TOKEN])
    rpc.requests.clear()
    rpc.batch = 4
    follower.taken([gift(n) for n in range(7)])
    assert [[method for method, _ in calls] for calls in rpc.requests] == [
        ["eth_getTransactionCount", *["eth_getTransactionByHash"] * number] for number in (3, 3, 1)
    ]


def test_a_node_that_keeps_no_old_state_proves_nothing(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN], confirmations=1)
    mined(chain, value(0))
    rpc._eth_getTransactionCount = lambda address, block: ValueError({"code": -32000})  # type: ignore[method-assign]
    assert follower.taken([gift(0)]) == []
