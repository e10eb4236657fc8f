"""The engine's own accounts: the writer of the accounts index, and the account that sends gas. Made at the first start."""

from cicscenario.chain.abi import pack, selector, to_hex
from cicscenario.chain.contracts import ADD, eth_call
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.chain.signer import Signer
from cicscenario.keccak import keccak
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.database import GIFTER, WRITER, add_otx, allocate_nonce
from cicscenario.sandbox.custodial.signing import GAS_PRICE, TransactionSigner
from cicscenario.sandbox.receipts import wait_for_receipts

_ADD_WRITER = selector("addWriter(address)")
_UNREGISTERED = keccak(b"registered by nobody")[12:]  # an address for a trial call of add()
_FUNDS = 10**18  # wei, enough for 4 * 10**9 gifts of gas
_ENOUGH = _FUNDS // 2
_GAS = 100_000
_TRANSFER_GAS = 21_000


def ensure_roles(context: EngineContext) -> None:
    """Creates the keys, the right to write and the funds that are missing. May be interrupted: it asks the chain first.

    Raises UnavailableError when a transaction of the owner is not mined, or fails.
    """
    roles = context.database.roles()
    for tag in (GIFTER, WRITER):
        if tag not in roles:
            roles[tag] = context.vault.create(f"role:{tag}")
            context.database.set_role(tag, roles[tag])
    writer, gifter = bytes.fromhex(roles[WRITER]), bytes.fromhex(roles[GIFTER])
    index = context.contracts.accounts_index
    may_write, *balances = context.rpc.results(
        [eth_call(index, pack(ADD, _UNREGISTERED), writer)]
        + [("eth_getBalance", [to_hex(account), "latest"]) for account in (writer, gifter)]
    )
    if isinstance(may_write, RpcError) and not may_write.is_revert:
        raise may_write
    wanted = [(index, 0, pack(_ADD_WRITER, writer))] if isinstance(may_write, RpcError) else []
    for account, balance in zip((writer, gifter), balances, strict=True):
        if int(str(balance), 16) < _ENOUGH:
            wanted.append((account, _FUNDS, b""))
    owner = Signer(context.settings.owner_key, context.settings.chain_spec.network_id)
    if wanted:
        _send(context.rpc, owner, wanted)
    if context.settings.faults.gifter_balance is not None:
        _leave(context, roles[GIFTER], owner.address, context.settings.faults.gifter_balance)


def _leave(context: EngineContext, gifter: str, owner: bytes, left: int) -> None:
    """Sends all gas of the gas gifter but ``left`` wei to the owner, with a nonce that is the gifter's next."""
    surplus = int(context.rpc.call("eth_getBalance", f"0x{gifter}", "latest"), 16) - left - _TRANSFER_GAS * GAS_PRICE
    if surplus <= 0:
        return
    with context.database.transaction() as cursor:
        nonce = allocate_nonce(cursor, gifter)
        signed = TransactionSigner(context).sign(gifter, nonce, owner, value=surplus, gas=_TRANSFER_GAS)
        add_otx(cursor, "custom", owner.hex(), gifter, signed, nonce)
    sent = context.rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
    context.database.mark_ready(signed.hash.hex())
    wait_for_receipts(context.rpc, {sent: "the transfer that leaves the gas gifter with what the fault switch says"})


def _send(rpc: Rpc, owner: Signer, wanted: list[tuple[bytes, int, bytes]]) -> None:
    price, nonce = rpc.calls([("eth_gasPrice", []), ("eth_getTransactionCount", [to_hex(owner.address), "pending"])])
    signed = [
        owner.sign(nonce=int(nonce, 16) + n, gas_price=int(price, 16), gas=_GAS, to=to, value=value, data=data)
        for n, (to, value, data) in enumerate(wanted)
    ]
    sent = rpc.calls([("eth_sendRawTransaction", [to_hex(transaction.raw)]) for transaction in signed])
    wait_for_receipts(rpc, dict.fromkeys(sent, "a transaction that sets up the custodial engine's roles"))
