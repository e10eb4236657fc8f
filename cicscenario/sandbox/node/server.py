"""The server of the node, for HTTP and for WebSockets: one thread, one request at a time.

Of the transactions in large requests over HTTP only what needs no state is done at the same time; see ``ahead``.
"""

import asyncio
import contextlib

from aiohttp import web

from cicscenario.sandbox.listening import listening
from cicscenario.sandbox.node.ahead import Ahead, Known, raw_transactions
from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.methods import Methods
from cicscenario.sandbox.node.rpc import answer_to, parsed
from cicscenario.sandbox.node.subscriptions import Subscriptions

_LARGEST_BODY = 64 * 2**20


async def serve(chain: Chain, host: str, port: int, block_time: float | None) -> None:
    """Serves until SIGTERM or SIGINT.

    Without ``block_time``, the transactions of a request are mined before the response is sent. With it, one block is
    mined every ``block_time`` seconds. Raises UnavailableError when the port is taken.
    """
    known: Known = {}
    methods = Methods(chain, known)
    ahead = Ahead()

    def answered() -> None:
        if block_time is None:
            chain.mine_ready()
        subscriptions.announce()

    subscriptions = Subscriptions(chain, methods.call, answered)

    async def handle(request: web.Request) -> web.Response:
        asked = parsed(await request.read())
        known.update(await ahead.decode(raw_transactions(asked)))
        try:
            body = answer_to(asked, methods.call)
        finally:
            known.clear()
        answered()
        return web.Response(body=body or b"", content_type="application/json", status=200 if body else 204)

    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_post("/", handle)
    app.router.add_get("/", subscriptions.handle)
    app.on_shutdown.append(subscriptions.close)
    try:
        async with listening(app, host, port) as stopped:
            while not stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), block_time)
                    return
                chain.mine()
                subscriptions.announce()
    finally:
        ahead.close()
