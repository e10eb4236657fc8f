"""HTTP in front of the chain: one thread, one request at a time, loopback only."""

import asyncio
import contextlib
import signal

from aiohttp import web

from cicscenario.errors import UnavailableError
from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.methods import Methods
from cicscenario.sandbox.node.rpc import answer

_LARGEST_BODY = 64 * 2**20


async def serve(chain: Chain, host: str, port: int, block_time: float | None) -> None:
    """Answer until SIGTERM or SIGINT.

    Without ``block_time`` (seconds) whatever a request made ready is mined before that request is answered; with it a
    block is mined at that interval. Raises UnavailableError when the port is taken.
    """
    methods = Methods(chain)

    async def handle(request: web.Request) -> web.Response:
        body = answer(await request.read(), methods.call)
        if block_time is None:
            chain.mine_ready()
        return web.Response(body=body or b"", content_type="application/json", status=200 if body else 204)

    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise UnavailableError(
                f"cannot listen on {host}:{port}: {error.strerror}", hint="Choose another --port."
            ) from None
        await _until_stopped(chain, block_time)
    finally:
        await runner.cleanup()


async def _until_stopped(chain: Chain, block_time: float | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), block_time)
            return
        chain.mine()
