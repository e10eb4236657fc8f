"""Follows the chain: has registered accounts gifted, lets transactions go on that waited for gas, and ends mined ones."""

from collections.abc import Collection, Sequence
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.contracts import TRANSFER_EVENT
from cicscenario.keccak import keccak
from cicscenario.sandbox.custodial import database, names
from cicscenario.sandbox.custodial.callbacks import TransferCallbacks
from cicscenario.sandbox.custodial.context import EngineContext, checksummed
from cicscenario.sandbox.custodial.database import Otx
from cicscenario.sandbox.custodial.sending import TaskSender

# The event's address is indexed in the classic accounts index; in the latest it is in the data.
_ADDED = {to_hex(keccak(b"AddressAdded(address,uint256)")), to_hex(keccak(b"AddressAdded(address)"))}
_BLOCKS_AT_ONCE = 50


class Tracker:
    """Tasks are sent before the cursor is stored. After a kill in between they are sent again, which does no harm."""

    def __init__(self, context: EngineContext, callbacks: TransferCallbacks, sender: TaskSender) -> None:
        self._context = context
        self._callbacks = callbacks
        self._sender = sender
        self._chain = context.settings.chain_spec.asdict()

    def prepare(self) -> None:
        """Sets the cursor to the newest block at the first start."""
        newest = int(self._context.rpc.call("eth_blockNumber"), 16)
        with self._context.database.transaction() as cursor:
            cursor.execute("INSERT INTO syncer (block) VALUES (%s) ON CONFLICT DO NOTHING", (newest,))

    def step(self) -> bool:
        """Reads the next blocks; says whether there were any. All changes and the cursor are in one database transaction."""
        newest = int(self._context.rpc.call("eth_blockNumber"), 16)
        with self._context.database.transaction() as cursor:
            cursor.execute("SELECT block FROM syncer")
            ((last,),) = cursor.fetchall()
            if last >= newest:
                return False
            until = min(last + _BLOCKS_AT_ONCE, newest)
            self._read(cursor, last + 1, until)
            cursor.execute("UPDATE syncer SET block = %s", (until,))
        return True

    def _read(self, cursor: Cursor, first: int, last: int) -> None:
        self._sender.discard()  # what a turn that failed has left: this one sends it again
        contracts = self._context.contracts
        watched = [to_hex(address) for address in contracts.addresses]
        *blocks, logs = self._context.rpc.calls(
            [("eth_getBlockByNumber", [hex(number), True]) for number in range(first, last + 1)]
            + [("eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(last), "address": watched}])]
        )
        index = to_hex(contracts.accounts_index)
        added = [log for log in logs if log["address"] == index and log["topics"][0] in _ADDED]
        self._gift([_added_address(log) for log in added])
        mined = [transaction for block in blocks for transaction in block["transactions"]]
        hashes = [transaction["hash"].removeprefix("0x") for transaction in mined]
        done = self._finish_mined(cursor, hashes, {log["transactionHash"].removeprefix("0x") for log in logs})
        self._resume(cursor, {t["to"][2:].lower() for t in mined if t["to"] and int(t["value"], 16)})
        if self._callbacks.wanted:
            self._send_callbacks(done, [log for log in logs if log["topics"][0] == TRANSFER_EVENT])
        self._sender.flush()

    def _gift(self, registered: Sequence[str]) -> None:
        """Has the registered accounts whose keys are in the vault reserve a nonce for the faucet's payout."""
        if not registered or self._context.contracts.faucet is None:
            return
        held = self._context.vault.keys(registered)
        for account in (account for account in registered if account in held):
            gift = self._sender.signature(names.GIFT, self._chain)
            self._sender.send(names.RESERVE_NONCE, checksummed(bytes.fromhex(account)), self._chain, link=gift)

    def _resume(self, cursor: Cursor, recipients: Collection[str]) -> None:
        """Has the gas of accounts checked again that received some and have transactions waiting for it."""
        waiting: dict[str, list[Otx]] = {}
        for row in database.waiting_for_gas(cursor, recipients) if recipients else ():
            waiting.setdefault(row.sender, []).append(row)
        for sender, rows in waiting.items():
            hashes, signed = [row.tx_hash for row in rows], [row.signed_tx for row in rows]
            address = checksummed(bytes.fromhex(sender))
            self._sender.send(names.CHECK_GAS, hashes, self._chain, signed, address, 0)

    def _finish_mined(self, cursor: Cursor, mined: Sequence[str], proved: set[str]) -> list[Otx]:
        """Ends the engine's transactions that were mined; gives those that succeeded.

        A log of a contract proves success, and a plain transfer cannot fail. For the others the receipt is read.
        """
        ours = database.open_by_hash(cursor, mined) if mined else []
        unproved = [row for row in ours if row.purpose != "gas" and row.tx_hash not in proved]
        receipts = self._context.rpc.calls([("eth_getTransactionReceipt", [f"0x{row.tx_hash}"]) for row in unproved])
        failed = {row.id for row, receipt in zip(unproved, receipts, strict=True) if int(receipt["status"], 16) == 0}
        done = [row for row in ours if row.id not in failed]
        database.finish(cursor, [row.id for row in done], "final")
        database.finish(cursor, list(failed), "failed")
        return done

    def _send_callbacks(self, done: Sequence[Otx], transfers: Sequence[dict[str, Any]]) -> None:
        """Reports faucet payouts, and transfers to accounts whose keys are in the vault."""
        contracts = self._context.contracts
        assert contracts.faucet is not None
        for row in done:
            if row.purpose == "faucet":
                self._callbacks.send("tokengift", row.account, row.account, contracts.faucet.amount, row.tx_hash)
        token, payer = to_hex(contracts.token.address), contracts.faucet.address.hex()
        paid = [log for log in transfers if log["address"] == token and log["topics"][1][-40:] != payer]
        held = self._context.vault.held({log["topics"][2][-40:] for log in paid}) if paid else set()
        for log in paid:
            sender, recipient = log["topics"][1][-40:], log["topics"][2][-40:]
            if recipient in held:
                sent = log["transactionHash"].removeprefix("0x")
                self._callbacks.send("transfer", sender, recipient, int(log["data"], 16), sent)


def _added_address(log: dict[str, Any]) -> str:
    word = log["topics"][1] if len(log["topics"]) > 1 else log["data"]
    return from_hex(word)[12:32].hex()
