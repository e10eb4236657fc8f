"""What a chain says, by plain JSON-RPC over HTTP. Addresses are 40 lower-case hexadecimal digits without 0x."""

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

_TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
_AT_ONCE = 200  # calls in one request


@dataclass(frozen=True)
class Sent:
    """A transaction in a block. ``to`` is empty for the creation of a contract; ``value`` is in wei."""

    hash: str
    sender: str
    to: str
    nonce: int
    value: int
    plain: bool  #: it has no data
    ok: bool


@dataclass(frozen=True)
class Log:
    """An event. ``words`` are its topics after the first, and its data, in words of 64 digits."""

    address: str
    kind: str
    words: tuple[str, ...]
    transaction: str = ""  #: its hash


class Chain:
    """One node."""

    def __init__(self, url: str) -> None:
        self._url = url

    def call(self, method: str, *params: Any) -> Any:
        return self.calls([(method, params)])[0]

    def calls(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results in the order of the calls; an error of the node raises ValueError."""
        results: list[Any] = []
        for start in range(0, len(calls), _AT_ONCE):
            part = calls[start : start + _AT_ONCE]
            body = [{"jsonrpc": "2.0", "id": i, "method": m, "params": list(p)} for i, (m, p) in enumerate(part)]
            answers = {answer["id"]: answer for answer in _post(self._url, body)}
            for number in range(len(part)):
                if "error" in answers[number]:
                    raise ValueError(f"{part[number]}: {answers[number]['error']}")
                results.append(answers[number]["result"])
        return results

    def newest(self) -> int:
        return int(self.call("eth_blockNumber"), 16)

    def nonce(self, account: str, tag: str = "latest") -> int:
        return int(self.call("eth_getTransactionCount", f"0x{account}", tag), 16)

    def view(self, contract: str, function: str, *words: str) -> str:
        """The result of a function, hexadecimal digits without 0x."""
        data = "0x" + keccak(function.encode()).hex()[:8] + "".join(words)
        return str(self.call("eth_call", {"to": f"0x{contract}", "data": data}, "latest"))[2:]

    def views(self, contract: str, function: str, arguments: Sequence[str]) -> list[int]:
        """The numbers that a function gives for each argument."""
        data = "0x" + keccak(function.encode()).hex()[:8]
        calls = [("eth_call", ({"to": f"0x{contract}", "data": data + one}, "latest")) for one in arguments]
        return [int(answer, 16) for answer in self.calls(calls)]

    def sent_since(self, block: int) -> list[Sent]:
        """All transactions after a block, in their order."""
        numbers = range(block + 1, self.newest() + 1)
        blocks = self.calls([("eth_getBlockByNumber", (hex(number), True)) for number in numbers])
        raw = [one for block_ in blocks for one in block_["transactions"]]
        receipts = self.calls([("eth_getTransactionReceipt", (one["hash"],)) for one in raw])
        return [
            Sent(
                one["hash"][2:],
                one["from"][2:].lower(),
                (one["to"] or "0x")[2:].lower(),
                int(one["nonce"], 16),
                int(one["value"], 16),
                one["input"] in ("0x", "", None),
                int(receipt["status"], 16) == 1,
            )
            for one, receipt in zip(raw, receipts, strict=True)
        ]

    def logs_since(self, block: int, contract: str) -> list[Log]:
        """All events of a contract after a block."""
        asked = {"fromBlock": hex(block + 1), "toBlock": "latest", "address": f"0x{contract}"}
        return [
            Log(
                log["address"][2:].lower(),
                log["topics"][0],
                (*(topic[2:] for topic in log["topics"][1:]), *_words(log["data"][2:])),
                log["transactionHash"][2:].lower(),
            )
            for log in self.call("eth_getLogs", asked)
        ]

    def payments_since(self, block: int, token: str) -> list[tuple[str, str, int]]:
        """(from, to, base units) of each transfer of a token after a block."""
        return [one for those in self.transfers_since(block, token).values() for one in those]

    def transfers_since(self, block: int, token: str) -> dict[str, list[tuple[str, str, int]]]:
        """The same by the hash of the transaction."""
        found: dict[str, list[tuple[str, str, int]]] = {}
        for log in self.logs_since(block, token):
            if log.kind == _TRANSFER:
                sender, recipient, amount = log.words
                found.setdefault(log.transaction, []).append((sender[24:], recipient[24:], int(amount, 16)))
        return found

    def contract(self, registry: str, name: str) -> str:
        """The address that the registry has under a name."""
        return self.view(registry, "addressOf(bytes32)", name.encode().hex().ljust(64, "0"))[-40:]


def word(account: str) -> str:
    """An address as a word of 64 digits."""
    return account.rjust(64, "0")


def _words(data: str) -> list[str]:
    return [data[start : start + 64] for start in range(0, len(data), 64)]


def _post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)
