"""JSON-RPC methods for logs: eth_getLogs, and filters that clients poll."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cicscenario.sandbox.node.block import Block
from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.codec import parse_address, parse_hash, parse_object, parse_quantity, to_hex
from cicscenario.sandbox.node.errors import SERVER_ERROR, JsonRpcError
from cicscenario.sandbox.node.evm import Log
from cicscenario.sandbox.node.reading import block_number
from cicscenario.sandbox.node.views import Json, log_view

CAPACITY = 1_000  #: open filters; a new one replaces the filter whose last poll is the oldest


@dataclass(frozen=True, slots=True)
class Query:
    """Which logs match: empty ``addresses`` match any; at each position of ``topics``, None matches any topic."""

    addresses: frozenset[str]
    topics: tuple[frozenset[bytes] | None, ...]

    def matches(self, log: Log) -> bool:
        if self.addresses and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(wanted is None or topic in wanted for wanted, topic in zip(self.topics, log.topics, strict=False))


@dataclass(slots=True)
class _Filter:
    """A log filter, or with ``query`` None a block filter.

    ``fields`` are the client's; ``seen`` is the newest block already reported, ``last`` the end of the filter's range.
    """

    query: Query | None
    fields: dict[str, Any]
    seen: int
    last: int | None


class LogMethods:
    """The methods; each raises JsonRpcError for a wrong parameter or an unknown filter."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._filters: dict[int, _Filter] = {}
        self._made = 0

    def logs(self, fields: Any) -> list[Json]:
        wanted = parse_object(fields, "filter")
        query = _query(wanted)
        return [view for block in self._range(wanted) for view in _matching(block, query)]

    def new_filter(self, fields: Any) -> str:
        wanted = parse_object(fields, "filter")
        last = wanted.get("toBlock", "latest")
        open_ended = last is None or last in {"latest", "pending"}
        first = wanted.get("fromBlock")
        # The first poll starts at the next block, or at the filter's first block if that is later.
        seen = max(self._chain.head.number, block_number(self._chain, first) - 1 if first else 0)
        return self._open(
            _Filter(_query(wanted), wanted, seen, None if open_ended else block_number(self._chain, last))
        )

    def new_block_filter(self) -> str:
        return self._open(_Filter(None, {}, self._chain.head.number, None))

    def changes(self, number: Any) -> list[Any]:
        """Logs since the last poll, or for a block filter block hashes."""
        key, polled = self._find(number)
        self._filters[key] = self._filters.pop(key)  # moves it to the end: the first filter is replaced first
        head = self._chain.head.number
        end = head if polled.last is None else min(head, polled.last)
        blocks = self._chain.history.between(polled.seen + 1, end)
        polled.seen = max(end, min(polled.seen, head))
        if polled.query is None:
            return [to_hex(block.hash) for block in blocks]
        return [view for block in blocks for view in _matching(block, polled.query)]

    def filter_logs(self, number: Any) -> list[Json]:
        return self.logs(self._find(number)[1].fields)

    def uninstall(self, number: Any) -> bool:
        return self._filters.pop(parse_quantity(number, "filter"), None) is not None

    def _open(self, made: _Filter) -> str:
        if len(self._filters) >= CAPACITY:
            del self._filters[next(iter(self._filters))]
        self._made += 1
        self._filters[self._made] = made
        return hex(self._made)

    def _find(self, number: Any) -> tuple[int, _Filter]:
        key = parse_quantity(number, "filter")
        if key not in self._filters:
            raise JsonRpcError(SERVER_ERROR, "filter not found")
        return key, self._filters[key]

    def _range(self, wanted: dict[str, Any]) -> Iterable[Block]:
        if wanted.get("blockHash"):
            block = self._chain.history.by_hash(parse_hash(wanted["blockHash"], "blockHash"))
            if block is None:
                raise JsonRpcError(SERVER_ERROR, "unknown block")
            return [block]
        first, last = (block_number(self._chain, wanted.get(end) or "latest") for end in ("fromBlock", "toBlock"))
        return self._chain.history.between(first, last)


def _matching(block: Block, query: Query) -> Iterator[Json]:
    for index, receipt in enumerate(block.receipts):
        for position, log in enumerate(receipt.logs):
            if query.matches(log):
                yield log_view(block, index, position)


def _query(wanted: dict[str, Any]) -> Query:
    addresses = wanted.get("address") or []
    topics = wanted.get("topics") or []
    if not isinstance(topics, list):
        raise JsonRpcError.invalid_params(f"topics: expected a list, not {topics!r}")
    return Query(
        frozenset(parse_address(address) for address in (addresses if isinstance(addresses, list) else [addresses])),
        tuple(_position(topic) for topic in topics),
    )


def _position(topic: Any) -> frozenset[bytes] | None:
    if topic is None or topic == []:
        return None
    return frozenset(parse_hash(one, "topic") for one in (topic if isinstance(topic, list) else [topic]))
