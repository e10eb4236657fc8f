"""A chain of the embedded node in a folder, which is opened again and again."""

import random
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from cicscenario.sandbox.node.chain import Chain, open_chain
from cicscenario.sandbox.node.codec import to_hex
from cicscenario.sandbox.node.journal import FILE_NAME, Genesis
from cicscenario.sandbox.node.methods import Methods
from tests.support.running_node import CHAIN_ID, GAS_LIMIT, RICH, creation

GENESIS = Genesis(CHAIN_ID, GAS_LIMIT, 1_700_000_000, {RICH.address.lower(): 10**24})
# SSTORE(CALLDATALOAD(0), CALLDATALOAD(32)); LOG1 of 32 bytes of memory, with the slot as its topic
KEEPER = bytes.fromhex("602035600035556000356020600" + "0a100")


class ReopenedChain:
    """A chain in a folder, opened again and again, and how often transactions were executed since the last opening."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.executed = 0
        self._nonce = 0
        execute = Chain._execute

        def counted(chain: Chain, *arguments: Any) -> Any:
            self.executed += 1
            return execute(chain, *arguments)

        monkeypatch.setattr(Chain, "_execute", counted)
        self.open()

    def open(self) -> None:
        self.executed = 0
        self.chain = open_chain(self.folder, GENESIS)
        self.methods = Methods(self.chain)

    def kill(self) -> None:
        """Ends the chain as SIGKILL does: without a checkpoint, and without writing what is not written."""
        self.chain._journal._file.close()

    def again(self) -> None:
        self.chain.close()
        self.open()

    @property
    def journal(self) -> Path:
        return self.folder / FILE_NAME

    @property
    def checkpoint(self) -> Path:
        return self.folder / "chain.checkpoint"

    def send(self, **fields: Any) -> None:
        defaults = {"chainId": CHAIN_ID, "gas": 200_000, "gasPrice": 10**9, "value": 0, "nonce": self._nonce}
        self.methods.call("eth_sendRawTransaction", [to_hex(RICH.sign_transaction(defaults | fields).raw_transaction)])
        self._nonce += 1
        self.chain.mine_ready()

    def fill(self, seed: int, count: int = 12) -> None:
        """A contract, values set, changed and cleared in it, transfers to new accounts, and what fails."""
        chance = random.Random(seed)
        self.send(data=creation(KEEPER))
        contract = self.methods.call("eth_getBlockReceipts", ["latest"])[0]["contractAddress"]
        for _ in range(count):
            slot, value = chance.randrange(4), chance.choice([0, 1, 2**255])
            self.send(to=to_checksum_address(contract), data=slot.to_bytes(32) + value.to_bytes(32))
            self.send(to=to_checksum_address(to_hex(chance.randbytes(20))), value=chance.randrange(10**18))
        self.send(data=bytes.fromhex("60006000fd"))

    def seen(self) -> list[Any]:
        """All that a client can see of blocks and logs, and the state that they led to."""
        call = self.methods.call
        head = int(call("eth_blockNumber", []), 16)
        blocks = [call("eth_getBlockByNumber", [hex(number), True]) for number in range(head + 1)]
        receipts = [receipt for block in blocks for receipt in call("eth_getBlockReceipts", [block["number"]])]
        made = [receipt["contractAddress"] for receipt in receipts if receipt["contractAddress"]]
        known = {RICH.address, "0x" + "00" * 20, *made, *(receipt["to"] for receipt in receipts if receipt["to"])}
        state = [
            [call(f"eth_get{what}", [one]) for what in ("Balance", "TransactionCount", "Code")] for one in sorted(known)
        ]
        slots = [call("eth_getStorageAt", [one, hex(slot)]) for one in made for slot in range(4)]
        singly = [
            [call(f"eth_getTransaction{what}", [receipt["transactionHash"]]) for what in ("ByHash", "Receipt")]
            for receipt in receipts
        ]
        hashed = [call("eth_getBlockByHash", [block["hash"]]) for block in blocks]
        return [blocks, receipts, state, slots, singly, hashed, call("eth_getLogs", [{"fromBlock": "0x0"}])]
