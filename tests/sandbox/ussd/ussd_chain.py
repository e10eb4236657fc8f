"""A chain node that knows a registry, a default token and balances, and nothing else."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from eth_abi.abi import encode

from cicscenario.chain.abi import selector, text32

REGISTRY, ACCOUNTS, INDEX, GFT, DET = (bytes([number]) * 20 for number in range(0xA1, 0xA6))
_NAMED = {"AccountRegistry": ACCOUNTS, "TokenRegistry": INDEX, "DefaultToken": GFT, "Faucet": bytes(20)}
_TOKENS = {GFT: ("GFT", "Giftable Token"), DET: ("DET", "Demurrage Token")}


class FakeChain:
    """``units`` of each token are everybody's."""

    def __init__(self) -> None:
        self.units = 1_234_567_890
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.chain = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, method: str, params: list[Any]) -> str | None:
        """The result of a call; None is a refusal."""
        if method == "eth_getCode":
            return "0x60" if params[0] == f"0x{REGISTRY.hex()}" else "0x"
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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    chain: FakeChain
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        if name == "do_POST":
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        calls = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = []
        for call in calls:
            result = self.server.chain.answer(call["method"], call["params"])
            outcome = {"result": result} if result is not None else {"error": {"code": 3, "message": "reverted"}}
            answers.append({"jsonrpc": "2.0", "id": call["id"]} | outcome)
        body = json.dumps(answers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
