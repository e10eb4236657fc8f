"""A chain of blocks with a pool of waiting transactions: it mines as time passes, reorganises, forgets and lags."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import coincurve
import rlp

from cicscenario.chain.abi import to_hex
from tests.soak.contracts import Contracts, Message, RevertedError
from tests.soak.kept import keccak

BLOCK_TIME = 0.5  # seconds
_MOST = 40  # transactions in a block
_LAG_FOR = 60.0  # seconds
_SENT_MANY_TIMES = 20_000  # transactions: with the same people the same ones are sent in many worlds

_NO_RECEIPTS: Mapping[str, dict[str, Any]] = {}  # of a block without transactions, as most are


@dataclass(frozen=True)
class SimTransaction:
    """A transaction, whoever signed it."""

    hash: str
    message: Message
    nonce: int
    gas_price: int  #: of EIP-1559, the maximum fee
    raw: bytes = b""  #: empty for those of programs whose signatures nobody looks at
    priority: int | None = None  #: of EIP-1559

    @cached_property
    def shown(self) -> dict[str, str]:
        """As JSON-RPC shows it. Nobody changes it."""
        message = self.message
        fields: Any = _fields(self.raw) if self.raw else [b""] * 9
        numbers = {"gas": fields[2 if self.priority is None else 4], **dict(zip("vrs", fields[-3:], strict=True))}
        return {
            "hash": self.hash,
            **self._kind,
            "from": to_hex(message.sender),
            "to": to_hex(message.to),
            "value": hex(message.value),
            "input": to_hex(message.data),
            "nonce": hex(self.nonce),
            "gasPrice": hex(self.gas_price),
            **{name: hex(int.from_bytes(part, "big")) for name, part in numbers.items()},
        }

    @property
    def _kind(self) -> dict[str, Any]:
        if self.priority is None:
            return {"type": "0x0"}
        fields: Any = _fields(self.raw)
        own = {"type": "0x2", "accessList": [], "chainId": to_hex(fields[0])}
        return own | {"maxFeePerGas": hex(self.gas_price), "maxPriorityFeePerGas": hex(self.priority)}

    def displaces(self, other: "SimTransaction") -> bool:
        """Whether both of its fees are higher, as nodes ask of another transaction with the same nonce."""
        tips = [one.gas_price if one.priority is None else one.priority for one in (self, other)]
        return self.gas_price > other.gas_price and tips[0] > tips[1]

    @classmethod
    @lru_cache(_SENT_MANY_TIMES)
    def of(cls, raw: bytes, sender: bytes) -> "SimTransaction":
        if _is_dynamic(raw):
            _, nonce, tip, price, _, to, value, data = _fields(raw)[:8]
        else:
            (nonce, price, _, to, value, data), tip = _fields(raw)[:6], None
        message = Message(sender, to, int.from_bytes(value, "big"), data)
        numbers = [None if one is None else int.from_bytes(one, "big") for one in (nonce, price, tip)]
        return cls(to_hex(keccak(raw)), message, numbers[0], numbers[1], raw, numbers[2])


@dataclass(slots=True)
class SimBlock:
    """A mined block, with the receipt of each of its transactions."""

    number: int
    hash: str
    time: float
    transactions: Sequence[SimTransaction]
    receipts: Mapping[str, dict[str, Any]]


class SimChain:
    """One chain. ``clock`` gives simulated seconds; blocks are made when somebody looks, up to the present."""

    def __init__(self, clock: Callable[[], float], rich: frozenset[bytes]) -> None:
        self._clock = clock
        self.rich = rich
        self._made = 0
        self.blocks = [SimBlock(0, to_hex(keccak(b"genesis")), 0.0, (), _NO_RECEIPTS)]
        self.waiting: dict[str, SimTransaction] = {}
        self._mined: dict[str, SimBlock] = {}  # by hash of the transaction
        self._state = Contracts(rich)
        self._nonces: dict[bytes, int] = {}
        self._lag = (0, 0.0)  # blocks, until when
        self._past: dict[str, tuple[Contracts, dict[bytes, int]]] = {}

    # --- what happens to it ---------------------------------------------------------------------------------------

    def take(self, one: SimTransaction) -> str | None:
        """Accepts it, or says why not, in the words of geth."""
        self.mine_due()
        if one.hash in self.waiting:
            return "already known"
        if one.nonce < self._nonces.get(one.message.sender, 0):
            return "nonce too low"
        for other in list(self.waiting.values()):
            if (other.nonce, other.message.sender) == (one.nonce, one.message.sender):
                if not one.displaces(other):
                    return "replacement transaction underpriced"
                del self.waiting[other.hash]
        self.waiting[one.hash] = one
        return None

    def mine_due(self) -> None:
        """Makes the blocks that are due by now."""
        now = self._clock()
        while (due := self.blocks[-1].time + BLOCK_TIME) <= now:
            self._mine(due)

    def _mine(self, time: float, *, most: int = _MOST) -> None:
        self._made += 1
        if not self.waiting:
            self.blocks.append(SimBlock(len(self.blocks), _hash_of_block(self._made), time, (), _NO_RECEIPTS))
            return
        transactions, receipts = list[SimTransaction](), dict[str, dict[str, Any]]()
        block = SimBlock(len(self.blocks), _hash_of_block(self._made), time, transactions, receipts)
        self.blocks.append(block)
        for one in sorted(self.waiting.values(), key=lambda one: one.nonce):
            if len(transactions) < most and one.nonce == self._nonces.get(one.message.sender, 0):
                del self.waiting[one.hash]
                transactions.append(one)
                self._nonces[one.message.sender] = one.nonce + 1
                receipts[one.hash] = _receipt(self._state, one, block)
                self._mined[one.hash] = block

    def reorganise(self, depth: int, *, waiting_again: bool = True) -> None:
        """Takes the newest blocks away. Their transactions wait again; or they, and all that waits, are gone.

        Other blocks, one less, take their places; if the node was set back, new ones come with time.
        """
        self.mine_due()
        removed = [self.blocks.pop() for _ in range(min(depth, len(self.blocks) - 1))]
        for block in removed:
            for one in block.transactions:
                del self._mined[one.hash]
        self._state, self._nonces = self._replayed(len(self.blocks) - 1)
        if not waiting_again:
            self.waiting.clear()
            self.blocks[-1].time = self._clock()
            return
        for block in reversed(removed):
            self.waiting |= {one.hash: one for one in block.transactions}
        for block in removed[:0:-1]:
            self._mine(block.time, most=self._made % 3 * 10)  # none, some, or all of them again
        self.blocks[-1].time = self._clock()

    def forget_waiting(self) -> None:
        self.waiting.clear()

    def lag(self, blocks: int) -> None:
        """For a while shows what was so many blocks before."""
        self._lag = (blocks, self._clock() + _LAG_FOR)

    # --- what it shows --------------------------------------------------------------------------------------------

    @property
    def shown(self) -> int:
        """The number of the newest block that the node shows."""
        self.mine_due()
        newest = len(self.blocks) - 1
        blocks, until = self._lag
        return max(0, newest - blocks) if self._clock() < until else newest

    def state(self) -> Contracts:
        return self._at(self.shown)[0]

    def count(self, sender: bytes, block: int | None = None) -> int:
        """The sender's transactions up to a block, the newest shown by default."""
        return self._at(self.shown if block is None else block)[1].get(sender, 0)

    def _at(self, number: int) -> tuple[Contracts, dict[bytes, int]]:
        if number >= len(self.blocks) - 1:
            return self._state, self._nonces
        key = self.blocks[number].hash
        if key not in self._past:
            self._past[key] = self._replayed(number)
        return self._past[key]

    def _replayed(self, number: int) -> tuple[Contracts, dict[bytes, int]]:
        state, nonces = Contracts(self.rich), dict[bytes, int]()
        for block in self.blocks[: number + 1]:
            for one in block.transactions:
                _receipt(state, one, block)
                nonces[one.message.sender] = one.nonce + 1
        return state, nonces

    def mined(self) -> Iterator[tuple[SimBlock, SimTransaction]]:
        """Every mined transaction that is shown, with its block."""
        for block in self.blocks[: self.shown + 1]:
            for one in block.transactions:
                yield block, one

    def receipt(self, hash_: str) -> dict[str, Any] | None:
        return self.receipts([hash_])[0]

    def receipts(self, hashes: Iterable[str]) -> list[dict[str, Any] | None]:
        """The receipt of each of these transactions, if it is shown."""
        shown = self.shown
        blocks = ((one, self._mined.get(one)) for one in hashes)
        return [None if block is None or block.number > shown else block.receipts[one] for one, block in blocks]


