"""Starts and stops the sandbox's aiohttp servers."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from cicscenario.sandbox.process import cannot_listen


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int, **options: Any) -> AsyncIterator[asyncio.Event]:
    """Serves ``app`` until the block ends; gives an event that SIGTERM and SIGINT set.

    ``options`` are those of aiohttp's AppRunner. Raises UnavailableError when the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise cannot_listen(host, port, error) from None
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        yield stopped
    finally:
        await runner.cleanup()
