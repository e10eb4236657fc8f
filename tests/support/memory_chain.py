"""A chain in memory with one account that sends, and a token; deterministic, and as forgetful as a test wants it to be."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import rlp
from eth_hash.auto import keccak

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.proof import SentCall
from cicscenario.chain.rpc import Call, Rpc, RpcError, UnansweredError
from cicscenario.chain.signer import Signer

SIGNER = Signer(b"\x11" * 32, 8996)
MEMORY_TOKEN = b"\x70" * 20
NO_METHOD = {"code": -32601, "message": "the method does not exist/is not available"}
_TRANSFER_EVENT = to_hex(keccak(b"Transfer(address,address,uint256)"))


@dataclass(frozen=True)
class Transaction:
    """A signed transaction of SIGNER."""

    raw: bytes

    @property
    def hash(self) -> str:
        return to_hex(keccak(self.raw))

    @property
    def nonce(self) -> int:
        return int.from_bytes(self._fields[1 if self._is_dynamic else 0])

    @property
    def gas_price(self) -> int:
        """Of EIP-1559, the maximum fee."""
        return int.from_bytes(self._fields[3 if self._is_dynamic else 1])

    @property
    def priority_fee(self) -> int:
        """Of a legacy transaction, its gas price."""
        return int.from_bytes(self._fields[2]) if self._is_dynamic else self.gas_price

    @property
    def message(self) -> SentCall:
        return SentCall.of(self.raw)

    @property
    def _is_dynamic(self) -> bool:
        return self.raw[0] == 2

    @property
    def _fields(self) -> list[bytes]:
        return list(rlp.decode(self.raw[1:] if self._is_dynamic else self.raw))


@dataclass
class Block:
    """A mined block: its transactions, and the status and logs of each."""

    number: int
    hash: str
    parent: str
    transactions: list[Transaction] = field(default_factory=list)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)


class MemoryChain:
    """Blocks, and the transactions that wait. ``token`` is what the token does: pay, revert, or answer false."""

    def __init__(self) -> None:
        self.token = "pays"
        self.blocks = [Block(0, to_hex(keccak(b"0")), to_hex(bytes(32)))]
        self.waiting: dict[str, Transaction] = {}
        self.stranded = -1  #: the nonce of a transaction that waits and is never mined, as anvil has them
        self._made = 0

    # --- what happens to it ---------------------------------------------------------------------------------------

    def take(self, transaction: Transaction) -> str | None:
        """Accepts it, or says why not, in the words of geth."""
        if transaction.hash in self.waiting:
            return "already known"
        if transaction.nonce < self.count():
            return "nonce too low"
        for other in list(self.waiting.values()):
            if other.nonce == transaction.nonce:
                # As geth: a tenth more, of both fees.
                fees = (transaction.gas_price, other.gas_price), (transaction.priority_fee, other.priority_fee)
                if any(10 * new < 11 * old or new <= old for new, old in fees):
                    return "replacement transaction underpriced"
                del self.waiting[other.hash]
        self.waiting[transaction.hash] = transaction
        return None

    def mine(self, most: int = 100) -> None:
        """Makes a block of what waits, in the order of nonces, as far as they have no gap."""
        self._made += 1
        block = Block(len(self.blocks), to_hex(keccak(b"block %d" % self._made)), self.blocks[-1].hash)
        self.blocks.append(block)
        by_nonce = {one.nonce: one for one in self.waiting.values()}
        for _ in range(most):
            one = by_nonce.get(self.count())
            if one is None or one.nonce == self.stranded:
                break
            del self.waiting[one.hash]
            block.transactions.append(one)
            block.receipts[one.hash] = self._carried_out(one, block)

    def _carried_out(self, one: Transaction, block: Block) -> dict[str, Any]:
        message, logs = one.message, []
        status = 1
        if message.to == MEMORY_TOKEN and message.function == TRANSFER:
            status = 0 if self.token == "reverts" else 1
            if self.token == "pays":
                logs = [
                    {
                        "address": to_hex(MEMORY_TOKEN),
                        "topics": [_TRANSFER_EVENT, _topic(SIGNER.address), _topic(message.data[16:36])],
                        "data": f"0x{message.argument(1):064x}",
                        "blockHash": block.hash,
                        "transactionHash": one.hash,
                    }
                ]
        return {"blockNumber": hex(block.number), "status": hex(status), "logs": logs}

    def set_back(self, depth: int, *, waiting_again: bool) -> None:
        """Takes the newest blocks away. Their transactions wait again, as after a reorganisation; or they, and all that
        waits, are gone, as when the node is restored from a copy.
        """
        removed = [self.blocks.pop() for _ in range(min(depth, len(self.blocks) - 1))]
        if not waiting_again:
            self.waiting.clear()
            return
        for block in removed:
            self.waiting |= {one.hash: one for one in block.transactions}

    # --- what is so -----------------------------------------------------------------------------------------------

    def count(self, block: int | None = None) -> int:
        """Transactions mined up to a block, the newest by default."""
        blocks = self.blocks if block is None else self.blocks[: block + 1]
        return sum(len(one.transactions) for one in blocks)

    def paid(self) -> Counter[bytes]:
        """How many times the token has paid each account."""
        return Counter(
            from_hex(log["topics"][2])[12:]
            for block in self.blocks
            for receipt in block.receipts.values()
            for log in receipt["logs"]
        )

    def mined(self) -> Iterator[tuple[Block, Transaction]]:
        for block in self.blocks:
            for one in block.transactions:
                yield block, one


def _topic(address: bytes) -> str:
    return to_hex(address.rjust(32, b"\0"))


class FakeRpc(Rpc):
    """A node of a MemoryChain. ``before`` and ``after`` are called with each request, before and after it is carried out;
    what they raise is what the caller gets.
    """

    def __init__(self, chain: MemoryChain) -> None:
        super().__init__("http://fake.example")
        self.chain = chain
        self.before: Callable[[Sequence[Call]], None] = lambda calls: None
        self.after: Callable[[Sequence[Call]], None] = lambda calls: None
        self.requests: list[list[Call]] = []

    def results(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        self.requests.append(list(calls))
        self.before(calls)
        results = [self._one(method, *parameters) for method, parameters in calls]
        self.after(calls)
        return results

    def _one(self, method: str, *parameters: Any) -> Any:
        answer = getattr(self, f"_{method}", lambda *_: ValueError(NO_METHOD))(*parameters)
        return RpcError(method, self.name, answer.args[0]) if isinstance(answer, ValueError) else answer

    def _eth_blockNumber(self) -> str:
        return hex(len(self.chain.blocks) - 1)

    def _eth_getTransactionCount(self, address: str, block: str) -> str:
        if block == "pending":
            count, nonces = self.chain.count(), {one.nonce for one in self.chain.waiting.values()}
            nonces.discard(self.chain.stranded)
            while count in nonces:
                count += 1
            return hex(count)
        return hex(self.chain.count() if block == "latest" else self.chain.count(int(block, 16)))

    def _eth_getBlockByNumber(self, number: str, full: bool) -> Any:
        if int(number, 16) >= len(self.chain.blocks):
            return None
        block = self.chain.blocks[int(number, 16)]
        transactions = [self._view(one) if full else one.hash for one in block.transactions]
        return {"number": number, "hash": block.hash, "parentHash": block.parent, "transactions": transactions}

    def _view(self, one: Transaction) -> dict[str, Any]:
        """A transaction of SIGNER, as JSON-RPC gives it."""
        names = ("nonce", "gasPrice", "gas", "to", "value", "input", "v", "r", "s")
        data = ("to", "input")
        fields = dict(zip(names, rlp.decode(one.raw), strict=True))
        view = {name: to_hex(part) if name in data else hex(int.from_bytes(part)) for name, part in fields.items()}
        return view | {"hash": one.hash, "from": to_hex(SIGNER.address), "type": "0x0"}

    def _eth_getLogs(self, query: dict[str, Any]) -> list[Any]:
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        return [
            log
            for block in self.chain.blocks[first : last + 1]
            for receipt in block.receipts.values()
            for log in receipt["logs"]
            if log["address"] in query["address"]
        ]

    def _eth_getTransactionReceipt(self, digest: str) -> Any:
        return next((block.receipts[digest] for block in self.chain.blocks if digest in block.receipts), None)

    def _eth_getTransactionByHash(self, digest: str) -> Any:
        if digest in self.chain.waiting:
            return {"hash": digest, "blockNumber": None}
        blocks = (block.number for block, one in self.chain.mined() if one.hash == digest)
        return next(({"hash": digest, "blockNumber": hex(number)} for number in blocks), None)

    def _eth_sendRawTransaction(self, raw: str) -> Any:
        one = Transaction(from_hex(raw))
        refused = self.chain.take(one)
        return ValueError({"code": -32000, "message": refused}) if refused else one.hash

    def _eth_call(self, call: Any, block: str) -> Any:
        return ValueError({"code": 3, "message": "execution reverted"})


def no_answer(calls: Sequence[Call]) -> None:
    raise UnansweredError("chain node fake does not answer")
