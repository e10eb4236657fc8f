"""The hashes of blocks that were read. They show that the chain has other blocks now, and from which block on."""

from collections.abc import Mapping, Sequence

from cicscenario.chain.reading import on_this_chain
from cicscenario.chain.rpc import Call, Rpc, protocol_errors, without_errors

KEPT = 256  #: the newest blocks, of which every hash is kept; of older ones ever fewer are


class BlockTrace:
    """Hashes by block number."""

    def __init__(self) -> None:
        self._hashes: dict[int, str] = {}

    def add(self, number: int, digest: str | None) -> bool:
        """Whether the block is the one that was read before, or none was. Then its hash is kept."""
        if digest is None:
            return True
        digest = digest.lower()
        if self._hashes.setdefault(number, digest) != digest:
            return False
        if len(self._hashes) > 2 * KEPT:
            newest = max(self._hashes)
            few = self.sparse()
            self._hashes = {at: one for at, one in self._hashes.items() if at > newest - KEPT or at in few}
        return True

    def include(self, hashes: Mapping[int, str]) -> None:
        """Adds what an earlier run has read."""
        self._hashes = dict(hashes) | self._hashes

    def cut(self, number: int) -> None:
        """Forgets the blocks after ``number``."""
        self._hashes = {at: one for at, one in self._hashes.items() if at <= number}

    def sparse(self) -> dict[int, str]:
        """Some of them: the newest, and ever fewer of the older ones, about 30 at most."""
        if not self._hashes:
            return {}
        newest = max(self._hashes)
        wanted = {max((at for at in self._hashes if at <= number), default=newest) for number in spread(newest)}
        return {at: self._hashes[at] for at in sorted(wanted)}

    def ancestor(self, rpc: Rpc) -> int | None:
        """The newest of the blocks that were read and that the chain still has; see ``ancestor`` of this module."""
        return ancestor(rpc, self._hashes)


def spread(newest: int) -> list[int]:
    """``newest``, and numbers of blocks before it with ever larger steps between them."""
    return [newest, *(newest - 2**power for power in range(newest.bit_length()) if 2**power < newest)]


def hashes(rpc: Rpc, numbers: Sequence[int]) -> dict[int, str]:
    """The hashes of these blocks; those that the node lacks are left out.

    Raises UnavailableError when it does not answer, or serves another chain.
    """
    calls: list[Call] = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
    with protocol_errors(rpc):
        blocks = without_errors(on_this_chain(rpc, calls, None))
        return {
            number: block["hash"].lower() for number, block in zip(numbers, blocks, strict=True) if block is not None
        }


def ancestor(rpc: Rpc, held: Mapping[int, str]) -> int | None:
    """The newest of these blocks that the chain still has; 0 if it has none of them.

    None: it has the newest one, or there are none.
    """
    newest = max(held, default=0)
    if not held or hashes(rpc, [newest]).get(newest) == held[newest]:
        return None
    found = hashes(rpc, sorted(held))
    last = max((number for number, digest in held.items() if found.get(number) == digest), default=0)
    return None if last == newest else last
