"""Finds the mined transactions of one account by their nonces.

A node that keeps old states tells the account's number of transactions at any block, so their blocks are found by bisection.
Any other node is read block by block, from the newest back.
"""

from collections.abc import Collection, Iterable, Sequence

from cicscenario.chain.abi import to_hex
from cicscenario.chain.envelope import ChainTransaction
from cicscenario.chain.follower import BLOCKS_AT_ONCE
from cicscenario.chain.rpc import Call, Rpc, RpcError, protocol_errors

MOST_BLOCKS = 20_000  #: blocks that are read, where they have to be read one by one

_Span = tuple[int, int, int, int]  # a block, a later one, and the account's number of transactions at each


class NonceLookup:
    """Looks up transactions of ``account``. Raises UnavailableError when the node does not answer."""

    def __init__(self, rpc: Rpc, account: bytes, *, most_blocks: int = MOST_BLOCKS) -> None:
        self._rpc = rpc
        self._account = to_hex(account)
        self._most_blocks = most_blocks

    def find(self, nonces: Collection[int], height: int) -> dict[int, ChainTransaction]:
        """The transactions with these nonces in blocks up to ``height``. Those that are not found are left out."""
        if not nonces:
            return {}
        with protocol_errors(self._rpc):
            blocks = self._bisect(nonces, height)
            found = self._scan(nonces, height) if blocks is None else self._read(blocks)
        return {nonce: one for nonce, one in found.items() if nonce in nonces}

    def _bisect(self, nonces: Collection[int], height: int) -> list[int] | None:
        """The blocks in which these nonces were used; None when the node does not keep the states to tell."""
        (last,) = self._rpc.results([self._count(height)])
        if isinstance(last, RpcError):
            return None
        spans: list[_Span] = [(0, height, 0, int(last, 16))]
        blocks: list[int] = []
        while spans := [span for span in spans if any(span[2] <= nonce < span[3] for nonce in nonces)]:
            blocks += [high for low, high, *_ in spans if high - low <= 1]
            spans = [span for span in spans if span[1] - span[0] > 1]
            middles = [(low + high) // 2 for low, high, *_ in spans]
            counts = self._rpc.results([self._count(middle) for middle in middles]) if middles else []
            halves: list[_Span] = []
            for (low, high, before, after), middle, count in zip(spans, middles, counts, strict=True):
                if isinstance(count, RpcError):
                    return None
                halves += [(low, middle, before, int(count, 16)), (middle, high, int(count, 16), after)]
            spans = halves
        return sorted(blocks)

    def _count(self, block: int) -> Call:
        return ("eth_getTransactionCount", [self._account, hex(block)])

    def _scan(self, nonces: Collection[int], height: int) -> dict[int, ChainTransaction]:
        """Reads blocks from the newest back, until all are found, or one with a lower nonce."""
        found: dict[int, ChainTransaction] = {}
        lowest = min(nonces)
        last = max(0, height - self._most_blocks)
        while height > last and not (found.keys() >= set(nonces) or any(nonce < lowest for nonce in found)):
            first = max(last, height - BLOCKS_AT_ONCE) + 1
            found |= self._read(range(first, height + 1))
            height = first - 1
        return found

    def _read(self, numbers: Sequence[int]) -> dict[int, ChainTransaction]:
        """The account's transactions in these blocks, by nonce. Blocks that the node lacks are left out."""
        found: dict[int, ChainTransaction] = {}
        for part in _parts(numbers):
            for number, block in zip(
                part, self._rpc.calls(("eth_getBlockByNumber", [hex(number), True]) for number in part), strict=True
            ):
                for fields in block["transactions"] if block else ():
                    if fields["from"].lower() == self._account:
                        one = ChainTransaction.of(fields, number)
                        found[one.nonce] = one
        return found


def _parts(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    return (numbers[start : start + BLOCKS_AT_ONCE] for start in range(0, len(numbers), BLOCKS_AT_ONCE))
