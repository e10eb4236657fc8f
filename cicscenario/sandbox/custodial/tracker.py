"""Follows the chain: what was registered gets gas and the faucet's payout, what was mined is done."""

from collections.abc import Sequence
from typing import Any

from eth_hash.auto import keccak
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.sandbox.custodial import ledger as rows
from cicscenario.sandbox.custodial.callbacks import TransferCallbacks
from cicscenario.sandbox.custodial.dispatcher import GAS_LIMIT, GAS_PRICE
from cicscenario.sandbox.custodial.ledger import GIFTER, Otx
from cicscenario.sandbox.custodial.room import EngineContext

# Its address is indexed in the classic accounts index and data in the latest.
_ADDED = {to_hex(keccak(b"AddressAdded(address,uint256)")), to_hex(keccak(b"AddressAdded(address)"))}
_TRANSFER = to_hex(keccak(b"Transfer(address,address,uint256)"))
_BLOCKS_AT_ONCE = 20


class Tracker:
    def __init__(self, room: EngineContext, callbacks: TransferCallbacks) -> None:
        self._room = room
        self._callbacks = callbacks

    def prepare(self) -> None:
        """Begins at the newest block, the first time."""
        newest = int(self._room.rpc.call("eth_blockNumber"), 16)
        with self._room.ledger.transaction() as cursor:
            cursor.execute("INSERT INTO syncer (block) VALUES (%s) ON CONFLICT DO NOTHING", (newest,))

    def step(self) -> bool:
        """Reads the next blocks; says whether there were any. What they mean and that they are read is one transaction."""
        newest = int(self._room.rpc.call("eth_blockNumber"), 16)
        with self._room.ledger.transaction() as cursor:
            cursor.execute("SELECT block FROM syncer")
            ((last,),) = cursor.fetchall()
            if last >= newest:
                return False
            until = min(last + _BLOCKS_AT_ONCE, newest)
            self._read(cursor, last + 1, until)
            cursor.execute("UPDATE syncer SET block = %s", (until,))
        return True

    def _read(self, cursor: Cursor, first: int, last: int) -> None:
        contracts = self._room.contracts
        watched = [to_hex(address) for address in contracts.addresses]
        *blocks, logs = self._room.rpc.calls(
            [("eth_getBlockByNumber", [hex(number), False]) for number in range(first, last + 1)]
            + [("eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(last), "address": watched}])]
        )
        index = to_hex(contracts.accounts_index)
        added = [log for log in logs if log["address"] == index and log["topics"][0] in _ADDED]
        self._gift(cursor, [_added_address(log) for log in added])
        mined = [text.removeprefix("0x") for block in blocks for text in block["transactions"]]
        done = self._settle(cursor, mined, {log["transactionHash"].removeprefix("0x") for log in logs})
        if self._callbacks.wanted:
            self._tell(done, [log for log in logs if log["topics"][0] == _TRANSFER])

    def _gift(self, cursor: Cursor, registered: Sequence[str]) -> None:
        """Queues the faucet of accounts whose keys are here, and gas for those that cannot pay for it."""
        held = self._room.vault.keys(registered) if registered else {}
        gift(cursor, self._room, [account for account in registered if account in held])

    def _settle(self, cursor: Cursor, mined: Sequence[str], proved: set[str]) -> list[Otx]:
        """Ends those of our transactions that were mined, and gives those that did what they were sent for.

        A log of one of the contracts proves it, a plain transfer cannot fail, and of the rest the node is asked.
        """
        ours = rows.by_hash(cursor, mined) if mined else []
        doubtful = [row for row in ours if row.purpose != "gas" and row.tx_hash not in proved]
        receipts = self._room.rpc.calls([("eth_getTransactionReceipt", [f"0x{row.tx_hash}"]) for row in doubtful])
        failed = {row.id for row, receipt in zip(doubtful, receipts, strict=True) if int(receipt["status"], 16) == 0}
        done = [row for row in ours if row.id not in failed]
        rows.end(cursor, [row.id for row in done], "final")
        rows.end(cursor, list(failed), "failed")
        cursor.execute(
            "UPDATE otx SET status = CASE WHEN signed_tx IS NULL THEN 'queued' ELSE 'signed' END"
            " WHERE purpose = 'faucet' AND status = 'waitforgas' AND account = ANY(%s)",
            ([row.account for row in done if row.purpose == "gas"],),
        )
        return done

    def _tell(self, done: Sequence[Otx], transfers: Sequence[dict[str, Any]]) -> None:
        contracts = self._room.contracts
        assert contracts.faucet is not None
        for row in done:
            if row.purpose == "faucet" and row.tx_hash:
                self._callbacks.send("tokengift", row.account, row.account, contracts.faucet.amount, row.tx_hash)
        token, payer = to_hex(contracts.token.address), contracts.faucet.address.hex()
        paid = [log for log in transfers if log["address"] == token and log["topics"][1][-40:] != payer]
        held = self._room.vault.held({log["topics"][2][-40:] for log in paid}) if paid else set()
        for log in paid:
            sender, recipient = log["topics"][1][-40:], log["topics"][2][-40:]
            if recipient in held:
                sent = log["transactionHash"].removeprefix("0x")
                self._callbacks.send("transfer", sender, recipient, int(log["data"], 16), sent)


def gift(cursor: Cursor, room: EngineContext, accounts: Sequence[str]) -> int:
    """Queues the faucet of ``accounts``, once each; first gas for those whose balance does not pay for it.

    Gives the number of accounts whose faucet was not queued before, or had failed.
    """
    if not accounts or room.contracts.faucet is None:
        return 0
    cursor.execute("SELECT address_hex FROM account_role WHERE tag = %s", (GIFTER,))
    ((gifter,),) = cursor.fetchall()
    balances = room.rpc.calls([("eth_getBalance", [f"0x{account}", "latest"]) for account in accounts])
    poor = {a for a, balance in zip(accounts, balances, strict=True) if int(balance, 16) < GAS_LIMIT * GAS_PRICE}
    rows.queue(cursor, [("gas", account, gifter, "queued") for account in accounts if account in poor])
    return rows.queue(cursor, [("faucet", a, a, "waitforgas" if a in poor else "queued") for a in accounts])


def _added_address(log: dict[str, Any]) -> str:
    word = log["topics"][1] if len(log["topics"]) > 1 else log["data"]
    return from_hex(word)[12:32].hex()
