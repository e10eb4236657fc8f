"""JSON-RPC over HTTP on loopback, in one thread."""

import asyncio
import contextlib
import json
import signal
from typing import Any

from aiohttp import web

from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.methods import MethodError, Methods

_LARGEST = 64 * 2**20  # bytes of one request


class Server:
    """Serves a chain. Without ``block_time`` (seconds) it mines whenever a request has brought transactions."""

    def __init__(self, chain: Chain, block_time: float | None) -> None:
        self._chain = chain
        self._methods = Methods(chain)
        self._block_time = block_time

    async def run(self, host: str, port: int) -> None:
        """Serves until SIGTERM or SIGINT."""
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post("/", self._answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        print(f"listening on {runner.addresses[0]}", flush=True)
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self._block_time)
            if self._block_time and not stopped.is_set():
                self._chain.mine()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except ValueError:
            return _reply(_error(None, -32700, "parse error"))
        replies = [self._one(call) for call in body] if isinstance(body, list) else self._one(body)
        if not self._block_time:
            while self._chain.has_ready():
                self._chain.mine()
        return _reply(replies)

    def _one(self, call: Any) -> dict[str, Any]:
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            return _error(call.get("id") if isinstance(call, dict) else None, -32600, "invalid request")
        number = call.get("id")
        params = call.get("params") or []
        if not isinstance(params, list):
            return _error(number, -32602, "params must be a list")
        try:
            return {"jsonrpc": "2.0", "id": number, "result": self._methods.call(call["method"], params)}
        except MethodError as error:
            return {"jsonrpc": "2.0", "id": number, "error": error.error}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def _reply(document: Any) -> web.Response:
    return web.Response(body=json.dumps(document).encode(), content_type="application/json")
