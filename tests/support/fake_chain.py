"""A chain node that knows a registry, a default token and balances, and nothing else."""

import json
from typing import Any

from eth_abi.abi import encode

from cicscenario.chain.abi import selector, text32
from tests.support.fake_server import FakeServer

REGISTRY, ACCOUNTS, INDEX, GFT, DET = (bytes([number]) * 20 for number in range(0xA1, 0xA6))
_NAMED = {"AccountRegistry": ACCOUNTS, "TokenRegistry": INDEX, "DefaultToken": GFT, "Faucet": bytes(20)}
_TOKENS = {GFT: ("GFT", "Giftable Token"), DET: ("DET", "Demurrage Token")}


class FakeChain(FakeServer):
    """``units`` of each token are everybody's."""

    def __init__(self) -> None:
        super().__init__()
        self.units = 1_234_567_890

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        answers = []
        asked = json.loads(body)
        for call in asked if isinstance(asked, list) else [asked]:
            result = self._result(call["method"], call["params"])
            outcome = {"result": result} if result is not None else {"error": {"code": 3, "message": "reverted"}}
            answers.append({"jsonrpc": "2.0", "id": call["id"]} | outcome)
        return 200, json.dumps(answers if isinstance(asked, list) else answers[0])

    def _result(self, method: str, params: list[Any]) -> str | None:
        """None is a refusal."""
        if method == "eth_getCode":
            return "0x60" if params[0].lower() == f"0x{REGISTRY.hex()}" else "0x"
        to, data = bytes.fromhex(params[0]["to"][2:]), bytes.fromhex(params[0]["data"][2:])
        found = self._call(to, data[:4], data[4:])
        return None if found is None else f"0x{found.hex()}"

    def _call(self, to: bytes, function: bytes, argument: bytes) -> bytes | None:
        if function == selector("addressOf(bytes32)"):
            known = (
                {text32(name): address for name, address in _NAMED.items()} if to == REGISTRY else {text32("DET"): DET}
            )
            return known.get(argument, bytes(20)).rjust(32, b"\0")
        if to not in _TOKENS:
            return None
        symbol, name = _TOKENS[to]
        answers = {
            selector("symbol()"): encode(["string"], [symbol]),
            selector("name()"): encode(["string"], [name]),
            selector("decimals()"): encode(["uint256"], [6]),
            selector("balanceOf(address)"): encode(["uint256"], [self.units]),
        }
        return answers.get(function)
