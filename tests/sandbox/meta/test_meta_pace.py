"""At the real pace, the metadata server answers one request after the other, each in the real one's time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from cicscenario.sandbox.meta.faults import MetaFaults
from cicscenario.sandbox.meta.operations import Operations
from cicscenario.sandbox.meta.server import MetaServer
from cicscenario.sandbox.meta.store import EntryStore
from cicscenario.sandbox.pace import FAST, FIGURES, REAL, Work, WorkPace
from tests.support.handclock import HandClock
from tests.support.meta_inside import Believing
from tests.support.running_meta import CLIENT, IMMUTABLE, SERVER

POINTER, OTHER = "ab" * 32, "cd" * 32


class Slept:
    """Counted waits of a server, on a clock that stands still but for them."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.waits: list[float] = []
        self.at_once = self.most_at_once = 0

    async def __call__(self, seconds: float) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.02)  # others have the time to come in between
        self.at_once -= 1
        self.waits.append(round(seconds, 6))
        self.clock.now += seconds


def asked(
    folder: Path,
    slept: Slept,
    groups: list[list[tuple[Any, ...]]],
    pace: str = REAL,
    faults: MetaFaults = MetaFaults(),  # noqa: B008
) -> list[int]:
    """The statuses of requests, those of a group at once; a text is there at POINTER before."""

    async def ask(client: ClientSession, server: TestServer, request: tuple[Any, ...]) -> int:
        method, path, headers, body = request
        async with client.request(method, server.make_url(path), headers=headers, data=body) as answer:
            await answer.read()
            return answer.status

    async def all_of_them() -> list[int]:
        store = EntryStore(folder)
        store.put_document(POINTER, "[]", '"text"')
        operations = Operations(store, Believing(), faults, now=lambda: 1700000000)
        meta = MetaServer(operations, faults, WorkPace(pace, clock=slept.clock), slept)
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", meta.handle)
        async with TestServer(app) as server, ClientSession() as client:
            statuses = [
                status
                for group in groups
                for status in await asyncio.gather(*(ask(client, server, request) for request in group))
            ]
        store.close()
        return statuses

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("sent", "status", "work"),
    [
        (("GET", f"/{POINTER}", {}, b""), 200, Work.READ),
        (("GET", f"/{OTHER}", {}, b""), 404, Work.MISSING),
        (("GET", f"/{OTHER}", CLIENT, b""), 404, Work.MISSING),
        (("POST", f"/{OTHER}", SERVER, b'"a"'), 200, Work.STEP),
        (("PUT", f"/{OTHER}", SERVER, b'{"m": "{}", "s": {}}'), 200, Work.STEP),
        (("PUT", f"/{OTHER}", CLIENT, b"{}"), 403, Work.DOCUMENT),
        (("POST", "/", IMMUTABLE, b"bytes"), 201, None),  # what was not measured does not wait
        (("DELETE", f"/{POINTER}", {}, b""), 405, None),
    ],
)
def test_each_kind_of_request_takes_its_time(tmp_path: Path, sent: Any, status: int, work: Work | None) -> None:
    slept = Slept()
    assert asked(tmp_path, slept, [[sent]]) == [status]
    assert [wait for wait in slept.waits if wait] == ([FIGURES[work].seconds] if work else [])


def test_many_at_once_are_answered_one_after_the_other(tmp_path: Path) -> None:
    slept = Slept()
    group = [("GET", f"/{POINTER}", {}, b""), ("POST", f"/{OTHER}", SERVER, b'"a"')] * 4
    assert asked(tmp_path, slept, [group]) == [200] * 8
    both = FIGURES[Work.READ].seconds + FIGURES[Work.STEP].seconds
    assert slept.clock.now == pytest.approx(100 + 4 * both)
    assert slept.most_at_once == FIGURES[Work.READ].at_once == 1


def test_at_the_fast_pace_it_waits_for_nothing(tmp_path: Path) -> None:
    slept = Slept()
    assert asked(tmp_path, slept, [[("GET", f"/{POINTER}", {}, b"")] * 4], FAST) == [200] * 4
    assert slept.waits == []


def test_a_put_that_lets_others_hang_takes_its_time_once(tmp_path: Path) -> None:
    for pace, waits in ((REAL, [FIGURES[Work.STEP].seconds]), (FAST, [0.02])):
        slept = Slept()
        put = ("PUT", f"/{OTHER}", SERVER, b'{"m": "{}", "s": {}}')
        assert asked(tmp_path / pace, slept, [[put]], pace, MetaFaults(parallel_put_hang=True)) == [200]
        assert slept.waits == waits
