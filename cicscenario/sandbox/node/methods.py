"""Ethereum's JSON-RPC methods, and those of development nodes that a sandbox needs."""

from collections.abc import Callable
from typing import Any

from cicscenario import __version__
from cicscenario.chain.abi import revert_reason
from cicscenario.sandbox.node.chain import Block, Chain, RefusedError
from cicscenario.sandbox.node.machine import Execution, Message
from cicscenario.sandbox.node.views import block_view, data, log_views, quantity, receipt_view, transaction_view

GAS_PRICE = 10**9  #: wei; what the node suggests. It takes any price, since its base fee is 0.
_SERVER, _REVERTED, _PARAMS, _UNKNOWN = -32000, 3, -32602, -32601


class MethodError(Exception):
    """An error object of JSON-RPC."""

    def __init__(self, code: int, message: str, extra: str | None = None) -> None:
        super().__init__(message)
        self.error: dict[str, Any] = {"code": code, "message": message}
        if extra is not None:
            self.error["data"] = extra


class Methods:
    """What a node answers."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._filters: dict[str, tuple[dict[str, Any] | None, int]] = {}
        constant: dict[str, Callable[..., Any]] = {
            "web3_clientVersion": lambda: f"cicscenario/{__version__}",
            "net_version": lambda: str(chain.chain_id),
            "net_listening": lambda: True,
            "eth_chainId": lambda: quantity(chain.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": list,
            "eth_gasPrice": lambda: quantity(GAS_PRICE),
            "eth_maxPriorityFeePerGas": lambda: quantity(GAS_PRICE),
            "eth_blockNumber": lambda: quantity(chain.newest.number),
            "txpool_status": lambda: {"pending": quantity(len(chain.pool)), "queued": "0x0"},
            "evm_snapshot": lambda: quantity(chain.snapshot()),
            "evm_revert": lambda mark: chain.revert(_number(mark)),
        }
        self._table = constant | {
            name: getattr(self, f"_{name}")
            for name in (
                "eth_feeHistory", "eth_getBalance", "eth_getTransactionCount", "eth_getCode", "eth_getStorageAt",
                "eth_call", "eth_estimateGas", "eth_sendRawTransaction", "eth_getTransactionByHash",
                "eth_getTransactionReceipt", "eth_getBlockByNumber", "eth_getBlockByHash", "eth_getBlockReceipts",
                "eth_getBlockTransactionCountByNumber", "eth_getLogs", "eth_newFilter", "eth_newBlockFilter",
                "eth_getFilterChanges", "eth_getFilterLogs", "eth_uninstallFilter", "evm_mine", "evm_increaseTime",
                "evm_setNextBlockTimestamp",
            )
        }  # fmt: skip

    def call(self, method: str, params: list[Any]) -> Any:
        """The result; raises MethodError."""
        if method not in self._table:
            raise MethodError(_UNKNOWN, f"the method {method} does not exist/is not available")
        try:
            return self._table[method](*params)
        except RefusedError as error:
            raise MethodError(_SERVER, str(error)) from None
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise MethodError(_PARAMS, f"invalid params of {method}: {error}") from None

    # --- blocks by name -----------------------------------------------------------------------------------------

    def _block(self, tag: Any) -> Block | None:
        named = {"latest", "pending", "safe", "finalized", None}
        if tag in named:
            return self._chain.newest
        number = 0 if tag == "earliest" else _number(tag)
        return self._chain.blocks[number] if number < len(self._chain.blocks) else None

    def _present(self, tag: Any) -> None:
        """State is kept for the newest block only."""
        block = self._block(tag.get("blockNumber") if isinstance(tag, dict) else tag)
        if block is not self._chain.newest:
            raise MethodError(_SERVER, "state is kept for the newest block only; ask for `latest`")

    # --- state --------------------------------------------------------------------------------------------------

    def _eth_getBalance(self, address: str, tag: Any = "latest") -> str:
        self._present(tag)
        return quantity(self._chain.machine.account(_address(address))[1])

    def _eth_getTransactionCount(self, address: str, tag: Any = "latest") -> str:
        if tag == "pending":
            return quantity(self._chain.next_nonce(_address(address)))
        self._present(tag)
        return quantity(self._chain.machine.account(_address(address))[0])

    def _eth_getCode(self, address: str, tag: Any = "latest") -> str:
        self._present(tag)
        return data(self._chain.machine.code(_address(address)))

    def _eth_getStorageAt(self, address: str, slot: str, tag: Any = "latest") -> str:
        self._present(tag)
        return f"0x{self._chain.machine.storage(_address(address), _number(slot)):064x}"

    def _eth_call(self, call: dict[str, Any], tag: Any = "latest", *_: Any) -> str:
        self._present(tag)
        execution = self._run(call, _number(call["gas"]) if "gas" in call else self._chain.gas_limit)
        _raise_failure(execution)
        return data(execution.output)

    def _eth_estimateGas(self, call: dict[str, Any], tag: Any = "latest", *_: Any) -> str:
        """The least limit with which the call goes through, by bisection: calls may need more than they use up."""
        self._present(tag)
        most = _number(call["gas"]) if "gas" in call else self._chain.gas_limit
        execution = self._run(call, most)
        _raise_failure(execution)
        least = execution.gas_used - 1
        while most - least > 1:
            middle = (least + most) // 2
            if middle > 2 * execution.gas_used:
                middle = min(middle, 2 * execution.gas_used)
            if self._run(call, middle).ok:
                most = middle
            else:
                least = middle
        return quantity(most)

    def _run(self, call: dict[str, Any], gas: int) -> Execution:
        sender = _address(call["from"]) if call.get("from") else bytes(20)
        message = Message(
            sender,
            _address(call["to"]) if call.get("to") else None,
            _data(call.get("data") or call.get("input") or "0x"),
            _number(call.get("value") or "0x0"),
            gas,
        )
        return self._chain.machine.call(message, self._chain.context())

    # --- transactions -------------------------------------------------------------------------------------------

    def _eth_sendRawTransaction(self, raw: str) -> str:
        return data(self._chain.submit(_data(raw)))

    def _eth_getTransactionByHash(self, text: str) -> dict[str, Any] | None:
        place = self._chain.places.get(_data(text))
        if place:
            block = self._chain.blocks[place[0]]
            return transaction_view(self._chain, block.transactions[place[1]], block, place[1])
        pending = self._chain.pool.get(_data(text))
        return transaction_view(self._chain, pending, None, 0) if pending else None

    def _eth_getTransactionReceipt(self, text: str) -> dict[str, Any] | None:
        place = self._chain.places.get(_data(text))
        return receipt_view(self._chain.blocks[place[0]], place[1]) if place else None

    # --- blocks and logs ----------------------------------------------------------------------------------------

    def _eth_getBlockByNumber(self, tag: str, full: bool = False) -> dict[str, Any] | None:
        block = self._block(tag)
        return block_view(self._chain, block, full) if block else None

    def _eth_getBlockByHash(self, text: str, full: bool = False) -> dict[str, Any] | None:
        block = self._by_hash(text)
        return block_view(self._chain, block, full) if block else None

    def _by_hash(self, text: str) -> Block | None:
        wanted = _data(text)
        return next((block for block in reversed(self._chain.blocks) if block.hash == wanted), None)

    def _eth_getBlockReceipts(self, tag: str) -> list[dict[str, Any]] | None:
        block = self._block(tag)
        return [receipt_view(block, index) for index in range(len(block.transactions))] if block else None

    def _eth_getBlockTransactionCountByNumber(self, tag: str) -> str | None:
        block = self._block(tag)
        return quantity(len(block.transactions)) if block else None

    def _eth_feeHistory(self, count: Any, tag: str, percentiles: list[float] | None = None) -> dict[str, Any]:
        newest = self._block(tag) or self._chain.newest
        number = min(_number(count), newest.number + 1)
        blocks = self._chain.blocks[newest.number + 1 - number : newest.number + 1]
        history: dict[str, Any] = {
            "oldestBlock": quantity(blocks[0].number),
            "baseFeePerGas": ["0x0"] * (number + 1),
            "gasUsedRatio": [block.gas_used / self._chain.gas_limit for block in blocks],
        }
        if percentiles:
            history["reward"] = [[quantity(GAS_PRICE)] * len(percentiles)] * number
        return history

    def _eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        if "blockHash" in query:
            block = self._by_hash(query["blockHash"])
            if block is None:
                raise MethodError(_SERVER, "unknown block")
            return self._logs(query, [block])
        first, last = self._block(query.get("fromBlock")), self._block(query.get("toBlock"))
        if first is None:
            return []
        stop = last.number + 1 if last else len(self._chain.blocks)
        return self._logs(query, self._chain.blocks[first.number : stop])

    def _logs(self, query: dict[str, Any], blocks: list[Block]) -> list[dict[str, Any]]:
        wanted = query.get("address")
        addresses = {_address(a) for a in ([wanted] if isinstance(wanted, str) else wanted or [])}
        topics = [{_data(t) for t in ([o] if isinstance(o, str) else o or [])} for o in query.get("topics") or []]
        found = []
        for block in blocks:
            for index, receipt in enumerate(block.receipts):
                logs = receipt.execution.logs
                if any(_matches(log.address, log.topics, addresses, topics) for log in logs):
                    views = log_views(block, index)
                    found += [
                        view
                        for view, log in zip(views, logs, strict=True)
                        if _matches(log.address, log.topics, addresses, topics)
                    ]
        return found

    # --- filters ------------------------------------------------------------------------------------------------

    def _eth_newFilter(self, query: dict[str, Any]) -> str:
        return self._new_filter(query)

    def _eth_newBlockFilter(self) -> str:
        return self._new_filter(None)

    def _new_filter(self, query: dict[str, Any] | None) -> str:
        number = quantity(len(self._filters) + 1)
        self._filters[number] = (query, self._chain.newest.number + 1)
        return number

    def _filter(self, number: str) -> tuple[dict[str, Any] | None, int]:
        if number not in self._filters:
            raise MethodError(_SERVER, "filter not found")
        return self._filters[number]

    def _eth_getFilterChanges(self, number: str) -> list[Any]:
        query, seen = self._filter(number)
        blocks = self._chain.blocks[seen:]
        self._filters[number] = (query, len(self._chain.blocks))
        return [data(block.hash) for block in blocks] if query is None else self._logs(query, blocks)

    def _eth_getFilterLogs(self, number: str) -> list[dict[str, Any]]:
        query, _ = self._filter(number)
        return self._eth_getLogs(query or {})

    def _eth_uninstallFilter(self, number: str) -> bool:
        return self._filters.pop(number, None) is not None

    # --- development --------------------------------------------------------------------------------------------

    def _evm_mine(self, *_: Any) -> str:
        self._chain.mine()
        return "0x0"

    def _evm_increaseTime(self, seconds: Any) -> str:
        self._chain.time_offset += _number(seconds)
        return quantity(self._chain.time_offset)

    def _evm_setNextBlockTimestamp(self, seconds: Any) -> None:
        self._chain.next_timestamp = _number(seconds)


def _raise_failure(execution: Execution) -> None:
    if execution.ok:
        return
    if execution.halted:
        raise MethodError(_SERVER, f"EVM error: {execution.halted}")
    output = data(execution.output)
    reason = revert_reason(output)
    raise MethodError(_REVERTED, f"execution reverted: {reason}" if reason else "execution reverted", output)


def _matches(address: bytes, topics: tuple[bytes, ...], addresses: set[bytes], wanted: list[set[bytes]]) -> bool:
    if addresses and address not in addresses:
        return False
    return len(topics) >= len(wanted) and all(
        not options or topic in options for topic, options in zip(topics, wanted, strict=False)
    )


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"not a quantity: {value!r}")
    return value if isinstance(value, int) else int(value, 16)


def _data(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def _address(value: str) -> bytes:
    raw = _data(value)
    if len(raw) != 20:
        raise ValueError(f"not an address: {value}")
    return raw
