"""The engine's own accounts: the writer of the accounts index and the giver of gas, made at its first start."""

import time

from eth_hash.auto import keccak

from cicscenario.chain.abi import pack, selector, to_hex
from cicscenario.chain.contracts import ADD, eth_call
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.chain.signer import Signer
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.custodial.ledger import GIFTER, WRITER
from cicscenario.sandbox.custodial.room import EngineContext

_ADD_WRITER = selector("addWriter(address)")
_STRANGER = keccak(b"registered by nobody")[12:]
_FUNDS = 10**18  # wei: gas for four thousand million gifts
_ENOUGH = _FUNDS // 2
_GAS = 100_000
_PATIENCE = 60.0  # seconds


def have_roles(room: EngineContext) -> None:
    """Makes what is missing: keys, the right to write, funds. Asks the chain what is there, so it can be cut off anywhere.

    Raises UnavailableError when a transaction of the owner's is not mined, or fails.
    """
    held = room.ledger.roles()
    for tag in (GIFTER, WRITER):
        if tag not in held:
            held[tag] = room.vault.create(f"role:{tag}")
            room.ledger.set_role(tag, held[tag])
    writer, gifter = bytes.fromhex(held[WRITER]), bytes.fromhex(held[GIFTER])
    index = room.contracts.accounts_index
    may_write, *balances = room.rpc.results(
        [eth_call(index, pack(ADD, _STRANGER), writer)]
        + [("eth_getBalance", [to_hex(account), "latest"]) for account in (writer, gifter)]
    )
    wanted = [(index, 0, pack(_ADD_WRITER, writer))] if isinstance(may_write, RpcError) else []
    for account, balance in zip((writer, gifter), balances, strict=True):
        if int(str(balance), 16) < _ENOUGH:
            wanted.append((account, _FUNDS, b""))
    if wanted:
        _send(room.rpc, Signer(room.settings.owner_key, room.settings.chain_spec.network_id), wanted)


def _send(rpc: Rpc, owner: Signer, wanted: list[tuple[bytes, int, bytes]]) -> None:
    price, nonce = rpc.calls([("eth_gasPrice", []), ("eth_getTransactionCount", [to_hex(owner.address), "pending"])])
    signed = [
        owner.sign(nonce=int(nonce, 16) + n, gas_price=int(price, 16), gas=_GAS, to=to, value=value, data=data)
        for n, (to, value, data) in enumerate(wanted)
    ]
    sent = rpc.calls([("eth_sendRawTransaction", [to_hex(transaction.raw)]) for transaction in signed])
    deadline = time.monotonic() + _PATIENCE
    while None in (receipts := rpc.calls([("eth_getTransactionReceipt", [each]) for each in sent])):
        if time.monotonic() > deadline:
            raise UnavailableError(f"{rpc.url} does not mine the transactions that set up the custodial engine's roles")
        time.sleep(0.05)
    if any(int(receipt["status"], 16) != 1 for receipt in receipts):
        raise UnavailableError(f"{rpc.url}: setting up the custodial engine's roles failed: {sent}")
