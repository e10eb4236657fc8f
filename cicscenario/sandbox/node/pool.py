"""The transaction pool: ordered by nonce for each sender, and by arrival between senders."""

from collections.abc import Iterator

from cicscenario.sandbox.node.errors import SERVER_ERROR, JsonRpcError
from cicscenario.sandbox.node.transaction import Transaction
from cicscenario.wording import counted

CAPACITY = 100_000  #: transactions, ready and queued together; more are refused with "txpool is full"
_PRICE_BUMP = 10  # per cent by which a replacement must raise the price, as in geth

_Slot = tuple[str, int]  # sender and nonce


class Pool:
    """Ready transactions can be mined now; queued ones wait for a lower nonce. In memory only."""

    def __init__(self) -> None:
        self._ready: dict[_Slot, Transaction] = {}
        self._queued: dict[str, dict[int, Transaction]] = {}
        self._next: dict[str, int] = {}  # sender with ready transactions: the nonce after the last of them
        self._by_hash: dict[bytes, Transaction] = {}

    def __len__(self) -> int:
        return len(self._by_hash)

    @property
    def ready(self) -> int:
        return len(self._ready)

    def get(self, tx_hash: bytes) -> Transaction | None:
        return self._by_hash.get(tx_hash)

    def next_nonce(self, sender: str, mined: int) -> int:
        """The nonce after the sender's ready transactions; ``mined`` is the sender's nonce on the chain."""
        return self._next.get(sender, mined)

    def add(self, tx: Transaction, mined: int) -> None:
        """Adds a transaction; ``mined`` is the sender's nonce on the chain. Raises JsonRpcError when it is refused."""
        if tx.hash in self._by_hash:
            raise JsonRpcError(SERVER_ERROR, "already known: transaction already imported")
        rival = self._ready.get((tx.sender, tx.nonce)) or self._queued.get(tx.sender, {}).get(tx.nonce)
        if rival is not None:
            self._replace(rival, tx)
        elif len(self) >= CAPACITY:
            raise JsonRpcError(SERVER_ERROR, f"txpool is full: it holds {counted(CAPACITY, 'transaction')}")
        else:
            self._queued.setdefault(tx.sender, {})[tx.nonce] = tx
            self._promote(tx.sender, mined)
        self._by_hash[tx.hash] = tx

    def drain(self) -> Iterator[Transaction]:
        """Ready transactions, oldest first. Call ``remove`` or ``drop`` for each before taking the next."""
        while self._ready:
            yield next(iter(self._ready.values()))

    def remove(self, tx: Transaction) -> None:
        """Removes a ready transaction that was mined."""
        del self._ready[tx.sender, tx.nonce]
        del self._by_hash[tx.hash]
        if self._next[tx.sender] == tx.nonce + 1:
            del self._next[tx.sender]

    def drop(self, tx: Transaction) -> None:
        """Removes a ready transaction that became invalid; the sender's later ones are queued until its nonce is used."""
        for nonce in range(tx.nonce, self._next.pop(tx.sender)):
            self._queued.setdefault(tx.sender, {})[nonce] = self._ready.pop((tx.sender, nonce))
        del self._queued[tx.sender][tx.nonce]
        del self._by_hash[tx.hash]

    def clear(self) -> None:
        for waiting in (self._ready, self._queued, self._next, self._by_hash):
            waiting.clear()

    def _replace(self, rival: Transaction, tx: Transaction) -> None:
        fees = ((tx.max_fee, rival.max_fee), (tx.max_priority_fee, rival.max_priority_fee))
        if any(new * 100 < old * (100 + _PRICE_BUMP) or new <= old for new, old in fees):
            raise JsonRpcError(SERVER_ERROR, "replacement transaction underpriced")
        del self._by_hash[rival.hash]
        if (tx.sender, tx.nonce) in self._ready:
            self._ready[tx.sender, tx.nonce] = tx
        else:
            self._queued[tx.sender][tx.nonce] = tx

    def _promote(self, sender: str, mined: int) -> None:
        queued = self._queued[sender]
        nonce = self._next.get(sender, mined)
        while nonce in queued:
            self._ready[sender, nonce] = queued.pop(nonce)
            nonce += 1
            self._next[sender] = nonce
        if not queued:
            del self._queued[sender]
