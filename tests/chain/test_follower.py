"""What the follower reads of blocks, logs and receipts, on a chain in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.chain.rpc import RpcError
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
    assert len(rpc.requests) == 4  # two at its making; the newest block; the blocks and logs, in one request
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
    assert len(rpc.requests) == 6  # making (two), newest, blocks, receipts, reasons


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


# --- what nodes give instead of logs and receipts -------------------------------------------------------------------


def settled_by(chain: MemoryChain, rpc: FakeRpc, number: int = 45, token: str = "pays") -> tuple[list[bool], Follower]:
    """Whether each of some gifts, one in a block, ended well, once all blocks were read."""
    chain.token = token
    follower = Follower(rpc, [MEMORY_TOKEN])
    rows = [gift(n) for n in range(number)]
    for row in rows:
        mined(chain, row)
    ends = [end for _ in range(5) for end in follower.ends(watched(*rows))]
    assert sorted(end.row.nonce for end in ends) == list(range(number))
    return [end.ok for end in ends], follower


def limited(rpc: FakeRpc, most: int, error: Any) -> None:
    """Logs of at most so many blocks are given."""
    right = rpc._eth_getLogs

    def answer(query: dict[str, Any]) -> Any:
        blocks = int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1
        return right(query) if blocks <= most else ValueError(error)

    rpc._eth_getLogs = answer  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32600, "message": "You can make eth_getLogs requests with up to a 10 block range."},
        {"code": -32005, "message": "query returned more than 10000 results"},
        {"code": -32602, "message": "query exceeds max block range 10"},
        {"code": -32000, "message": "exceed maximum block range: 10"},
        {"code": -32000, "message": "query timeout exceeded"},
        {"code": -32000, "message": "Log response size exceeded."},
        {"code": -32005, "message": "please limit the query to at most 10 blocks"},
    ],
    ids=lambda error: error["message"],
)
@pytest.mark.parametrize("most", [10, 3, 1])
def test_logs_of_fewer_blocks_are_asked_for_where_a_node_gives_fewer(
    chain: MemoryChain, rpc: FakeRpc, most: int, error: dict[str, Any]
) -> None:
    limited(rpc, most, error)
    oks, _ = settled_by(chain, rpc)
    assert oks == [True] * 45
    assert "eth_getTransactionReceipt" not in methods(rpc)
    refused = [calls for calls in rpc.requests if len(calls) == 1 and calls[0][0] == "eth_getLogs"]
    assert len(refused) <= 1  # found out once, and remembered


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32601, "message": "the method eth_getLogs does not exist/is not available"},
        {"code": -32000, "message": "getLogs is disabled"},
    ],
)
@pytest.mark.parametrize("token", ["pays", "reverts", "answers false"])
def test_without_logs_receipts_prove_the_same(
    chain: MemoryChain, rpc: FakeRpc, token: str, error: dict[str, Any]
) -> None:
    limited(rpc, 0, error)
    oks, _ = settled_by(chain, rpc, token=token)
    assert oks == [token == "pays"] * 45
    assert sum(("eth_getLogs" in dict(calls)) for calls in rpc.requests) <= 6  # then it is not asked for any more


@pytest.mark.parametrize("answer", [None, "0x", {}, [None], [1]])
@pytest.mark.parametrize("token", ["pays", "reverts"])
def test_logs_of_another_form_prove_nothing(chain: MemoryChain, rpc: FakeRpc, token: str, answer: Any) -> None:
    rpc._eth_getLogs = lambda query: answer  # type: ignore[method-assign]
    assert settled_by(chain, rpc, token=token)[0] == [token == "pays"] * 45


def test_a_limit_on_the_rate_is_not_one_on_the_blocks(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, gift(0))
    right = rpc._eth_getLogs
    rpc._eth_getLogs = lambda query: ValueError({"code": -32005, "message": "rate limit"})  # type: ignore[method-assign]
    with pytest.raises(RpcError):
        follower.ends(watched(gift(0)))
    rpc._eth_getLogs = right  # type: ignore[method-assign]
    assert [end.ok for end in follower.ends(watched(gift(0)))] == [True]


def changed_receipts(rpc: FakeRpc, change: Callable[[Any], Any]) -> None:
    right = rpc._eth_getTransactionReceipt
    rpc._eth_getTransactionReceipt = (  # type: ignore[method-assign]
        lambda digest: None if (found := right(digest)) is None else change(dict(found))
    )


@pytest.mark.parametrize(("token", "ok"), [("pays", True), ("reverts", False), ("answers false", False)])
def test_a_receipt_without_status_is_judged_by_its_logs(chain: MemoryChain, rpc: FakeRpc, token: str, ok: bool) -> None:
    """Chains before Byzantium: the receipt has the root of the state instead."""

    def older(receipt: dict[str, Any]) -> dict[str, Any]:
        del receipt["status"]
        return receipt | {"root": "0x" + "11" * 32}

    limited(rpc, 0, {"code": -32601, "message": "no logs"})
    changed_receipts(rpc, older)
    assert settled_by(chain, rpc, 3, token)[0] == [ok] * 3


def test_a_receipt_that_has_neither_status_nor_root_says_nothing(chain: MemoryChain, rpc: FakeRpc) -> None:
    limited(rpc, 0, {"code": -32601, "message": "no logs"})
    changed_receipts(rpc, lambda receipt: {"blockNumber": receipt["blockNumber"], "logs": []})
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, gift(0))
    with pytest.raises(UnavailableError, match="not of the Ethereum protocol"):
        follower.ends(watched(gift(0)))


@pytest.mark.parametrize(
    "change", [lambda receipt: None, lambda receipt: receipt | {"blockNumber": None}], ids=["null", "pending"]
)
def test_a_receipt_that_comes_later_is_waited_for(
    chain: MemoryChain, rpc: FakeRpc, change: Callable[[Any], Any]
) -> None:
    limited(rpc, 0, {"code": -32601, "message": "no logs"})
    right = rpc._eth_getTransactionReceipt
    changed_receipts(rpc, change)
    follower = Follower(rpc, [MEMORY_TOKEN])
    mined(chain, gift(0))
    assert follower.ends(watched(gift(0))) == []
    assert follower.ends(watched(gift(0))) == []
    rpc._eth_getTransactionReceipt = right  # type: ignore[method-assign]
    assert [end.ok for end in follower.ends(watched(gift(0)))] == [True]
    assert follower.ends({}) == []
    rpc.requests.clear()
    follower.ends({})
    assert methods(rpc) == ["eth_blockNumber"]  # and not asked for any more


def test_blocks_are_read_as_far_as_a_node_has_them(chain: MemoryChain, rpc: FakeRpc) -> None:
    follower = Follower(rpc, [MEMORY_TOKEN])
    rows = [gift(n) for n in range(10)]
    for row in rows:
        mined(chain, row)
    right = rpc._eth_getBlockByNumber
    rpc._eth_getBlockByNumber = (  # type: ignore[method-assign]
        lambda number, full: None if int(number, 16) in (4, 7) else right(number, full)
    )
    assert [end.row.nonce for end in follower.ends(watched(*rows))] == [0, 1, 2]
    with pytest.raises(UnavailableError, match="has no block 4") as raised:
        follower.ends(watched(*rows))
    assert "lags behind" in (raised.value.hint or "")
    rpc._eth_getBlockByNumber = right  # type: ignore[method-assign]
    assert [end.row.nonce for end in follower.ends(watched(*rows))] == list(range(3, 10))


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
