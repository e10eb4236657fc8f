"""Starts and stops the sandbox's aiohttp servers."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from cicscenario.sandbox.process import cannot_listen
from cicscenario.visitors import refusal, said


def _guard(*, local_pages: bool) -> Middleware:
    """Answers 403 where there is a refusal, before anything else looks at the request."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        reason = refusal(lambda name: request.headers.getall(name, []), local_pages=local_pages)
        return await handler(request) if reason is None else web.Response(status=403, text=said(reason))

    return check


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, local_pages: bool = False, **options: Any
) -> AsyncIterator[asyncio.Event]:
    """Serves ``app`` until the block ends; gives an event that SIGTERM and SIGINT set.

    Requests of web pages are refused; for ``local_pages`` see ``visitors.refusal``. ``options`` are those of aiohttp's
    AppRunner. Raises UnavailableError when the port is taken.
    """
    app.middlewares.append(_guard(local_pages=local_pages))
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
