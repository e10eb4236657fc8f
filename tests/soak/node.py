"""The node: JSON-RPC over a simulated connection."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from urllib3.exceptions import NewConnectionError

from cicscenario.chain.abi import from_hex, to_hex
from tests.soak.chain import SimChain, SimTransaction, sender_of
from tests.soak.contracts import REGISTRY, Message, RevertedError
from tests.soak.world import AnswerTimeoutError, ConnectionLostError, NoConnectionError, World

_T = TypeVar("_T")
GAS_LIMIT = 30_000_000


class Reply:
    """A reply as ``requests`` gives it."""

    def __init__(self, body: Any, status: int = 200) -> None:
        self._body = body
        self.status_code, self.reason, self.headers = status, "OK", dict[str, str]()
        self.ok = status < 400
        self.is_redirect = False

    @property
    def content(self) -> bytes:
        return json.dumps(self._body).encode()

    @property
    def text(self) -> str:
        return self.content.decode()


def over_http(world: World, what: str, carry_out: Callable[[], _T], timeout: float, *, once: bool = False) -> _T:
    """One request over HTTP; raises what ``requests`` raises."""
    try:
        return world.exchange(what, carry_out, timeout, once=once)
    except NoConnectionError as error:
        raise requests.ConnectionError(NewConnectionError(None, str(error))) from None  # type: ignore[arg-type]
    except ConnectionLostError as error:
        raise requests.ConnectionError(str(error)) from None
    except AnswerTimeoutError:
        raise requests.ReadTimeout("Read timed out") from None


class SimNode:
    """Answers for a chain. ``has_base_fee``: transactions may be those of EIP-1559; the base fee is always 0."""

    def __init__(self, chain: SimChain, network: int, *, has_base_fee: bool = False) -> None:
        self.chain = chain
        self._base_fee = {"baseFeePerGas": "0x0"} if has_base_fee else {}
        self._network = network

    def answer(self, body: Any) -> Any:
        """The body of a reply to the body of a request."""
        if isinstance(body, list):
            return [self._reply(call) for call in body]
        return self._reply(body)

    def _reply(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            result = getattr(self, f"_{call['method']}", _no_method)(*call["params"])
        except RevertedError as error:
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": 3, "message": f"execution reverted: {error}"}}
        except _RefusedError as error:
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": str(error)}}
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    def _eth_chainId(self) -> str:
        return hex(self._network)

    def _eth_gasPrice(self) -> str:
        return "0x1"

    def _eth_blockNumber(self) -> str:
        return hex(self.chain.shown)

    def _eth_getBlockByNumber(self, number: str, full: bool) -> Any:
        at = self.chain.shown if number == "latest" else int(number, 16)
        if at > self.chain.shown:
            return None
        block = self.chain.blocks[at]
        return {
            "number": hex(at),
            "hash": block.hash,
            "parentHash": self.chain.blocks[max(0, at - 1)].hash,
            "gasLimit": hex(GAS_LIMIT),
            **self._base_fee,
            "timestamp": hex(1_700_000_000 + int(block.time)),
            "transactions": [one.shown if full else one.hash for one in block.transactions],
        }

    def _eth_getTransactionCount(self, address: str, block: str) -> str:
        sender = from_hex(address)
        if block == "latest":
            return hex(self.chain.count(sender))
        if block != "pending":
            return hex(self.chain.count(sender, min(int(block, 16), self.chain.shown)))
        count = self.chain.count(sender)
        nonces = {one.nonce for one in self.chain.waiting.values() if one.message.sender == sender}
        while count in nonces:
            count += 1
        return hex(count)

    def _eth_getBalance(self, address: str, block: str) -> str:
        account = from_hex(address)
        return hex(10**24 if account in self.chain.rich else self.chain.state().wei.get(account, 0))

    def _eth_getCode(self, address: str, block: str) -> str:
        return "0x60" if from_hex(address.lower()) == REGISTRY else "0x"

    def _eth_call(self, call: dict[str, str], block: str) -> str:
        return to_hex(self.chain.state().call(_message(call)))

    def _eth_estimateGas(self, call: dict[str, str]) -> str:
        self.chain.state().call(_message(call))
        return hex(90_000)

    def _eth_getLogs(self, query: dict[str, Any]) -> list[Any]:
        first, last = int(query["fromBlock"], 16), min(int(query["toBlock"], 16), self.chain.shown)
        return [
            log
            for block in self.chain.blocks[first : last + 1]
            for receipt in block.receipts.values()
            for log in receipt["logs"]
            if log["address"] in query["address"]
            and all(topic in wanted for topic, wanted in zip(log["topics"], query.get("topics", ()), strict=False))
        ]

    def _eth_getTransactionReceipt(self, digest: str) -> Any:
        return self.chain.receipt(digest)

    def _eth_getTransactionByHash(self, digest: str) -> Any:
        if digest in self.chain.waiting:
            return {"hash": digest, "blockNumber": None}
        found = self.chain.receipt(digest)
        return found and {"hash": digest, "blockNumber": found["blockNumber"]}

    def _eth_sendRawTransaction(self, raw: str) -> str:
        one = SimTransaction.of(from_hex(raw), sender_of(from_hex(raw)))
        refused = self.chain.take(one)
        if refused:
            raise _RefusedError(refused)
        return one.hash


class _RefusedError(Exception):
    """The node refuses a call."""


def _no_method(*_: Any) -> Any:
    raise _RefusedError("the method does not exist/is not available")


def _message(call: dict[str, str]) -> Message:
    return Message(
        from_hex(call.get("from", "0x" + "00" * 20)),
        from_hex(call["to"]),
        int(call.get("value", "0x0"), 16),
        from_hex(call.get("data", "0x")),
    )
