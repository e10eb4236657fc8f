"""JSON-RPC over a WebSocket, with ``eth_subscribe`` for new blocks. Source: geth's documentation, "Real-time Events"."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.rpc import Call, answer
from cicscenario.sandbox.node.views import block_view

_KIND = "newHeads"
_NOT_IN_HEADER = ("transactions", "uncles", "size")


class _Subscriber:
    """One connection: the ids of its subscriptions, and the last block that it was told."""

    def __init__(self, chain: Chain, call: Call) -> None:
        self._chain = chain
        self._call = call
        self._told: dict[str, int] = {}  # by id: number of the last block
        self.changed = asyncio.Event()

    def call(self, name: str, params: list[Any]) -> Any:
        """A method, with the two that only a connection has."""
        if name == "eth_subscribe":
            if params != [_KIND]:
                raise JsonRpcError.invalid_params(f"eth_subscribe: only {_KIND} can be subscribed to")
            subscription = f"0x{secrets.token_hex(16)}"
            self._told[subscription] = self._chain.head.number
            return subscription
        if name == "eth_unsubscribe":
            return len(params) == 1 and self._told.pop(params[0], None) is not None
        return self._call(name, params)

    def news(self) -> list[str]:
        """A notification for each new block and subscription. After a revert the blocks that take its place are told."""
        head = self._chain.head.number
        texts = []
        for subscription, told in self._told.items():
            for block in self._chain.history.between(told + 1, head):
                view = block_view(block, full=False)
                header = {name: value for name, value in view.items() if name not in _NOT_IN_HEADER}
                texts.append(_notification(subscription, header))
            self._told[subscription] = head
        return texts


class Subscriptions:
    """Answers WebSockets. ``answered`` is called after each request; call ``announce`` after each change of the chain."""

    def __init__(self, chain: Chain, call: Call, answered: Callable[[], None]) -> None:
        self._chain = chain
        self._call = call
        self._answered = answered
        self._sockets: dict[web.WebSocketResponse, _Subscriber] = {}

    def announce(self) -> None:
        """Wakes every subscriber. Costs nothing while there is none."""
        for subscriber in self._sockets.values():
            subscriber.changed.set()

    async def close(self, _: web.Application) -> None:
        """Ends all connections, which a server that stops would wait for."""
        for socket in list(self._sockets):
            await socket.close()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Answers one connection until it ends. ``request`` is the one that asks for it."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        subscriber = self._sockets[socket] = _Subscriber(self._chain, self._call)
        telling = asyncio.create_task(_tell(socket, subscriber))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data if isinstance(message.data, bytes) else message.data.encode()
                    reply = answer(data, subscriber.call)
                    self._answered()
                    if reply:
                        await socket.send_str(reply.decode())
        finally:
            del self._sockets[socket]
            telling.cancel()
        return socket


async def _tell(socket: web.WebSocketResponse, subscriber: _Subscriber) -> None:
    with contextlib.suppress(ConnectionError):  # the client has gone, which ``handle`` notices
        while await subscriber.changed.wait():
            subscriber.changed.clear()
            for text in subscriber.news():
                await socket.send_str(text)


def _notification(subscription: str, result: dict[str, Any]) -> str:
    params = {"subscription": subscription, "result": result}
    return json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}, separators=(",", ":"))