@lru_cache(_SENT_MANY_TIMES)
def sender_of(raw: bytes) -> bytes:
    """Who has signed a transaction: a legacy one with replay protection (EIP-155), or one of EIP-1559."""
    *fields, v, r, s = _fields(raw)
    number = int.from_bytes(v, "big") - (0 if _is_dynamic(raw) else 35)
    digest = keccak(raw[:1] + rlp.encode(fields) if _is_dynamic(raw) else rlp.encode([*fields, number // 2, 0, 0]))
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([number % 2])
    public = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    return bytes(keccak(public.format(compressed=False)[1:])[12:])


def _is_dynamic(raw: bytes) -> bool:
    return raw[0] == 2


def _fields(raw: bytes) -> Any:
    return rlp.decode(raw[1:] if _is_dynamic(raw) else raw)


@cache
def _hash_of_block(number: int) -> str:
    return to_hex(keccak(b"block %d" % number))


def _receipt(state: Contracts, one: SimTransaction, block: SimBlock) -> dict[str, Any]:
    try:
        logs, status = state.execute(one.message), 1
    except RevertedError:
        logs, status = [], 0
    where = {"blockHash": block.hash, "transactionHash": one.hash}
    return {
        "transactionHash": one.hash,
        "blockNumber": hex(block.number),
        "status": hex(status),
        "logs": [log | where for log in logs],
    }
