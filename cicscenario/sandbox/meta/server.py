"""The HTTP server of the metadata store: one thread. Source: cic-meta, ``scripts/server/server.ts``."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http import HttpVersion11

from cicscenario.sandbox.listening import listening
from cicscenario.sandbox.meta import jsjson
from cicscenario.sandbox.meta.answers import Answer, CrashError
from cicscenario.sandbox.meta.faults import MetaFaults
from cicscenario.sandbox.meta.operations import Operations
from cicscenario.sandbox.pace import Work, WorkPace

_POINTER = re.compile(r"/([a-fA-F0-9]{64})/?")
_MODE = "X-CIC-AUTOMERGE"
_ANYONE = {"Access-Control-Allow-Origin": "*"}
_OPTIONS = _ANYONE | {
    "Access-Control-Allow-Methods": "OPTIONS, POST, GET, PUT",
    "Access-Control-Max-Age": "2592000",
    "Access-Control-Allow-Headers": "Access-Control-Allow-Origin, Content-Type, x-cic-automerge",
}
_KEEP_ALIVE = 5  # seconds
_PUT_TIME = 0.02  # seconds that a PUT takes in the real server; a second PUT in this time hangs
_GRACE = 0.5  # seconds that running requests have to finish when the server stops
_HANG_POLL = 0.1  # seconds between looks whether the client of a hanging request has disconnected


#: What each kind of request takes in the real server, by method and mode. An immutable entry was not measured.
_WORK = {
    ("GET", None): Work.READ,
    ("GET", "client"): Work.READ,
    ("POST", "server"): Work.STEP,
    ("PUT", "server"): Work.STEP,
    ("PUT", "client"): Work.DOCUMENT,
}
_MISSING = 404


class MetaServer:
    """Answers requests one at a time, except those that a fault delays. ``sleep`` waits so many seconds."""

    def __init__(
        self,
        operations: Operations,
        faults: MetaFaults,
        pace: WorkPace | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._operations = operations
        self._faults = faults
        self._pace = pace or WorkPace()
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._requests = 0
        self._put_under_way = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return await _send_bare(request, web.StreamResponse(headers=_OPTIONS))
        self._requests += 1
        count = self._requests
        body = await request.content.read()
        if self._faults.delay:
            await asyncio.sleep(self._faults.delay)
        if _is_due(count, self._faults.drop_every):
            return _drop(request)
        if _is_due(count, self._faults.error_every):
            return await self._send(request, Answer(500))
        if request.method == "PUT" and self._faults.parallel_put_hang:
            return await self._put_exclusively(request, body)
        return await self._answer(request, body)

    async def _put_exclusively(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if self._put_under_way:
            while request.transport is not None:
                await asyncio.sleep(_HANG_POLL)
            return web.Response()  # is not sent: the connection is closed
        self._put_under_way = True
        try:
            if not self._pace.is_real:
                await self._sleep(_PUT_TIME)
            return await self._answer(request, body)
        finally:
            self._put_under_way = False

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        try:
            answer = await self._in_time(request, body)
        except CrashError:
            return _drop(request)
        response = await self._send(request, answer)
        if answer.fatal and request.transport is not None:
            request.transport.close()
        return response

    async def _in_time(self, request: web.BaseRequest, body: bytes) -> Answer:
        """The answer; at the real pace, when its time is over and those that came before have had theirs."""
        if not self._pace.is_real:
            return self._route(request, body)
        async with self._turn:
            began = self._pace.now()
            answer = self._route(request, body)
            work = _WORK.get((request.method, _mode(request)))
            if work is Work.READ and answer.status == _MISSING:
                work = Work.MISSING
            await self._sleep(self._pace.left(work, began))
            return answer

    def _route(self, request: web.BaseRequest, body: bytes) -> Answer:
        if request.method not in ("GET", "POST", "PUT"):
            return Answer(405)
        path = request.raw_path
        found = _POINTER.fullmatch(path)
        if found is None:
            if path == "/" and request.method == "POST":
                return self._operations.post_immutable(None, body, _mime(request))
            return Answer(400)
        return self._entry(request, found[1].lower(), body)

    def _entry(self, request: web.BaseRequest, pointer: str, body: bytes) -> Answer:
        operations, mode = self._operations, _mode(request)
        table: dict[tuple[str, str | None], Callable[[], Answer]] = {
            ("GET", None): lambda: operations.get_value(pointer),
            ("GET", "client"): lambda: operations.get_envelope(pointer),
            ("POST", "server"): lambda: operations.build(pointer, body),
            ("PUT", "server"): lambda: operations.put_signed(pointer, body),
            ("PUT", "client"): lambda: operations.put_document(pointer, body),
            ("POST", "immutable"): lambda: operations.post_immutable(pointer, body, _mime(request)),
        }
        operation = table.get((request.method, mode))
        return operation() if operation else Answer(400)

    async def _send(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        if not answer.is_success:
            headers = {"Content-Type": "text/plain"}
            return await _send_bare(
                request, web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
            )
        text = answer.body
        body = text.encode() if isinstance(text, str) else text
        length = len(body)
        if self._faults.truncate_non_ascii and isinstance(text, str):
            length = jsjson.utf16_length(text)
        headers = _ANYONE | {"Content-Type": answer.content_type, "Content-Length": str(length)}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        await response.write_eof(body[:length])
        if length < len(body) and request.transport is not None:
            request.transport.write(body[length:])  # the real server, too, sends more bytes than Content-Length says
        return response


def _mode(request: web.BaseRequest) -> str | None:
    mode = request.headers.get(_MODE)
    return mode if mode in ("client", "server", "immutable") else None


def _is_due(count: int, every: int) -> bool:
    return every > 0 and count % every == 0


def _drop(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response()  # is not sent: the connection is closed


async def _send_bare(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Sends a response without body and Content-Length: in chunked encoding, with no chunk."""
    if request.version >= HttpVersion11 and request.method != "HEAD":
        response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write_eof()
    return response


async def _set_node_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Removes the headers that aiohttp adds, and sets those that Node.js adds."""
    response.headers.popall("Server", None)
    if request.method == "OPTIONS":
        response.headers.popall("Content-Type", None)
    if response.keep_alive:
        response.headers["Connection"] = "keep-alive"
        response.headers["Keep-Alive"] = f"timeout={_KEEP_ALIVE}"


def _mime(request: web.BaseRequest) -> str | None:
    mime = request.headers.get("Content-Type")
    return mime and mime.encode("utf-8", "replace").decode()


async def serve(server: MetaServer, host: str, port: int) -> None:
    """Answers until SIGTERM or SIGINT. Raises UnavailableError when the port is taken."""
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", server.handle)
    app.on_response_prepare.append(_set_node_headers)
    options = {"keepalive_timeout": _KEEP_ALIVE, "shutdown_timeout": _GRACE, "auto_decompress": False}
    # cic-meta answers pages of any site; a local web application that uses it is answered here, too.
    async with listening(app, host, port, local_pages=True, **options) as stopped:
        await stopped.wait()
