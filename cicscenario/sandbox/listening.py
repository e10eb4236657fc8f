"""How the servers of the sandbox that are built on aiohttp listen, and until when."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from cicscenario.errors import UnavailableError


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int, **options: Any) -> AsyncIterator[asyncio.Event]:
    """Serves ``app`` for as long as this lasts, and gives what SIGTERM or SIGINT will set.

    ``options`` are those of aiohttp's AppRunner. Raises UnavailableError when the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise UnavailableError(
                f"cannot listen on {host}:{port}: {error.strerror}", hint="Choose another --port."
            ) from None
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        yield stopped
    finally:
        await runner.cleanup()
