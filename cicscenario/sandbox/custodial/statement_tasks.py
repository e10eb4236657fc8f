"""Tasks about an account's transactions, with cic-eth's names. cic-ussd asks for them at each start menu.

Only transactions that the engine has made are listed. Those that move no tokens have the zero address as their token, as with
cic-eth, which counts a faucet's payout among them.
"""

from typing import Any

import rlp
from celery import Celery

from cicscenario.chain.contracts import TRANSFER
from cicscenario.sandbox.custodial.context import EngineContext, checksummed
from cicscenario.sandbox.custodial.database import Otx
from cicscenario.sandbox.custodial.tasks import Spec, check_chain, normal

_STATUS = {
    "pending": ("PENDING", 0),
    "waitforgas": ("WAITFORGAS", 8),
    "ready": ("READYSEND", 2),
    "sent": ("SENT", 64),
    "final": ("SUCCESS", 4160),
    "failed": ("REVERTED", 4161),
}


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    context: EngineContext = app.engine_context

    @app.task(name="cic_eth.queue.query.get_account_tx")  # type: ignore[untyped-decorator]
    def get_account_tx(spec: Spec, address: str, **_: Any) -> dict[str, str]:
        return context.database.signed_of(normal(address))

    @app.task(name="cic_eth.ext.tx.tx_collate")  # type: ignore[untyped-decorator]
    def tx_collate(transactions: dict[str, str], spec: Spec, offset: int, limit: int, **_: Any) -> list[dict[str, Any]]:
        """The newest first; as with cic-eth, neither ``offset`` nor ``limit`` leaves any out."""
        if not transactions:
            return []
        check_chain(context, spec)
        rows = context.database.dated(list(transactions))
        newest = sorted(rows, key=lambda row: f"{row[2]}.{row[0].sender}.{row[0].nonce}", reverse=True)
        return [_described(context, *row) for row in newest]


def _described(context: EngineContext, otx: Otx, status: str, made: int) -> dict[str, Any]:
    words, code = _STATUS[status]
    found: dict[str, Any] = {
        "tx_hash": otx.tx_hash, "hash": otx.tx_hash, "signed_tx": otx.signed_tx, "nonce": otx.nonce, "status": words,
        "status_code": code, "sender": otx.sender, "recipient": otx.account, "timestamp": made,
    }  # fmt: skip
    token, value = _moved(otx)
    default = context.contracts.token
    for side, amount in (("source", "from_value"), ("destination", "to_value")):
        found[f"{side}_token"] = checksummed(token) if any(token) else f"0x{token.hex()}"
        found[amount] = value
        if token == default.address:
            found[f"{side}_token_symbol"], found[f"{side}_token_decimals"] = default.symbol, default.decimals
    return found


def _moved(otx: Otx) -> tuple[bytes, int]:
    """The token that a transaction moves, and how much; zeros for none."""
    if otx.purpose != "transfer":
        return bytes(20), 0
    _, _, _, to, _, data, *_ = rlp.decode(bytes.fromhex(otx.signed_tx.removeprefix("0x")))
    assert data[:4] == TRANSFER
    return bytes(to), int.from_bytes(data[36:68])
