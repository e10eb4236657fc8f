"""Follows the chain: queues gas and the faucet's payout for registered accounts, and ends transactions that are mined."""

from collections.abc import Sequence
from typing import Any

from eth_hash.auto import keccak
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.sandbox.custodial import database
from cicscenario.sandbox.custodial.callbacks import TransferCallbacks
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.database import GIFTER, Otx
from cicscenario.sandbox.custodial.dispatcher import GAS_LIMIT, GAS_PRICE

# The event's address is indexed in the classic accounts index; in the latest it is in the data.
_ADDED = {to_hex(keccak(b"AddressAdded(address,uint256)")), to_hex(keccak(b"AddressAdded(address)"))}
_TRANSFER = to_hex(keccak(b"Transfer(address,address,uint256)"))
_BLOCKS_AT_ONCE = 20


class Tracker:
    def __init__(self, context: EngineContext, callbacks: TransferCallbacks) -> None:
        self._context = context
        self._callbacks = callbacks

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
        contracts = self._context.contracts
        watched = [to_hex(address) for address in contracts.addresses]
        *blocks, logs = self._context.rpc.calls(
            [("eth_getBlockByNumber", [hex(number), False]) for number in range(first, last + 1)]
            + [("eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(last), "address": watched}])]
        )
        index = to_hex(contracts.accounts_index)
        added = [log for log in logs if log["address"] == index and log["topics"][0] in _ADDED]
        self._gift(cursor, [_added_address(log) for log in added])
        mined = [text.removeprefix("0x") for block in blocks for text in block["transactions"]]
        done = self._finish_mined(cursor, mined, {log["transactionHash"].removeprefix("0x") for log in logs})
        if self._callbacks.wanted:
            self._send_callbacks(done, [log for log in logs if log["topics"][0] == _TRANSFER])

    def _gift(self, cursor: Cursor, registered: Sequence[str]) -> None:
        """Queues gas and the faucet's payout for the registered accounts whose keys are in the vault."""
        held = self._context.vault.keys(registered) if registered else {}
        queue_gifts(cursor, self._context, [account for account in registered if account in held])

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
        cursor.execute(
            "UPDATE otx SET status = CASE WHEN signed_tx IS NULL THEN 'queued' ELSE 'signed' END"
            " WHERE purpose = 'faucet' AND status = 'waitforgas' AND account = ANY(%s)",
            ([row.account for row in done if row.purpose == "gas"],),
        )
        return done

    def _send_callbacks(self, done: Sequence[Otx], transfers: Sequence[dict[str, Any]]) -> None:
        """Reports faucet payouts, and transfers to accounts whose keys are in the vault."""
        contracts = self._context.contracts
        assert contracts.faucet is not None
        for row in done:
            if row.purpose == "faucet" and row.tx_hash:
                self._callbacks.send("tokengift", row.account, row.account, contracts.faucet.amount, row.tx_hash)
        token, payer = to_hex(contracts.token.address), contracts.faucet.address.hex()
        paid = [log for log in transfers if log["address"] == token and log["topics"][1][-40:] != payer]
        held = self._context.vault.held({log["topics"][2][-40:] for log in paid}) if paid else set()
        for log in paid:
            sender, recipient = log["topics"][1][-40:], log["topics"][2][-40:]
            if recipient in held:
                sent = log["transactionHash"].removeprefix("0x")
                self._callbacks.send("transfer", sender, recipient, int(log["data"], 16), sent)


def queue_gifts(cursor: Cursor, context: EngineContext, accounts: Sequence[str]) -> int:
    """Queues the faucet's payout to each of ``accounts`` once, and gas before it for accounts that cannot pay for it.

    Gives the number of payouts that were not queued before, or had failed.
    """
    if not accounts or context.contracts.faucet is None:
        return 0
    cursor.execute("SELECT address_hex FROM account_role WHERE tag = %s", (GIFTER,))
    ((gifter,),) = cursor.fetchall()
    balances = context.rpc.calls([("eth_getBalance", [f"0x{account}", "latest"]) for account in accounts])
    poor = {a for a, balance in zip(accounts, balances, strict=True) if int(balance, 16) < GAS_LIMIT * GAS_PRICE}
    database.queue(cursor, [("gas", account, gifter, "queued") for account in accounts if account in poor])
    return database.queue(cursor, [("faucet", a, a, "waitforgas" if a in poor else "queued") for a in accounts])


def _added_address(log: dict[str, Any]) -> str:
    word = log["topics"][1] if len(log["topics"]) > 1 else log["data"]
    return from_hex(word)[12:32].hex()
