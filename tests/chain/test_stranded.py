"""What anvil sorted as waiting for a nonce that is used already: it says that it knows it, and never mines it."""

from collections.abc import Callable
from pathlib import Path

from cicscenario.chain.abi import to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.chain.signer import Signer
from cicscenario.sandbox import nodes
from cicscenario.state.rows import LedgerRow
from cicscenario.state.store import Store
from tests.support.sandboxes import Sandbox, needs_anvil


@needs_anvil
def test_it_is_mined_in_the_end(sandbox_of: Callable[..., Sandbox], tmp_path: Path) -> None:
    box = sandbox_of("anvil")
    rpc = box.session().rpc
    signer = Signer(bytes.fromhex((box.home / "sandbox" / "signer.key").read_text()), nodes.CHAIN_ID)
    address = to_hex(signer.address)
    first = int(rpc.call("eth_getTransactionCount", address, "latest"), 16) + 1
    rows = []
    for nonce in range(first, first + 5):
        signed = signer.sign(
            nonce=nonce, gas_price=2 * 10**9, gas=PLAIN_TRANSFER_GAS, to=b"\xaa" * 20, value=1, data=b""
        )
        rows.append(
            LedgerRow("gas", nonce, signer.address, nonce, signed.hash, signed.raw, PLAIN_TRANSFER_GAS, "broadcast")
        )
    rpc.calls([("eth_sendRawTransaction", [to_hex(row.raw)]) for row in rows])
    rpc.call("anvil_setNonce", address, hex(first))  # the nonce before is used, and the pool does not learn of it
    rpc.call("evm_mine")
    assert int(rpc.call("eth_getTransactionCount", address, "pending"), 16) == first, "none of them is mined by itself"

    store = Store(tmp_path / "state.sqlite")
    store.add_transactions(rows)
    sender = Broadcaster(store, rpc, Follower(rpc, []), window=30_000_000, resend_after=0.3, patience=20)
    sender.start(signer.address, lambda block: None)
    try:
        sender.finish()
        assert store.transaction_counts() == {"gas": {"mined": 5}}
    finally:
        sender.stop()
        store.close()
    assert int(rpc.call("eth_getBalance", "0x" + "aa" * 20, "latest"), 16) == 5
